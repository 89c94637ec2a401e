import contextlib
import io
import math
import os
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import downloads, ptb
from tests.estimators.helpers import new_folder

# The published test of the producer: three rows, two windows of two words.
RAW = np.array([4, 3, 2, 1, 0, 5, 6, 1, 1, 1, 1, 0, 3, 4, 1], np.int32)
FIRST = ([[4, 3], [5, 6], [1, 0]], [[3, 2], [6, 1], [0, 3]])
SECOND = ([[2, 1], [1, 1], [3, 4]], [[1, 0], [1, 1], [4, 1]])


class TextsTestCase(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = new_folder()

  def write(self, name, content):
    """Writes a file of str or bytes; returns its path."""
    path = os.path.join(self.folder, name)
    content = content.encode() if isinstance(content, str) else content
    pathlib.Path(path).write_bytes(content)
    return path


class ReadWordsTest(TextsTestCase):
  @parameterized.parameters(
    (" no it was n't \n", ["no", "it", "was", "n't", "<eos>"]),
    ("a b\nc\n", ["a", "b", "<eos>", "c", "<eos>"]),
    ("a\n\n \nb\n", ["a", "<eos>", "<eos>", "<eos>", "b", "<eos>"]),
    ("a\r\n\tb c", ["a", "<eos>", "b", "c"]),
    ("größer 是\n", ["größer", "是", "<eos>"]),
    ("\ufeffa b\n\ufeffc", ["a", "b", "<eos>", "\ufeffc"]),
  )
  def test_words_and_ends_of_lines(self, text, expected):
    path = self.write("text", text)
    self.assertEqual(list(ptb.read_words(path)), expected)

  def test_a_missing_file_names_the_download(self):
    path = os.path.join(self.folder, "ptb.train.txt")
    with self.assertRaisesRegex(
      FileNotFoundError,
      f"{path} must be .* no such file.*tools.download ptb "
      f"--data_dir={self.folder}$",
    ):
      ptb.read_words(path)

  @parameterized.parameters("", "\n", " \n\t\n  ", "\ufeff\n")
  def test_a_text_without_words_is_refused(self, text):
    path = self.write("text", text)
    with self.assertRaisesRegex(ValueError, f"{path} must have words, but has"):
      list(ptb.read_words(path))

  def test_a_wrong_encoding_is_told_with_its_place(self):
    path = self.write("text", b"one\ntwo gr\xf6\xdfer\n")
    with self.assertRaisesRegex(
      ValueError, f"{path} must be UTF-8, but byte 7 of line 2 is 0xf6; convert"
    ):
      list(ptb.read_words(path))

  def test_utf_16_is_told_by_its_nul(self):
    path = self.write("text", "one\n".encode("utf-16-le"))
    with self.assertRaisesRegex(
      ValueError, f"{path} .*byte 2 of line 1 is NUL"
    ):
      list(ptb.read_words(path))


class LoadTest(TextsTestCase):
  def write_three(self, train, valid, test, prefix="ptb."):
    for name, text in {"train": train, "valid": valid, "test": test}.items():
      self.write(f"{prefix}{name}.txt", text)

  def test_vocabulary_is_by_count_then_by_word(self):
    words = "b a c b a d d d".split()
    self.assertEqual(ptb.vocabulary(words), ["d", "a", "b", "c"])

  def test_ids_by_hand(self):
    self.write_three("b a\nb c\n", "c b x\n", "x y a\nz a\n")
    corpus = ptb.load(self.folder)
    # <eos> and b occur twice; "<" comes before letters.
    self.assertEqual(corpus.vocabulary, ("<eos>", "b", "a", "c"))
    self.assertEqual(corpus.train.tolist(), [1, 2, 0, 1, 3, 0])
    self.assertEqual(corpus.valid.tolist(), [3, 1, 0])
    self.assertEqual(corpus.test.tolist(), [2, 0, 2, 0])
    self.assertEqual(corpus.dropped, {"train": 0, "valid": 1, "test": 3})
    self.assertEqual(corpus.train.dtype, np.int32)

  def test_another_prefix_and_fewer_texts(self):
    self.write("train.txt", "a b b\n")
    self.write("test.txt", "b\n")
    self.assertTrue(ptb.is_missing(self.folder, ""))
    corpus = ptb.load(self.folder, prefix="", names=["test"])
    self.assertEqual(corpus.vocabulary, ("b", "<eos>", "a"))
    self.assertEqual(corpus.test.tolist(), [0, 1])
    self.assertIsNone(corpus.train)
    self.assertIsNone(corpus.valid)
    self.assertEqual(corpus.dropped, {"test": 0})

  def test_what_is_missing(self):
    self.assertTrue(ptb.is_missing(self.folder))
    self.write_three("a\n", "a\n", "a\n")
    self.assertFalse(ptb.is_missing(self.folder))
    os.remove(os.path.join(self.folder, "ptb.valid.txt"))
    self.assertTrue(ptb.is_missing(self.folder))
    with self.assertRaisesRegex(FileNotFoundError, "ptb.valid.txt must be"):
      ptb.load(self.folder)

  def test_a_text_of_other_words_is_refused(self):
    self.write_three("a b", "b", "x y")
    with self.assertRaisesRegex(
      ValueError, "ptb.test.txt must have words of .*ptb.train.txt.* has 2"
    ):
      ptb.load(self.folder)


class PublishedFilesTest(tf.test.TestCase):
  """The Penn Treebank itself."""

  def setUp(self):
    super().setUp()
    self.folder = os.path.join(os.environ.get("TEST_DATA_DIR", ""), "ptb")
    if ptb.is_missing(self.folder):
      self.skipTest("needs the Penn Treebank in $TEST_DATA_DIR/ptb")

  def test_its_numbers(self):
    corpus = ptb.load(self.folder)
    self.assertLen(corpus.vocabulary, 10_000)
    self.assertEqual(
      corpus.vocabulary[:7], ("the", "<unk>", "<eos>", "N", "of", "to", "a")
    )
    self.assertLen(corpus.train, 929_589)
    self.assertLen(corpus.valid, 73_760)
    self.assertLen(corpus.test, 82_430)
    self.assertEqual(set(corpus.dropped.values()), {0})
    # No word repeats in the first line, which so has rare words only.
    first = [corpus.vocabulary[i] for i in corpus.train[:3]]
    self.assertEqual(first, ["aer", "banknote", "berlitz"])

  def test_the_table_of_downloads(self):
    for file in downloads.DATASETS["ptb"]:
      with contextlib.redirect_stdout(io.StringIO()) as output:
        path = downloads.fetch(file, self.folder)
      self.assertIn("is there and right", output.getvalue())
      self.assertEqual(os.path.getsize(path), file.size)


class DownloadsTest(tf.test.TestCase):
  def test_the_table_names_the_files(self):
    paths = [ptb.path_of("", split) for split in ptb.SPLITS]
    self.assertEqual([file.name for file in downloads.DATASETS["ptb"]], paths)


class WindowsPerEpochTest(parameterized.TestCase):
  @parameterized.parameters(
    # The published epochs of small, of medium, and of the test set.
    (929_589, 20, 20, 2323),
    (929_589, 20, 35, 1327),
    (82_430, 1, 1, 82_429),
    (15, 3, 2, 2),
    (14, 3, 2, 1),
    (9, 3, 2, 1),
  )
  def test_counts(self, num_tokens, batch_size, num_steps, expected):
    found = ptb.windows_per_epoch(num_tokens, batch_size, num_steps)
    self.assertEqual(found, expected)

  @parameterized.parameters(
    (8, 3, 2, r"\(num_steps \+ 1\) = 9 words.*got 8: epoch_size == 0, decr"),
    (5, 10, 2, "= 30 words for a window; got 5: epoch_size == 0"),
    (0, 1, 1, "= 2 words for a window; got 0: epoch_size == 0"),
    (9, 0, 2, "batch_size must be a whole number of at least 1; got 0"),
    (9, 3, 0, "num_steps must be a whole number of at least 1; got 0"),
  )
  def test_too_little_text(self, num_tokens, batch_size, num_steps, message):
    with self.assertRaisesRegex(ValueError, message):
      ptb.windows_per_epoch(num_tokens, batch_size, num_steps)
    with self.assertRaisesRegex(ValueError, message):
      ptb.train_input_fn(np.zeros(num_tokens, int), batch_size, num_steps)
    with self.assertRaisesRegex(ValueError, message):
      ptb.evaluation_input_fn(np.zeros(num_tokens, int), batch_size, num_steps)


def listed(elements):
  """Returns [(words, labels, whether all, or no rows begin)]."""
  found = []
  for features, labels in elements:
    (is_first,) = set(features["is_first"].numpy().tolist())
    words = features["words"].numpy()
    found.append((words.tolist(), labels.numpy().tolist(), is_first))
  return found


class TrainTest(tf.test.TestCase, parameterized.TestCase):
  def test_epoch_after_epoch(self):
    found = listed(ptb.train_input_fn(RAW, 3, 2)().take(5))
    first, second, again = (*FIRST, True), (*SECOND, False), (*FIRST, True)
    self.assertEqual(found, [first, second, again, second, again])

  def test_shapes_are_static_and_there_is_no_end(self):
    dataset = ptb.train_input_fn(RAW, 3, 2)()
    words = tf.TensorSpec([3, 2], tf.int32)
    is_first = tf.TensorSpec([3], tf.bool)
    self.assertEqual(
      dataset.element_spec, ({"words": words, "is_first": is_first}, words)
    )
    self.assertEqual(dataset.cardinality(), tf.data.INFINITE_CARDINALITY)

  def test_a_window_an_epoch_always_begins(self):
    found = listed(ptb.train_input_fn(np.arange(8), 2, 3)().take(2))
    window = ([[0, 1, 2], [4, 5, 6]], [[1, 2, 3], [5, 6, 7]], True)
    self.assertEqual(found, [window, window])

  @parameterized.parameters(0, 3, 4, 9)
  def test_a_saved_iterator_goes_on(self, num_batches):
    path = os.path.join(self.get_temp_dir(), "iterator")
    dataset = ptb.train_input_fn(np.arange(26), 2, 3)()  # Epochs of 4 windows.
    iterator = iter(dataset)
    for _ in range(num_batches):
      next(iterator)
    tf.train.Checkpoint(iterator=iterator).write(path)
    restored = iter(dataset)
    next(restored)
    tf.train.Checkpoint(iterator=restored).read(path)
    rest = listed(next(restored) for _ in range(9))
    self.assertEqual(rest, listed(dataset.take(num_batches + 9))[num_batches:])

  def test_the_text_is_in_no_graph(self):
    dataset = tf.data.Dataset
    with mock.patch.object(
      dataset, "map", autospec=True, side_effect=dataset.map
    ) as mapped:
      ptb.train_input_fn(np.zeros(100_000, np.int32), 20, 20)()
    (_, window), _ = mapped.call_args
    traced = tf.function(window, autograph=False).get_concrete_function(
      tf.TensorSpec([], tf.int64)
    )
    self.assertLess(traced.graph.as_graph_def().ByteSize(), 20_000)


class EvaluationTest(tf.test.TestCase, parameterized.TestCase):
  def test_one_epoch(self):
    found = listed(ptb.evaluation_input_fn(RAW, 3, 2)())
    self.assertEqual(found, [(*FIRST, True), (*SECOND, False)])

  @parameterized.parameters(
    (1, [1] * 9, 1),
    (3, [3, 3, 3], 3),
    (4, [4, 4, 1], None),
    (9, [9], 9),
    (100, [9], 9),
  )
  def test_other_windows_have_the_same_labels(self, window, lengths, static):
    # Rows of 11 words: three windows of three, and two words left over.
    ids = np.random.default_rng(0).integers(100, size=24)
    dataset = ptb.evaluation_input_fn(ids, 2, 3, window)()
    found = listed(dataset)
    words = np.concatenate([words for words, _, _ in found], axis=1)
    labels = np.concatenate([labels for _, labels, _ in found], axis=1)
    rows = ids.reshape(2, 12)
    self.assertAllEqual(words, rows[:, :9])
    self.assertAllEqual(labels, rows[:, 1:10])
    self.assertEqual([len(words[0]) for words, _, _ in found], lengths)
    firsts = [is_first for _, _, is_first in found]
    self.assertEqual(firsts, [True] + [False] * (len(lengths) - 1))
    self.assertEqual(dataset.element_spec[1].shape.as_list(), [2, static])

  def test_all_words_of_a_text_but_the_first_are_labels_of_single_steps(self):
    found = listed(ptb.evaluation_input_fn(RAW, 1, 1, 4)())
    labels = sum((labels[0] for _, labels, _ in found), [])
    self.assertEqual(labels, RAW[1:].tolist())

  def test_a_window_of_nothing_is_refused(self):
    with self.assertRaisesRegex(ValueError, "window must be a whole number"):
      ptb.evaluation_input_fn(RAW, 3, 2, 0)


class FakeTest(parameterized.TestCase):
  def test_sentences(self):
    corpus, _ = ptb.fake(num_words=1000, seed=3)
    self.assertLen(corpus.vocabulary, 26)
    for ids, num_words in (
      (corpus.train, 1000),
      (corpus.valid, 100),
      (corpus.test, 100),
    ):
      self.assertLen(ids, num_words)
      words = np.array(corpus.vocabulary)[ids[: num_words // 6 * 6]]
      for the, _, animal, _, sound, end in words.reshape(-1, 6):
        self.assertEqual((the, end), ("the", "<eos>"))
        self.assertEqual(sound, ptb._SOUNDS[animal])
    self.assertIn(ptb._ADJECTIVES[0], corpus.vocabulary)
    self.assertEqual(set(corpus.dropped.values()), {0})

  def test_entropy_is_that_of_what_is_drawn(self):
    corpus, entropy = ptb.fake(num_words=60_000)
    _, counts = np.unique(
      corpus.train.reshape(-1, 6), axis=0, return_counts=True
    )
    shares = counts / counts.sum()
    self.assertLen(counts, 128)
    measured = -(shares * np.log(shares)).sum() / 6
    self.assertAlmostEqual(measured, entropy, delta=0.005 * entropy)
    self.assertAlmostEqual(math.exp(6 * entropy), 128)

  def test_the_seed_decides(self):
    first, again, other = (ptb.fake(600, seed)[0] for seed in (1, 1, 2))
    self.assertEqual(first.train.tolist(), again.train.tolist())
    self.assertNotEqual(first.train.tolist(), other.train.tolist())

  def test_too_few_words(self):
    with self.assertRaisesRegex(ValueError, "at least 600, .*; got 599"):
      ptb.fake(599)


if __name__ == "__main__":
  tf.test.main()

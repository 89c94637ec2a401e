import os
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators.ops import word2vec as ops
from input_pipelines import word2vec

LETTERS = "a b c d e f g h i j k l "  # their ids are 1 to 12
PAIRS = {"window_size": 1, "min_count": 0, "subsample": 0.0}


def listed(dataset):
  """Returns the batches of a dataset, as lists."""
  return [
    {name: value.tolist() for name, value in batch.items()}
    for batch in dataset.as_numpy_iterator()
  ]


def joined(batches, name):
  return [value for batch in batches for value in batch[name]]


class SentencesTest(tf.test.TestCase, parameterized.TestCase):
  def test_an_epoch(self):
    ids = tf.range(11, dtype=tf.int32)
    self.assertEqual(
      listed(word2vec.sentences(ids, 0, batch_size=2, sentence_words=3)),
      [
        {"sentences": [[0, 1, 2], [3, 4, 5]], "positions": [0, 3]},
        {"sentences": [[6, 7, 8], [9, 10, -1]], "positions": [6, 9]},
      ],
    )

  def test_positions_go_on_in_the_next_epoch(self):
    ids = np.arange(7, dtype=np.int32)
    self.assertEqual(
      listed(word2vec.sentences(ids, 3, batch_size=2, sentence_words=3)),
      [
        {"sentences": [[0, 1, 2], [3, 4, 5]], "positions": [21, 24]},
        {"sentences": [[6, -1, -1]], "positions": [27]},
      ],
    )

  def test_a_text_of_whole_batches_has_no_more(self):
    found = listed(word2vec.sentences(np.arange(6), 0, 2, 3))
    self.assertEqual([batch["positions"] for batch in found], [[0, 3]])

  def test_sentences_are_of_1000_words(self):
    (batch,) = word2vec.sentences(np.zeros(1001, np.int32), 0)
    self.assertAllEqual(tf.reduce_sum(batch["sentences"], axis=1), [0, -999])

  @parameterized.parameters(True, False)
  def test_the_text_is_in_no_graph(self, is_tensor):
    ids = np.zeros(100_000, np.int32)
    dataset = tf.data.Dataset
    with mock.patch.object(
      dataset, "map", autospec=True, side_effect=dataset.map
    ) as mapped:
      word2vec.sentences(tf.constant(ids) if is_tensor else ids, 0)
    (_, batch), _ = mapped.call_args
    traced = tf.function(batch, autograph=False).get_concrete_function(
      tf.TensorSpec([], tf.int64)
    )
    self.assertLess(traced.graph.as_graph_def().ByteSize(), 20_000)

  @parameterized.parameters(
    (dict(batch_size=0), "batch_size must be .* at least 1; got 0"),
    (dict(sentence_words=2.5), "sentence_words must be a whole number"),
    (dict(epoch=-1), "epoch must be at least 0, the first; got -1"),
  )
  def test_numbers_that_do_not_fit_are_refused(self, numbers, message):
    with self.assertRaisesRegex(ValueError, message):
      word2vec.sentences(**{"ids": np.arange(5), "epoch": 0} | numbers)


class PairsTestCase(tf.test.TestCase, parameterized.TestCase):
  def text(self, words=LETTERS):
    path = os.path.join(self.get_temp_dir(), "text")
    with open(path, "w") as file:
      file.write(words)
    return path


class PairsTest(PairsTestCase):
  def test_an_epoch(self):
    # With a window of one word: 1 2, 2 1, 2 3, 3 2, 3 4, ...
    found = listed(word2vec.pairs(self.text(), 0, 12, batch_size=5, **PAIRS))
    self.assertEqual(
      joined(found, "examples"),
      # The text goes on from 12 to 1, and the last batch into the next epoch.
      [1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]
      + [10, 10, 11, 11, 12, 12, 1, 1],
    )
    self.assertEqual(
      joined(found, "labels"),
      [2, 1, 3, 2, 4, 3, 5, 4, 6, 5, 7, 6, 8, 7, 9, 8, 10]
      + [9, 11, 10, 12, 11, 1, 12, 2],
    )
    self.assertEqual(
      [batch["words_processed"] for batch in found], [3, 6, 8, 11, 12]
    )

  def test_without_a_compiler_they_are_the_same(self):
    arguments = (self.text(LETTERS * 25), 1, 300, 50, 2)
    settings = dict(window_size=3, min_count=0, subsample=0.01, seed=7)
    expected = listed(word2vec.pairs(*arguments, **settings))
    with mock.patch.object(ops, "_ops", return_value=None):
      found = listed(word2vec.pairs(*arguments, **settings))
    self.assertTrue(found == expected)  # Its message would be pages long.
    self.assertBetween(len(expected), 5, 15)

  def test_the_next_epoch_begins_with_the_first_word(self):
    found = listed(word2vec.pairs(self.text(), 2, 12, batch_size=5, **PAIRS))
    self.assertEqual(found[0]["examples"], [1, 2, 2, 3, 3])
    self.assertEqual(found[0]["labels"], [2, 1, 3, 2, 4])
    self.assertEqual(
      [batch["words_processed"] for batch in found], [27, 30, 32, 35, 36]
    )

  def test_a_batch_of_several_epochs(self):
    (batch,) = word2vec.pairs(self.text(), 0, 12, batch_size=60, **PAIRS)
    self.assertEqual(batch["words_processed"], 12)
    self.assertAllEqual(batch["examples"][-3:], [6, 6, 7])

  def test_shards_in_turn(self):
    found = word2vec.pairs(
      self.text(), 0, 12, batch_size=5, num_shards=2, **PAIRS
    )
    self.assertEqual(
      listed(found),
      [
        {
          "examples": [1, 2, 2, 3, 3],
          "labels": [2, 1, 3, 2, 4],
          "words_processed": 3,
        },
        {
          "examples": [7, 8, 8, 9, 9],
          "labels": [8, 7, 9, 8, 10],
          "words_processed": 6,
        },
        {
          "examples": [4, 4, 5, 5, 6],
          "labels": [3, 5, 4, 6, 5],
          "words_processed": 9,
        },
        {
          "examples": [10, 10, 11, 11, 12],
          "labels": [9, 11, 10, 12, 11],
          "words_processed": 12,
        },
      ],
    )

  def test_shards_of_different_sizes_are_all_read(self):
    found = word2vec.pairs(
      self.text(), 1, 12, batch_size=2, num_shards=5, **PAIRS
    )
    self.assertEqual(set(joined(listed(found), "examples")), set(range(1, 13)))
    self.assertEqual(listed(found)[-1]["words_processed"], 24)

  def test_settings_reach_the_op(self):
    def first(**changes):
      settings = dict(window_size=2, min_count=0, subsample=0.0) | changes
      path = self.text(LETTERS + "a b " * 4)
      (batch, *_) = word2vec.pairs(path, 0, 20, batch_size=50, **settings)
      return batch["examples"].numpy().tolist()

    self.assertNotEqual(first(seed=1), first())
    self.assertNotEqual(first(subsample=0.01), first())
    self.assertNotEqual(first(window_size=1), first())
    self.assertEqual(set(first(min_count=2)), {0, 1, 2})

  @parameterized.parameters(
    (dict(batch_size=0), "batch_size must be .* at least 1; got 0"),
    (dict(num_shards=13), "13 shards of 12 words; take at most num_shards=12"),
    (dict(epoch=-1), "epoch must be at least 0"),
  )
  def test_numbers_that_do_not_fit_are_refused(self, numbers, message):
    with self.assertRaisesRegex(ValueError, message):
      word2vec.pairs(**{"filename": "", "epoch": 0, "num_words": 12} | numbers)


class SavedIteratorTest(PairsTestCase):
  """Iterators that are saved and restored."""

  def dataset(self, kind, epoch, num_shards=3):
    if kind == "sentences":
      ids = tf.range(40, dtype=tf.int32)
      return word2vec.sentences(ids, epoch, batch_size=3, sentence_words=2)
    text = self.text(LETTERS + LETTERS)
    return word2vec.pairs(
      text, epoch, 24, batch_size=6, num_shards=num_shards, **PAIRS
    )

  def rest_after(self, kind, num_batches, *others):
    """Saves after some batches of epoch 0; returns what follows, or another."""
    path = os.path.join(self.get_temp_dir(), "iterator")
    iterator = iter(self.dataset(kind, 0))
    for _ in range(num_batches):
      next(iterator)
    tf.train.Checkpoint(iterator=iterator).write(path)
    restored = iter(self.dataset(kind, *(others or [0])))
    tf.train.Checkpoint(iterator=restored).read(path)
    return [
      {name: value.numpy().tolist() for name, value in batch.items()}
      for batch in restored
    ]

  @parameterized.parameters("sentences", "pairs")
  def test_it_goes_on(self, kind):
    expected = listed(self.dataset(kind, 0))
    self.assertGreater(len(expected), 5)
    self.assertEqual(self.rest_after(kind, 4), expected[4:])

  @parameterized.parameters("sentences", "pairs")
  def test_after_the_last_batch_comes_the_next_epoch(self, kind):
    # Whether the saved iterator has noticed its end is a matter of timing.
    rest = self.rest_after(kind, len(listed(self.dataset(kind, 0))), 1)
    self.assertIn(rest, ([], listed(self.dataset(kind, 1))))

  def test_with_another_number_of_shards_the_epoch_begins_anew(self):
    # But for what waits to be given out.
    rest = self.rest_after("pairs", 1, 0, 2)
    expected = listed(self.dataset("pairs", 0, 2))
    self.assertEqual(rest[-len(expected) :], expected)


if __name__ == "__main__":
  tf.test.main()

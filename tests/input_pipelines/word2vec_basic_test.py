import collections
import itertools
import os
import typing
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import word2vec_basic

Corpus = typing.NamedTuple("Corpus", [(n, object) for n in (
  "words", "counts", "ids")])  # fmt: skip
FOX = "the quick brown fox jumped over the lazy dog".split()
# Counts: the 2, the others 1 in the order of their bytes.
FOX_WORDS = "UNK the brown dog fox jumped lazy over quick".split()


def fox_corpus():
  return Corpus(
    tf.constant(FOX_WORDS),
    tf.constant([0, 2, 1, 1, 1, 1, 1, 1, 1]),
    tf.constant([FOX_WORDS.index(word) for word in FOX]),
  )


def pairs_of(dataset, count):
  """Returns the first batches, each a list of (example, label)."""
  return [
    list(zip(b["examples"].tolist(), b["labels"].tolist(), strict=True))
    for b in itertools.islice(dataset.as_numpy_iterator(), count)
  ]


def windows_by_deque(words, skip_window, count):
  """Yields (centre, set of its neighbours) as a deque finds them."""
  endless = itertools.cycle(words)
  span = 2 * skip_window + 1
  buffer = collections.deque(itertools.islice(endless, span), maxlen=span)
  for _ in range(count):
    window = list(buffer)
    centre = window.pop(skip_window)
    yield centre, set(window)
    buffer.append(next(endless))


class MostCommonTest(tf.test.TestCase):
  def test_rare_words_become_unk(self):
    corpus = Corpus(
      tf.constant(["UNK", "a", "b", "c", "d"]),
      tf.constant([0, 4, 3, 2, 1]),
      tf.constant([4, 1, 2, 3, 1, 2, 1, 3, 2, 1]),
    )
    clipped = word2vec_basic.most_common(corpus, 3)
    self.assertAllEqual(clipped.words, [b"UNK", b"a", b"b"])
    self.assertAllEqual(clipped.counts, [3, 4, 3])
    self.assertAllEqual(clipped.ids, [0, 1, 2, 0, 1, 2, 1, 0, 2, 1])
    self.assertEqual(clipped.ids.dtype, tf.int32)
    self.assertEqual(clipped.counts.dtype, tf.int32)

  def test_words_that_were_unknown_before_count_too(self):
    corpus = Corpus(
      tf.constant(["UNK", "a", "b"]),
      tf.constant([5, 2, 1]),
      tf.constant([0, 0, 0, 0, 0, 1, 1, 2]),
    )
    clipped = word2vec_basic.most_common(corpus, 2)
    self.assertAllEqual(clipped.counts, [6, 2])

  def test_a_small_vocabulary_stays_as_it_is(self):
    corpus = fox_corpus()
    clipped = word2vec_basic.most_common(corpus)
    for before, after in zip(corpus, clipped, strict=True):
      self.assertAllEqual(before, after)

  def test_a_vocabulary_of_unk_alone_is_refused(self):
    with self.assertRaisesRegex(ValueError, "at least 2, UNK.* got 1"):
      word2vec_basic.most_common(fox_corpus(), 1)


class BatchesTest(tf.test.TestCase, parameterized.TestCase):
  def test_the_example_of_the_tutorial(self):
    dataset = word2vec_basic.batches(fox_corpus().ids, batch_size=8)
    (batch,) = pairs_of(dataset, 1)
    words = [(FOX_WORDS[a], FOX_WORDS[b]) for a, b in batch]
    self.assertCountEqual(
      words,
      [
        ("quick", "the"),
        ("quick", "brown"),
        ("brown", "quick"),
        ("brown", "fox"),
        ("fox", "brown"),
        ("fox", "jumped"),
        ("jumped", "fox"),
        ("jumped", "over"),
      ],
    )
    centres = [example for example, _ in words]
    self.assertEqual(centres[::2], ["quick", "brown", "fox", "jumped"])
    self.assertEqual(centres[1::2], centres[::2])

  @parameterized.parameters((1, 2, 6), (1, 1, 4), (2, 3, 12), (3, 6, 6))
  def test_windows_are_those_of_a_deque(self, skip_window, num_skips, size):
    words = list(range(100, 111))  # All differ, so that sets tell them apart.
    dataset = word2vec_basic.batches(words, size, skip_window, num_skips)
    # Several times over the end of the corpus.
    pairs = sum(pairs_of(dataset, 20), [])
    groups = [pairs[i : i + num_skips] for i in range(0, len(pairs), num_skips)]
    expected = windows_by_deque(words, skip_window, len(groups))
    for group, (centre, neighbours) in zip(groups, expected, strict=True):
      labels = [label for _, label in group]
      self.assertEqual([example for example, _ in group], [centre] * num_skips)
      self.assertLen(set(labels), num_skips)
      self.assertContainsSubset(labels, neighbours)

  def test_each_neighbour_is_as_likely(self):
    dataset = word2vec_basic.batches(list(range(50)), 1000, 2, 2)
    pairs = np.array(pairs_of(dataset, 4)).reshape([-1, 2, 2])  # 2000 centres
    steps = (pairs[:, :, 1] - pairs[:, :, 0] + 25) % 50 - 25
    # 12 ordered pairs of the 4 neighbours; binomial(2000, 1/12) has a
    # standard deviation of 12.4.
    counts = collections.Counter(map(tuple, steps.tolist()))
    self.assertLen(counts, 12)
    self.assertBetween(min(counts.values()), 117, 217)
    self.assertBetween(max(counts.values()), 117, 217)

  def test_the_seed_fixes_the_choice(self):
    def choice(seed):
      dataset = word2vec_basic.batches(list(range(50)), 40, 2, 2, seed)
      return pairs_of(dataset, 2)

    self.assertEqual(choice(1), choice(1))
    self.assertNotEqual(choice(1), choice(2))

  def test_there_is_no_end(self):
    dataset = word2vec_basic.batches(fox_corpus().ids)
    self.assertEqual(int(dataset.cardinality()), tf.data.INFINITE_CARDINALITY)
    spec = tf.TensorSpec([128], tf.int32)
    self.assertEqual(dataset.element_spec, {"examples": spec, "labels": spec})

  def test_a_saved_iterator_goes_on(self):
    dataset = word2vec_basic.batches(list(range(50)), 12, 2, 2)
    expected = pairs_of(dataset, 9)
    path = os.path.join(self.get_temp_dir(), "iterator")
    iterator = iter(dataset)
    for _ in range(5):
      next(iterator)
    tf.train.Checkpoint(iterator=iterator).write(path)
    restored = iter(dataset)
    tf.train.Checkpoint(iterator=restored).read(path)
    for pairs in expected[5:]:
      batch = next(restored)
      self.assertAllEqual(batch["examples"], [a for a, _ in pairs])
      self.assertAllEqual(batch["labels"], [b for _, b in pairs])

  @parameterized.parameters(True, False)
  def test_the_corpus_is_in_no_graph(self, is_tensor):
    ids = np.zeros(100_000, np.int32)
    dataset = tf.data.Dataset
    with mock.patch.object(
      dataset, "map", autospec=True, side_effect=dataset.map
    ) as mapped:
      word2vec_basic.batches(tf.constant(ids) if is_tensor else ids)
    (_, batch), _ = mapped.call_args
    traced = tf.function(batch, autograph=False).get_concrete_function(
      tf.TensorSpec([], tf.int64)
    )
    self.assertLess(traced.graph.as_graph_def().ByteSize(), 20_000)

  @parameterized.parameters(
    (dict(num_skips=3), "num_skips=3, skip_window=1. Try num_skips=2"),
    (dict(batch_size=7), "batch_size=7, num_skips=2. Try batch_size=6"),
    (dict(batch_size=1), "Try batch_size=2"),
    (dict(skip_window=5), "one window, 11; got 9"),
    (dict(skip_window=0), "skip_window must be .* at least 1; got 0"),
    (dict(batch_size=2.0), "batch_size must be a whole number"),
  )
  def test_numbers_that_do_not_fit_are_refused(self, numbers, message):
    with self.assertRaisesRegex(ValueError, message):
      word2vec_basic.batches(fox_corpus().ids, **numbers)


if __name__ == "__main__":
  tf.test.main()

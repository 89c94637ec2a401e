"""The batches of word2vec_basic: words of a corpus and random neighbours.

B is the size of a batch, V the size of the vocabulary, N the words of the
corpus. Features are {"examples": int32 [B], "labels": int32 [B]}, ids of words
in 0..V-1: a centre and one of its neighbours. A centre comes `num_skips` times
in a row, each time with another neighbour out of the `skip_window` words on
either side. There are no labels besides, and there is no end.

The first centre is word number `skip_window`, as with the tutorial's deque, and
each later one is the next word; after the last word of the corpus comes the
first one. (At first the tutorial filled a new deque for each batch, and so left
out 2 * skip_window + 1 words between batches; later it did not.)

Source: "Vector representations of words", TensorFlow 0.12 and 1.5
(word2vec_basic.py).
"""

import tensorflow as tf

from input_pipelines import common


def most_common(corpus, vocabulary_size=50_000):
  """Returns a corpus with its most common words; the others become UNK.

  Args:
    corpus: an `estimators.ops.word2vec.Corpus` of all words (min_count=1),
      whose words come by descending count after UNK.
    vocabulary_size: int, the words to keep, UNK among them; at least 2.

  Returns:
    A Corpus of the same class with min(V, vocabulary_size) words.

  Raises:
    ValueError: vocabulary_size is below 2.
  """
  common.check_count("vocabulary_size", vocabulary_size)
  if vocabulary_size < 2:
    raise ValueError(
      "vocabulary_size must be at least 2, UNK and one word; got "
      f"{vocabulary_size}. The tutorial has 50000."
    )
  with tf.device("cpu:0"):
    counts = tf.convert_to_tensor(corpus.counts)
    ids = tf.convert_to_tensor(corpus.ids)
    unknown = counts[0] + tf.reduce_sum(counts[vocabulary_size:])
    return corpus._replace(
      words=corpus.words[:vocabulary_size],
      counts=tf.concat([[unknown], counts[1:vocabulary_size]], axis=0),
      ids=tf.where(ids < vocabulary_size, ids, 0),
    )


def batches(ids, batch_size=128, skip_window=1, num_skips=2, seed=0):
  """Returns the endless dataset of the module's docstring.

  A batch depends on its number and the arguments alone.

  Args:
    ids: int32 [N], the corpus. As a tensor it is used as it is; an array is
      copied once.
    batch_size: int, B; a multiple of num_skips.
    skip_window: int, the words on either side to choose from.
    num_skips: int, how many of these 2 * skip_window a centre comes with.
    seed: int, of the choice.

  Returns:
    `tf.data.Dataset` of infinite cardinality.

  Raises:
    ValueError: the numbers do not fit each other, or the corpus is shorter
      than a window.
  """
  _check(int(tf.size(ids)), batch_size, skip_window, num_skips)
  with tf.device("cpu:0"):
    # A tensor from outside is handed to `batch`, an array would be written
    # into its graph.
    ids = tf.convert_to_tensor(ids, tf.int32)
    num_words = tf.size(ids, tf.int64)
  num_centres = batch_size // num_skips

  @common.no_autograph
  def batch(step):
    centres = step * num_centres + tf.range(num_centres, dtype=tf.int64)
    centres += skip_window
    seeds = tf.stack([tf.constant(seed, tf.int64), step])
    offsets = _offsets(num_centres, skip_window, num_skips, seeds)
    neighbours = centres[:, None] + offsets  # [num_centres, num_skips]
    examples = tf.gather(ids, centres % num_words)
    return {
      "examples": tf.repeat(examples, num_skips),
      "labels": tf.gather(ids, tf.reshape(neighbours, [-1]) % num_words),
    }

  steps = tf.data.Dataset.range(tf.int64.max)
  cardinality = tf.data.experimental.assert_cardinality(
    tf.data.INFINITE_CARDINALITY
  )
  dataset = steps.map(batch).apply(cardinality)
  dataset = dataset.prefetch(common.PREFETCHED_BATCHES)
  return dataset.with_options(common.plain_options())


def _offsets(num_centres, skip_window, num_skips, seeds):
  """Returns distances to random neighbours, none twice in a row of int64s."""
  numbers = tf.random.stateless_uniform(
    [num_centres, 2 * skip_window], seed=seeds
  )
  chosen = tf.math.top_k(numbers, num_skips, index_type=tf.int64).indices
  return chosen - skip_window + tf.cast(chosen >= skip_window, tf.int64)


def _check(num_words, batch_size, skip_window, num_skips):
  for name, number in {
    "batch_size": batch_size,
    "skip_window": skip_window,
    "num_skips": num_skips,
  }.items():
    common.check_count(name, number)
  if num_skips > 2 * skip_window:
    raise ValueError(
      "num_skips must be at most 2 * skip_window, as a centre has no more "
      f"neighbours; got num_skips={num_skips}, skip_window={skip_window}. Try "
      f"num_skips={2 * skip_window}."
    )
  if batch_size % num_skips:
    raise ValueError(
      "batch_size must be a multiple of num_skips, so that all pairs of a "
      f"centre are in one batch; got batch_size={batch_size}, "
      f"num_skips={num_skips}. Try "
      f"batch_size={max(batch_size // num_skips, 1) * num_skips}."
    )
  if num_words <= 2 * skip_window:
    raise ValueError(
      "the corpus must have at least the words of one window, "
      f"{2 * skip_window + 1}; got {num_words}. Use more text, or a smaller "
      "skip_window."
    )

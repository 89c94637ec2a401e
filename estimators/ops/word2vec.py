"""word2vec: a text as word ids, its skip-gram pairs, and their training.

The ops are written in C++ and built when they are first used; see build.py.
Without a compiler TensorFlow's own ops do the same, in word2vec_twin.py: the
same numbers, but some hundred times slower.

All random draws are functions of a seed and of a word's number in the whole
training, so that a run goes on exactly from any place, and the C++ op and its
twin draw the same.

V is the size of the vocabulary with UNK, D that of a vector, N the number of
words of the text, B that of a batch. Source: Mikolov et al. 2013,
arXiv:1301.3781 and arXiv:1310.4546.
"""

import functools

import tensorflow as tf

from estimators.ops import build, word2vec_twin
from estimators.ops.word2vec_types import (
  Corpus,
  Noise,
  Skipgram,
  check_threshold,
  keep_probability,
  noise_table,
)

__all__ = [
  "Corpus",
  "Noise",
  "Skipgram",
  "keep_probability",
  "load_corpus",
  "neg_train",
  "noise_table",
  "skipgram",
  "train_sentences",
]


@functools.cache
def _ops():
  """Returns the module of the C++ ops, or None where they cannot be built."""
  return build.load("word2vec")


def load_corpus(filename, min_count=5, window_size=5):
  """Reads a text of words between white space.

  Args:
    filename: str, a file in UTF-8, which must stay as it is meanwhile.
    min_count: int, words that occur less often become UNK.
    window_size: int; the text must have ten times as many words.

  Returns:
    `Corpus`. Id 0 is UNK, then come the words by descending count; those of
    the same count by their bytes. A word UNK of the text is id 0.

  Raises:
    tf.errors.NotFoundError: there is no such file.
    tf.errors.InvalidArgumentError: it is not UTF-8, or too short.
  """
  ops = _ops()
  if ops is None:
    return word2vec_twin.load_corpus(filename, min_count, window_size)
  return Corpus(
    *ops.estimators_corpus_word2vec(
      filename=filename, min_count=min_count, window_size=window_size
    )
  )


def skipgram(
  filename,
  position,
  shard=(0, 1),
  *,
  batch_size,
  window_size=5,
  min_count=5,
  subsample=1e-3,
  seed=0,
):
  """Returns the next pairs of a word and a neighbour, and where they end.

  A sentence is the next 1,000 words that subsampling keeps, UNK among them; it
  may go over the end of the text into the next epoch. Each of its words in turn
  is the example of pairs with its neighbours, from left to right, at a distance
  of at most a reach that is drawn from 1 to window_size.

  Args:
    filename, min_count: as for `load_corpus`. A process reads a file once: what
      it becomes later is not seen.
    position: int64 [2]: the raw word where the sentence begins, counted over
      all epochs, and how many of its pairs were given out already. [0, 0] at
      first, then `next_position`.
    shard: (index, count); of so many equal parts of the text the one to read.
      Its words are counted from its own beginning. May be an int64 tensor.
    batch_size: int, B.
    window_size: int, the longest reach.
    subsample: float, the share of the text above which a word is thinned out;
      see `keep_probability`. 0 keeps all.
    seed: int.

  Returns:
    `Skipgram`.

  Raises:
    tf.errors.NotFoundError, tf.errors.InvalidArgumentError: as for
      `load_corpus`; or the position or the shard is none of this text, or
      subsampling leaves less than 0.1 % of it.
    ValueError: subsample is negative.
  """
  ops = _ops()
  check_threshold(subsample)
  settings = {
    "batch_size": batch_size,
    "window_size": window_size,
    "min_count": min_count,
    "subsample": subsample,
    "seed": seed,
  }
  if ops is None:
    return word2vec_twin.skipgram(filename, position, shard, **settings)
  return Skipgram(
    *ops.estimators_skipgram_word2vec(
      tf.cast(position, tf.int64),
      tf.cast(shard, tf.int64),
      filename=filename,
      **settings,
    )
  )


def neg_train(
  w_in,
  w_out,
  examples,
  labels,
  learning_rate,
  noise,
  first_example=0,
  *,
  num_negatives=25,
  seed=0,
):
  """Trains pairs by negative sampling, one after another, in place.

  A pair's label and num_negatives words of the noise (those that are the label
  left out) are told apart by logistic regression; each changes its row of w_out
  at once, and the example's row of w_in at the pair's end.

  Args:
    w_in, w_out: `tf.Variable`s on the CPU, float32 [V, D], the vectors of
      examples and of labels.
    examples, labels: int32 [B], ids.
    learning_rate: float32 scalar.
    noise: `Noise`, from `noise_table`.
    first_example: int64 scalar, how many pairs were trained before: the draws
      of pair i are those of number first_example + i.
    num_negatives: int.
    seed: int.

  Returns:
    The operation (None when it ran eagerly).

  Raises:
    tf.errors.InvalidArgumentError: ids are not those of words, or shapes do not
      fit.
  """
  ops = _ops()
  examples, labels = tf.cast(examples, tf.int32), tf.cast(labels, tf.int32)
  if ops is None:
    return word2vec_twin.neg_train(
      w_in,
      w_out,
      examples,
      labels,
      learning_rate,
      noise,
      first_example,
      num_negatives=num_negatives,
      seed=seed,
    )
  return ops.estimators_neg_train_word2vec(
    w_in.handle,
    w_out.handle,
    examples,
    labels,
    learning_rate,
    *noise,
    tf.cast(first_example, tf.int64),
    num_negative_samples=num_negatives,
    seed=seed,
  )


def train_sentences(
  w_in,
  w_out,
  sentences,
  positions,
  learning_rates,
  keep,
  noise,
  *,
  window_size=5,
  num_negatives=25,
  seed=0,
  num_threads=0,
):
  """Trains sentences by negative sampling on several threads, in place.

  Subsampling, windows and negatives are drawn within. All neighbours of a word
  are trained at once, against the word and num_negatives words of the noise
  that they share (those that are the word itself left out), which makes three
  small products of matrices of each window (Ji et al. 2016, arXiv:1604.04661).

  What is racy on purpose: threads do not wait for each other where they change
  the same row, so that now and then a change is lost, and two runs differ in
  their last digits (Recht et al. 2011, arXiv:1106.5730). With num_threads=1
  nothing is racy; op determinism (tf.config.experimental) does not see to that.

  Args:
    w_in, w_out: `tf.Variable`s on the CPU, float32 [V, D], the vectors of
      neighbours and of words.
    sentences: int32 [B, words], ids; a shorter sentence ends in -1.
    positions: int64 [B], the number of each sentence's first word in the whole
      training: epoch * N + its place.
    learning_rates: float32 [B].
    keep: float32 [V], from `keep_probability`.
    noise: `Noise`, from `noise_table`.
    window_size, num_negatives: int.
    seed: int.
    num_threads: int, at most those of the device; 0 for all of them.

  Returns:
    float32 scalar, the loss of a pair of a word and a neighbour in nats, the
    mean over every 16th window; 0 where there was none.

  Raises:
    tf.errors.InvalidArgumentError: ids are not those of words, or shapes do not
      fit.
  """
  ops = _ops()
  sentences, positions = (
    tf.cast(sentences, tf.int32),
    tf.cast(positions, tf.int64),
  )
  settings = {"window_size": window_size, "seed": seed}
  if ops is None:
    return word2vec_twin.train_sentences(
      w_in,
      w_out,
      sentences,
      positions,
      learning_rates,
      keep,
      noise,
      num_negatives=num_negatives,
      num_threads=num_threads,
      **settings,
    )
  return ops.estimators_train_sentences_word2vec(
    w_in.handle,
    w_out.handle,
    sentences,
    positions,
    learning_rates,
    keep,
    *noise,
    num_negative_samples=num_negatives,
    num_threads=num_threads,
    **settings,
  )

"""What the word2vec ops and their twins in plain TensorFlow both speak of."""

from typing import NamedTuple

import tensorflow as tf


class Corpus(NamedTuple):
  """A text as word ids, V of them different.

  Attributes:
    words: string [V], the word of each id; that of id 0 is UNK.
    counts: int32 [V], how often each occurs; of UNK: the words of the text that
      are not in the vocabulary.
    ids: int32 [N], the text.
  """

  words: tf.Tensor
  counts: tf.Tensor
  ids: tf.Tensor


class Skipgram(NamedTuple):
  """Pairs of a word and a neighbour.

  Attributes:
    vocab_word, vocab_freq: `Corpus.words` and `Corpus.counts`.
    words_per_epoch: int64 scalar, N.
    current_epoch: int32 scalar, from 0, of the last pair's word.
    total_words_processed: int64 scalar, the raw words of all epochs up to and
      with the last pair's word.
    examples, labels: int32 [B], words and neighbours.
    next_position: int64 [2], where to go on.
  """

  vocab_word: tf.Tensor
  vocab_freq: tf.Tensor
  words_per_epoch: tf.Tensor
  current_epoch: tf.Tensor
  total_words_processed: tf.Tensor
  examples: tf.Tensor
  labels: tf.Tensor
  next_position: tf.Tensor


class Noise(NamedTuple):
  """A distribution of words, as a table of the alias method (Walker 1977).

  A draw picks one of V buckets. It gives the bucket's own word with a chance of
  thresholds / 2^32, else the alias.

  Attributes:
    thresholds: int64 [V], in [0, 2^32].
    aliases: int32 [V].
  """

  thresholds: tf.Tensor
  aliases: tf.Tensor


def keep_probability(counts, threshold=1e-3):
  """Returns the chance that an occurrence of each word survives subsampling.

  Args:
    counts: int32 [V], occurrences of each word; their sum is the text's length.
    threshold: float, a word's share of the text above which it is thinned out;
      0 keeps all.

  Returns:
    float32 [V], each in (0, 1].

  Raises:
    ValueError: threshold is negative.

  Source: word2vec.c of Mikolov et al. 2013, arXiv:1310.4546, keeps
  sqrt(t / f) + t / f, more than their eq. 5.
  """
  check_threshold(threshold)
  counts = tf.cast(counts, tf.float64)
  if threshold == 0:
    return tf.ones_like(counts, tf.float32)
  # As the attribute of an op has it.
  threshold = tf.cast(tf.constant(threshold, tf.float32), tf.float64)
  ratio = threshold * tf.reduce_sum(counts) / tf.maximum(counts, 1)
  keep = tf.where(counts > 0, tf.minimum(tf.sqrt(ratio) + ratio, 1), 1)
  return tf.cast(keep, tf.float32)


def check_threshold(threshold):
  """Raises ValueError where a threshold of subsampling is none."""
  if not threshold >= 0:
    raise ValueError(
      "the threshold of subsampling must be a share of the text, or 0 to keep "
      f"all, but is {threshold}; 1e-3 is usual."
    )


def noise_table(counts, power=0.75):
  """Returns the distribution of negatives: counts raised to a power.

  Args:
    counts: int32 [V], eager; one at least is positive.
    power: float; 0.75 is that of Mikolov et al. 2013, arXiv:1310.4546.

  Raises:
    ValueError: no count is positive, or one is negative.
  """
  counts = [int(count) for count in counts.numpy()]
  if min(counts, default=0) < 0 or not any(counts):
    raise ValueError(
      "the counts must be those of words, at least 0 and one above it, but are "
      f"{counts[:10]}; were they read from a corpus?"
    )
  weights = [count**power if count else 0.0 for count in counts]
  scale = len(weights) / sum(weights)
  thresholds, aliases = _aliases([weight * scale for weight in weights])
  return Noise(
    tf.constant(thresholds, tf.int64), tf.constant(aliases, tf.int32)
  )


def _aliases(shares):
  """Fills buckets of size 1 with at most two words each (Vose 1991).

  Args:
    shares: list of float, mean 1.

  Returns:
    Lists of the thresholds and the aliases.
  """
  whole = 2**32
  thresholds, aliases = [whole] * len(shares), list(range(len(shares)))
  small = [i for i, share in enumerate(shares) if share < 1]
  large = [i for i, share in enumerate(shares) if share >= 1]
  while small and large:
    i, other = small.pop(), large[-1]
    thresholds[i], aliases[i] = int(shares[i] * whole), other
    shares[other] -= 1 - shares[i]
    if shares[other] < 1:
      small.append(large.pop())
  # What is left differs from 1 by rounding alone, and keeps its whole bucket.
  return thresholds, aliases

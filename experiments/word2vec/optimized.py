"""word2vec_optimized: training by ops that change the vectors in place.

`train_sentences` reads the text itself and runs on several threads;
`train_pairs` takes one pair after another, as the published program did.

B is the size of a batch, V that of the vocabulary, D that of a vector.

Source: models/tutorials/embedding/word2vec_optimized.py, TensorFlow 0.12.
"""

from typing import NamedTuple

import tensorflow as tf

from estimators.ops import word2vec, word2vec_twin

LOSS_PAIRS = 16  # of a batch of pairs: to reckon all would take half the time


class Draws(NamedTuple):
  """What words are drawn by.

  Attributes:
    keep: float32 [V], the chance that subsampling keeps a word.
    noise: `word2vec.Noise`, of the negatives.
    num_negatives: int.
    seed: int.
  """

  keep: tf.Tensor
  noise: word2vec.Noise
  num_negatives: int
  seed: int


def draws_of(counts, config):
  """Returns the `Draws` of words with some counts, int32 [V]."""
  return Draws(
    word2vec.keep_probability(counts, config.subsample),
    word2vec.noise_table(counts),
    config.num_neg_samples,
    config.seed,
  )


def train_sentences(
  emb, weights, features, learning_rates, draws, window_size, num_threads
):
  """Trains sentences on several threads.

  Args:
    emb, weights: `tf.Variable` float32 [V, D], of neighbours and of words.
    features: those of `input_pipelines.word2vec.sentences`.
    learning_rates: float32 [B].
    draws: Draws.
    window_size: int.
    num_threads: int, at most those of the machine are used.

  Returns:
    The loss in nats of a pair, the mean of a sample, a scalar; and the
    operation of the update.
  """
  loss = word2vec.train_sentences(
    emb,
    weights,
    features["sentences"],
    features["positions"],
    learning_rates,
    draws.keep,
    draws.noise,
    window_size=window_size,
    num_negatives=draws.num_negatives,
    seed=draws.seed,
    num_threads=num_threads,
  )
  return loss, tf.group(loss)


def train_pairs(emb, weights, features, learning_rate, draws, step):
  """Trains pairs, one after another.

  Args:
    emb, weights: `tf.Variable` float32 [V, D], of examples and of labels.
    features: those of `input_pipelines.word2vec.pairs`.
    learning_rate: float32 scalar.
    draws: Draws.
    step: int64 scalar, the steps before this one.

  Returns:
    The loss in nats of a pair before the update, the mean of the batch's first
    `LOSS_PAIRS`, a scalar; and the operation of the update.
  """
  examples, labels = features["examples"], features["labels"]
  first = step * tf.size(examples, tf.int64)
  loss = loss_of_pairs(
    emb, weights, examples[:LOSS_PAIRS], labels[:LOSS_PAIRS], first, draws
  )
  with tf.control_dependencies([loss]):
    update = word2vec.neg_train(
      emb,
      weights,
      examples,
      labels,
      learning_rate,
      draws.noise,
      first,
      num_negatives=draws.num_negatives,
      seed=draws.seed,
    )
  return loss, update


def loss_of_pairs(emb, weights, examples, labels, first_example, draws):
  """Returns the mean loss of pairs in nats, with the negatives of training.

  Args:
    emb, weights: as for `train_pairs`.
    examples, labels: int32 [pairs].
    first_example: int64 scalar, the number of the first pair in the training.
    draws: Draws.
  """
  numbers = first_example + tf.range(tf.size(examples, tf.int64))
  negatives = word2vec_twin.negatives(
    draws.noise, numbers, draws.num_negatives, draws.seed
  )
  words = tf.concat([labels[:, None], negatives], axis=1)
  logits = tf.einsum(
    "pd,pwd->pw", tf.gather(emb, examples), tf.gather(weights, words)
  )
  is_label = tf.one_hot(tf.zeros_like(labels), 1 + draws.num_negatives)
  losses = tf.nn.sigmoid_cross_entropy_with_logits(is_label, logits)
  # As in training, a negative that is the label does not count.
  counts = (is_label == 1) | (words != labels[:, None])
  return tf.reduce_mean(tf.reduce_sum(tf.where(counts, losses, 0.0), axis=1))


def words_processed(features):
  """Returns the words of the text up to the end of a batch of sentences.

  Args:
    features: those of `input_pipelines.word2vec.sentences`.

  Returns:
    int64 scalar, over all epochs.
  """
  last = tf.cast(features["sentences"][-1] >= 0, tf.int64)
  return features["positions"][-1] + tf.reduce_sum(last)

import numpy as np
import tensorflow as tf

from estimators.ops import word2vec as ops
from experiments.word2vec import optimized
from experiments.word2vec.config import published

COUNTS = tf.constant([1, 5, 4, 3], tf.int32)


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def variables():
  rng = np.random.default_rng(0)
  return [
    tf.Variable(rng.normal(size=[4, 3]), dtype=tf.float32) for _ in range(2)
  ]


def draws_of(counts=COUNTS, **changes):
  return optimized.draws_of(counts, published("optimized", **changes))


class DrawsTest(tf.test.TestCase):
  def test_settings_and_distributions(self):
    draws = draws_of(subsample=0.1, num_neg_samples=7, seed=3)
    self.assertEqual((draws.num_negatives, draws.seed), (7, 3))
    self.assertAllEqual(draws.keep, ops.keep_probability(COUNTS, 0.1))
    self.assertAllEqual(draws.noise.aliases, ops.noise_table(COUNTS).aliases)


class PairsTest(tf.test.TestCase):
  def test_loss_when_only_one_word_can_be_drawn(self):
    emb, weights = variables()
    draws = draws_of(tf.constant([0, 5, 0, 0]), num_neg_samples=2)
    found = optimized.loss_of_pairs(
      emb, weights, tf.constant([3, 0]), tf.constant([2, 1]), 0, draws
    )
    # The negatives are 1 and 1; of the second pair they are the label.
    logits = emb.numpy() @ weights.numpy().T
    first = -np.log(sigmoid(logits[3, 2])) - 2 * np.log(sigmoid(-logits[3, 1]))
    second = -np.log(sigmoid(logits[0, 1]))
    self.assertAllClose(found, (first + second) / 2)

  def test_a_step_is_that_of_the_op_with_draws_of_its_own(self):
    features = {
      "examples": tf.constant([1, 2, 3, 1, 2]),
      "labels": tf.constant([2, 1, 1, 3, 0]),
    }
    draws, rate = draws_of(num_neg_samples=3, seed=4), tf.constant(0.3)
    emb, weights = variables()
    others = variables()

    @tf.function(autograph=False)
    def step(number):
      loss, update = optimized.train_pairs(
        emb, weights, features, rate, draws, number
      )
      with tf.control_dependencies([update]):
        return tf.identity(loss)

    expected = optimized.loss_of_pairs(
      *others, features["examples"], features["labels"], 10, draws
    )
    loss = step(tf.constant(2, tf.int64))  # before it came 2 * 5 pairs
    ops.neg_train(
      *others,
      features["examples"],
      features["labels"],
      rate,
      draws.noise,
      10,
      num_negatives=3,
      seed=4,
    )
    self.assertAllClose(loss, expected)
    self.assertAllClose(emb, others[0])
    self.assertAllClose(weights, others[1])
    self.assertNotAllClose(emb, variables()[0])

  def test_only_some_pairs_are_measured(self):
    def loss(last):
      pairs = {
        "examples": tf.constant([1] * optimized.LOSS_PAIRS + [last]),
        "labels": tf.constant([2] * optimized.LOSS_PAIRS + [last]),
      }
      rate = tf.constant(0.1)
      return optimized.train_pairs(*variables(), pairs, rate, draws_of(), 0)[0]

    self.assertEqual(float(loss(1)), float(loss(3)))


class SentencesTest(tf.test.TestCase):
  FEATURES = {
    "sentences": tf.constant([[1, 2, 3], [2, 1, -1]]),
    "positions": tf.constant([20, 23], tf.int64),
  }

  def test_words_processed_are_those_up_to_the_end(self):
    self.assertEqual(int(optimized.words_processed(self.FEATURES)), 25)

  def test_a_step_is_that_of_the_op(self):
    rates = tf.constant([0.3, 0.2])
    draws = draws_of(subsample=0.0, num_neg_samples=3, seed=4)
    emb, weights = variables()
    others = variables()
    loss, _ = optimized.train_sentences(
      emb, weights, self.FEATURES, rates, draws, window_size=2, num_threads=1
    )
    expected = ops.train_sentences(
      *others,
      *self.FEATURES.values(),
      rates,
      draws.keep,
      draws.noise,
      window_size=2,
      num_negatives=3,
      seed=4,
      num_threads=1,
    )
    self.assertEqual(float(loss), float(expected))
    self.assertAllEqual(emb, others[0])
    self.assertAllEqual(weights, others[1])
    self.assertNotAllClose(emb, variables()[0])


if __name__ == "__main__":
  tf.test.main()

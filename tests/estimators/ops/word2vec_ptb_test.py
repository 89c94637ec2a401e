"""The fast path learns what the published one does, on the Penn Treebank."""

import os
import unittest

import numpy as np
import tensorflow as tf

from estimators.ops import word2vec

DATA_DIR = os.environ.get("TEST_DATA_DIR", "")
TEXT = os.path.join(DATA_DIR, "ptb", "ptb.train.txt")
DIM = 50
NUM_NEGATIVES = 5
LEARNING_RATE = 0.025
PARTS = 4


@unittest.skipUnless(
  os.path.exists(TEXT), "TEST_DATA_DIR names no folder with ptb/ptb.train.txt"
)
@unittest.skipIf(word2vec._ops() is None, "there is no C++ compiler")
class PtbTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.corpus = word2vec.load_corpus(TEXT)
    self.noise = word2vec.noise_table(self.corpus.counts)
    self.num_words = int(tf.size(self.corpus.ids))

  def variables(self):
    shape = [len(self.corpus.words), DIM]
    bound = 0.5 / DIM
    first = tf.random.stateless_uniform(shape, [1, 2], -bound, bound)
    return tf.Variable(first), tf.Variable(tf.zeros(shape))

  def loss(self, w_in, w_out):
    """The mean loss of 100,000 pairs, with other negatives than in training."""
    middle = [self.num_words // 2, 0]
    pairs = word2vec.skipgram(TEXT, middle, batch_size=100_000, seed=99)
    rng = np.random.default_rng(0)
    noise = self.corpus.counts.numpy() ** 0.75
    negatives = rng.choice(
      len(noise), [100_000, NUM_NEGATIVES], p=noise / noise.sum()
    )
    v = tf.gather(w_in, pairs.examples)

    def logits(ids):
      return tf.einsum("pd,pnd->pn", v, tf.gather(w_out, ids))

    losses = tf.math.softplus(-logits(pairs.labels[:, None])[:, 0])
    losses += tf.reduce_sum(tf.math.softplus(logits(negatives)), 1)
    return float(tf.reduce_mean(losses))

  def published_curve(self):
    """The loss after each part of an epoch, one pair after another."""
    w_in, w_out = self.variables()
    position, trained, losses = [0, 0], 0, []
    for part in range(PARTS):
      end = self.num_words * (part + 1) // PARTS
      while position[0] < end:
        pairs = word2vec.skipgram(TEXT, position, batch_size=50_000)
        word2vec.neg_train(
          w_in, w_out, pairs.examples, pairs.labels, LEARNING_RATE, self.noise,
          trained, num_negatives=NUM_NEGATIVES,
        )  # fmt: skip
        position, trained = pairs.next_position, trained + 50_000
      losses.append(self.loss(w_in, w_out))
    return losses

  def fast_curve(self):
    """The same by whole windows, on all threads."""
    w_in, w_out = self.variables()
    size = self.num_words // 1000 * 1000
    sentences = tf.reshape(self.corpus.ids[:size], [-1, 1000])
    keep = word2vec.keep_probability(self.corpus.counts, 1e-3)
    losses = []
    for part in range(PARTS):
      begin = sentences.shape[0] * part // PARTS
      end = sentences.shape[0] * (part + 1) // PARTS
      word2vec.train_sentences(
        w_in, w_out, sentences[begin:end],
        1000 * tf.range(begin, end, dtype=tf.int64),
        tf.fill([end - begin], LEARNING_RATE), keep, self.noise,
        num_negatives=NUM_NEGATIVES,
      )  # fmt: skip
      losses.append(self.loss(w_in, w_out))
    return losses

  def test_the_curves_agree(self):
    fast, published = self.fast_curve(), self.published_curve()
    untrained = (1 + NUM_NEGATIVES) * np.log(2)
    self.assertLess(published[-1], 0.7 * untrained)
    np.testing.assert_allclose(fast, published, rtol=0.02)


if __name__ == "__main__":
  tf.test.main()

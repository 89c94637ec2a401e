import numpy as np
import tensorflow as tf

from experiments.word2vec import batched


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


class BatchedTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    rng = np.random.default_rng(0)
    self.emb = rng.normal(size=[6, 4]).astype(np.float32)
    self.weights = rng.normal(size=[6, 4]).astype(np.float32)
    self.biases = rng.normal(size=[6]).astype(np.float32)
    # Word 3 is an example twice, word 4 a label and a negative.
    self.examples, self.labels = np.array([3, 1, 3]), np.array([0, 4, 4])
    self.negatives = np.array([4, 2])

  def expected(self, rate):
    """Returns the loss, and the variables after a step, pair by pair."""
    old = self.emb, self.weights, self.biases
    new = [value.astype(np.float64) for value in old]
    loss = 0.0
    for example, label in zip(self.examples, self.labels, strict=True):
      pairs = [(label, 1.0), *((negative, 0.0) for negative in self.negatives)]
      for word, truth in pairs:
        p = sigmoid(self.emb[example] @ self.weights[word] + self.biases[word])
        loss -= np.log(p if truth else 1 - p) / 3
        step = rate * (truth - p) / 3
        new[0][example] += step * self.weights[word]
        new[1][word] += step * self.emb[example]
        new[2][word] += step
    return loss, new

  def test_loss_and_update(self):
    variables = [tf.Variable(x) for x in (self.emb, self.weights, self.biases)]
    features = {
      "examples": tf.constant(self.examples, tf.int32),
      "labels": tf.constant(self.labels, tf.int32),
    }
    negatives = tf.constant(self.negatives, tf.int32)

    @tf.function(autograph=False)
    def step():
      rate = tf.constant(0.5)
      return batched.train_pairs(*variables, features, negatives, rate)[0]

    loss, expected = self.expected(0.5)
    self.assertAllClose(step(), loss)
    for variable, value in zip(variables, expected, strict=True):
      self.assertAllClose(variable, value)
    # Word 5 is in no pair.
    self.assertAllEqual(variables[1][5], self.weights[5])

  def test_loss_at_the_start_is_that_of_guessing(self):
    loss = batched.loss_of(tf.ones([3, 2]), tf.zeros([3 + 4, 2]), tf.zeros([7]))
    self.assertAllClose(loss, (1 + 4) * np.log(2))


if __name__ == "__main__":
  tf.test.main()

"""The layers against TensorFlow's own operation, and a loop in NumPy."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from experiments.cifar10.layers import (
  LocallyConnected2D,
  LocalResponseNormalization,
)


def random(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class LocalResponseNormalizationTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.product(
    data_format=["channels_last", "channels_first"],
    settings=[(4, 1.0, 0.001 / 9, 0.75), (2, 2.0, 0.3, 0.5), (9, 1, 0.1, 0.75)],
  )
  def test_values_and_gradients(self, data_format, settings):
    x, weights = tf.constant(3 * random(2, 3, 4, 8)), random(2, 3, 4, 8, seed=1)
    layer = LocalResponseNormalization(*settings, data_format=data_format)

    def ours(x):
      if data_format == "channels_last":
        return layer(x)
      return tf.transpose(layer(tf.transpose(x, [0, 3, 1, 2])), [0, 2, 3, 1])

    def value_and_gradient(function):
      with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
        total = tf.reduce_sum(y * weights)
      return y, tape.gradient(total, x)

    expected = value_and_gradient(
      lambda x: tf.nn.local_response_normalization(x, *settings)
    )
    for found, wanted in zip(value_and_gradient(ours), expected, strict=True):
      self.assertAllClose(found, wanted, 1e-5, 1e-5)

  def test_half_precision_loses_no_digits_of_the_sum(self):
    x = random(1, 2, 2, 8)
    layer = LocalResponseNormalization(dtype="mixed_bfloat16")
    y = layer(x)
    self.assertEqual(y.dtype, tf.bfloat16)
    exact = tf.nn.local_response_normalization(x, 4, 1.0, 0.001 / 9, 0.75)
    self.assertAllClose(tf.cast(y, tf.float32), exact, 0.01, 0.01)


class LocallyConnected2DTest(tf.test.TestCase):
  def test_every_place_has_its_own_filters(self):
    x = random(2, 3, 4, 2)
    layer = LocallyConnected2D(5, 3, "relu", bias_initializer="ones")
    y = layer(x).numpy()
    kernel = layer.kernel.numpy()
    self.assertEqual(kernel.shape, (3, 4, 18, 5))
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    for row in range(3):
      for column in range(4):
        patch = padded[:, row : row + 3, column : column + 3].reshape(2, 18)
        expected = np.maximum(patch @ kernel[row, column] + 1, 0)
        self.assertAllClose(y[:, row, column], expected, 1e-5, 1e-5)


if __name__ == "__main__":
  tf.test.main()

import math

import keras
import numpy as np
import tensorflow as tf

from estimators.random_fourier import RandomFourierFeatureMapper


class RandomFourierFeatureMapperTest(tf.test.TestCase):
  def test_features_are_scaled_cosines(self):
    mapper = RandomFourierFeatureMapper(2)
    mapper.build([None, 3])
    mapper.set_weights(
      [
        np.array([[0, math.pi], [math.pi / 2, 0], [0, 0]], np.float32),
        np.array([0, math.pi / 3], np.float32),
      ]
    )
    # sqrt(2 / 2) = 1; phases are 2 pi / 2 and pi + pi / 3.
    self.assertAllClose(mapper(np.array([[1.0, 2.0, 3.0]])), [[-1, -0.5]])

  def test_inner_products_approach_the_gaussian_kernel(self):
    mapper = RandomFourierFeatureMapper(20000, stddev=2.0)
    x = np.array([[0, 0], [1, 0], [0, 2], [3, 4]], np.float32)
    z = mapper(x).numpy()
    squares = [[0, 1, 4, 25], [1, 0, 5, 20], [4, 5, 0, 13], [25, 20, 13, 0]]
    # The standard error of an inner product is at most 1 / sqrt(20000).
    self.assertAllClose(z @ z.T, np.exp(-np.array(squares) / 8), atol=0.03)

  def test_weights_have_their_distributions(self):
    mapper = RandomFourierFeatureMapper(2000, stddev=5.0)
    mapper.build([None, 100])
    omega, bias = mapper.get_weights()
    self.assertAllClose(omega.mean(), 0, atol=0.002)
    self.assertAllClose(omega.std(), 0.2, atol=0.001)
    self.assertAllInRange(bias, 0, 2 * math.pi)
    self.assertAllClose(bias.mean(), math.pi, atol=0.15)
    self.assertEmpty(mapper.trainable_variables)

  def test_weights_are_those_of_tf_contrib(self):
    mapper = RandomFourierFeatureMapper(2, stddev=5.0, seed=1)
    mapper.build([None, 2])
    # numpy.random.seed(1); normal(scale=0.2, size=[2, 2]), then uniform.
    state = np.random.RandomState(1)
    omega = 0.2 * state.standard_normal([2, 2])
    bias = 2 * math.pi * state.random_sample([2])
    self.assertAllClose(omega[0], [0.3248691, -0.1223513])
    self.assertAllClose(mapper.omega, omega)
    self.assertAllClose(mapper.bias, bias)

  def test_the_seed_decides(self):
    x = np.ones([1, 4], np.float32)
    one, same, other = (
      RandomFourierFeatureMapper(8, seed=seed)(x) for seed in (3, 3, 4)
    )
    self.assertAllEqual(one, same)
    self.assertNotAllClose(one, other)

  def test_a_copy_from_the_config_is_equal(self):
    mapper = RandomFourierFeatureMapper(8, stddev=3.0, seed=7, name="rffm")
    copy = RandomFourierFeatureMapper.from_config(mapper.get_config())
    x = np.ones([1, 4], np.float32)
    self.assertAllEqual(mapper(x), copy(x))
    self.assertEqual(copy.name, "rffm")

  def test_shape_in_a_network(self):
    network = keras.Sequential(
      [keras.Input([4]), RandomFourierFeatureMapper(8)]
    )
    self.assertEqual(network.output_shape, (None, 8))

  def test_sizes_must_be_positive(self):
    with self.assertRaisesRegex(ValueError, "output_dim=0"):
      RandomFourierFeatureMapper(0)
    with self.assertRaisesRegex(ValueError, "stddev=-1"):
      RandomFourierFeatureMapper(8, stddev=-1)


if __name__ == "__main__":
  tf.test.main()

import numpy as np
import tensorflow as tf
from absl.testing import absltest

# TensorFlow has no public way back, which only tests need.
from tensorflow.python.framework import config as tf_config

from estimators import Estimator, RunConfig
from tests.estimators import toys
from tests.estimators.helpers import new_folder


def hurried_input_fn():
  """Gives 1 to 4 in whatever order they are ready; the first is a slow one."""

  def slowly(x):
    turns = tf.where(x == 1, 40_000, 0)
    turns = tf.while_loop(lambda i: i < turns, lambda i: [i + 1], [0])[0]
    x += 0 * tf.cast(turns, tf.float32)
    return x[None], tf.ones([1])

  numbers = tf.data.Dataset.from_tensor_slices(np.float32([1, 2, 3, 4]))
  return numbers.map(slowly, num_parallel_calls=4, deterministic=False)


class DeterministicTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.addCleanup(tf_config.disable_op_determinism)

  def slope(self, **fields):
    config = RunConfig(new_folder(), tf_random_seed=1, **fields)
    estimator = Estimator(toys.line_fn, config=config)
    estimator.train(hurried_input_fn)
    return float(estimator.get_variable_value(toys.LINE)[0, 0])

  def test_even_an_input_that_may_be_in_any_order_is_in_one(self):
    def steps(*xs):
      return toys.line_steps([([x], [1]) for x in xs])

    ordered = steps(1, 2, 3, 4)
    self.assertNotAlmostEqual(self.slope(), ordered, places=4)
    self.assertFalse(tf_config.is_op_determinism_enabled())
    self.assertAlmostEqual(self.slope(deterministic=True), ordered, places=5)

  def test_dropout_shuffling_and_fresh_weights_have_a_seed(self):
    # Without one TensorFlow would now refuse to draw.
    config = RunConfig(new_folder(), tf_random_seed=1, deterministic=True)
    estimator = Estimator(toys.network_fn, config=config)
    data = tf.data.Dataset.from_tensor_slices(toys.network_data(40))
    estimator.train(lambda: data.shuffle(40).batch(5))
    self.assertEqual(estimator.get_variable_value("global_step"), 8)


if __name__ == "__main__":
  absltest.main()

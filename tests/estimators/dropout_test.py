import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import Dropout, once, replicas
from estimators.objects import Objects
from tests.estimators import toys

X = np.random.RandomState(0).normal(size=[5, 4, 3]).astype(np.float32)


@once
def network(layer):
  return keras.Sequential([layer(0.5), keras.layers.Dense(2), layer(0.5)])


class DropoutTest(parameterized.TestCase, tf.test.TestCase):
  def keras_twice(self, x, **arguments):
    """Returns what Keras's layer makes of a batch in its first two calls."""
    layer = keras.layers.Dropout(seed=7, **arguments)
    return [layer(x, training=True) for _ in range(2)]

  def replicas_twice(self, x, **arguments):
    """Returns what two replicas make of it; each has a part of the rows."""
    strategy = toys.two_replicas()
    with strategy.scope():
      layer = Dropout(seed=7, **arguments)

    @tf.function
    def run(x):
      parts = replicas.on_replicas(
        strategy,
        lambda x, weight: layer(x, training=True),
        x,
      )
      return replicas.join(strategy, parts, per_example=True)

    return [run(x) for _ in range(2)]

  @parameterized.parameters(
    ({"rate": 0.5},),
    ({"rate": 0.25, "noise_shape": (None, 1, 3)},),
    ({"rate": 0.5, "noise_shape": (5, 4, 1)},),
    ({"rate": 0.5, "noise_shape": (1, 4, 3)},),
    ({"rate": 0.5, "dtype": "float16"},),
    ({"rate": 0.0},),
    ({"rate": 1.0},),
  )
  def test_the_bits_of_keras_on_one_replica_and_on_two(self, arguments):
    expected = self.keras_twice(X, **arguments)
    self.assertAllEqual(self.replicas_twice(X, **arguments), expected)
    layer = Dropout(seed=7, **arguments)
    found = [layer(X, training=True) for _ in range(2)]
    self.assertAllEqual(found, expected)
    self.assertAllEqual(layer(X), X.astype(layer.compute_dtype))

  @parameterized.parameters(1, 2, 4)
  def test_any_number_of_examples(self, size):
    expected = self.keras_twice(X[:size], rate=0.5)
    found = self.replicas_twice(X[:size], rate=0.5)
    # The replica without an example is lent that of the other one.
    self.assertAllEqual([rows[:size] for rows in found], expected)

  def test_infinite_values_are_dropped(self):
    x = np.full([4, 50], np.inf, np.float32)
    found = self.replicas_twice(x, rate=0.5)
    self.assertAllEqual(found, self.keras_twice(x, rate=0.5))
    self.assertSetEqual(set(np.unique(found)), {0, np.inf})

  def run_step(self, step, x):
    @tf.function
    def run(x):
      strategy = toys.two_replicas()
      parts = replicas.on_replicas(strategy, step, x)
      return replicas.join(strategy, parts, per_example=True)

    return run(x)

  def test_several_rows_for_each_example(self):
    with toys.two_replicas().scope():
      layer = Dropout(0.5, seed=7)

    def step(x, weight):
      return layer(tf.reshape(x, [-1, 3]), training=True)

    expected, _ = self.keras_twice(X.reshape([-1, 3]), rate=0.5)
    self.assertAllEqual(self.run_step(step, X), expected)

  def test_an_input_that_is_no_batch(self):
    with toys.two_replicas().scope():
      layer = Dropout(0.5, seed=7)

    def step(x, weight):
      return layer(tf.ones([3, 2]) * x[0, 0, 0], training=True)

    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "no batch"):
      self.run_step(step, X[:4])

  def test_gradients(self):
    layer = Dropout(0.5, seed=7)
    x = tf.constant(X)
    with tf.GradientTape() as tape:
      tape.watch(x)
      loss = tf.reduce_sum(layer(x, training=True) ** 2)
    expected = tape.gradient(loss, x)
    with toys.two_replicas().scope():
      layer = Dropout(0.5, seed=7)

    def step(x, weight):
      with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, training=True) ** 2)
      return tape.gradient(loss, x)

    self.assertAllEqual(self.run_step(step, X), expected)

  def test_the_names_in_a_checkpoint_are_those_of_keras(self):
    def names(layer):
      objects = Objects()
      with objects.active():
        network(layer)(np.zeros([1, 4], np.float32))
      return set(objects.variables())

    self.assertEqual(names(Dropout), names(keras.layers.Dropout))

  def test_saving_and_loading(self):
    layer = Dropout(0.3, noise_shape=(None, 1), seed=5)
    other = Dropout.from_config(layer.get_config())
    x = tf.ones([4, 6])
    self.assertAllEqual(layer(x, training=True), other(x, training=True))


if __name__ == "__main__":
  tf.test.main()

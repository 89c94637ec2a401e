"""Optimizers for sparse gradients: steps by hand, and those of Keras."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  RunConfig,
  minimize,
  once,
  optimizers,
)
from tests.estimators import toys
from tests.estimators.helpers import new_folder

W = np.array([[1.0, 2.0], [-3.0, 0.5], [0.25, 4.0], [0.0, -1.0]])
# Row 2 is used twice and row 0 once; rows 1 and 3 are not.
ROWS = [2, 0, 2]
ENTRIES = np.array([[1.0, -2.0], [0.5, 3.0], [0.25, 1.0]])
SUMS = np.array([[0.5, 3.0], [0, 0], [1.25, -1.0], [0, 0]])
USED = np.array([[1], [0], [1], [0]], bool)


def slices():
  return tf.IndexedSlices(
    tf.constant(ENTRIES, tf.float32), tf.constant(ROWS), tf.constant([4, 2])
  )


def dense():
  return tf.constant(SUMS, tf.float32)


def steps(optimizer, make_gradient, number=2):
  """Returns the weights after steps with one and the same gradient."""
  variable = keras.Variable(W, dtype="float32", name="w")
  optimizer.build([variable])
  # The order in which the runner does it.
  step = tf.function(
    lambda: optimizer.apply(
      [optimizers.ready(optimizer, make_gradient(), variable)], [variable]
    ),
    autograph=False,
  )
  for _ in range(number):
    step()
  return variable.numpy()


def ftrl_by_hand(w, g, rate, power, l1, l2, beta, shrinkage, number=2):
  """Algorithm 1 of McMahan et al. 2013, with TensorFlow's meaning of l2."""
  n, z = 0.1 + 0 * w, 0 * w
  for _ in range(number):
    new = n + g**2
    z = z + g + 2 * shrinkage * w - (new**-power - n**-power) / rate * w
    n = new
    quadratic = (n**-power + beta) / rate + 2 * l2
    w = np.where(abs(z) <= l1, 0, -(z - np.sign(z) * l1) / quadratic)
  return w


FTRL = [
  {},
  {"l1_regularization_strength": 0.4},
  {"l2_regularization_strength": 0.4, "beta": 0.3},
  {"l2_shrinkage_regularization_strength": 0.2, "learning_rate_power": -0.6},
]


class StepsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.product(options=FTRL, sparse=[False, True])
  def test_ftrl_by_hand(self, options, sparse):
    expected = ftrl_by_hand(
      W,
      SUMS,
      0.3,
      options.get("learning_rate_power", -0.5),
      options.get("l1_regularization_strength", 0),
      options.get("l2_regularization_strength", 0),
      options.get("beta", 0),
      options.get("l2_shrinkage_regularization_strength", 0),
    )
    found = steps(optimizers.Ftrl(0.3, **options), slices if sparse else dense)
    if sparse:
      expected = np.where(USED, expected, W)
    self.assertAllClose(found, expected)
    if not sparse:
      self.assertAllClose(
        found, steps(keras.optimizers.Ftrl(0.3, **options), dense)
      )

  @parameterized.parameters(False, True)
  def test_adagrad_by_hand(self, sparse):
    expected, n, epsilon = W, 0.1 + 0 * W, 0.25
    for _ in range(2):
      n = n + SUMS**2
      expected = expected - 0.3 * SUMS / (np.sqrt(n) + epsilon)
    optimizer = optimizers.Adagrad(0.3, epsilon=epsilon)
    found = steps(optimizer, slices if sparse else dense)
    self.assertAllClose(found, expected)
    self.assertAllEqual(found[~USED[:, 0]], W[[1, 3]])

  @parameterized.parameters(False, True)
  def test_sgd_by_hand(self, sparse):
    found = steps(optimizers.SGD(0.3), slices if sparse else dense)
    self.assertAllClose(found, W - 2 * 0.3 * SUMS)
    self.assertAllEqual(found[~USED[:, 0]], W[[1, 3]])

  def test_fused_sgd_has_no_momentum(self):
    with self.assertRaisesRegex(ValueError, "no momentum, but momentum is 0.9"):
      optimizers.SGD(0.3, momentum=0.9)

  def test_a_rate_that_changes(self):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
      [0], [0.3, 0.1]
    )
    found = steps(optimizers.Adagrad(schedule), slices)
    first, second = (SUMS / np.sqrt(0.1 + n * SUMS**2) for n in (1, 2))
    self.assertAllClose(found, W - 0.3 * first - 0.1 * second)
    found = steps(optimizers.Ftrl(schedule), dense)
    self.assertAllClose(found, steps(keras.optimizers.Ftrl(schedule), dense))
    self.assertNotAllClose(found, steps(optimizers.Ftrl(0.3), dense))

  @parameterized.parameters(
    (lambda: keras.optimizers.SGD(0.1),),
    (lambda: keras.optimizers.SGD(0.1, momentum=0.9),),
    (lambda: keras.optimizers.Adam(0.1),),
    (lambda: keras.optimizers.RMSprop(0.1),),
    (lambda: keras.optimizers.Adagrad(0.1),),
    (lambda: keras.optimizers.Adam(0.1, clipnorm=0.5),),
    (lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.5),),
    (lambda: optimizers.Adagrad(0.1, clipnorm=0.5),),
  )
  def test_rows_used_twice_are_as_in_a_dense_gradient(self, make):
    sparse, plain = steps(make(), slices), steps(make(), dense)
    self.assertAllClose(sparse, plain)
    self.assertNotAllClose(plain, W)

  @parameterized.parameters(
    (5.0, 5.0, [3.0, 4.0]), (5.0, 2.5, [1.5, 2.0]), (np.nan, 1.0, [np.nan] * 2),
    (np.inf, 1.0, [np.nan] * 2),
  )  # fmt: skip
  def test_a_clipped_gradient(self, norm, limit, expected):
    rows = tf.IndexedSlices(tf.constant([[3.0], [4.0]]), tf.constant([7, 1]))
    for gradient in (rows, tf.constant([[3.0], [4.0]])):
      (found,) = optimizers.clipped(
        [gradient], tf.constant(norm), tf.constant(limit)
      )
      if gradient is rows:
        self.assertAllEqual(found.indices, [7, 1])
        found = found.values
      self.assertAllClose(found[:, 0], expected)

  def test_a_clipped_norm_is_that_of_the_sums(self):
    # The norm of SUMS is 3.433; that of ENTRIES, one by one, is 3.913.
    found = steps(keras.optimizers.SGD(0.1, clipnorm=2.0), slices, 1)
    norm = np.linalg.norm(SUMS)
    self.assertAllClose(found, W - 0.1 * SUMS * 2 / norm)


FTRLS = (
  optimizers.Ftrl,
  keras.optimizers.Ftrl,
)


class KeepWeightsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    *((cls, options) for cls in FTRLS for options in FTRL)
  )
  def test_a_gradient_of_zero_leaves_them(self, cls, options):
    variable = keras.Variable(W, dtype="float32", name="w")
    optimizer = cls(0.3, **options)
    optimizer.build([variable])
    optimizers.keep_weights(optimizer, [variable.value])
    # Shrinkage acts in every step; of all others nothing is to move.
    shrinkage = options.get("l2_shrinkage_regularization_strength", 0)
    optimizer.apply([0 * dense()], [variable])
    if shrinkage:
      root = 0.1**0.6
      self.assertAllClose(
        variable.numpy(), W * (1 - 2 * shrinkage * 0.3 / root)
      )
    else:
      self.assertAllClose(variable.numpy(), W)
      self.assertEqual(variable.numpy()[3, 0], 0)

  def test_the_optimizer_inside_of_loss_scaling_keeps_them(self):
    variable = keras.Variable(W, dtype="float32", name="w")
    optimizer = keras.optimizers.LossScaleOptimizer(
      keras.optimizers.Ftrl(0.3), initial_scale=1.0
    )
    optimizer.build([variable])
    optimizers.keep_weights(optimizer, [variable.value])
    optimizer.apply([0 * dense()], [variable])
    self.assertAllClose(variable.numpy(), W)

  def test_weights_and_slots_that_were_not_given_stay(self):
    weights = [
      keras.Variable(W, dtype="float32", name=name) for name in ("a", "b", "c")
    ]
    optimizer = optimizers.Ftrl(0.3)
    optimizer.build(weights)
    slots = optimizer._linears
    given = [weights[0].value, weights[1].value, slots[1].value]
    optimizers.keep_weights(optimizer, given)
    self.assertAllClose(slots[0].numpy(), -W * 0.1**0.5 / 0.3)
    self.assertAllClose(slots[1].numpy(), 0 * W)
    self.assertAllClose(slots[2].numpy(), 0 * W)

  def test_other_optimizers_are_left_alone(self):
    optimizers.keep_weights(keras.optimizers.Adam(), [])
    optimizers.keep_weights(optimizers.Ftrl(), [])  # not built

  def test_fresh_slots_alone_would_undo_them(self):
    self.assertAllClose(
      steps(optimizers.Ftrl(0.3), lambda: 0 * dense(), 1), 0 * W
    )


@once
def table():
  return keras.layers.Embedding(4, 2, embeddings_initializer="ones")


@once
def optimizer(name):
  return MAKERS[name]()


MAKERS = {
  "SGD": lambda: keras.optimizers.SGD(0.1),
  "Adam": lambda: keras.optimizers.Adam(0.1),
  "Adagrad": lambda: optimizers.Adagrad(0.1),
  "Ftrl": lambda: optimizers.Ftrl(0.1),
  "fused_SGD": lambda: optimizers.SGD(0.1),
  "Adam_clipnorm": lambda: keras.optimizers.Adam(0.1, clipnorm=0.01),
  "Adagrad_clipnorm": lambda: optimizers.Adagrad(0.1, clipnorm=0.01),
  "SGD_global_clipnorm": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
  "SGD_clipvalue": lambda: keras.optimizers.SGD(0.1, clipvalue=0.3),
}
# On two replicas the rows 1 and 2 are used by both, 0 and 3 by one.
USES = np.array([1, 1, 0, 2, 1, 2, 3, 2])
TARGETS = np.array([9, 0, 1, 4, 4, 5, 6, 7], np.float32)


def trained(name, clip_norm=None, strategy=None, steps=2, uses=None):
  """Returns the table, of ones at first, after some steps.

  Args:
    uses: batches of row numbers, [steps, B]; `USES` in each step when None.
  """

  def model_fn(features, labels, mode):
    predicted = tf.reduce_sum(table()(features["n"]), 1)
    loss = tf.reduce_mean(tf.square(predicted - labels))
    train_op = minimize(loss, optimizer(name), clip_norm=clip_norm)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)

  config = RunConfig(new_folder(), train_distribute=strategy)
  estimator = Estimator(model_fn, config=config)
  uses = np.array([USES] * steps if uses is None else uses)
  targets = np.tile(TARGETS[: uses.shape[1]], [steps, 1])
  estimator.train(
    lambda: tf.data.Dataset.from_tensor_slices(({"n": uses}, targets))
  )
  return estimator.get_variable_value("table/embeddings")


class ReplicasTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    *((name, None) for name in MAKERS), ("SGD", 0.1), ("Adagrad", 0.1)
  )
  def test_two_equal_one(self, name, clip_norm):
    one = trained(name, clip_norm)
    two = trained(name, clip_norm, toys.two_replicas())
    self.assertAllClose(one, two, 0, 1e-5)
    self.assertAllGreater(np.abs(one - 1), 1e-4)

  @parameterized.parameters("SGD", "Adagrad", "Ftrl", "fused_SGD")
  def test_steps_with_numbers_of_rows_that_differ(self, name):
    # In each batch both replicas use as many rows, in the next one more.
    uses = [[0, 0, 1, 1], [0, 1, 2, 3], [3, 3, 3, 3], [2, 1, 3, 2], [1] * 4]
    one, two = (
      trained(name, None, strategy, 5, uses)
      for strategy in (None, toys.two_replicas())
    )
    self.assertAllClose(one, two, 0, 1e-5)

  def test_clipping_by_hand(self):
    errors = 2 * (2 - TARGETS) / 8
    gradient = np.bincount(USES, errors, 4)[:, None] * np.ones(2)
    norm = np.linalg.norm(gradient)
    for name, clip_norm, clipped in (
      ("SGD", 0.1, gradient * 0.1 / norm),
      ("SGD_global_clipnorm", None, gradient * 0.1 / norm),
      ("SGD_clipvalue", None, np.clip(gradient, -0.3, 0.3)),
    ):
      found = trained(name, clip_norm, toys.two_replicas(), steps=1)
      self.assertAllClose(found, 1 - 0.1 * clipped)


if __name__ == "__main__":
  tf.test.main()

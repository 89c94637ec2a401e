import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  minimize,
  once,
)
from estimators.blocks import Blocks
from estimators.model import Model
from tests.estimators import toys
from tests.estimators.helpers import scalars

X = np.float32([1, 2, 3, 4, 5])
Y = np.float32([2, 1, 0, 1, 2])


class BlockTest(tf.test.TestCase):
  def make(self, mode, x=X, y=Y, batch_size=1):
    """Returns the blocks of the line, a plan and an iterator."""
    dataset = toys.input_of(x, y, batch_size)()
    model = Model(toys.line_fn, {}, RunConfig())
    return Blocks(model), model.build(mode, dataset.element_spec), iter(dataset)

  def take(self, block, iterator, n, *state):
    steps, has_more, state = block(iterator, tf.constant(n, tf.int64), *state)
    return int(steps), bool(has_more), state

  def test_training_takes_n_steps_or_what_there_is(self):
    blocks, plan, iterator = self.make(ModeKeys.TRAIN)
    block = blocks.train(plan)
    steps, has_more, state = self.take(block, iterator, 2)
    self.assertEqual((steps, has_more), (2, True))
    self.assertEqual(int(state["examples"]), 2)
    w = toys.line_steps([([1], [2])])
    self.assertAllClose(state["loss"], (2 * w - 1) ** 2)
    self.assertEqual(self.take(block, iterator, 3)[:2], (3, True))
    # That the input has ended is known only when one asks for more.
    self.assertEqual(self.take(block, iterator, 3)[:2], (0, False))
    w = toys.line_steps([([x], [y]) for x, y in zip(X, Y, strict=True)])
    self.assertAllClose(plan.variables[toys.LINE], [[w]])
    self.assertEqual(plan.variables["global_step"], 5)

  def test_training_stops_at_a_loss_that_is_not_finite(self):
    for bad in (np.nan, np.inf):
      y = np.float32([2, 1, bad, 1, 2])
      blocks, plan, iterator = self.make(ModeKeys.TRAIN, y=y)
      block = blocks.train(plan)
      steps, has_more, state = self.take(block, iterator, 5)
      self.assertEqual((steps, has_more), (3, True))
      self.assertFalse(np.isfinite(state["loss"]))
      self.assertEqual(plan.variables["global_step"], 3)

  def test_named_tensors_of_the_last_step(self):
    blocks, plan, iterator = self.make(ModeKeys.TRAIN, batch_size=2)
    block = blocks.train(plan, frozenset(["x_tensor"]))
    _, _, state = self.take(block, iterator, 2)
    self.assertAllEqual(state["fetched"]["x_tensor"], [3, 4])
    _, _, state = self.take(block, iterator, 9)
    self.assertAllEqual(state["fetched"]["x_tensor"], [5])

  def test_evaluation_adds_up(self):
    blocks, plan, iterator = self.make(ModeKeys.EVAL, batch_size=2)
    block, state = blocks.evaluate(plan)
    _, _, state = self.take(block, iterator, 1, state)
    self.assertEqual(int(state["examples"]), 2)
    steps, has_more, state = self.take(block, iterator, 9, state)
    self.assertEqual((steps, has_more), (2, False))
    # With a slope of 0 the errors are |y|, and the squares sum up to 10.
    self.assertEqual(int(state["examples"]), 5)
    self.assertAllClose(state["loss"], 10)
    self.assertAllClose(state["totals"]["error"], 6)
    self.assertAllClose(state["counts"]["error"], 5)

  def test_one_trace_serves_blocks_of_all_lengths(self):
    blocks, plan, iterator = self.make(ModeKeys.TRAIN)
    block = blocks.train(plan)
    for n in (1, 2, 5):
      self.take(block, iterator, n)
    self.assertIs(blocks.train(plan), block)
    names = frozenset(["x_tensor"])
    self.assertIsNot(blocks.train(plan, names), block)
    self.assertIs(blocks.train(plan, names), blocks.train(plan, names))


@once
def slope():
  return tf.Variable(0.0)


@once
def offset():
  return tf.Variable(0.0)


@once
def slow():
  return keras.optimizers.SGD(0.01)


@once
def fast():
  return keras.optimizers.SGD(0.1)


class TrainOpTest(parameterized.TestCase, tf.test.TestCase):
  def train(self, train_op, x, y, batch_size=1):
    """Trains y = slope x + offset; returns the Estimator."""

    def model_fn(features, labels, mode):
      error = slope() * features + offset() - labels
      loss = tf.reduce_mean(tf.square(error))
      return EstimatorSpec(mode, loss=loss, train_op=train_op(loss))

    estimator = Estimator(model_fn, self.get_temp_dir())
    return estimator.train(toys.input_of(x, np.float32(y), batch_size))

  def values(self, estimator):
    return [estimator.get_variable_value(name) for name in ("slope", "offset")]

  def test_several_updates_with_their_own_variables(self):
    estimator = self.train(
      lambda loss: [
        minimize(loss, slow(), [slope()]),
        minimize(3 * loss, fast(), [offset()]),
      ],
      [1, 2],
      [2, 1],
    )
    a = b = 0.0
    for x, y in ((1, 2), (2, 1)):
      error = a * x + b - y
      a, b = a - 0.01 * 2 * error * x, b - 0.1 * 3 * 2 * error
    self.assertAllClose(self.values(estimator), [a, b])
    self.assertEqual(estimator.get_variable_value("slow/iteration"), 2)
    self.assertEqual(estimator.get_variable_value("fast/iteration"), 2)
    self.assertEqual(estimator.get_variable_value("global_step"), 2)

  @parameterized.parameters((1.0, 1.0), (5.0, 5.0), (100.0, 50.0))
  def test_gradients_are_clipped_by_their_global_norm(self, clip_norm, norm):
    # The errors are -15, so the gradient is 2 mean(-15 x) = -40 for the slope
    # and 2 (-15) = -30 for the offset: its norm is 50.
    x, y = [2.0, 2.0 / 3], [15.0, 15.0]
    estimator = self.train(
      lambda loss: minimize(loss, slow(), clip_norm=clip_norm), x, y, 2
    )
    scale = 0.01 * norm / 50
    self.assertAllClose(self.values(estimator), [40 * scale, 30 * scale])
    written = scalars(estimator.model_dir)["gradient_norm"]
    self.assertAllClose(written, {0: 50.0})

  def test_an_update_of_its_own(self):
    def halve_the_distance(loss):
      del loss
      return slope().assign(slope() + (1.0 - slope()) / 2)

    estimator = self.train(halve_the_distance, [1, 2, 3], [0, 0, 0])
    self.assertAllClose(self.values(estimator), [0.875, 0])
    self.assertEqual(estimator.get_variable_value("global_step"), 3)

  def test_variables_that_the_loss_does_not_need_are_left_alone(self):
    estimator = self.train(
      lambda loss: [
        minimize(tf.square(slope() - 1.0), slow(), [slope(), offset()]),
        tf.no_op(),
      ],
      [1],
      [5],
    )
    self.assertAllClose(self.values(estimator), [0.02, 0])


if __name__ == "__main__":
  tf.test.main()

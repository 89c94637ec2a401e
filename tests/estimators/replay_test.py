import inspect
import os

import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest

from estimators import (
  Estimator,
  EstimatorSpec,
  RunConfig,
  minimize,
  once,
  replay,
)
from tests.estimators import toys
from tests.estimators.helpers import new_folder, scalars

X = np.float32([[1, 2], [3, 4], [5, 6], [7, 8]])
Y = np.float32([[2, 1], [0, 1], [2, 3], [1, 1]])


def input_fn():
  return tf.data.Dataset.from_tensor_slices((X, Y))


def slope_before(step):
  return toys.line_steps(list(zip(X[:step], Y[:step], strict=True)))


def line(folder, **config):
  config = RunConfig(
    folder, save_checkpoints_steps=10, save_summary_steps=1, **config
  )
  return Estimator(toys.line_fn, config=config)


def findings(estimator, step):
  """Replays a step in the folder of an untrained estimator."""
  with replay.of(step, estimator.model_dir) as taken:
    estimator.train(input_fn)
  return taken.findings


def model_of(loss_of, optimizer=toys.sgd, clip_norm=None):
  """Returns a model function of one weight, w = 0.

  Args:
    loss_of: function of (features, w) that returns the loss.
    optimizer: function that returns the optimizer.
    clip_norm: as for `minimize`.
  """

  @once
  def weight():
    return keras.Variable(0.0, name="w")

  def model_fn(features, labels, mode):
    w = tf.convert_to_tensor(weight())
    loss = loss_of(features, w)
    train_op = minimize(loss, optimizer(), clip_norm=clip_norm)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)

  return model_fn


def first_of(loss_of, **more):
  model_fn = model_of(loss_of, **more)
  return findings(Estimator(model_fn, config=RunConfig(new_folder())), 0)


class ReplayTest(absltest.TestCase):
  def test_loss_and_gradient_by_hand(self):
    found = findings(line(new_folder()), 2)
    self.assertEqual((found.start, found.step), (0, 2))
    w, x, y = slope_before(2), X[2], Y[2]
    self.assertAlmostEqual(found.loss, np.mean((w * x - y) ** 2), places=4)
    gradient = np.mean(2 * (w * x - y) * x)
    self.assertEqual(list(found.gradients), [toys.LINE])
    self.assertAlmostEqual(found.gradients[toys.LINE], abs(gradient), places=3)
    self.assertIsNone(found.first)
    self.assertEqual((found.broken_before, found.broken_after), ([], []))
    self.assertEqual(found.batch["features"]["max"], 6)

  def test_two_replicas_have_the_same_bits_and_gradients(self):
    strategy = toys.two_replicas()
    folder = new_folder()
    line(folder, train_distribute=strategy).train(input_fn)
    found = findings(line(new_folder(), train_distribute=strategy), 3)
    self.assertEqual(found.loss, scalars(folder)["loss"][3])
    w, x, y = slope_before(3), X[3], Y[3]
    gradient = np.mean(2 * (w * x - y) * x)
    self.assertAlmostEqual(found.gradients[toys.LINE], abs(gradient), places=3)
    self.assertIsNone(found.first)

  def test_nothing_but_the_step_is_left_of_it(self):
    estimator = line(new_folder())
    findings(estimator, 2)
    self.assertIsNone(replay.asked())
    files = os.listdir(estimator.model_dir)
    self.assertEmpty([name for name in files if name.startswith("model.ckpt")])

  def test_an_operation_inside_of_a_condition(self):
    def loss_of(features, w):
      def inside():
        return tf.math.log(w) * 0.0  # Here it is.

      return tf.cond(features[0] > 0, inside, lambda: w)

    found = first_of(loss_of)
    self.assertEqual((found.first.kind, found.first.values), ("Log", "-Inf"))
    lines, start = inspect.getsourcelines(loss_of)
    (index,) = [i for i, text in enumerate(lines) if "Here it is" in text]
    self.assertEqual(found.first.line, f"{__file__}:{start + index} in inside")
    self.assertTrue(np.isnan(found.loss))

  def test_a_gradient_that_is_not_finite_while_the_loss_is(self):
    found = first_of(lambda features, w: tf.sqrt(w) * features[0])
    self.assertEqual(found.loss, 0)
    self.assertEqual(
      (found.first.kind, found.first.values), ("SqrtGrad", "+Inf")
    )
    self.assertStartsWith(found.first.name, "gradient_tape/")
    self.assertEqual(found.first.line, "")
    self.assertLen(found.broken_after, 1)
    self.assertEqual(list(found.gradients.values()), [np.inf])

  def test_scaled_losses_have_gradients_of_their_own_size(self):
    @once
    def scaled():
      return keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), initial_scale=1024.0
      )

    found = first_of(lambda features, w: 3 * w, optimizer=scaled)
    self.assertEqual(list(found.gradients.values()), [3])

  def test_clipping_is_no_broken_operation(self):
    found = first_of(lambda features, w: 3 * w, clip_norm=1.0)
    self.assertEqual(list(found.gradients.values()), [3])
    self.assertIsNone(found.first)

  def test_variables_that_were_broken_before(self):
    model_fn = model_of(lambda features, w: tf.sqrt(w))
    folder = new_folder()
    # It is the second step that finds it.
    estimator = Estimator(model_fn, config=RunConfig(folder))
    found = findings(estimator, 1)
    self.assertEqual(found.broken_before, found.broken_after)
    self.assertLen(found.broken_before, 1)


if __name__ == "__main__":
  absltest.main()

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import EstimatorSpec, Hook, ModeKeys, minimize
from estimators.spec import Minimize


def spec(mode=ModeKeys.EVAL, **fields):
  return EstimatorSpec(mode, **{"loss": tf.constant(1.0), **fields})


class EstimatorSpecTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (ModeKeys.TRAIN, {"train_op": tf.no_op}, "needs loss"),
    (ModeKeys.TRAIN, {"loss": lambda: tf.constant(1.0)}, "needs train_op"),
    (ModeKeys.EVAL, {}, "needs loss"),
    (ModeKeys.PREDICT, {}, "needs predictions"),
    ("training", {}, "mode must be"),
  )
  def test_each_mode_needs_its_fields(self, mode, fields, message):
    with tf.Graph().as_default():
      fields = {name: make() for name, make in fields.items()}
      with self.assertRaisesRegex(ValueError, message):
        EstimatorSpec(mode, **fields)

  def test_a_loss_of_one_element_becomes_a_scalar(self):
    self.assertAllEqual(spec(loss=tf.constant([3.0])).loss, 3.0)
    self.assertAllEqual(spec(loss=3.0).loss, np.float32(3.0))

  def test_other_losses_are_refused(self):
    with self.assertRaisesRegex(ValueError, r"shape is \(2,\).*reduce_mean"):
      spec(loss=tf.constant([1.0, 2.0]))
    with self.assertRaisesRegex(TypeError, "int32"):
      spec(loss=tf.constant(1))

  @parameterized.parameters(
    ({"predictions": {"a": 1}}, TypeError, "'a'"),
    ({"predictions": [tf.constant(1)]}, TypeError, "must be tensors"),
    ({"train_op": "minimize"}, TypeError, "train_op must be"),
    ({"eval_metric_ops": [1]}, TypeError, "dictionary"),
    ({"eval_metric_ops": {"a": (1, 2)}}, TypeError, "graph sessions"),
    ({"eval_metric_ops": {"a": 1.0}}, TypeError, "Keras metric or a tensor"),
    ({"eval_metric_ops": {"loss": tf.ones(1)}}, ValueError, "'loss'"),
    ({"eval_metric_ops": {"global_step": tf.ones(1)}}, ValueError, "rename"),
    ({"export_outputs": {"a": tf.ones(1)}}, TypeError, "a"),
    ({"training_hooks": [1]}, TypeError, "Hook"),
    ({"evaluation_hooks": Hook()}, TypeError, "list"),
    ({"prediction_hooks": [Hook]}, TypeError, "Hook"),
  )
  def test_fields_of_wrong_types(self, fields, error, message):
    with self.assertRaisesRegex(error, message):
      spec(**fields)

  def test_a_changed_copy_is_checked_again(self):
    metrics = {"a": tf.constant([1.0])}
    first = spec(eval_metric_ops=metrics)
    second = dataclasses.replace(first, loss=tf.constant(2.0))
    self.assertAllEqual(second.loss, 2.0)
    self.assertEqual(second.eval_metric_ops, metrics)
    with self.assertRaisesRegex(ValueError, "needs train_op"):
      dataclasses.replace(first, mode=ModeKeys.TRAIN)

  def test_hooks_are_those_of_the_mode(self):
    chief, train, evaluate, predict = (Hook() for _ in range(4))
    first = spec(
      predictions=tf.constant([1.0]),
      train_op=tf.constant(0),
      training_chief_hooks=[chief],
      training_hooks=(train,),
      evaluation_hooks=[evaluate],
      prediction_hooks=[predict],
    )
    for mode, hooks in (
      (ModeKeys.TRAIN, (chief, train)),
      (ModeKeys.EVAL, (evaluate,)),
      (ModeKeys.PREDICT, (predict,)),
    ):
      self.assertEqual(dataclasses.replace(first, mode=mode).hooks, hooks)


class MinimizeTest(parameterized.TestCase, tf.test.TestCase):
  def test_it_says_what_to_do(self):
    optimizer, variable = keras.optimizers.SGD(), tf.Variable(1.0)
    op = minimize(tf.constant([2.0]), optimizer, [variable], clip_norm=3)
    self.assertIsInstance(op, Minimize)
    self.assertEqual(op.loss.shape, [])
    self.assertIs(op.optimizer, optimizer)
    self.assertIs(op.variables[0], variable)
    self.assertEqual(op.clip_norm, 3)

  @parameterized.parameters(
    ({"optimizer": "sgd"}, TypeError, "'sgd'"),
    ({"optimizer": keras.optimizers.SGD}, TypeError, "once"),
    ({"loss": [1.0, 2.0]}, ValueError, "scalar"),
    ({"variables": []}, ValueError, "empty"),
    ({"clip_norm": 0}, ValueError, "positive"),
    ({"clip_norm": -1.0}, ValueError, "-1.0"),
    ({"clip_norm": float("nan")}, ValueError, "nan"),
  )
  def test_wrong_arguments(self, changes, error, message):
    arguments = {"loss": 1.0, "optimizer": keras.optimizers.SGD(), **changes}
    with self.assertRaisesRegex(error, message):
      minimize(**arguments)


if __name__ == "__main__":
  tf.test.main()

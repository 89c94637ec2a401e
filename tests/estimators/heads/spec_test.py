"""`create_estimator_spec`: how heads train, and what they leave behind."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  LoggingTensorHook,
  ModeKeys,
  RunConfig,
  minimize,
  once,
)
from estimators.heads.base import Head
from estimators.heads.binary_class import BinaryClassHead
from estimators.heads.multi_head import MultiHead
from estimators.heads.regression import RegressionHead
from tests.estimators.heads import models
from tests.estimators.helpers import new_folder, scalars

FEATURES = {"x": np.ones([2, 1], np.float32)}
LABELS = np.array([1.0, 3.0], np.float32)
# The gradient of the mean of (label - logit)^2 at logits of 0.
STEP = models.LEARNING_RATE * 2 * 2
INPUT = models.input_of(FEATURES, LABELS)


@once
def counter():
  return tf.Variable(0, trainable=False)


@once
def extra():
  return tf.Variable(1.0)


def trained(**arguments):
  """Returns the slope after one step, and the Estimator."""
  estimator = models.estimator_of(RegressionHead, **arguments)
  estimator.train(INPUT, steps=1)
  return models.weights_of(estimator)[0, 0], estimator


class TrainingTest(parameterized.TestCase, tf.test.TestCase):
  def test_train_op_fn(self):
    def train_op_fn(loss):
      return minimize(3 * loss, models.sgd())

    slope, _ = trained(optimizer=None, train_op_fn=train_op_fn)
    self.assertAllClose(slope, 3 * STEP)

  def test_update_ops_run_besides(self):
    def model_fn(features, labels, mode):
      logits = models.slopes(1)(features["x"])
      return RegressionHead().create_estimator_spec(
        features,
        mode,
        logits,
        labels,
        optimizer=models.sgd(),
        update_ops=[counter().assign_add(1)],
      )

    estimator = Estimator(model_fn, new_folder())
    estimator.train(INPUT, steps=1)
    self.assertEqual(estimator.get_variable_value("counter"), 1)
    self.assertAllClose(estimator.get_variable_value("slopes/kernel"), [[STEP]])

  def test_some_variables_only(self):
    def model_fn(features, labels, mode):
      logits = models.slopes(1)(features["x"]) * extra()
      return RegressionHead().create_estimator_spec(
        features,
        mode,
        logits,
        labels,
        models.sgd(),
        trainable_variables=models.slopes(1).trainable_variables,
      )

    estimator = Estimator(model_fn, new_folder())
    repeated = models.input_of(FEATURES, LABELS, batch_size=1)
    estimator.train(repeated, steps=2)
    self.assertEqual(estimator.get_variable_value("extra"), 1)
    self.assertNotEqual(estimator.get_variable_value("slopes/kernel"), 0)

  def test_regularization(self):
    def model_fn(features, labels, mode):
      kernel = models.slopes(1)
      logits = kernel(features["x"])
      regularization = 0.5 * tf.reduce_sum(kernel.kernel - 1)
      return RegressionHead(name="a").create_estimator_spec(
        features,
        mode,
        logits,
        labels,
        models.sgd(),
        regularization_losses=[regularization],
      )

    model_dir = new_folder()
    config = RunConfig(save_summary_steps=1)
    estimator = Estimator(model_fn, model_dir, config)
    estimator.train(INPUT, steps=1)
    slope = STEP - models.LEARNING_RATE * 0.5
    self.assertAllClose(
      estimator.get_variable_value("slopes/kernel"), [[slope]]
    )
    found = scalars(model_dir)
    self.assertAllClose(found["regularization_loss/a"][0], -0.5)
    self.assertAllClose(found["loss/a"][0], 5 - 0.5)
    self.assertAllClose(found["loss"][0], 5 - 0.5)
    results = estimator.evaluate(INPUT)
    average = ((LABELS - slope) ** 2).mean()
    added = 0.5 * (slope - 1)
    self.assertAllClose(results["average_loss/a"], average)
    self.assertAllClose(results["regularization_loss/a"], added)
    self.assertAllClose(results["loss"], average + added)

  def test_summaries_of_several_heads(self):
    def make():
      return MultiHead([BinaryClassHead(name="b"), RegressionHead(1, name="r")])

    model_dir = new_folder()
    estimator = models.estimator_of(make, model_dir=model_dir)
    labels = {"b": np.array([1, 0]), "r": LABELS}
    estimator.train(models.input_of(FEATURES, labels), steps=1)
    found = scalars(model_dir)
    self.assertAllClose(found["loss/b"][0], np.log(2))
    self.assertAllClose(found["loss/r"][0], 5)
    self.assertAllClose(found["loss"][0], np.log(2) + 5)

  def test_tensors_by_name(self):
    seen = []
    hook = LoggingTensorHook(
      {"p": "head/predictions/probabilities"},
      every_n_iter=1,
      formatter=lambda values: seen.append(values["p"]) or "",
    )
    estimator = models.estimator_of(BinaryClassHead)
    labels = models.input_of(FEATURES, np.array([1, 0]))
    estimator.train(labels, steps=1, hooks=[hook])
    self.assertAllClose(seen, [[[0.5, 0.5]] * 2])

  def test_functions_made_anew_in_each_call(self):
    def make():
      return RegressionHead(
        loss_fn=lambda labels, logits: tf.abs(labels - logits)
      )

    estimator = models.estimator_of(make)
    estimator.train(INPUT, steps=1)
    slope = models.weights_of(estimator)[0, 0]
    self.assertAllClose(slope, models.LEARNING_RATE)
    for batch_size in (1, 2):
      source = models.input_of(FEATURES, LABELS, batch_size)
      self.assertAllClose(estimator.evaluate(source)["loss"], 2 - slope)

  def test_several_evaluations_begin_anew(self):
    _, estimator = trained()
    first = estimator.evaluate(INPUT)
    self.assertAllClose(estimator.evaluate(INPUT), first)
    self.assertAllClose(first["label/mean"], 2)

  @parameterized.parameters(
    ({"optimizer": None}, ValueError, "either optimizer or train_op_fn"),
    ({"train_op_fn": lambda loss: None}, ValueError, "either optimizer or"),
    ({"trainable_variables": "all"}, ValueError, "trainable_variables must be"),
    ({"trainable_variables": []}, ValueError, "empty list of variables"),
    ({"update_ops": 3}, ValueError, "update_ops must be a list"),
    ({"optimizer": "sgd"}, TypeError, "needs a Keras optimizer"),
  )
  def test_wrong_arguments(self, arguments, error, message):
    with self.assertRaisesRegex(error, message):
      trained(**arguments)

  def test_unknown_mode(self):
    with self.assertRaisesRegex(ValueError, "mode must be one of .* 'test'"):
      RegressionHead().create_estimator_spec({}, "test", [[1.0]])

  def test_weights_are_not_needed_to_predict(self):
    head = RegressionHead(1, "w")
    spec = head.create_estimator_spec({}, ModeKeys.PREDICT, [[1.0]])
    self.assertIsInstance(spec, EstimatorSpec)
    self.assertAllClose(spec.predictions, {"predictions": [[1.0]]})


class HalfHead(Head):
  """A head of one's own: the loss is half of the logits' mean."""

  logits_dimension = 1
  name = "half"

  def loss(
    self, labels, logits, features=None, mode=None, regularization_losses=None
  ):
    return tf.reduce_mean(logits) / 2

  def predictions(self, logits, keys=None):
    return {"half": logits / 2}

  def metric_specs(self, regularized=False):
    return {"half": (tf.keras.metrics.Mean, {})}

  def update_metrics(
    self,
    eval_metrics,
    features,
    logits,
    labels,
    mode=None,
    regularization_losses=None,
  ):
    eval_metrics["half"].update_state(logits / 2)
    return eval_metrics

  def export_outputs(self, predictions):
    return {}


class HeadOfOnesOwnTest(tf.test.TestCase):
  def test_it_trains_evaluates_and_predicts(self):
    estimator = models.estimator_of(HalfHead)
    estimator.train(INPUT, steps=1)
    half = -models.LEARNING_RATE / 2 / 2
    results = estimator.evaluate(INPUT)
    self.assertAllClose(results["half"], half)
    self.assertAllClose(results["loss"], half)
    (row, _) = estimator.predict(models.input_of(FEATURES))
    self.assertAllClose(row, {"half": [half]})
    metrics = HalfHead().metrics()
    self.assertEqual(list(metrics), ["half"])

  def test_it_stands_among_others(self):
    def make():
      return MultiHead([HalfHead(), RegressionHead(1, name="r")])

    estimator = models.estimator_of(make)
    labels = {"half": LABELS, "r": LABELS}
    estimator.train(models.input_of(FEATURES, labels), steps=1)
    found = estimator.evaluate(models.input_of(FEATURES, labels))
    self.assertAllClose(found["half"], -models.LEARNING_RATE / 2 / 2)

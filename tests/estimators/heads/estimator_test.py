"""Every head through a real Estimator: train, evaluate, predict, export."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import export
from estimators.heads.binary_class import BinaryClassHead
from estimators.heads.multi_class import MultiClassHead
from estimators.heads.regression import (
  LogisticRegressionHead,
  PoissonRegressionHead,
  RegressionHead,
)
from tests.estimators import serving, toys
from tests.estimators.heads import models
from tests.estimators.helpers import new_folder

# Five rows: two replicas get two and three of them.
X = np.array([[1.0], [-2.0], [3.0], [0.5], [-1.0]], np.float32)
WEIGHTS = np.array([1.0, 2.0, 0.0, 3.0, 0.5], np.float32)
FEATURES = {"x": X, "w": WEIGHTS}
RECEIVER = export.build_parsing_serving_input_receiver_fn(
  {"x": tf.io.FixedLenFeature([1], tf.float32)}
)

# By name: function of loss_reduction that makes a head, labels, the gradient of
# one example's loss by its logits at logits of 0, and signatures.
CLASSES = ["classification", "predict", "serving_default"]
NUMBERS = ["predict", "regression", "serving_default"]


def one_hot(ids, size):
  return np.eye(size)[np.asarray(ids)]


HEADS = {
  "binary": (
    lambda reduction: BinaryClassHead(
      "w", [0.25], ["no", "yes"], reduction, name="b"
    ),
    np.array(["yes", "no", "yes", "no", "no"]),
    0.5 - np.array([[1], [0], [1], [0], [0]]),
    sorted([*CLASSES, "regression"]),
  ),
  "multi_class": (
    lambda reduction: MultiClassHead(3, "w", loss_reduction=reduction),
    np.array([2, 0, 1, 1, 2]),
    1 / 3 - one_hot([2, 0, 1, 1, 2], 3),
    CLASSES,
  ),
  "regression": (
    lambda reduction: RegressionHead(1, "w", reduction),
    np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    -2 * np.array([[1.0], [2.0], [3.0], [4.0], [5.0]]),
    NUMBERS,
  ),
  "poisson": (
    lambda reduction: PoissonRegressionHead(1, "w", reduction),
    np.array([1, 2, 0, 4, 5]),
    1 - np.array([[1], [2], [0], [4], [5]]),
    NUMBERS,
  ),
  "logistic": (
    lambda reduction: LogisticRegressionHead("w", reduction),
    np.array([0.25, 1, 0, 0.5, 1]),
    0.5 - np.array([[0.25], [1], [0], [0.5], [1]]),
    NUMBERS,
  ),
}
CASES = [
  {"testcase_name": f"{name}_{reduction}", "name": name, "reduction": reduction}
  for name in HEADS
  for reduction in ("sum", "sum_over_batch_size")
]


class HeadsInEstimatorsTest(parameterized.TestCase, tf.test.TestCase):
  def assert_same(self, found, expected):
    """Asserts equal dtypes, and equal strings or close numbers."""
    expected = expected.numpy()
    self.assertEqual(found.dtype, expected.dtype)
    same = self.assertAllClose if found.dtype.kind == "f" else None
    (same or self.assertAllEqual)(found, expected)

  @parameterized.named_parameters(CASES)
  def test_one_step_and_its_evaluation_on_one_and_two_replicas(
    self, name, reduction
  ):
    make, labels, gradient, _ = HEADS[name]
    found = []
    for strategy in (None, toys.two_replicas()):
      estimator = models.estimator_of(lambda: make(reduction), strategy)
      estimator.train(models.input_of(FEATURES, labels), steps=1)
      weights = models.weights_of(estimator)
      step = (X * WEIGHTS[:, None]).T @ gradient
      size = 1 if reduction == "sum" else gradient[:, :1].size
      self.assertAllClose(weights, -models.LEARNING_RATE * step / size)
      # Batches of 2, 2 and 1: on two replicas one has nothing of the last.
      found.append(
        estimator.evaluate(models.input_of(FEATURES, labels, batch_size=2))
      )
      logits = X @ weights
      head = make(reduction)
      eager = head.update_metrics(head.metrics(), FEATURES, logits, labels)
      for key, value in models.results(eager).items():
        self.assertAllClose(found[-1][key], value, msg=key)
      if reduction == "sum_over_batch_size":
        loss = head.loss(labels, logits, FEATURES)
        self.assertAllClose(found[-1]["loss"], loss)
    self.assertAllClose(*found)

  @parameterized.named_parameters((name, name) for name in HEADS)
  def test_predictions_and_exports(self, name):
    make, labels, _, signatures = HEADS[name]
    estimator = models.estimator_of(lambda: make("sum"))
    estimator.train(models.input_of(FEATURES, labels), steps=1)
    logits = X @ models.weights_of(estimator)
    expected = make("sum").predictions(logits)
    rows = list(estimator.predict(models.input_of({"x": X})))
    self.assertEqual(set(rows[0]), set(expected))
    for key, value in expected.items():
      self.assert_same(np.stack([row[key] for row in rows]), value)
    path = estimator.export_saved_model(new_folder(), RECEIVER)
    self.assertEqual(sorted(serving.signatures_of(path)), signatures)
    examples = [serving.serialized(x=row.tolist()) for row in X]
    served = serving.served(path, "predict", examples=examples)
    self.assertEqual(set(served), set(expected))
    for key, value in expected.items():
      self.assert_same(served[key], value)
    if "classification" in signatures:
      served = serving.served(path, inputs=examples)
      self.assertAllClose(served["scores"], expected["probabilities"])
      self.assertAllEqual(served["classes"], expected["all_classes"])
    if "regression" in signatures:
      served = serving.served(path, "regression", inputs=examples)
      value = expected.get("predictions", expected.get("logistic"))
      self.assertAllClose(served["outputs"], value)

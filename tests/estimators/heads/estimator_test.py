"""Every head through a real Estimator: train, evaluate, predict, export."""

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import export
from estimators.heads.binary_class import BinaryClassHead
from estimators.heads.multi_class import MultiClassHead
from estimators.heads.multi_head import MultiHead
from estimators.heads.multi_label import MultiLabelHead
from estimators.heads.regression import (
  LogisticRegressionHead,
  PoissonRegressionHead,
  RegressionHead,
)
from estimators.heads.sequence import SequentialHeadWrapper
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
  "multi_label": (
    lambda reduction: MultiLabelHead(
      2,
      "w",
      [0.5],
      ["a", "b"],
      reduction,
      classes_for_class_based_metrics=["b"],
    ),
    np.array([[1, 0], [1, 1], [0, 0], [0, 1], [1, 1]]),
    # The loss of an example is the mean over two classes.
    0.25 - 0.5 * np.array([[1, 0], [1, 1], [0, 0], [0, 1], [1, 1]]),
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
# The others are on two replicas among the slow tests.
QUICK = ("binary", "multi_label")
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

  @parameterized.named_parameters(c for c in CASES if c["name"] in QUICK)
  def test_one_step_on_one_and_two_replicas(self, name, reduction):
    self.check_step(name, reduction)

  @parameterized.named_parameters(c for c in CASES if c["name"] not in QUICK)
  @pytest.mark.slow
  def test_one_step_on_one_and_two_replicas_slowly(self, name, reduction):
    self.check_step(name, reduction)

  def check_step(self, name, reduction):
    make, labels, gradient, _ = HEADS[name]
    step = (X * WEIGHTS[:, None]).T @ gradient
    size = 1 if reduction == "sum" else len(X)
    for strategy in (None, toys.two_replicas()):
      estimator = models.estimator_of(lambda: make(reduction), strategy)
      estimator.train(models.input_of(FEATURES, labels), steps=1)
      weights = models.weights_of(estimator)
      self.assertAllClose(weights, -models.LEARNING_RATE * step / size)

  @parameterized.named_parameters((name, name) for name in QUICK)
  def test_evaluation_on_one_and_two_replicas(self, name):
    self.check_evaluation(name)

  @parameterized.named_parameters((n, n) for n in HEADS if n not in QUICK)
  @pytest.mark.slow
  def test_evaluation_on_one_and_two_replicas_slowly(self, name):
    self.check_evaluation(name)

  def check_evaluation(self, name):
    make, labels, _, _ = HEADS[name]
    head = make("sum_over_batch_size")
    model_dir = new_folder()
    estimator = models.estimator_of(lambda: head, model_dir=model_dir)
    estimator.train(models.input_of(FEATURES, labels), steps=1)
    logits = X @ models.weights_of(estimator)
    metrics = head.update_metrics(head.metrics(), FEATURES, logits, labels)
    expected = {
      **models.results(metrics),
      "loss": float(head.loss(labels, logits, FEATURES)),
      "global_step": 1,
    }
    # Batches of 2, 2 and 1: on two replicas one has nothing of the last.
    batches = models.input_of(FEATURES, labels, batch_size=2)
    for strategy in (None, toys.two_replicas()):
      estimator = models.estimator_of(lambda: head, strategy, model_dir)
      self.assertAllClose(estimator.evaluate(batches), expected)

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
      self.assertAllEqual(
        served["classes"], expected.get("all_classes", expected["classes"])
      )
    if "regression" in signatures:
      served = serving.served(path, "regression", inputs=examples)
      value = expected.get("predictions", expected.get("logistic"))
      self.assertAllClose(served["outputs"], value)


def multi_head(reduction="sum_over_batch_size"):
  return MultiHead(
    [
      BinaryClassHead("w", loss_reduction=reduction, name="b"),
      RegressionHead(2, loss_reduction=reduction, name="r"),
    ],
    head_weights=[1, 0.5],
  )


MULTI_LABELS = {
  "b": np.array([1, 0, 1, 0, 0]),
  "r": np.array([[1.0, 2.0], [0.0, 1.0], [4.0, 0.0], [2.0, 2.0], [1.0, 0.0]]),
}


class MultiHeadInEstimatorsTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters("sum", "sum_over_batch_size")
  def test_one_step_and_its_evaluation_on_one_and_two_replicas(self, reduction):
    binary = WEIGHTS[:, None] * (0.5 - MULTI_LABELS["b"][:, None])
    numbers = 0.5 * -2 * MULTI_LABELS["r"]
    step = X.T @ np.concatenate([binary, numbers], 1)
    sizes = [1, 1, 1] if reduction == "sum" else [5, 10, 10]
    found = []
    for strategy in (None, toys.two_replicas()):
      estimator = models.estimator_of(lambda: multi_head(reduction), strategy)
      estimator.train(models.input_of(FEATURES, MULTI_LABELS), steps=1)
      weights = models.weights_of(estimator)
      self.assertAllClose(weights, -models.LEARNING_RATE * step / sizes)
      found.append(
        estimator.evaluate(
          models.input_of(FEATURES, MULTI_LABELS, batch_size=2)
        )
      )
    self.assertAllClose(*found)
    if reduction == "sum_over_batch_size":
      # The mean over the examples, whatever the batches.
      squares = (MULTI_LABELS["r"] - X @ weights[:, 1:]) ** 2
      self.assertAllClose(found[0]["loss/r"], squares.mean())
      self.assertAllClose(found[0]["average_loss/r"], squares.mean())
      self.assertAllClose(
        found[0]["loss"], found[0]["loss/b"] + 0.5 * found[0]["loss/r"]
      )

  def test_predictions_and_exports(self):
    estimator = models.estimator_of(multi_head)
    estimator.train(models.input_of(FEATURES, MULTI_LABELS), steps=1)
    logits = X @ models.weights_of(estimator)
    rows = list(estimator.predict(models.input_of({"x": X})))
    self.assertAllClose(
      [row["r", "predictions"] for row in rows], logits[:, 1:]
    )
    self.assertEqual(rows[0]["b", "classes"], [b"1"])
    (row, *_) = estimator.predict(
      models.input_of({"x": X}), predict_keys=[("b", "logits")]
    )
    self.assertAllClose(row, {("b", "logits"): logits[0, :1]})

    path = estimator.export_saved_model(new_folder(), RECEIVER)
    self.assertEqual(
      sorted(serving.signatures_of(path)),
      [
        "b",
        "b/classification",
        "b/predict",
        "b/regression",
        "predict",
        "r",
        "r/predict",
        "r/regression",
        "serving_default",
      ],
    )
    examples = [serving.serialized(x=row.tolist()) for row in X]
    served = serving.served(path, "predict", examples=examples)
    self.assertEqual(set(served), {f"{head}/{key}" for head, key in rows[0]})
    self.assertAllClose(served["r/predictions"], logits[:, 1:])
    served = serving.served(path, "r", inputs=examples)
    self.assertAllClose(served["outputs"], logits[:, 1:])
    served = serving.served(path, inputs=examples)  # the first head's
    self.assertAllEqual(served["classes"], [[b"0", b"1"]] * 5)


# Lengths of the sequences; two replicas get 4 and 2 valid steps of three rows.
MASK = tf.sequence_mask([3, 1, 2]).numpy()
STEPS = np.array(
  [[[1], [2], [3]], [[4], [9], [9]], [[5], [6], [9]]], np.float32
)
STEP_LABELS = np.array([[1, 0, 1], [0, 7, 7], [1, 0, 7]], np.float32)
STEP_WEIGHTS = np.array([[1, 2, 1], [3, 9, 9], [0, 1, 9]], np.float32)
SEQUENCES = {"x": STEPS, "mask": MASK, "w": STEP_WEIGHTS}


class SequencesInEstimatorsTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters("sum", "sum_over_batch_size")
  def test_one_and_two_replicas(self, reduction):
    def make():
      head = RegressionHead(1, "w", reduction)
      return SequentialHeadWrapper(head, "mask")

    x, labels, weights = (
      STEPS[MASK][:, 0],
      STEP_LABELS[MASK],
      STEP_WEIGHTS[MASK],
    )
    size = 1 if reduction == "sum" else 6
    slope = models.LEARNING_RATE * 2 * (weights * labels * x).sum() / size
    squares = (labels - slope * x) ** 2
    found = []
    for strategy in (None, toys.two_replicas()):
      estimator = models.estimator_of(make, strategy)
      estimator.train(models.input_of(SEQUENCES, STEP_LABELS), steps=1)
      self.assertAllClose(models.weights_of(estimator), [[slope]])
      found.append(estimator.evaluate(models.input_of(SEQUENCES, STEP_LABELS)))
    self.assertAllClose(*found)
    # The mean over the six steps, whatever the reduction in training.
    self.assertAllClose(found[0]["loss"], (weights * squares).sum() / 6)
    self.assertAllClose(
      found[0]["average_loss"], (weights * squares).sum() / weights.sum()
    )

  def test_predictions_come_with_the_mask(self):
    def make():
      return SequentialHeadWrapper(BinaryClassHead(), "mask")

    estimator = models.estimator_of(make)
    estimator.train(models.input_of(SEQUENCES, STEP_LABELS), steps=1)
    slope = models.weights_of(estimator)
    features = {"x": STEPS, "mask": MASK}
    rows = list(estimator.predict(models.input_of(features)))
    self.assertAllEqual([row["mask"] for row in rows], MASK)
    self.assertAllClose([row["logits"] for row in rows], STEPS * slope)

import math

import numpy as np
import sklearn.metrics
import tensorflow as tf
from absl.testing import parameterized

from estimators.heads.binary_class import BinaryClassHead
from tests.estimators.heads import models

# Probabilities of class 1: 3/4, 1/2, 1/4.
LOGITS = np.log([[3.0], [1.0], [1 / 3]]).astype(np.float32)
LABELS = np.array([1, 0, 1])
WEIGHTS = {"w": np.array([1.0, 2.0, 3.0])}
# The losses: log 4/3, log 2, log 4.
LOG2, LOG3 = math.log(2), math.log(3)
TOTAL = (2 * LOG2 - LOG3) + LOG2 + 2 * LOG2
WEIGHTED = (2 * LOG2 - LOG3) + 2 * LOG2 + 3 * 2 * LOG2


class BinaryClassHeadTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (None, "sum", TOTAL),
    (None, "sum_over_batch_size", TOTAL / 3),
    ("w", "sum", WEIGHTED),
    ("w", "SUM_OVER_BATCH_SIZE", WEIGHTED / 3),
  )
  def test_loss(self, column, reduction, expected):
    head = BinaryClassHead(column, loss_reduction=reduction)
    for labels in (LABELS, LABELS[:, None], LABELS.astype(bool)):
      self.assertAllClose(head.loss(labels, LOGITS, WEIGHTS), expected)
    loss = head.loss(LABELS, LOGITS, WEIGHTS, regularization_losses=[0.5, 0.25])
    self.assertAllClose(loss, expected + 0.75)

  def test_labels_between_0_and_1_are_probabilities(self):
    # 0.25 * -log 0.75 + 0.75 * -log 0.25
    loss = BinaryClassHead().loss([0.25], LOGITS[:1])
    expected = 0.25 * (2 * LOG2 - LOG3) + 0.75 * 2 * LOG2
    self.assertAllClose(loss, expected)

  def test_words_as_labels(self):
    head = BinaryClassHead(label_vocabulary=["no", "yes"])
    labels = np.array([["yes"], ["no"], ["yes"]])
    self.assertAllClose(head.loss(labels, LOGITS), TOTAL / 3)

  def test_more_batch_dimensions(self):
    head = BinaryClassHead("w")
    logits = np.stack([LOGITS, -LOGITS])  # [2, 3, 1]
    weights = np.array([[1.0, 0, 0], [0, 0, 2.0]])
    for labels in ([LABELS, LABELS], [LABELS[:, None], LABELS[:, None]]):
      loss = head.loss(np.array(labels), logits, {"w": weights})
      # log 4/3, and twice that again, over six.
      self.assertAllClose(loss, 3 * (2 * LOG2 - LOG3) / 6)

  def test_loss_of_ones_own(self):
    seen = {}

    def loss_fn(labels, logits, features, loss_reduction):
      seen.update(features=features, loss_reduction=loss_reduction)
      return tf.abs(labels - logits)

    head = BinaryClassHead("w", loss_fn=loss_fn)
    loss = head.loss([1, 0], [[3.0], [-1.0]], {"w": [1.0, 4.0]})
    self.assertAllClose(loss, (2 + 4 * 1) / 2)
    self.assertEqual(
      seen,
      {"features": {"w": [1.0, 4.0]}, "loss_reduction": "sum_over_batch_size"},
    )

  def test_predictions(self):
    predictions = BinaryClassHead().predictions(LOGITS)
    expected = {
      "logits": LOGITS,
      "logistic": np.float32([[0.75], [0.5], [0.25]]),
      "probabilities": np.float32([[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]]),
      "class_ids": np.int64([[1], [0], [0]]),
      "classes": np.array([[b"1"], [b"0"], [b"0"]], object),
      "all_class_ids": np.int32([[0, 1]] * 3),
      "all_classes": np.array([[b"0", b"1"]] * 3, object),
    }
    self.assertEqual(list(predictions), list(expected))
    for key, value in expected.items():
      found = predictions[key].numpy()
      self.assertEqual(found.dtype, value.dtype, key)
      if value.dtype.kind == "f":
        self.assertAllClose(found, value)
      else:
        self.assertAllEqual(found, value)

  def test_predictions_with_a_vocabulary_and_keys(self):
    head = BinaryClassHead(label_vocabulary=("nö", "yes"))
    predictions = head.predictions(LOGITS, ["classes", "all_classes"])
    self.assertEqual(set(predictions), {"classes", "all_classes"})
    no, yes = "nö".encode(), b"yes"
    self.assertAllEqual(predictions["classes"], [[yes], [no], [no]])
    self.assertAllEqual(predictions["all_classes"], [[no, yes]] * 3)

  def test_metrics(self):
    head = BinaryClassHead("w", thresholds=[0.2, 0.6], name="a")
    metrics = head.metrics([0.1])
    for part in (slice(0, 2), slice(2, 3)):
      head.update_metrics(
        metrics,
        {"w": WEIGHTS["w"][part]},
        LOGITS[part],
        LABELS[part],
        regularization_losses=[0.5, 0.25],
      )
    expected = {
      "average_loss": WEIGHTED / 6,
      "accuracy": 3 / 6,  # the third is taken for class 0
      "precision": 1,
      "recall": 1 / 4,
      "prediction/mean": (0.75 + 2 * 0.5 + 3 * 0.25) / 6,
      "label/mean": 4 / 6,
      "accuracy_baseline": 4 / 6,
      # Of the pairs of a positive and the negative, the one of weight 1 of 4.
      "auc": 1 / 4,
      # Above 0.2 are all, above 0.6 the first alone.
      "accuracy/positive_threshold_0.2": 4 / 6,
      "precision/positive_threshold_0.2": 4 / 6,
      "recall/positive_threshold_0.2": 1,
      "accuracy/positive_threshold_0.6": 3 / 6,
      "precision/positive_threshold_0.6": 1,
      "recall/positive_threshold_0.6": 1 / 4,
      "regularization_loss": 0.75,
    }
    found = models.results(metrics)
    found.pop("auc_precision_recall/a")
    self.assertAllClose(found, {f"{k}/a": v for k, v in expected.items()})

  def test_baseline_of_rare_positives(self):
    head = BinaryClassHead()
    metrics = head.update_metrics(head.metrics(), {}, LOGITS, [0, 0, 1])
    self.assertAllClose(metrics["accuracy_baseline"].result(), 2 / 3)

  def test_metrics_agree_with_scikit_learn(self):
    random = np.random.RandomState(0)
    labels, weights = random.randint(2, size=2000), random.rand(2000)
    logits = labels + 1.5 * random.normal(size=2000)
    head = BinaryClassHead("w", thresholds=[0.7])
    found = models.results(
      head.update_metrics(
        head.metrics(), {"w": weights}, logits[:, None], labels
      )
    )
    p = 1 / (1 + np.exp(-logits))
    sk, kwargs = sklearn.metrics, {"sample_weight": weights}
    for key, value in {
      "average_loss": sk.log_loss(labels, p, **kwargs),
      "accuracy": sk.accuracy_score(labels, p > 0.5, **kwargs),
      "precision": sk.precision_score(labels, p > 0.5, **kwargs),
      "recall": sk.recall_score(labels, p > 0.5, **kwargs),
      "accuracy/positive_threshold_0.7": sk.accuracy_score(
        labels, p > 0.7, **kwargs
      ),
      "precision/positive_threshold_0.7": sk.precision_score(
        labels, p > 0.7, **kwargs
      ),
      "recall/positive_threshold_0.7": sk.recall_score(
        labels, p > 0.7, **kwargs
      ),
      "label/mean": np.average(labels, weights=weights),
      "prediction/mean": np.average(p, weights=weights),
    }.items():
      self.assertAllClose(found[key], value, 1e-4, 1e-4, msg=key)
    # Keras's curves have 200 points.
    auc = sk.roc_auc_score(labels, p, **kwargs)
    self.assertAllClose(found["auc"], auc, 0, 1e-3)
    area = sk.average_precision_score(labels, p, **kwargs)
    self.assertAllClose(found["auc_precision_recall"], area, 0, 1e-2)

  def test_equal_heads(self):
    head = BinaryClassHead("w", [0.5], ["a", "b"])
    self.assertEqual(head, BinaryClassHead("w", (0.5,), ("a", "b")))
    self.assertEqual(hash(head), hash(BinaryClassHead("w", [0.5], ["a", "b"])))
    self.assertNotEqual(head, BinaryClassHead("w", [0.6], ["a", "b"]))
    self.assertEqual(head.logits_dimension, 1)

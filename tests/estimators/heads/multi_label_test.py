import math

import numpy as np
import sklearn.metrics
import tensorflow as tf
from absl.testing import parameterized

from estimators.heads.multi_label import MultiLabelHead
from tests.estimators.heads import models

# Probabilities: 3/4, 1/2, 1/4 and 1/4, 1/4, 3/4.
ODDS = [[3, 1, 1 / 3], [1 / 3, 1 / 3, 3]]
LOGITS = np.log(ODDS).astype(np.float32)
LABELS = np.array([[1, 0, 0], [1, 0, 1]])
WORDS = ["x", "y", "z"]
# The means over the classes.
LOW, HALF, HIGH = math.log(4 / 3), math.log(2), math.log(4)
FIRST, SECOND = (LOW + HALF + LOW) / 3, (HIGH + LOW + LOW) / 3


def sparse(values):
  """The labels as a SparseTensor of ids or words."""
  return tf.SparseTensor([[0, 0], [1, 0], [1, 1]], tf.constant(values), [2, 2])


class MultiLabelHeadTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (None, "sum", FIRST + SECOND),
    (None, "sum_over_batch_size", (FIRST + SECOND) / 2),
    ("w", "sum", FIRST + 3 * SECOND),
    ("w", "sum_over_batch_size", (FIRST + 3 * SECOND) / 2),
  )
  def test_loss(self, column, reduction, expected):
    head = MultiLabelHead(
      3, column, label_vocabulary=WORDS, loss_reduction=reduction
    )
    for labels in (
      LABELS,
      LABELS.astype(bool),
      sparse([0, 2, 0]),
      sparse(["x", "x", "z"]),
      tf.ragged.constant([["x"], ["z", "x"]]),
      tf.ragged.constant([[0], [0, 2]]),
    ):
      loss = head.loss(labels, LOGITS, {"w": [1, 3]})
      self.assertAllClose(loss, expected)

  def test_a_class_named_twice_counts_once(self):
    loss = MultiLabelHead(3).loss(tf.ragged.constant([[0, 0]]), LOGITS[:1])
    self.assertAllClose(loss, FIRST)

  def test_examples_without_classes(self):
    labels = tf.ragged.constant([[], []], dtype=tf.int32)
    loss = MultiLabelHead(3, loss_reduction="sum").loss(labels, LOGITS)
    self.assertAllClose(loss, (HIGH + HALF + LOW + LOW + LOW + HIGH) / 3)

  def test_loss_of_ones_own(self):
    def loss_fn(labels, logits):
      return tf.reduce_sum(labels * logits, -1, keepdims=True)

    loss = MultiLabelHead(3, loss_fn=loss_fn).loss(LABELS, LOGITS)
    self.assertAllClose(loss, math.log(3) / 2)  # log 3, and 0

  @parameterized.parameters(None, [WORDS])
  def test_predictions(self, words):
    names = [b"x", b"y", b"z"] if words else [b"0", b"1", b"2"]
    predictions = MultiLabelHead(3, label_vocabulary=words).predictions(LOGITS)
    self.assertEqual(list(predictions), ["logits", "probabilities", "classes"])
    self.assertAllClose(predictions["logits"], LOGITS)
    self.assertAllClose(
      predictions["probabilities"], np.array([[3, 2, 1], [1, 1, 3]]) / 4
    )
    self.assertAllEqual(predictions["classes"], [names] * 2)

  @parameterized.parameters((None, [1, 2], "class%d"), (WORDS, ["y", 2], ""))
  def test_metrics(self, words, classes, suffix):
    head = MultiLabelHead(
      3,
      "w",
      thresholds=[0.6],
      label_vocabulary=words,
      classes_for_class_based_metrics=classes,
      name="a",
    )
    metrics = head.metrics([1.0])
    for row, weight in ((0, 1.0), (1, 3.0)):
      part = slice(row, row + 1)
      head.update_metrics(
        metrics,
        {"w": [weight]},
        LOGITS[part],
        LABELS[part],
        regularization_losses=[2.0],
      )
    one, two = ("y", "z") if words else ("class1", "class2")
    expected = {
      "average_loss": (FIRST + 3 * SECOND) / 4,
      # Positives: weights 1 (p = 3/4), 3 (1/4), 3 (3/4). Negatives: 1 (1/2),
      # 1 (1/4), 3 (1/4). Ties count half.
      "auc": (4 * 5 + 3 * (4 / 2)) / (7 * 5),
      "accuracy/positive_threshold_0.6": (3 + 3 * 2) / 12,
      "precision/positive_threshold_0.6": 1,
      "recall/positive_threshold_0.6": 4 / 7,
      f"probability_mean/{one}": (0.5 + 3 * 0.25) / 4,
      f"probability_mean/{two}": (0.25 + 3 * 0.75) / 4,
      f"auc/{one}": 0,  # no positive
      f"auc/{two}": 1,
      f"auc_precision_recall/{one}": 0,
      f"auc_precision_recall/{two}": 1,
      "regularization_loss": 2,
    }
    found = models.results(metrics)
    found.pop("auc_precision_recall/a")
    self.assertAllClose(found, {f"{k}/a": v for k, v in expected.items()})

  def test_metrics_agree_with_scikit_learn(self):
    random = np.random.RandomState(0)
    labels, weights = random.randint(2, size=[1000, 3]), random.rand(1000)
    logits = labels + 1.5 * random.normal(size=[1000, 3])
    head = MultiLabelHead(3, "w", classes_for_class_based_metrics=[1])
    found = models.results(
      head.update_metrics(head.metrics(), {"w": weights}, logits, labels)
    )
    p, sk = 1 / (1 + np.exp(-logits)), sklearn.metrics
    losses = -np.log(np.where(labels, p, 1 - p)).mean(1)
    each = np.repeat(weights, 3)
    self.assertAllClose(
      found["average_loss"], np.average(losses, weights=weights)
    )
    for suffix, y, q, w in (
      ("", labels.ravel(), p.ravel(), each),
      ("/class1", labels[:, 1], p[:, 1], weights),
    ):
      auc = sk.roc_auc_score(y, q, sample_weight=w)
      area = sk.average_precision_score(y, q, sample_weight=w)
      self.assertAllClose(found[f"auc{suffix}"], auc, 0, 1e-3)
      self.assertAllClose(found[f"auc_precision_recall{suffix}"], area, 0, 1e-2)

  def test_equal_heads(self):
    head = MultiLabelHead(
      3, label_vocabulary=WORDS, classes_for_class_based_metrics=["z"]
    )
    self.assertEqual(
      head,
      MultiLabelHead(
        3, label_vocabulary=WORDS, classes_for_class_based_metrics=[2]
      ),
    )
    self.assertEqual(head.logits_dimension, 3)

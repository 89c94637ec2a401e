import math

import numpy as np
import sklearn.metrics
import tensorflow as tf
from absl.testing import parameterized

from estimators.heads.multi_class import MultiClassHead
from tests.estimators.heads import models

# Probabilities: 1/8, 1/4, 5/8 and 1/2, 1/4, 1/4.
LOGITS = np.log([[1.0, 2.0, 5.0], [2.0, 1.0, 1.0]]).astype(np.float32)
LABELS = np.array([2, 1])
WORDS = ["x", "y", "z"]
# The losses of the labels: log 8/5 and log 4.
FIRST, SECOND = math.log(8 / 5), math.log(4)


class MultiClassHeadTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (None, "sum", FIRST + SECOND),
    (None, "sum_over_batch_size", (FIRST + SECOND) / 2),
    ("w", "sum", FIRST + 3 * SECOND),
    ("w", "sum_over_batch_size", (FIRST + 3 * SECOND) / 2),
  )
  def test_loss(self, column, reduction, expected):
    head = MultiClassHead(3, column, loss_reduction=reduction)
    features = {"w": np.array([[1], [3]])}
    for labels in (LABELS, LABELS[:, None], LABELS.astype(np.uint8)):
      self.assertAllClose(head.loss(labels, LOGITS, features), expected)
    loss = head.loss(LABELS, LOGITS, features, regularization_losses=[1.0])
    self.assertAllClose(loss, expected + 1)

  def test_words_as_labels(self):
    head = MultiClassHead(3, label_vocabulary=WORDS)
    loss = head.loss(["z", "y"], LOGITS)
    self.assertAllClose(loss, (FIRST + SECOND) / 2)

  def test_more_batch_dimensions(self):
    loss = MultiClassHead(3).loss(LABELS[None], LOGITS[None])
    self.assertAllClose(loss, (FIRST + SECOND) / 2)

  def test_loss_of_ones_own(self):
    def loss_fn(labels, logits):
      self.assertEqual(labels.dtype, tf.int64)
      return tf.cast(labels, tf.float32) + logits[:, :1]

    head = MultiClassHead(3, loss_fn=loss_fn)
    loss = head.loss(LABELS, [[1.0, 2, 3], [4, 5, 6]])
    self.assertAllClose(loss, (2 + 1 + 1 + 4) / 2)

  @parameterized.parameters(None, [WORDS])
  def test_predictions(self, words):
    names = [b"x", b"y", b"z"] if words else [b"0", b"1", b"2"]
    head = MultiClassHead(3, label_vocabulary=words)
    predictions = head.predictions(LOGITS)
    expected = {
      "logits": LOGITS,
      "probabilities": np.float32([[1, 2, 5], [4, 2, 2]]) / 8,
      "class_ids": np.int64([[2], [0]]),
      "classes": np.array([[names[2]], [names[0]]], object),
      "all_class_ids": np.int32([[0, 1, 2]] * 2),
      "all_classes": np.array([names] * 2, object),
    }
    self.assertEqual(list(predictions), list(expected))
    for key, value in expected.items():
      found = predictions[key].numpy()
      self.assertEqual(found.dtype, value.dtype, key)
      if value.dtype.kind == "f":
        self.assertAllClose(found, value)
      else:
        self.assertAllEqual(found, value)

  def test_metrics(self):
    head = MultiClassHead(3, "w", name="a")
    metrics = head.metrics()
    for row, weight in ((0, 1.0), (1, 3.0)):
      part = slice(row, row + 1)
      head.update_metrics(metrics, {"w": [weight]}, LOGITS[part], LABELS[part])
    expected = {
      "average_loss/a": (FIRST + 3 * SECOND) / 4,
      "accuracy/a": 1 / 4,
    }
    self.assertAllClose(models.results(metrics), expected)

  def test_metrics_agree_with_scikit_learn(self):
    random = np.random.RandomState(0)
    labels, weights = random.randint(4, size=500), random.rand(500)
    logits = random.normal(size=[500, 4])
    head = MultiClassHead(4, "w")
    found = models.results(
      head.update_metrics(head.metrics(), {"w": weights}, logits, labels)
    )
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss = sklearn.metrics.log_loss(labels, p, sample_weight=weights)
    accuracy = sklearn.metrics.accuracy_score(
      labels, logits.argmax(1), sample_weight=weights
    )
    expected = {"average_loss": loss, "accuracy": accuracy}
    self.assertAllClose(found, expected, 1e-4, 1e-4)

  def test_equal_heads(self):
    head = MultiClassHead(3, label_vocabulary=WORDS)
    self.assertEqual(head, MultiClassHead(3, None, tuple(WORDS)))
    self.assertNotEqual(head, MultiClassHead(3))
    self.assertEqual(head.logits_dimension, 3)

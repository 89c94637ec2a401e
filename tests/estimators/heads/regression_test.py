import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators.heads.regression import (
  LogisticRegressionHead,
  PoissonRegressionHead,
  RegressionHead,
)
from tests.estimators.heads import models

LOGITS = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
LABELS = np.array([[1.0, 4.0], [6.0, 3.0]])  # squared errors 0 4, 9 1


class RegressionHeadTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (None, 0 + 4 + 9 + 1),
    ([1, 3], 4 + 3 * 10),
    ([[1], [3]], 4 + 3 * 10),
    ([[1, 2], [3, 4]], 2 * 4 + 3 * 9 + 4),
  )
  def test_loss(self, weights, total):
    column = None if weights is None else "w"
    features = {"w": np.array(weights or [])}
    for reduction, size in (("sum", 1), ("sum_over_batch_size", 4)):
      head = RegressionHead(2, column, reduction)
      loss = head.loss(LABELS, LOGITS, features)
      self.assertAllClose(loss, total / size)
      loss = head.loss(LABELS, LOGITS, features, regularization_losses=[1.0])
      self.assertAllClose(loss, total / size + 1)

  def test_two_rows_of_squared_error_9_with_weights_1_and_2(self):
    head = RegressionHead(1, "w")
    features = {"w": [1.0, 2.0]}
    loss = head.loss([0, 0], [[3.0], [3.0]], features)
    self.assertAllClose(loss, 13.5)
    metrics = head.update_metrics(
      head.metrics(), features, [[3.0], [3.0]], [0, 0]
    )
    self.assertAllClose(metrics["average_loss"].result(), 9)

  def test_a_numeric_column_of_weights(self):
    column = tf.feature_column.numeric_column(
      "w", normalizer_fn=lambda w: w / 10
    )
    head = RegressionHead(1, column)
    loss = head.loss([0, 0], [[3.0], [3.0]], {"w": [10, 20]})
    self.assertAllClose(loss, 13.5)

  def test_loss_and_link_of_ones_own(self):
    head = RegressionHead(
      2,
      loss_fn=lambda labels, logits: tf.abs(labels - logits),
      inverse_link_fn=tf.square,
    )
    self.assertAllClose(head.loss(LABELS, LOGITS), (0 + 2 + 3 + 1) / 4)
    predictions = head.predictions(LOGITS)
    self.assertAllClose(
      predictions, {"predictions": LOGITS**2, "logits": LOGITS}
    )
    metrics = head.update_metrics(head.metrics(), {}, LOGITS, LABELS)
    self.assertAllClose(metrics["prediction/mean"].result(), 30 / 4)

  def test_predictions(self):
    predictions = RegressionHead(2).predictions(LOGITS)
    self.assertAllClose(predictions, {"predictions": LOGITS})
    self.assertEqual(predictions["predictions"].dtype, tf.float32)

  @parameterized.parameters(
    ([1, 3], [1, 1, 3, 3]), ([[1, 2], [3, 4]], [1, 2, 3, 4])
  )
  def test_metrics(self, weights, each):
    head = RegressionHead(2, "w", name="a")
    metrics = head.metrics([1.0])
    for row in range(2):
      part = slice(row, row + 1)
      head.update_metrics(
        metrics,
        {"w": np.array(weights)[part]},
        LOGITS[part],
        LABELS[part],
        regularization_losses=[2.0, 1.0],
      )
    expected = {
      "average_loss/a": np.average([0, 4, 9, 1], weights=each),
      "prediction/mean/a": np.average([1, 2, 3, 4], weights=each),
      "label/mean/a": np.average([1, 4, 6, 3], weights=each),
      "regularization_loss/a": 3,
    }
    self.assertAllClose(models.results(metrics), expected)


class PoissonRegressionHeadTest(parameterized.TestCase, tf.test.TestCase):
  def test_loss(self):
    # Rates 2 and 3, counts 1 and 4.
    logits = np.log([[2.0], [3.0]])
    short = (2 - math.log(2)) + (3 - 4 * math.log(3))
    head = PoissonRegressionHead(loss_reduction="sum", compute_full_loss=False)
    self.assertAllClose(head.loss([1, 4], logits), short)
    stirling = 4 * math.log(4) - 4 + 0.5 * math.log(2 * math.pi * 4)
    head = PoissonRegressionHead(loss_reduction="sum")
    self.assertAllClose(head.loss([1, 4], logits), short + stirling)
    self.assertAllClose(stirling, math.lgamma(5), 0, 0.03)

  def test_predictions_and_metrics(self):
    head = PoissonRegressionHead(2, "w")
    logits = np.log([[2.0, 3.0]])
    predictions = head.predictions(logits)
    self.assertAllClose(
      predictions, {"predictions": [[2, 3]], "logits": logits}
    )
    metrics = head.update_metrics(
      head.metrics(), {"w": [[1, 3]]}, logits, [[0, 4]]
    )
    self.assertAllClose(metrics["prediction/mean"].result(), (2 + 9) / 4)
    self.assertAllClose(metrics["label/mean"].result(), 3)


class LogisticRegressionHeadTest(tf.test.TestCase):
  def test_loss_predictions_and_metrics(self):
    head = LogisticRegressionHead("w")
    logits, features = np.log([[3.0], [1.0]]), {"w": [1, 3]}
    first = 0.25 * math.log(4 / 3) + 0.75 * math.log(4)
    loss = head.loss([0.25, 1], logits, features)
    self.assertAllClose(loss, (first + 3 * math.log(2)) / 2)
    predictions = head.predictions(logits, ["predictions"])
    self.assertAllClose(predictions, {"predictions": [[0.75], [0.5]]})
    metrics = head.update_metrics(head.metrics(), features, logits, [0.25, 1])
    expected = {
      "average_loss": (first + 3 * math.log(2)) / 4,
      "prediction/mean": (0.75 + 3 * 0.5) / 4,
      "label/mean": (0.25 + 3) / 4,
    }
    self.assertAllClose(models.results(metrics), expected)

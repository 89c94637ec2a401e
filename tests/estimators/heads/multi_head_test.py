import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators.heads.binary_class import BinaryClassHead
from estimators.heads.multi_class import MultiClassHead
from estimators.heads.multi_head import MultiHead
from estimators.heads.regression import RegressionHead
from tests.estimators.heads import models

# "c": probability of class 1 is 3/4 and 1/4; "r": two numbers.
C = np.log([[3.0], [1 / 3]]).astype(np.float32)
R = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
LOGITS = {"c": C, "r": R}
LABELS = {"c": np.array([1, 1]), "r": np.array([[1.0, 4.0], [6.0, 3.0]])}
FEATURES = {"w": np.array([1.0, 3.0])}
LOSS_C = (math.log(4 / 3) + 3 * math.log(4)) / 2
LOSS_R = (0 + 4 + 9 + 1) / 4


def heads():
  return [BinaryClassHead("w", name="c"), RegressionHead(2, name="r")]


class MultiHeadTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (None, LOSS_C + LOSS_R), ([2, 0.5], 2 * LOSS_C + 0.5 * LOSS_R)
  )
  def test_loss(self, weights, expected):
    head = MultiHead(heads(), weights)
    for logits in (LOGITS, np.concatenate([C, R], 1)):
      loss = head.loss(LABELS, logits, FEATURES)
      self.assertAllClose(loss, expected)
      loss = head.loss(
        LABELS, logits, FEATURES, regularization_losses=[0.5, 0.25]
      )
      self.assertAllClose(loss, expected + 0.75)

  def test_predictions(self):
    head = MultiHead(heads())
    predictions = head.predictions(np.concatenate([C, R], 1))
    of_c = BinaryClassHead().predictions(C)
    self.assertEqual(
      set(predictions), {("c", key) for key in of_c} | {("r", "predictions")}
    )
    self.assertAllClose(predictions["c", "logistic"], [[0.75], [0.25]])
    self.assertAllClose(predictions["r", "predictions"], R)
    chosen = head.predictions(LOGITS, [("r", "predictions")])
    self.assertAllClose(chosen, {("r", "predictions"): R})

  def test_metrics(self):
    head = MultiHead(heads(), head_weights=[2, 1])
    metrics = head.metrics([1.0])
    for rows in (slice(0, 1), slice(1, 2)):
      head.update_metrics(
        metrics,
        {"w": FEATURES["w"][rows]},
        {name: value[rows] for name, value in LOGITS.items()},
        {name: value[rows] for name, value in LABELS.items()},
        regularization_losses=[0.5],
      )
    self.assertEqual(
      set(metrics),
      {"loss/c", "loss/r", "regularization_loss/c_r"}
      | set(heads()[0].metrics())
      | set(heads()[1].metrics()),
    )
    found = models.results(metrics)
    expected = {
      "loss/c": LOSS_C,
      "loss/r": LOSS_R,
      "regularization_loss/c_r": 0.5,
      "average_loss/c": LOSS_C / 2,  # by the sum of weights, 4
      "average_loss/r": LOSS_R,
      "accuracy/c": 1 / 4,
      "label/mean/r": 14 / 4,
    }
    self.assertAllClose({key: found[key] for key in expected}, expected)

  def test_what_it_is(self):
    head = MultiHead(heads())
    self.assertEqual(head.name, "c_r")
    self.assertEqual(head.logits_dimension, 3)
    self.assertEqual(head.loss_reduction, "sum_over_batch_size")
    self.assertEqual(head, MultiHead(tuple(heads())))
    self.assertNotEqual(head, MultiHead(heads(), [1, 2]))

  @parameterized.parameters(
    ([], None, "at least one head"),
    ([BinaryClassHead()], None, "must have names"),
    ([BinaryClassHead(name="a")] * 2, None, "all different"),
    (heads(), [1], "weight for each head.* 2 heads and 1 weights"),
    (heads(), [1, math.inf], "must be finite"),
    (
      [
        BinaryClassHead(name="a"),
        BinaryClassHead(loss_reduction="sum", name="b"),
      ],
      None,
      "same loss_reduction",
    ),
  )
  def test_wrong_arguments(self, heads_, weights, message):
    with self.assertRaisesRegex(ValueError, message):
      MultiHead(heads_, weights)

  def test_what_is_no_head(self):
    with self.assertRaisesRegex(TypeError, "must be heads: 'a'"):
      MultiHead(["a"])

  @parameterized.parameters(
    ({"c": C}, LABELS, r"logits .*\['c', 'r'\].* are \['c'\]"),
    (C, LABELS, r"Could not split logits .*\[1, 2\].* should be 3"),
    (LOGITS, {"c": LABELS["c"]}, r"labels .*\['c', 'r'\].* are \['c'\]"),
    (LOGITS, LABELS["c"], "labels .*must be a dictionary"),
    (LOGITS, None, "labels .*must be a dictionary.* None"),
  )
  def test_wrong_logits_and_labels(self, logits, labels, message):
    head = MultiHead(heads())
    with self.assertRaisesRegex(ValueError, message):
      head.loss(labels, logits, FEATURES)
    with self.assertRaisesRegex(ValueError, message):
      head.update_metrics(head.metrics(), FEATURES, logits, labels)

  def test_unknown_keys(self):
    head = MultiHead([MultiClassHead(3, name="a")])
    with self.assertRaisesRegex(ValueError, "no predictions .*logistic"):
      head.predictions([[1.0, 2, 3]], [("a", "logistic")])

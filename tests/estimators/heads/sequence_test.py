import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators.heads.binary_class import BinaryClassHead
from estimators.heads.multi_class import MultiClassHead
from estimators.heads.multi_head import MultiHead
from estimators.heads.multi_label import MultiLabelHead
from estimators.heads.regression import RegressionHead
from estimators.heads.sequence import SequentialHeadWrapper
from tests.estimators.heads import models

# Two and one valid steps; what stands elsewhere is far off.
MASK = np.array([[True, True], [True, False]])
LOGITS = np.array([[[1.0], [2.0]], [[3.0], [9.0]]], np.float32)
LABELS = np.array([[0.0, 4.0], [6.0, -9.0]])  # squared errors 1, 4, 9
WEIGHTS = np.array([[1.0, 2.0], [3.0, 7.0]])
STEPS = [[0, 0], [0, 1], [1, 0]]


def sparse(values):
  """A SparseTensor of the valid steps, which stand in another order."""
  return tf.SparseTensor(STEPS[::-1], tf.constant(values[::-1]), [2, 2])


class SequentialHeadWrapperTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (None, "sum", 14),
    (None, "sum_over_batch_size", 14 / 3),
    ("w", "sum", 1 + 2 * 4 + 3 * 9),
    ("w", "sum_over_batch_size", (1 + 2 * 4 + 3 * 9) / 3),
  )
  def test_loss(self, column, reduction, expected):
    head = SequentialHeadWrapper(RegressionHead(1, column, reduction), "mask")
    for labels, weights in (
      (LABELS, WEIGHTS),
      (LABELS[..., None], WEIGHTS[..., None]),
      (sparse([0.0, 4.0, 6.0]), sparse([1.0, 2.0, 3.0])),
      (
        tf.ragged.constant([[0.0, 4.0], [6.0]]),
        tf.ragged.constant([[1.0, 2.0], [3.0]]),
      ),
    ):
      features = {"mask": MASK, "w": weights}
      loss = head.loss(labels, LOGITS, features)
      self.assertAllClose(loss, expected)
      loss = head.loss(labels, LOGITS, features, regularization_losses=[0.5])
      self.assertAllClose(loss, expected + 0.5)

  def test_many_logits_and_labels(self):
    logits = np.zeros([2, 2, 3], np.float32)
    static = MultiLabelHead(3)
    head = SequentialHeadWrapper(static)
    loss = head.loss(np.ones([2, 2, 3]), logits, {"sequence_length_mask": MASK})
    self.assertAllClose(loss, np.log(2))

  def test_metrics(self):
    head = SequentialHeadWrapper(RegressionHead(1, "w", name="a"), "mask")
    metrics = head.metrics([1.0])
    features = {"mask": MASK, "w": WEIGHTS}
    head.update_metrics(
      metrics, features, LOGITS, LABELS, regularization_losses=[0.5]
    )
    expected = {
      "average_loss/a": (1 + 2 * 4 + 3 * 9) / 6,
      "prediction/mean/a": (1 + 2 * 2 + 3 * 3) / 6,
      "label/mean/a": (2 * 4 + 3 * 6) / 6,
      "regularization_loss/a": 0.5,
    }
    self.assertAllClose(models.results(metrics), expected)

  def test_predictions_are_for_all_steps(self):
    head = SequentialHeadWrapper(MultiClassHead(3))
    logits = np.random.RandomState(0).normal(size=[2, 4, 3])
    predictions = head.predictions(logits, ["class_ids"])
    self.assertAllEqual(predictions["class_ids"], logits.argmax(2)[..., None])

  def test_features_for_a_loss_of_ones_own(self):
    static = RegressionHead(
      1,
      loss_fn=lambda labels, logits, features: (
        tf.cast(features["a"], tf.float32) * logits
      ),
    )
    head = SequentialHeadWrapper(static, "mask", "a")
    loss = head.loss(LABELS, LOGITS, {"mask": MASK, "a": WEIGHTS, "b": 1})
    self.assertAllClose(loss, (1 + 2 * 2 + 3 * 3) / 3)

  def test_what_it_is(self):
    head = SequentialHeadWrapper(MultiClassHead(3, name="a"), "mask", "b")
    self.assertEqual(head.name, "a_sequential")
    self.assertEqual(head.logits_dimension, 3)
    self.assertEqual(head.input_sequence_mask_key, "mask")
    self.assertEqual(
      head, SequentialHeadWrapper(MultiClassHead(3, name="a"), "mask", ["b"])
    )
    self.assertIsNone(SequentialHeadWrapper(MultiClassHead(3)).name)

  @parameterized.parameters(
    ("head", "mask", (), TypeError, "must be a head: 'head'"),
    (BinaryClassHead(), 3, (), TypeError, r"names of features.* \[3\]"),
    (BinaryClassHead(), "mask", 3, TypeError, "names of features"),
    (BinaryClassHead(), "mask", [3], TypeError, "names of features"),
    (MultiHead([BinaryClassHead(name="a")]), "m", (), ValueError, "MultiHead"),
  )
  def test_wrong_arguments(self, head, mask, columns, error, message):
    with self.assertRaisesRegex(error, message):
      SequentialHeadWrapper(head, mask, columns)

  @parameterized.parameters(
    ({}, LABELS, r"the mask .*'mask'.* are \['w'\]"),
    ({"mask": [True]}, LABELS, "two dimensions"),
    ({"mask": MASK}, None, "needs labels"),
    ({"mask": MASK}, LABELS[:, :1], "labels must have .*of the mask"),
    ({"mask": MASK[:, :1]}, LABELS, "labels must have .*of the mask"),
    ({"mask": MASK}, sparse([1.0, 2.0, 3.0]).values, "labels must have"),
    (
      {"mask": MASK},
      tf.ragged.constant([[1.0], [2.0]]),
      "Mismatched label shape",
    ),
    (
      {"mask": MASK},
      tf.sparse.from_dense(np.ones([2, 2, 1])),
      "one value for each step",
    ),
  )
  def test_wrong_tensors(self, features, labels, message):
    head = SequentialHeadWrapper(RegressionHead(), "mask")
    with self.assertRaisesRegex(ValueError, message):
      head.loss(labels, LOGITS, {"w": WEIGHTS, **features})

  def test_missing_weights(self):
    head = SequentialHeadWrapper(RegressionHead(1, "v"), "mask")
    with self.assertRaisesRegex(ValueError, r"features \['v'\]"):
      head.loss(LABELS, LOGITS, {"mask": MASK})

  def test_lengths_that_differ_in_a_graph(self):
    head = SequentialHeadWrapper(RegressionHead(), "mask")

    @tf.function(input_signature=[tf.TensorSpec([None, None])])
    def loss(labels):
      return head.loss(labels, LOGITS, {"mask": MASK})

    self.assertAllClose(loss(LABELS), 14 / 3)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "of the mask"):
      loss(LABELS[:, :1])

"""Bad arguments and bad tensors: heads say what they needed and got."""

import functools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators.heads.binary_class import BinaryClassHead
from estimators.heads.multi_class import MultiClassHead
from estimators.heads.multi_label import MultiLabelHead
from estimators.heads.regression import (
  LogisticRegressionHead,
  PoissonRegressionHead,
  RegressionHead,
)
from tests.estimators.heads import models

ALL = (
  BinaryClassHead,
  functools.partial(MultiClassHead, 3),
  functools.partial(MultiLabelHead, 3),
  RegressionHead,
  PoissonRegressionHead,
  LogisticRegressionHead,
)
TWO = np.zeros([2, 1], np.float32)
THREE = np.zeros([2, 3], np.float32)


class ArgumentsTest(parameterized.TestCase):
  @parameterized.parameters(
    (MultiClassHead, {"n_classes": 2}, "at least 3, but is 2; .*BinaryClass"),
    (MultiClassHead, {"n_classes": None}, "at least 3, but is None"),
    (MultiClassHead, {"n_classes": 3.5}, "must be an int"),
    (MultiLabelHead, {"n_classes": 1}, "at least 2, but is 1"),
    (MultiLabelHead, {"n_classes": True}, "must be an int"),
    (RegressionHead, {"label_dimension": 0}, "label_dimension .*but is 0"),
    (PoissonRegressionHead, {"label_dimension": -1}, "label_dimension"),
    (BinaryClassHead, {"thresholds": [0.5, 1]}, r"there are \[1.0\] among"),
    (MultiLabelHead, {"n_classes": 2, "thresholds": [0]}, "between 0 and 1"),
    (BinaryClassHead, {"thresholds": [float("nan")]}, "between 0 and 1"),
    (BinaryClassHead, {"label_vocabulary": "ab"}, "list or a tuple.* 'ab'"),
    (BinaryClassHead, {"label_vocabulary": [0, 1]}, "strings only"),
    (BinaryClassHead, {"label_vocabulary": ["a"]}, "2 classes.* has 1"),
    (BinaryClassHead, {"label_vocabulary": ["a", "a"]}, "all different"),
    (
      MultiClassHead,
      {"n_classes": 3, "label_vocabulary": ["a", "b"]},
      "3 classes.* has 2",
    ),
    (
      MultiLabelHead,
      {"n_classes": 3, "label_vocabulary": ["a", "b"]},
      "3 classes.* has 2",
    ),
    (BinaryClassHead, {"loss_fn": 3}, "must be a function, but is 3"),
    (BinaryClassHead, {"loss_fn": lambda y, x: 0}, r"\['x', 'y'\]"),
    (RegressionHead, {"loss_fn": lambda labels: 0}, r"are \['labels'\]"),
    (
      RegressionHead,
      {"loss_fn": lambda labels, logits, more: 0},
      r"'more'\]",
    ),
    (RegressionHead, {"inverse_link_fn": "exp"}, "must be a function.* 'exp'"),
    (
      MultiLabelHead,
      {"n_classes": 3, "classes_for_class_based_metrics": [3]},
      "from 0 to 2.* 3",
    ),
    (
      MultiLabelHead,
      {"n_classes": 3, "classes_for_class_based_metrics": ["a"]},
      "word 'a', but label_vocabulary is None",
    ),
    (
      MultiLabelHead,
      {
        "n_classes": 2,
        "label_vocabulary": ["a", "b"],
        "classes_for_class_based_metrics": ["c"],
      },
      "word 'c'",
    ),
  )
  def test_of_one_head(self, make, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      make(**arguments)

  @parameterized.parameters(*ALL)
  def test_of_all_heads(self, make):
    for reduction in ("none", "mean", None):
      with self.assertRaisesRegex(ValueError, "loss_reduction must be one of"):
        make(loss_reduction=reduction)
    for name in ("", "a b", 3, "_a"):
      with self.assertRaisesRegex(ValueError, "name of a head"):
        make(name=name)
    with self.assertRaisesRegex(TypeError, "weight_column must be .* 3"):
      make(weight_column=3)


class TensorsTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (BinaryClassHead(), [2, 0], TWO, r"in \[0, 1\].* \[\[2\], \[0\]\]"),
    (BinaryClassHead(), [-0.1, 0], TWO, r"in \[0, 1\]"),
    (BinaryClassHead(), [float("nan"), 0], TWO, r"in \[0, 1\].*nan"),
    (BinaryClassHead(), ["a", "b"], TWO, "give the head a label_vocabulary"),
    (
      BinaryClassHead(label_vocabulary=["a", "b"]),
      ["a", "c"],
      TWO,
      "one of a, b;.*b'c'",
    ),
    (BinaryClassHead(label_vocabulary=["a", "b"]), [0, 1], TWO, "are int32"),
    (BinaryClassHead(), [[0, 1], [1, 0]], TWO, r"Mismatched label shape"),
    (BinaryClassHead(), [0, 1, 1], TWO, r"Mismatched label shape.*\(3,\)"),
    (MultiClassHead(3), [0, 3], THREE, r"from 0 to 2.* \[\[0\], \[3\]\]"),
    (MultiClassHead(3), [0, -1], THREE, "from 0 to 2"),
    (MultiClassHead(3), [0.0, 1.0], THREE, "integer ids.* float32"),
    (MultiClassHead(3), [[0, 0, 1], [1, 0, 0]], THREE, "Mismatched label"),
    (
      MultiClassHead(3, label_vocabulary=["a", "b", "c"]),
      ["a", "d"],
      THREE,
      "one of a, b, c;.*b'd'",
    ),
    (MultiLabelHead(3), [[0, 1, 2], [0, 0, 0]], THREE, r"in \[0, 1\] for each"),
    (MultiLabelHead(3), [[0, 1], [0, 1]], THREE, "Mismatched label"),
    (MultiLabelHead(3), [["a", "b", "a"]] * 2, THREE, "SparseTensor or Ragged"),
    (MultiLabelHead(3), [[0], [3]], THREE, "Mismatched label"),
    (RegressionHead(3), [0, 1], THREE, "Mismatched label"),
    (RegressionHead(), ["1", "2"], TWO, "must be numbers"),
    (PoissonRegressionHead(), [1, -1], TWO, r"at least 0.* \[\[1\], \[-1\]\]"),
    (LogisticRegressionHead(), [0, 1.5], TWO, r"in \[0, 1\]"),
  )
  def test_labels(self, head, labels, logits, message):
    with self.assertRaisesRegex(ValueError, message):
      head.loss(labels, logits)
    with self.assertRaisesRegex(ValueError, message):
      head.update_metrics(head.metrics(), {}, logits, labels)

  @parameterized.parameters(
    (None, [[0], [3]], "from 0 to 2.* 3"),
    (None, [[0.5], [1.0]], "integer ids.* float32"),
    (None, [["a"], ["b"]], "string and the vocabulary is None"),
    (["a", "b", "c"], [["a"], ["d"]], "one of a, b, c"),
    (None, [[0], [1], [1]], "Mismatched label"),
  )
  def test_ragged_labels(self, words, labels, message):
    head = MultiLabelHead(3, label_vocabulary=words)
    labels = tf.ragged.constant(labels)
    for given in (labels, labels.to_sparse()):
      with self.assertRaisesRegex(ValueError, message):
        head.loss(given, THREE)

  @parameterized.parameters(*ALL)
  def test_labels_and_logits_of_all_heads(self, make):
    head = make()
    logits = tf.zeros([2, head.logits_dimension])
    with self.assertRaisesRegex(ValueError, "labels .*but they are None"):
      head.loss(None, logits)
    if not isinstance(head, MultiLabelHead):
      with self.assertRaisesRegex(ValueError, "dense tensor.* SparseTensor"):
        head.loss(tf.sparse.from_dense([[1], [1]]), logits)
    with self.assertRaisesRegex(ValueError, r"dictionary of \['a'\]"):
      head.loss({"a": [1, 1]}, logits)
    for shape in ([2], [2, head.logits_dimension + 1], []):
      with self.assertRaisesRegex(ValueError, "logits must have the shape"):
        head.predictions(tf.zeros(shape))
    with self.assertRaisesRegex(ValueError, r"no predictions \['other'\]"):
      head.predictions(logits, ["other"])

  @parameterized.parameters(
    (None, "the feature 'w', but the features are None"),
    ({}, r"the feature 'w', but the features are \[\]"),
    ({"w": ["1", "2"]}, "must be numbers.* string"),
    ({"w": tf.sparse.from_dense([1, 2])}, "dense tensor.* SparseTensor"),
    ({"w": [1, 2, 3]}, "Mismatched weight shape"),
    ({"w": [[1, 2], [3, 4]]}, "Mismatched weight shape"),
    ({"w": [1.0, -1.0]}, r"weights must be at least 0.* \[\[1.0\], \[-1.0\]\]"),
    ({"w": [1.0, float("nan")]}, "weights must be at least 0"),
  )
  def test_weights(self, features, message):
    for head in (BinaryClassHead("w"), RegressionHead(1, "w")):
      with self.assertRaisesRegex(ValueError, message):
        head.loss([1, 1], TWO, features)

  def test_a_weight_for_each_logit_is_for_regressions_only(self):
    features = {"w": np.ones([2, 3])}
    for head, labels in (
      (MultiClassHead(3, "w"), [0, 1]),
      (MultiLabelHead(3, "w"), THREE),
    ):
      with self.assertRaisesRegex(ValueError, "Mismatched weight shape"):
        head.loss(labels, THREE, features)

  def test_shapes_of_a_loss_function(self):
    for fn in (
      lambda labels, logits: tf.reduce_mean(logits),
      lambda labels, logits: logits[:, 0],
    ):
      with self.assertRaisesRegex(
        ValueError, r"loss_fn must return .*\(2, 1\)"
      ):
        BinaryClassHead(loss_fn=fn).loss([1, 1], TWO)
    with self.assertRaisesRegex(ValueError, r"\(2, 3\)"):
      RegressionHead(3, loss_fn=lambda labels, logits: logits[:, :1]).loss(
        THREE, THREE
      )


class InGraphsTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (BinaryClassHead(), [1, 2], [1, 1], r"labels must be in \[0, 1\]"),
    (BinaryClassHead("w"), [1, 0], [1, -1], "weights must be at least 0"),
    (BinaryClassHead("w"), [1, 3], [1, 1], "labels must be .*weights must be"),
    (BinaryClassHead(), [1, 1, 1], [1, 1], "labels_must_match_logits"),
    (BinaryClassHead(), [1], [1, 1], "labels_must_match_logits"),
    (BinaryClassHead("w"), [1, 1], [1], "weights_must_match_logits"),
    (PoissonRegressionHead(), [1, -1], [1, 1], "counts of at least 0"),
  )
  def test_values_and_unknown_sizes(self, head, labels, weights, message):
    @tf.function(
      input_signature=[
        tf.TensorSpec([None], tf.int64),
        tf.TensorSpec([None]),
        tf.TensorSpec([None, None]),
      ]
    )
    def loss(labels, weights, logits):
      return head.loss(labels, logits, {"w": weights})

    self.assertAllClose(
      loss([1, 1], [1, 1], TWO),
      head.loss([1, 1], TWO, {"w": [1, 1]}),
    )
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, message):
      loss(labels, weights, TWO)
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "shape"):
      loss([1, 1], [1, 1], THREE)

  @parameterized.parameters(None, [[None, None]])
  def test_weights_of_a_shape_that_tells_nothing(self, shape):
    @tf.function(input_signature=[tf.TensorSpec(shape)])
    def loss(weights):
      return RegressionHead(3, "w").loss(THREE, THREE, {"w": weights})

    with self.assertRaisesRegex(ValueError, "each of 3 logits.*ensure_shape"):
      loss(THREE)

  @parameterized.parameters(
    (lambda: MultiClassHead(3), [0, 5], "from 0 to 2", r"\[5\]"),
    (
      lambda: MultiClassHead(3, label_vocabulary=["a", "b", "c"]),
      ["a", "d"],
      "one of a, b, c",
      r"\[d\]",
    ),
  )
  def test_training_stops_at_a_bad_label(self, make, labels, needed, value):
    estimator = models.estimator_of(make)
    features = {"x": np.ones([2, 1], np.float32)}
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, f"(?s){needed}.*{value}"
    ):
      estimator.train(models.input_of(features, np.array(labels)))

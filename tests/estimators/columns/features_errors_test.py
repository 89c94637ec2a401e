"""Features that do not fit the columns, eagerly and while a graph is traced."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import feature_columns as fc

HASHED = fc.categorical_column_with_hash_bucket("x", 5)
HASHED_INTEGERS = fc.categorical_column_with_hash_bucket("x", 5, tf.int64)
IDENTITY = fc.categorical_column_with_identity("x", 5)
VOCABULARY = fc.categorical_column_with_vocabulary_list("x", ["a"])
CROSS = fc.crossed_column(["x", "y"], 5)
WEIGHTED = fc.weighted_categorical_column(HASHED, "w")
TEXTS, INTEGERS, FLOATS = ["a", "b"], [1, 2], [0.5, 1.5]


def sparse(values):
  return tf.sparse.from_dense([values])


class FeaturesErrorsTest(parameterized.TestCase):
  @parameterized.parameters(
    (HASHED, {}, "Feature 'x' is not in the features.*have \\[\\]"),
    (HASHED, {"z": TEXTS}, "'x' is not in the features.*'z'"),
    (CROSS, {"x": TEXTS}, "Feature 'y' is not in"),
    (HASHED, {"x": "a"}, "'x' must have a value for each.*rank 0"),
    (HASHED, {"x": FLOATS}, "'x' takes texts.*float32.*convert"),
    (HASHED, {"x": INTEGERS}, "'x' takes texts.*int32"),
    (HASHED, {"x": sparse(INTEGERS)}, "'x' takes texts.*int32"),
    (HASHED_INTEGERS, {"x": TEXTS}, "'x' takes integers.*string"),
    (IDENTITY, {"x": TEXTS}, "'x' takes integers.*string"),
    (IDENTITY, {"x": FLOATS}, "'x' takes integers.*float32"),
    (VOCABULARY, {"x": INTEGERS}, "'x' takes texts.*int32"),
    (CROSS, {"x": TEXTS, "y": FLOATS}, "'x_X_y'.*'y' is of dtype float32.*cut"),
    (CROSS, {"x": TEXTS, "y": [[["a"]], [["b"]]]}, r"'y' has \(2, 1, 1\)"),
    (CROSS, {"x": TEXTS, "y": ["a", "b", "c"]}, "'x' has 2 and 'y' has 3"),
    (WEIGHTED, {"x": TEXTS, "w": INTEGERS}, "float32.*'w' is of int32"),
    (WEIGHTED, {"x": TEXTS}, "Feature 'w' is not in"),
    (
      WEIGHTED,
      {"x": [["a", "b"]], "w": [[1.0]]},
      r"categories have the shape \(1, 2\) and the weights \(1, 1\)",
    ),
    (fc.numeric_column("x"), {"x": TEXTS}, "'x' needs numbers.*string"),
    (fc.numeric_column("x"), {"x": sparse(FLOATS)}, "'x' needs a dense tensor"),
    (
      fc.numeric_column("x"),
      {"x": [FLOATS]},
      r"'x' has the shape \(1,\).*\(1, 2\); give numeric_column shape=\(2,\)",
    ),
    (fc.numeric_column("x", 3), {"x": FLOATS}, r"3 numbers.*\(2, 1\)"),
    (
      fc.numeric_column("x", normalizer_fn=lambda x: tf.tile(x, [1, 2])),
      {"x": FLOATS},
      r"\(2, 2\)",
    ),
    (
      fc.indicator_column(IDENTITY),
      {"x": [[[1]]]},
      "'x_indicator' needs.*3 dimensions.*SequenceFeatures",
    ),
    (
      fc.embedding_column(IDENTITY, 2),
      {"x": [[[1]]]},
      "'x_embedding' needs.*3 dimensions",
    ),
  )
  def test_feature(self, column, features, message):
    features = {
      k: v if isinstance(v, tf.SparseTensor) else tf.constant(v)
      for k, v in features.items()
    }
    layer = fc.LinearModel(column)
    for call in (layer, tf.function(layer, autograph=False)):
      with self.assertRaisesRegex(ValueError, message):
        call(features)

  @parameterized.parameters("x", None, ([{"x": 1}],))
  def test_not_a_dictionary(self, features):
    with self.assertRaisesRegex(ValueError, "must be a dictionary"):
      fc.LinearModel(HASHED)(features)

  def test_weights_in_other_places(self):
    x = tf.SparseTensor([[0, 0], [1, 1]], ["a", "b"], [2, 2])
    w = tf.SparseTensor([[0, 0], [1, 0]], [1.0, 2.0], [2, 2])
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "'x_weighted_by_w' needs weights where"
    ):
      fc.LinearModel(WEIGHTED)({"x": x, "w": w})

  def test_weights_stay_with_their_categories(self):
    """TensorFlow gives the weight of '' to "b": it drops '' and 0 apart."""
    model = fc.LinearModel(fc.weighted_categorical_column(VOCABULARY, "w"))
    model.column_weights["x_weighted_by_w"].assign([[1]])
    features = {
      "x": tf.constant([["", "a"], ["a", ""]]),
      "w": tf.constant([[5.0, 0], [3, 7]]),
    }
    np.testing.assert_array_equal(model(features), [[0], [3]])

  @parameterized.parameters(
    (fc.numeric_column("x"), "DenseFeatures", None),
    (IDENTITY, "DenseFeatures takes dense.*'x' is a IdentityC.*wrap", 1),
    (fc.sequence_numeric_column("x"), "no sequences.*'x' is a SequenceNum", 1),
    (
      fc.indicator_column(fc.sequence_categorical_column_with_identity("x", 2)),
      "no sequences.*'x_indicator'",
      1,
    ),
  )
  def test_columns_of_dense_features(self, column, message, refused):
    if refused:
      with self.assertRaisesRegex(ValueError, message):
        fc.DenseFeatures(column)
    else:
      self.assertEqual(fc.DenseFeatures(column).width, 1)


if __name__ == "__main__":
  absltest.main()

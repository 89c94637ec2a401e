"""SequenceFeatures has the numbers and lengths of tf.feature_column."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import feature_columns as fc
from tests.estimators.columns import reference
from tests.estimators.columns.ids_test import KNOWN, WORDS
from tests.estimators.columns.linear_model_test import of_any_size

EXAMPLES, STEPS = 200, 6


def random_sparse(make, *shape, seed=0):
  """Returns a SparseTensor [EXAMPLES, STEPS, *shape] with gaps."""
  random = np.random.RandomState(seed)
  indices = np.argwhere(random.rand(EXAMPLES, STEPS, *shape) < 0.4)
  values = make(random, len(indices))
  return tf.SparseTensor(
    indices, tf.constant(values), [EXAMPLES, STEPS, *shape]
  )


def words(random, count):
  return random.choice(WORDS, count)


def integers(random, count):
  return random.randint(0, 30, count)


def floats(random, count):
  return random.normal(size=count).astype("float32")


def columns_of(lib):
  """Returns the categorical columns, made by a library."""
  return {
    "hash": lib.sequence_categorical_column_with_hash_bucket("w", 50),
    "list": lib.sequence_categorical_column_with_vocabulary_list("w", KNOWN),
    "buckets": lib.sequence_categorical_column_with_vocabulary_list(
      "w", KNOWN, num_oov_buckets=3
    ),
    "identity": lib.sequence_categorical_column_with_identity("i", 20, 3),
  }


class SequenceFeaturesTest(parameterized.TestCase):
  def assert_same(self, column, other, features):
    layer = fc.SequenceFeatures(column)
    variables = [v.numpy() for v in layer.variables]
    expected, lengths = reference.by_step(other, features, *variables)
    specs = {name: of_any_rank_2_or_3(x) for name, x in features.items()}
    for call in (layer, tf.function(layer, [specs], autograph=False)):
      numbers, our_lengths = call(features)
      self.assertEqual(our_lengths.dtype, tf.int64)
      self.assertEqual(numbers.shape[2], layer.width)
      np.testing.assert_array_equal(our_lengths, lengths)
      np.testing.assert_allclose(numbers, expected, rtol=1e-5, atol=1e-6)

  @parameterized.product(
    kind_and_combiner=[
      ("hash", "mean"),
      ("list", "mean"),
      ("list", "sqrtn"),
      ("list", "sum"),
      ("buckets", "mean"),
      ("identity", "mean"),
    ],
    shape=[(), (3,)],
    is_dense=[True, False],
  )
  def test_categories(self, kind_and_combiner, shape, is_dense):
    kind, combiner = kind_and_combiner
    features = {
      "w": random_sparse(words, *shape),
      "i": random_sparse(integers, *shape),
    }
    if is_dense:
      features = {
        "w": tf.sparse.to_dense(features["w"], ""),
        "i": tf.sparse.to_dense(features["i"], -1),
      }
    column, other = columns_of(fc)[kind], columns_of(tf.feature_column)[kind]
    self.assert_same(
      fc.embedding_column(column, 4, combiner),
      tf.feature_column.embedding_column(other, 4, combiner),
      features,
    )
    self.assert_same(
      fc.indicator_column(column),
      tf.feature_column.indicator_column(other),
      features,
    )

  @parameterized.parameters(
    ((1,), ()), ((2,), ()), ((2,), (2,)), ((3, 1), (3,))
  )
  def test_numbers(self, shape, inner):
    x = random_sparse(floats, *inner)
    arguments = dict(
      key="x",
      shape=shape,
      default_value=-7.0,
      normalizer_fn=lambda x: x.with_values(x.values * 2),
    )
    self.assert_same(
      fc.sequence_numeric_column(**arguments),
      tf.feature_column.sequence_numeric_column(**arguments),
      {"x": x},
    )

  def test_worked_values(self):
    kind = fc.sequence_categorical_column_with_identity("kind", 3)
    layer = fc.SequenceFeatures(
      [fc.indicator_column(kind), fc.sequence_numeric_column("size", 2)]
    )
    numbers, lengths = layer(
      {
        "kind": tf.ragged.constant([[2, 0], [1], []]),
        "size": tf.ragged.constant([[1, 2, 3, 4], [5, 6], []]),
      }
    )
    np.testing.assert_array_equal(lengths, [2, 1, 0])
    none = [0, 0, 0, 0, 0]
    np.testing.assert_array_equal(
      numbers,
      [
        [[0, 0, 1, 1, 2], [1, 0, 0, 3, 4]],
        [[0, 1, 0, 5, 6], none],
        [none, none],
      ],
    )

  def test_numbers_of_integers(self):
    column = fc.sequence_numeric_column("x", dtype=tf.int64, default_value=9)
    numbers, _ = fc.SequenceFeatures(column)(
      {"x": tf.ragged.constant([[1, 2], [3]], tf.int64)}
    )
    self.assertEqual(numbers.dtype, tf.float32)
    np.testing.assert_array_equal(numbers[:, :, 0], [[1, 2], [3, 9]])

  def test_lengths_that_differ(self):
    layer = fc.SequenceFeatures(
      [fc.sequence_numeric_column(name) for name in "ab"]
    )
    features = {
      "a": tf.ragged.constant([[1.0, 2], [3]]),
      "b": tf.ragged.constant([[1.0], [2, 3]]),
    }
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "equally long, but those of 'a' and 'b'"
    ):
      layer(features)
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "equally long, but those of .*a.* and .*b"
    ):
      tf.function(layer, autograph=False)(features)

  def test_shared_embeddings(self):
    sources = [
      fc.sequence_categorical_column_with_identity(name, 3) for name in "ab"
    ]
    layer = fc.SequenceFeatures(fc.shared_embeddings(sources, 1))
    (variable,) = layer.variables
    variable.assign([[1], [2], [3]])
    x = tf.ragged.constant([[2, 0], [1]])
    numbers, _ = layer({"a": x, "b": x})
    np.testing.assert_array_equal(numbers, [[[3, 3], [1, 1]], [[2, 2], [0, 0]]])

  @parameterized.parameters(
    fc.numeric_column("x"),
    fc.sequence_categorical_column_with_identity("x", 3),
    fc.indicator_column(fc.categorical_column_with_identity("x", 3)),
  )
  def test_other_columns_are_refused(self, column):
    with self.assertRaisesRegex(ValueError, f"{column.name}.*not one"):
      fc.SequenceFeatures(column)

  def test_features_that_do_not_fit(self):
    layer = fc.SequenceFeatures(fc.sequence_numeric_column("x"))
    with self.assertRaisesRegex(ValueError, "'x' needs a sparse or ragged"):
      layer({"x": tf.constant([[1.0, 2]])})
    with self.assertRaisesRegex(ValueError, "'x' needs numbers"):
      layer({"x": tf.ragged.constant([["a"]])})


def of_any_rank_2_or_3(x):
  if isinstance(x, tf.SparseTensor):
    return tf.SparseTensorSpec([None] * x.shape.rank, x.dtype)
  return of_any_size(x)


if __name__ == "__main__":
  absltest.main()

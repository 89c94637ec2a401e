"""DenseFeatures has the numbers of tf.feature_column, and their gradients."""

import itertools

import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import feature_columns as fc
from estimators.columns.cache import FeatureCache
from tests.estimators.columns import reference
from tests.estimators.columns.ids_test import KNOWN
from tests.estimators.columns.linear_model_test import (
  columns_of,
  features_of,
  numbers,
  of_any_size,
)
from tests.estimators.helpers import new_folder

FORMS = ("vector", "matrix_1", "matrix_3", "sparse", "ragged")


def dense_columns_of(lib):
  """Returns dense columns of all kinds, made by a library."""
  columns = columns_of(lib)
  plain = ("n", "m", "p", "n_bucketized", "p_bucketized", "v_indicator")
  return [columns[name] for name in plain] + [
    lib.indicator_column(columns[name])
    for name in ("w", "i", "v_X_w", "n_bucketized", "w_weighted_by_weight")
  ]


class DenseFeaturesTest(parameterized.TestCase):
  def assert_close(self, actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)

  @parameterized.parameters(*FORMS)
  def test_columns_without_variables(self, form):
    features = features_of(form)
    columns, theirs = dense_columns_of(fc), dense_columns_of(tf.feature_column)
    expected = [reference.dense(column, features) for column in theirs]
    for column, numbers_of_column in zip(columns, expected, strict=True):
      with self.subTest(column.name):
        self.assert_close(fc.DenseFeatures(column)(features), numbers_of_column)
    layer = fc.DenseFeatures(columns)
    order = np.argsort([column.name for column in columns])
    together = np.concatenate([expected[i] for i in order], 1)
    self.assertEqual(layer.width, together.shape[1])
    self.assertEmpty(layer.variables)
    specs = {name: of_any_size(x) for name, x in features.items()}
    for call in (layer, tf.function(layer, [specs], autograph=False)):
      self.assert_close(call(features), together)
    self.assertEqual(call(features).shape, together.shape)

  @parameterized.parameters(
    *itertools.product(FORMS, ["mean", "sqrtn", "sum"], [None, 0.7])
  )
  def test_embeddings(self, form, combiner, max_norm):
    features = features_of(form)
    ours, theirs = columns_of(fc), columns_of(tf.feature_column)
    for name in (
      "v",
      "w",
      "i",
      "v_X_w",
      "n_bucketized",
      "w_weighted_by_weight",
    ):
      with self.subTest(name):
        column, other = (
          lib.embedding_column(
            columns[name], 3, combiner=combiner, max_norm=max_norm
          )
          for lib, columns in ((fc, ours), (tf.feature_column, theirs))
        )
        layer = fc.DenseFeatures(column)
        (variable,) = layer.variables
        self.assertEqual(
          variable.path, f"input_layer/{name}_embedding/embedding_weights"
        )
        self.assert_close(
          layer(features), reference.dense(other, features, variable.numpy())
        )

  def test_worked_values(self):
    source = fc.categorical_column_with_vocabulary_list("a", ["p", "q"])
    layer = fc.DenseFeatures(
      [
        fc.indicator_column(source),
        fc.embedding_column(source, 2),
        fc.numeric_column("Z", normalizer_fn=lambda z: z / 10),
        fc.bucketized_column(fc.numeric_column("b"), [1, 5]),
      ]
    )
    layer.variables[0].assign([[1, 2], [3, 6]])
    features = {
      "a": tf.constant([["p", "q"], ["", "other"], ["q", "q"]]),
      "Z": tf.constant([1, 2, 3]),
      "b": tf.constant([[0.5], [1], [5]]),
    }
    np.testing.assert_allclose(
      layer(features),
      [
        # Z, a's embedding, a's counts, b's interval.
        [0.1, 2, 4, 1, 1, 1, 0, 0],
        [0.2, 0, 0, 0, 0, 0, 1, 0],
        [0.3, 3, 6, 0, 2, 0, 0, 1],
      ],
      rtol=1e-6,
    )

  def test_numbers_of_texts(self):
    column = fc.numeric_column("x", normalizer_fn=tf.strings.to_number)
    x = tf.constant(["1.5", "-2"])
    self.assert_close(fc.DenseFeatures(column)({"x": x}), [[1.5], [-2]])

  @parameterized.parameters("uint8", "int8", "int64")
  def test_missing_integers(self, dtype):
    """-1 means that there is none; unsigned integers always are there."""
    x = tf.constant([0, 2, -1], tf.int64)
    expected = [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    if dtype == "uint8":
      x, expected = x[:2], expected[:2]
    columns = [
      fc.categorical_column_with_identity("x", 3),
      fc.categorical_column_with_vocabulary_list("x", [0, 1, 2]),
    ]
    for column in columns:
      layer = fc.DenseFeatures(fc.indicator_column(column))
      self.assert_close(layer({"x": tf.cast(x, dtype)}), expected)
    column = fc.categorical_column_with_hash_bucket("x", 1, tf.int64)
    layer = fc.DenseFeatures(fc.indicator_column(column))
    self.assert_close(
      layer({"x": tf.cast(x, dtype)}), [[float(i >= 0)] for i in x.numpy()]
    )

  @parameterized.parameters(
    *itertools.product(FORMS, ["mean", "sqrtn", "sum"], [None, 0.7])
  )
  def test_gradients_are_those_of_a_dense_product(
    self, form, combiner, max_norm
  ):
    """With counts C [B, N] the embedding is a product of C and the variable."""
    features = features_of(form)
    source = columns_of(fc)["w"]
    counts = fc.DenseFeatures(fc.indicator_column(source))(features)
    size = tf.reduce_sum(counts, 1, keepdims=True)
    if combiner == "mean":
      counts = tf.math.divide_no_nan(counts, size)
    elif combiner == "sqrtn":
      counts = tf.math.divide_no_nan(counts, tf.sqrt(size))
    layer = fc.DenseFeatures(
      fc.embedding_column(source, 3, combiner, max_norm=max_norm)
    )
    variable = layer.variables[0].value
    towards = numbers(counts.shape[0], 3)
    with tf.GradientTape(persistent=True) as tape:
      ours = tf.reduce_sum(layer(features) * towards)
      rows = tf.convert_to_tensor(variable)
      rows = tf.clip_by_norm(rows, max_norm, [1]) if max_norm else rows
      twin = tf.reduce_sum(tf.matmul(counts, rows) * towards)
    gradient = tape.gradient(ours, variable)
    self.assertIsInstance(gradient, tf.IndexedSlices)
    np.testing.assert_allclose(
      tf.convert_to_tensor(gradient),
      tape.gradient(twin, variable),
      rtol=1e-3,
      atol=1e-4,
    )
    used = set(np.flatnonzero(counts.numpy().sum(0)))
    self.assertEqual(set(gradient.indices.numpy()), used)


class VariablesTest(parameterized.TestCase):
  source = fc.categorical_column_with_identity("i", 5000)

  def variable(self, *args, **kwargs):
    column = fc.embedding_column(self.source, *args, **kwargs)
    (variable,) = fc.DenseFeatures(column).variables
    return variable

  def test_default_initial_values(self):
    # Cut off at two deviations, a normal has 0.87962566 of its deviation.
    values = self.variable(16).numpy()
    self.assertLessEqual(np.abs(values).max(), 2 / 4)
    self.assertAlmostEqual(values.std(), 0.87962566 / 4, delta=2e-3)
    self.assertAlmostEqual(values.mean(), 0, delta=2e-3)

  @parameterized.parameters(
    keras.initializers.Constant(3),
    lambda shape, dtype: tf.fill(shape, tf.cast(3, dtype)),
    tf.compat.v1.constant_initializer(3),
  )
  def test_initializer(self, initializer):
    values = self.variable(2, initializer=initializer).numpy()
    np.testing.assert_array_equal(values, np.full([5000, 2], 3))

  def test_initializer_class(self):
    values = self.variable(2, initializer=keras.initializers.Ones).numpy()
    np.testing.assert_array_equal(values, np.ones([5000, 2]))

  def test_not_trainable(self):
    self.assertTrue(self.variable(2).trainable)
    self.assertFalse(self.variable(2, trainable=False).trainable)

  def test_first_values_from_a_checkpoint(self):
    values = numbers(5000, 2)
    path = tf.train.Checkpoint(old=tf.Variable(values)).write(
      f"{new_folder()}/model"
    )
    name = "old/.ATTRIBUTES/VARIABLE_VALUE"
    arguments = dict(ckpt_to_load_from=path, tensor_name_in_ckpt=name)
    np.testing.assert_array_equal(self.variable(2, **arguments), values)
    with self.assertRaisesRegex(ValueError, r"\[5000, 3\].*\[5000, 2\]"):
      self.variable(3, **arguments)
    with self.assertRaisesRegex(ValueError, "needs a tensor 'new'.*old"):
      self.variable(2, **(arguments | {"tensor_name_in_ckpt": "new"}))
    with self.assertRaisesRegex(ValueError, "there is none at .*'/no/such'"):
      self.variable(2, **(arguments | {"ckpt_to_load_from": "/no/such"}))

  def test_shared(self):
    sources = [fc.categorical_column_with_identity(k, 9) for k in "ba"]
    sources.append(fc.weighted_categorical_column(sources[0], "w"))
    columns = fc.shared_embeddings(sources, 2, combiner="sum")
    self.assertEqual(
      [column.name for column in columns],
      ["b_shared_embedding", "a_shared_embedding"]
      + ["b_weighted_by_w_shared_embedding"],
    )
    layer = fc.DenseFeatures(columns)
    (variable,) = layer.variables
    name = "a_b_b_weighted_by_w_shared_embedding"
    self.assertEqual(variable.path, f"input_layer/{name}/embedding_weights")
    variable.assign(np.arange(18).reshape([9, 2]))
    features = {
      "a": tf.constant([0, 8]),
      "b": tf.constant([[1, 2], [3, -1]]),
      "w": tf.constant([[1.0, 10], [2, 5]]),
    }
    np.testing.assert_array_equal(
      layer(features), [[0, 1, 6, 8, 42, 53], [16, 17, 6, 7, 12, 14]]
    )

  def test_shared_by_name(self):
    def layer(**kwargs):
      return fc.DenseFeatures(
        [
          column
          for key, arguments in (("a", {}), ("b", kwargs))
          for column in fc.shared_embeddings(
            [fc.categorical_column_with_identity(key, 9)],
            2,
            shared_embedding_collection_name="x",
            **arguments,
          )
        ]
      )

    self.assertLen(layer().variables, 1)
    with self.assertRaisesRegex(ValueError, "two different.*named 'x'"):
      layer(trainable=False)


class CacheTest(parameterized.TestCase):
  def test_two_layers_share_the_work(self):
    columns = [
      fc.categorical_column_with_vocabulary_list("v", KNOWN),
      fc.crossed_column(["v", "w"], 10),
    ]
    linear = fc.LinearModel(columns)
    dense = fc.DenseFeatures([fc.embedding_column(c, 2) for c in columns])
    features = features_of("vector")

    def both(cached):
      @tf.function(autograph=False)
      def call():
        inputs = FeatureCache(features) if cached else features
        return linear(inputs), dense(inputs)

      graph = call.get_concrete_function().graph
      kinds = [op.type for op in graph.get_operations()]
      counts = [kinds.count(k) for k in ("LookupTableFindV2", "SparseCross")]
      return counts, call()

    (once, ours), (twice, expected) = both(True), both(False)
    self.assertEqual((once, twice), ([1, 1], [2, 2]))
    for a, b in zip(ours, expected, strict=True):
      np.testing.assert_array_equal(a, b)

  def test_a_normalizer_is_called_once(self):
    calls = []

    def normalizer_fn(x):
      calls.append(x.shape)
      return x

    source = fc.numeric_column("n", normalizer_fn=normalizer_fn)
    layer = fc.DenseFeatures([source, fc.bucketized_column(source, [0])])
    layer({"n": tf.constant([1.0, 2, 3])})
    self.assertEqual(calls, [[3, 1]])


if __name__ == "__main__":
  absltest.main()

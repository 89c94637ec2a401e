"""LinearModel has the logits of tf.feature_column, and their gradients."""

import itertools

import keras
import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import feature_columns as fc
from tests.estimators.columns import reference
from tests.estimators.columns.ids_test import (
  KNOWN,
  SIZE,
  WORDS,
  forms,
  random_values,
)

COMBINERS = ("sum", "mean", "sqrtn")


def numbers(*shape, seed=0):
  return np.random.RandomState(seed).normal(size=shape).astype(np.float32)


def columns_of(lib, number="n"):
  """Returns columns of all kinds, by name, made by a library."""
  n, m = lib.numeric_column(number), lib.numeric_column("m", (2, 3))
  p = lib.numeric_column("p", 2, normalizer_fn=lambda x: x * 3 - 1)
  w = lib.categorical_column_with_hash_bucket("w", 100)
  columns = [
    n,
    m,
    p,
    lib.bucketized_column(n, [-0.5, 0.5]),
    lib.bucketized_column(p, [-1, 2]),
    lib.categorical_column_with_vocabulary_list("v", KNOWN),
    lib.categorical_column_with_vocabulary_list("w", KNOWN[::2]),
    lib.categorical_column_with_identity("i", 50, 0),
    lib.crossed_column(["v", "w"], 200),
    lib.crossed_column([lib.bucketized_column(n, [0]), "w", "v"], 300),
    lib.weighted_categorical_column(w, "weight"),
    lib.indicator_column(lib.categorical_column_with_hash_bucket("v", 10)),
  ]
  return {column.name: column for column in columns}


def features_of(form):
  """Returns features for `columns_of`, of which w comes in one form."""
  x = forms(WORDS)[form]
  weights = numbers(SIZE, 3)
  if isinstance(x, tf.SparseTensor | tf.RaggedTensor):
    # The weights of the reference are always those of the sparse values.
    weight = x.with_values(tf.constant(numbers(*x.values.shape)))
  else:
    weight = np.where(
      x == "",
      0,
      weights[: x.shape[0], : x[0].shape[0]]
      if x.shape.rank == 2
      else weights[:, 0],
    )
  return {
    "n": tf.constant(numbers(SIZE, seed=1)),
    "m": tf.constant(numbers(SIZE, 2, 3, seed=2)),
    "p": tf.constant(numbers(SIZE, 2, seed=3)),
    "v": tf.constant(random_values(WORDS, [SIZE], seed=4)),
    "i": tf.constant(random_values(range(-1, 60), [SIZE], seed=5)),
    "w": x,
    "weight": tf.constant(weight) if isinstance(weight, np.ndarray) else weight,
  }


def with_random_weights(model):
  for seed, variable in enumerate(model.variables):
    variable.assign(numbers(*variable.shape, seed=seed))
  return model


def of_any_size(x):
  """Returns a feature's spec with any number of examples."""
  if isinstance(x, tf.SparseTensor):
    return tf.SparseTensorSpec([None, None], x.dtype)
  if isinstance(x, tf.RaggedTensor):
    return tf.RaggedTensorSpec([None, None], x.dtype)
  return tf.TensorSpec([None, *x.shape[1:]], x.dtype)


class LinearModelTest(parameterized.TestCase):
  def assert_equal(self, actual, expected):
    np.testing.assert_array_equal(np.array(actual), expected)

  @parameterized.parameters(
    *itertools.product(
      ["vector", "matrix_1", "matrix_3", "sparse", "ragged"], COMBINERS, [1, 3]
    )
  )
  def test_logits_of_each_column(self, form, combiner, units):
    features = features_of(form)
    theirs = columns_of(tf.feature_column)
    for name, column in columns_of(fc).items():
      with self.subTest(name):
        model = with_random_weights(fc.LinearModel(column, units, combiner))
        np.testing.assert_allclose(
          model(features).numpy() - model.bias.numpy(),
          reference.logits(
            theirs[name],
            features,
            model.column_weights[name].numpy(),
            combiner,
          ),
          rtol=1e-5,
          atol=1e-5,
        )

  @parameterized.parameters("vector", "sparse")
  def test_logits_are_the_sum(self, form):
    features = features_of(form)
    columns = columns_of(fc)
    model = with_random_weights(fc.LinearModel(columns.values(), 2))
    expected = model.bias.numpy()
    for name, column in columns_of(tf.feature_column).items():
      expected = expected + reference.logits(
        column, features, model.column_weights[name].numpy()
      )
    for call in (model, tf.function(model, autograph=False)):
      np.testing.assert_allclose(call(features), expected, rtol=1e-4, atol=1e-4)

  def test_worked_values(self):
    columns = [
      fc.numeric_column("x"),
      fc.categorical_column_with_vocabulary_list("a", ["p", "q"]),
      fc.categorical_column_with_identity("b", 3),
    ]
    model = fc.LinearModel(columns)
    features = {
      "x": tf.constant([2.0, 3, 4, 5]),
      "a": tf.constant(["q", "other", "p", ""]),
      "b": tf.constant([[0, 1], [-1, -1], [2, -1], [2, 2]]),
    }
    self.assert_equal(model(features), np.zeros([4, 1]))
    model.bias.assign([0.5])
    model.column_weights["x"].assign([[10]])
    model.column_weights["a"].assign([[100], [200]])
    model.column_weights["b"].assign([[1000], [2000], [3000]])
    self.assert_equal(
      model(features),
      [
        [0.5 + 20 + 200 + 1000 + 2000],
        [0.5 + 30],
        [0.5 + 40 + 100 + 3000],
        [0.5 + 50 + 3000 + 3000],
      ],
    )

  @parameterized.parameters(*COMBINERS)
  def test_gradients_touch_only_what_is_there(self, combiner):
    columns = [
      fc.categorical_column_with_vocabulary_list("a", ["p", "q", "r"]),
      fc.categorical_column_with_vocabulary_list("b", ["p", "q", "r"]),
      fc.categorical_column_with_hash_bucket("c", 5),
    ]
    model = fc.LinearModel(columns, 2, combiner)
    features = {
      "a": tf.constant(["r", "", "r"]),
      "b": tf.constant(["other", "q", "p"]),
      "c": tf.sparse.from_dense([["u", "v"], ["", ""], ["u", ""]]),
    }
    towards = tf.constant([[1.0, 10], [2, 20], [3, 30]])
    variables = [model.column_weights[k].value for k in "abc"]
    with tf.GradientTape() as tape:
      loss = tf.reduce_sum(model(features) * towards)
    a, b, c = tape.gradient(loss, variables)
    self.assert_equal(a.indices, [2, 2])
    self.assert_equal(a.values, [[1, 10], [3, 30]])
    self.assert_equal(b.indices, [1, 0])
    self.assert_equal(b.values, [[2, 20], [3, 30]])
    u, v = tf.strings.to_hash_bucket_fast(["u", "v"], 5).numpy()
    self.assert_equal(c.indices, [u, v, u])
    share = {"sum": 1, "mean": 0.5, "sqrtn": 0.5**0.5}[combiner]
    np.testing.assert_allclose(
      c.values, [[share, 10 * share]] * 2 + [[3, 30]], rtol=1e-6
    )

  @parameterized.parameters(*COMBINERS)
  def test_gradients_are_finite_differences(self, combiner):
    features = features_of("sparse")
    model = fc.LinearModel(columns_of(fc).values(), 1, combiner)
    towards = tf.constant(numbers(SIZE, 1, seed=9))
    with tf.GradientTape() as tape:
      loss = tf.reduce_sum(model(features) * towards)
    gradients = tape.gradient(loss, [v.value for v in model.variables])
    # The model is linear, so that a step of any length is exact.
    with_random_weights(model)
    slope = sum(
      float(tf.reduce_sum(tf.convert_to_tensor(g) * v.value))
      for g, v in zip(gradients, model.variables, strict=True)
    )
    self.assertEqual(float(loss), 0)
    moved = float(tf.reduce_sum(model(features) * towards))
    self.assertAlmostEqual(slope, moved, delta=1e-4 * abs(moved))

  def test_names_of_variables(self):
    columns = [
      fc.numeric_column("n ö/1", 3),
      fc.categorical_column_with_hash_bucket("b", 7),
      fc.embedding_column(fc.categorical_column_with_hash_bucket("c", 7), 2),
    ]
    model = fc.LinearModel(columns, 2, name="model")
    self.assertEqual(
      {v.path: tuple(v.shape) for v in model.variables},
      {
        "model/b/weights": (7, 2),
        "model/c_embedding/weights": (2, 2),
        "model/c_embedding/embedding_weights": (7, 2),
        "model/n___1/weights": (3, 2),
        "model/bias_weights": (2,),
      },
    )
    self.assertEqual(model.column_weights["n ö/1"].path, "model/n___1/weights")
    self.assertLen(model.trainable_variables, 5)

  def test_embedding_inside(self):
    column = fc.embedding_column(
      fc.categorical_column_with_identity("i", 3),
      2,
      initializer=keras.initializers.Ones(),
    )
    model = fc.LinearModel(column)
    model.column_weights["i_embedding"].assign([[1], [10]])
    self.assert_equal(model({"i": tf.constant([1, -1])}), [[11], [0]])

  def test_sequence_is_a_bag(self):
    column = fc.sequence_categorical_column_with_identity("i", 3)
    model = fc.LinearModel(column)
    model.column_weights["i"].assign([[1], [10], [100]])
    i = tf.constant([[[1, 2], [1, -1]], [[-1, -1], [0, -1]]])
    self.assert_equal(model({"i": i}), [[120], [1]])

  @parameterized.parameters(
    "vector", "matrix_1", "matrix_3", "sparse", "ragged"
  )
  def test_batches_of_any_size(self, form):
    features = features_of(form)
    model = with_random_weights(fc.LinearModel(columns_of(fc).values()))
    specs = {name: of_any_size(x) for name, x in features.items()}
    traced = tf.function(model, [specs], autograph=False)
    np.testing.assert_allclose(
      traced(features), model(features), rtol=1e-5, atol=1e-5
    )

  @parameterized.parameters("matrix_3", "sparse")
  def test_rank_that_is_not_known(self, form):
    features = features_of(form)
    model = with_random_weights(fc.LinearModel(columns_of(fc).values()))
    specs = {
      k: tf.SparseTensorSpec(None, x.dtype)
      if isinstance(x, tf.SparseTensor)
      else tf.TensorSpec(None, x.dtype)
      for k, x in features.items()
    }
    traced = tf.function(model, [specs], autograph=False)
    np.testing.assert_allclose(
      traced(features), model(features), rtol=1e-5, atol=1e-5
    )

  def test_empty_batch(self):
    features = {k: x[:0] for k, x in features_of("vector").items()}
    model = fc.LinearModel(columns_of(fc).values())
    self.assertEqual(model(features).shape, [0, 1])

  @parameterized.parameters(
    (dict(units=0), "units of 'linear_model'.*at least 1, but is 0"),
    (dict(sparse_combiner="max"), "sum.*max"),
  )
  def test_bad_arguments(self, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      fc.LinearModel(fc.numeric_column("x"), **arguments)

  def test_names_that_would_clash(self):
    columns = [fc.numeric_column("a b"), fc.numeric_column("a_b")]
    with self.assertRaisesRegex(ValueError, "'a_b' and 'a b'.*a_b/weights"):
      fc.LinearModel(columns)

  def test_sequences_are_refused(self):
    column = fc.sequence_numeric_column("x")
    with self.assertRaisesRegex(ValueError, "'x' is a SequenceNumericColumn"):
      fc.LinearModel(column)


if __name__ == "__main__":
  absltest.main()

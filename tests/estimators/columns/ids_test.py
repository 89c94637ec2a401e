"""Every category has the id that tf.feature_column gives it."""

import itertools

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import feature_columns as fc
from estimators.columns.cache import FeatureCache
from estimators.columns.convert import as_column
from estimators.columns.ids import ids_of
from estimators.columns.tables import Tables
from tests.estimators.columns import reference
from tests.estimators.helpers import new_folder

SIZE = 2000  # Random examples.
WORDS = [f"word {i}" for i in range(50)] + ["", "ä", "?"]
KNOWN = [w for w in WORDS if w][::2]  # In the vocabularies.
NUMBERS = list(range(-1, 60))
KNOWN_NUMBERS = NUMBERS[3::2]


def random_values(pool, shape, seed=0):
  return np.random.RandomState(seed).choice(np.array(pool), shape)


def random_sparse(pool, seed=0, width=4):
  """Returns a SparseTensor [SIZE, width] with gaps and empty rows."""
  random = np.random.RandomState(seed)
  indices = np.argwhere(random.rand(SIZE, width) < 0.4)
  values = random_values(pool, [len(indices)], seed)
  return tf.SparseTensor(indices, tf.constant(values), [SIZE, width])


def random_ragged(pool, seed=0):
  lengths = np.random.RandomState(seed).randint(0, 4, [SIZE])
  values = random_values(pool, [lengths.sum()], seed)
  return tf.RaggedTensor.from_row_lengths(tf.constant(values), lengths)


def forms(pool):
  """Returns a feature in all the forms that it may come in."""
  return {
    "vector": tf.constant(random_values(pool, [SIZE])),
    "matrix_1": tf.constant(random_values(pool, [SIZE, 1])),
    "matrix_3": tf.constant(random_values(pool, [SIZE, 3])),
    "sparse": random_sparse(pool),
    "ragged": random_ragged(pool),
  }


def ids(column, features):
  """Returns our ids of each example, as `reference.ids`."""
  column = as_column(column)
  cache = FeatureCache(features)
  found = ids_of(column, cache, Tables([column]))
  size = int(cache.batch_size)
  if found.is_dense:
    values = tf.reshape(found.values, [size, -1]).numpy()
    rows = np.repeat(np.arange(size), values.shape[1])
    return reference.by_example(values.reshape([-1]), rows, size)
  return reference.by_example(found.values, found.indices[:, 0], size)


TEXT_FORMS, NUMBER_FORMS = forms(WORDS), forms(NUMBERS)


def vocabulary_file(words):
  path = f"{new_folder()}/words.txt"
  with open(path, "w", encoding="utf-8") as file:
    file.writelines(f"{word}\n" for word in words)
  return path


class IdsOfColumns(parameterized.TestCase):
  def assert_same(self, ours, theirs, features):
    """The two columns give the same ids, and so does theirs when converted."""
    expected = reference.ids(theirs, features)
    self.assertGreater(sum(map(len, expected)), SIZE / 20)
    self.assertEqual(ids(ours, features), expected)
    self.assertEqual(as_column(theirs), ours)

  def both(self, name, *args, **kwargs):
    return (
      getattr(fc, name)(*args, **kwargs),
      getattr(tf.feature_column, name)(*args, **kwargs),
    )


class IdsTest(IdsOfColumns):
  @parameterized.parameters(*TEXT_FORMS)
  def test_hash_of_texts(self, form):
    columns = self.both("categorical_column_with_hash_bucket", "x", 1000)
    self.assert_same(*columns, {"x": TEXT_FORMS[form]})

  @parameterized.parameters(
    *itertools.product(NUMBER_FORMS, ["int32", "int64"])
  )
  def test_hash_of_integers(self, form, dtype):
    dtype = tf.as_dtype(dtype)
    columns = self.both("categorical_column_with_hash_bucket", "x", 1000, dtype)
    self.assert_same(*columns, {"x": tf.cast(NUMBER_FORMS[form], dtype)})

  @parameterized.parameters(
    *itertools.product(TEXT_FORMS, [-1, 0, 3], [True, False])
  )
  def test_vocabulary_with_default(self, form, default, in_file):
    if in_file:
      columns = self.both(
        "categorical_column_with_vocabulary_file",
        "x",
        vocabulary_file(KNOWN),
        default_value=default,
      )
    else:
      columns = self.both(
        "categorical_column_with_vocabulary_list",
        "x",
        KNOWN,
        default_value=default,
      )
    self.assert_same(*columns, {"x": TEXT_FORMS[form]})

  @parameterized.parameters(
    *itertools.product(TEXT_FORMS, [1, 7], [True, False])
  )
  def test_vocabulary_with_buckets(self, form, buckets, in_file):
    name = "file" if in_file else "list"
    columns = self.both(
      f"categorical_column_with_vocabulary_{name}",
      "x",
      vocabulary_file(KNOWN) if in_file else KNOWN,
      num_oov_buckets=buckets,
    )
    self.assert_same(*columns, {"x": TEXT_FORMS[form]})

  @parameterized.parameters(*itertools.product(NUMBER_FORMS, [0, 5]))
  def test_vocabulary_of_integers(self, form, buckets):
    features = {"x": NUMBER_FORMS[form]}
    columns = self.both(
      "categorical_column_with_vocabulary_list",
      "x",
      KNOWN_NUMBERS,
      num_oov_buckets=buckets,
    )
    self.assert_same(*columns, features)
    columns = self.both(
      "categorical_column_with_vocabulary_file",
      "x",
      vocabulary_file(KNOWN_NUMBERS),
      dtype=tf.int64,
      num_oov_buckets=buckets,
    )
    self.assert_same(*columns, features)

  @parameterized.parameters(*TEXT_FORMS)
  def test_vocabulary_that_has_the_missing_value(self, form):
    words = ["", *KNOWN]
    columns = self.both("categorical_column_with_vocabulary_list", "x", words)
    self.assert_same(*columns, {"x": TEXT_FORMS[form]})

  def test_first_lines_of_a_vocabulary_file(self):
    path = vocabulary_file(KNOWN)
    columns = self.both("categorical_column_with_vocabulary_file", "x", path, 5)
    self.assert_same(*columns, {"x": TEXT_FORMS["vector"]})

  def test_vocabulary_of_compressed_records(self):
    path = f"{new_folder()}/words.tfrecord.gz"
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
      for word in KNOWN:
        writer.write(word.encode())
    columns = self.both(
      "categorical_column_with_vocabulary_file", "x", path, num_oov_buckets=3
    )
    self.assert_same(*columns, {"x": TEXT_FORMS["matrix_3"]})

  @parameterized.parameters(*NUMBER_FORMS)
  def test_identity(self, form):
    columns = self.both("categorical_column_with_identity", "x", 60)
    self.assert_same(*columns, {"x": NUMBER_FORMS[form]})

  @parameterized.parameters(*NUMBER_FORMS)
  def test_identity_with_default(self, form):
    columns = self.both("categorical_column_with_identity", "x", 20, 7)
    wide = NUMBER_FORMS[form]
    wide = (
      wide.with_values(wide.values - 5) if hasattr(wide, "values") else wide
    )
    self.assert_same(*columns, {"x": wide})

  @parameterized.parameters(1, 3)
  def test_intervals(self, size):
    numbers = np.random.RandomState(0).normal(size=[SIZE, size]) * 10
    boundaries = [-10, -1.5, 0, 0.1, 7]
    numbers[:5, 0] = boundaries  # A boundary belongs to what is above.
    numbers[5, 0] = np.nan
    source = self.both("numeric_column", "x", size)
    ours = fc.bucketized_column(source[0], boundaries)
    theirs = tf.feature_column.bucketized_column(source[1], boundaries)
    for dtype in ("float32", "float64"):
      self.assert_same(ours, theirs, {"x": tf.constant(numbers, dtype)})

  def test_intervals_of_integers(self):
    numbers = tf.constant(random_values(NUMBERS, [SIZE]))
    ours = fc.bucketized_column(fc.numeric_column("x"), [3, 30])
    theirs = tf.feature_column.bucketized_column(
      tf.feature_column.numeric_column("x"), [3, 30]
    )
    self.assert_same(ours, theirs, {"x": numbers})

  @parameterized.product(values=[(1, 5), (-2, 0)], is_sparse=[True, False])
  def test_range_of_identity(self, values, is_sparse):
    x = tf.constant(values)
    if is_sparse:
      x = tf.SparseTensor([[0, 0], [0, 1]], x, [1, 2])
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError,
      f"column x takes integers from 0 to 4.*{values[0]}.*{values[1]}",
    ):
      ids(fc.categorical_column_with_identity("x", 5), {"x": x})


class CrossesTest(IdsOfColumns):
  def features(self, kind):
    """Returns features of one kind: a, b, c texts; i integers; n numbers."""
    names = {"a": WORDS, "b": KNOWN, "c": "xyz", "i": NUMBERS}
    make = {
      "vector": lambda pool, seed: random_values(list(pool), [SIZE], seed),
      "matrix_1": lambda pool, seed: random_values(list(pool), [SIZE, 1], seed),
      "matrix_2": lambda pool, seed: random_values(list(pool), [SIZE, 2], seed),
      "sparse": lambda pool, seed: random_sparse(list(pool), seed),
      "ragged": lambda pool, seed: random_ragged(list(pool), seed),
    }[kind]
    features = {k: make(v, seed) for seed, (k, v) in enumerate(names.items())}
    numbers = random_values(NUMBERS, [SIZE, 2]).astype("float32")
    return {
      **{
        k: v if hasattr(v, "dtype") and tf.is_tensor(v) else tf.constant(v)
        for k, v in features.items()
        if not isinstance(v, tf.RaggedTensor)
      },
      **{k: v for k, v in features.items() if isinstance(v, tf.RaggedTensor)},
      "n": tf.constant(numbers[:, 0]),
      "m": tf.constant(numbers),
    }

  def columns(self, lib):
    """Returns crosses made by a library."""
    n = lib.bucketized_column(lib.numeric_column("n"), [5, 20, 40])
    m = lib.bucketized_column(lib.numeric_column("m", 2), [10, 30])
    a = lib.categorical_column_with_vocabulary_list("a", KNOWN)
    b = lib.categorical_column_with_vocabulary_list("b", KNOWN[:9], None, 2)
    i = lib.categorical_column_with_identity("i", 60)
    return {
      "keys": lib.crossed_column(["a", "b"], 1000),
      "three_keys": lib.crossed_column(("c", "a", "b"), 10**6),
      "hash_key": lib.crossed_column(["a", "b"], 1000, 12345),
      "integers": lib.crossed_column(["i", "a"], 1000),
      "only_integers": lib.crossed_column(["i", i], 1000),
      "intervals_first": lib.crossed_column([n, "a", "c"], 1000),
      "intervals_last": lib.crossed_column(["c", "a", n], 1000),
      "intervals_only": lib.crossed_column([m, n], 100),
      "intervals_of_two": lib.crossed_column(["a", m], 1000),
      "vocabulary": lib.crossed_column(["c", a], 1000),
      "all": lib.crossed_column(["c", a, n, i, "b", b, m], 10**9),
      "nested": lib.crossed_column(
        ["c", lib.crossed_column([n, "a"], 7, 99), a], 1000
      ),
    }

  @parameterized.parameters(
    "vector", "matrix_1", "matrix_2", "sparse", "ragged"
  )
  def test_cross(self, kind):
    features = self.features(kind)
    ours, theirs = self.columns(fc), self.columns(tf.feature_column)
    for name in ours:
      with self.subTest(name):
        self.assert_same(ours[name], theirs[name], features)

  def test_dense_and_sparse_together(self):
    features = self.features("vector") | {
      "b": random_sparse(KNOWN),
      "i": random_ragged(NUMBERS),
    }
    ours, theirs = self.columns(fc), self.columns(tf.feature_column)
    for name in ours:
      with self.subTest(name):
        self.assert_same(ours[name], theirs[name], features)


if __name__ == "__main__":
  absltest.main()

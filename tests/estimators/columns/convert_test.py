"""What users give as columns."""

import keras
import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import feature_columns as fc
from estimators.columns.convert import as_columns
from tests.estimators.helpers import new_folder

ZEROS = keras.initializers.Zeros()


def columns_of(lib, path):
  """Returns columns of all kinds, made by a library."""
  n = lib.numeric_column("n", 2, [1, 2], tf.int32, abs)
  b = lib.bucketized_column(n, (1.5, 2.5))
  i = lib.categorical_column_with_identity("i", 9, 3)
  v = lib.categorical_column_with_vocabulary_list("v", ("a", "b"), None, -1, 2)
  f = lib.categorical_column_with_vocabulary_file(
    "f", path, 3, tf.string, None, 2
  )
  h = lib.categorical_column_with_hash_bucket("h", 7, tf.int64)
  x = lib.crossed_column([b, "k", lib.crossed_column(["a", v], 3)], 9, 123)
  return [
    n,
    b,
    i,
    v,
    f,
    h,
    x,
    lib.weighted_categorical_column(x, "w", tf.int32),
    lib.indicator_column(f),
    lib.embedding_column(h, 3),
    lib.embedding_column(i, 3, "sum", ZEROS, "path", "name", 1.5, False, False),
    lib.sequence_numeric_column("s", (2, 3), 1, tf.int64),
    lib.embedding_column(
      lib.sequence_categorical_column_with_vocabulary_file("t", path, 3, 1), 2
    ),
  ]


class ConvertTest(parameterized.TestCase):
  def test_equals_what_we_make(self):
    path = f"{new_folder()}/words.txt"
    with open(path, "w") as file:
      file.write("a\nb\nc\n")
    ours = columns_of(fc, path)
    theirs = columns_of(tf.feature_column, path)
    expected = sorted(ours, key=lambda column: column.name)
    for columns in (theirs, ours):
      for column, other in zip(as_columns(columns), expected, strict=True):
        self.assertEqual(repr(column), repr(other))
        self.assertEqual(column, other)

  def test_theirs_inside_of_ours(self):
    theirs = tf.feature_column.categorical_column_with_identity("i", 9)
    ours = fc.categorical_column_with_identity("i", 9)
    number = tf.feature_column.numeric_column("n")
    for make in (
      fc.indicator_column,
      lambda c: fc.embedding_column(c, 3),
      lambda c: fc.weighted_categorical_column(c, "w"),
      lambda c: fc.crossed_column([c, "a"], 5),
      lambda c: fc.shared_embeddings([c], 5),
    ):
      self.assertEqual(make(theirs), make(ours))
    self.assertEqual(
      fc.bucketized_column(number, [1]),
      fc.bucketized_column(fc.numeric_column("n"), [1]),
    )

  def test_shared_embeddings(self):
    def columns(lib, **kwargs):
      sources = [lib.categorical_column_with_identity(k, 9) for k in "ba"]
      return lib.shared_embeddings(sources, 4, "sum", max_norm=2, **kwargs)

    for kwargs in (
      {},
      dict(
        initializer=ZEROS,
        shared_embedding_collection_name="name",
        ckpt_to_load_from="path",
        tensor_name_in_ckpt="tensor",
        trainable=False,
      ),
    ):
      with tf.Graph().as_default():  # TensorFlow's do not work eagerly.
        theirs = columns(tf.feature_column, **kwargs)
      self.assertEqual(as_columns(theirs), as_columns(columns(fc, **kwargs)))

  def test_other_initializers_stay(self):
    source = tf.feature_column.categorical_column_with_identity("i", 9)
    for initializer in (
      tf.compat.v1.truncated_normal_initializer(stddev=0.1),
      tf.compat.v1.truncated_normal_initializer(stddev=0.5, seed=3),
      tf.compat.v1.truncated_normal_initializer(mean=1, stddev=0.5),
      keras.initializers.Ones(),
    ):
      (column,) = as_columns(
        tf.feature_column.embedding_column(source, 4, initializer=initializer)
      )
      self.assertIs(column.initializer, initializer)
    default = tf.compat.v1.truncated_normal_initializer(stddev=0.5)
    (column,) = as_columns(
      tf.feature_column.embedding_column(source, 4, initializer=default)
    )
    self.assertIsNone(column.initializer)

  def test_order_and_iterables(self):
    a, b = fc.numeric_column("a"), fc.numeric_column("b")
    self.assertEqual(as_columns(a), [a])
    self.assertEqual(as_columns(tf.feature_column.numeric_column("a")), [a])
    for columns in (
      [b, a],
      (b, a),
      {a, b},
      iter([b, a]),
      {1: b, 2: a}.values(),
    ):
      self.assertEqual(as_columns(columns), [a, b])

  @parameterized.parameters(
    ([], "at least one"),
    ({"a": fc.numeric_column("a")}, "list of columns, but is of type dict"),
    ("a", "of type str: 'a'"),
    (None, "of type NoneType"),
    (3, "of type int: 3"),
    (["a"], "one is of type str: 'a'"),
    ([tf.constant(1)], "one is of type"),
    ([fc.numeric_column("a"), fc.numeric_column("a", 2)], "Duplicate.*'a'"),
    (
      [
        fc.numeric_column("a"),
        tf.feature_column.categorical_column_with_identity("a", 2),
      ],
      "Duplicate.*'a'",
    ),
  )
  def test_what_is_refused(self, columns, message):
    with self.assertRaisesRegex(ValueError, message):
      as_columns(columns)


if __name__ == "__main__":
  absltest.main()

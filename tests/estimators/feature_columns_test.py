"""The functions of feature_columns: signatures, specs, and wrong arguments."""

import inspect

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import feature_columns as fc
from tests.estimators.helpers import new_folder

FUNCTIONS = sorted(set(dir(tf.feature_column)) - {"_sys"} - set(dir(object)))
FUNCTIONS = [name for name in FUNCTIONS if not name.startswith("_")]
HASHED = fc.categorical_column_with_hash_bucket("h", 5)
IDENTITY = fc.categorical_column_with_identity("i", 5)
NUMBER = fc.numeric_column("n")


def file_of(text):
  path = f"{new_folder()}/words.txt"
  with open(path, "w") as file:
    file.write(text)
  return path


class SignaturesTest(parameterized.TestCase):
  def test_all_functions_are_there(self):
    self.assertLen(FUNCTIONS, 17)
    ours = {"DenseFeatures", "FeatureCache", "LinearModel", "SequenceFeatures"}
    self.assertEqual(set(fc.__all__), set(FUNCTIONS) | ours)

  @parameterized.parameters(*FUNCTIONS)
  def test_arguments_are_those_of_tensorflow(self, name):
    self.assertEqual(
      inspect.signature(getattr(fc, name)),
      inspect.signature(getattr(tf.feature_column, name)),
    )

  def test_equal_columns(self):
    def columns():
      n = fc.numeric_column("n", shape=[2])
      return (
        n,
        fc.bucketized_column(n, [1, 2]),
        fc.crossed_column(["a", fc.bucketized_column(n, np.array([1, 2]))], 5),
        fc.embedding_column(IDENTITY, np.int64(4)),
        *fc.shared_embeddings([IDENTITY], 4),
        fc.categorical_column_with_vocabulary_list("v", np.array(["a", "b"])),
      )

    self.assertEqual(columns(), columns())
    self.assertEqual(hash(columns()), hash(columns()))
    self.assertNotEqual(fc.numeric_column("n"), fc.numeric_column("n", 2))


class ParseSpecTest(parameterized.TestCase):
  def columns(self, lib):
    n = lib.numeric_column("n", (2, 1), default_value=3.0)
    m = lib.numeric_column("m", 2, dtype=tf.int64, default_value=[1, 2])
    v = lib.categorical_column_with_vocabulary_list("v", [1, 2])
    return [
      n,
      m,
      lib.bucketized_column(m, [1]),
      v,
      lib.categorical_column_with_identity("i", 3),
      lib.categorical_column_with_hash_bucket("h", 3, tf.int32),
      lib.crossed_column(["a", "b", v], 5),
      lib.indicator_column(lib.crossed_column(["a", "c"], 5)),
      lib.embedding_column(lib.weighted_categorical_column(v, "w"), 2),
      lib.sequence_numeric_column("s", 3),
      lib.indicator_column(
        lib.sequence_categorical_column_with_hash_bucket("t", 3)
      ),
    ]

  def test_same_as_tensorflow(self):
    expected = tf.feature_column.make_parse_example_spec(
      self.columns(tf.feature_column)
    )
    self.assertEqual(fc.make_parse_example_spec(self.columns(fc)), expected)
    self.assertEqual(
      fc.make_parse_example_spec(self.columns(tf.feature_column)), expected
    )
    self.assertLen(expected, 11)

  def test_names_are_the_same(self):
    self.assertEqual(
      [column.name for column in self.columns(fc)],
      [column.name for column in self.columns(tf.feature_column)],
    )

  def test_features_that_conflict(self):
    columns = [fc.numeric_column("x"), fc.numeric_column("x", 2)]
    with self.assertRaisesRegex(ValueError, "parse the feature 'x' in differ"):
      fc.make_parse_example_spec(columns)

  def test_weight_that_is_the_feature(self):
    column = fc.weighted_categorical_column(IDENTITY, "i")
    with self.assertRaisesRegex(ValueError, "the feature 'i', which is also"):
      fc.make_parse_example_spec([column])

  def test_not_a_column(self):
    with self.assertRaisesRegex(ValueError, "of type str: 'x'"):
      fc.make_parse_example_spec(["x"])


class ErrorsTest(parameterized.TestCase):
  """Each call, the error, and words of its message."""

  @parameterized.parameters(
    (lambda: fc.numeric_column(1), ValueError, "must be a str.* 1 "),
    (lambda: fc.numeric_column("n", None), ValueError, "needs a shape"),
    (lambda: fc.numeric_column("n", (1.5,)), TypeError, r"whole.*\(1.5,\)"),
    (lambda: fc.numeric_column("n", True), TypeError, "whole"),
    (lambda: fc.numeric_column("n", (2, 0)), ValueError, r"positive.*\(2, 0\)"),
    (lambda: fc.numeric_column("n", dtype=tf.string), ValueError, "string"),
    (lambda: fc.numeric_column("n", dtype=tf.bool), ValueError, "bool"),
    (
      lambda: fc.numeric_column("n", default_value="x"),
      TypeError,
      "fit dtype=float32.*'x'",
    ),
    (
      lambda: fc.numeric_column("n", default_value=1.5, dtype=tf.int32),
      TypeError,
      "fit dtype=int32.*1.5",
    ),
    (
      lambda: fc.numeric_column("n", 2, default_value=[1, 2, 3]),
      ValueError,
      r"shape \(2,\), but has \(3,\)",
    ),
    (lambda: fc.numeric_column("n", normalizer_fn=3), TypeError, "function.*3"),
    (
      lambda: fc.sequence_numeric_column("n", default_value=[0, 1]),
      ValueError,
      r"one number.*\[0, 1\]",
    ),
    (
      lambda: fc.sequence_numeric_column("n", normalizer_fn="x"),
      TypeError,
      "function",
    ),
    (lambda: fc.sequence_numeric_column("n", 0), ValueError, "positive"),
    (
      lambda: fc.sequence_numeric_column("n", dtype=tf.string),
      ValueError,
      "string",
    ),
    (lambda: fc.bucketized_column(IDENTITY, [1]), ValueError, "Identity"),
    (lambda: fc.bucketized_column("n", [1]), ValueError, "'n'"),
    (
      lambda: fc.bucketized_column(fc.numeric_column("n", (2, 2)), [1]),
      ValueError,
      r"one dimension.*'n' is \(2, 2\)",
    ),
    (lambda: fc.bucketized_column(NUMBER, []), ValueError, "empty"),
    (lambda: fc.bucketized_column(NUMBER, 5), ValueError, "sorted list.*5"),
    (lambda: fc.bucketized_column(NUMBER, [1, 3, 2]), ValueError, "2 comes af"),
    (lambda: fc.bucketized_column(NUMBER, [1, 1]), ValueError, "1 comes after"),
    (
      lambda: fc.bucketized_column(NUMBER, [1, float("nan"), 3]),
      ValueError,
      "nan comes after 1",
    ),
  )
  def test_numbers(self, call, error, message):
    with self.assertRaisesRegex(error, message):
      call()

  @parameterized.parameters(
    (lambda: fc.categorical_column_with_identity("i", 0), "num_buckets.*0"),
    (lambda: fc.categorical_column_with_identity("i", 2.5), "whole.*2.5"),
    (
      lambda: fc.categorical_column_with_identity("i", 3, 3),
      "0 to 2, but is 3",
    ),
    (lambda: fc.categorical_column_with_identity("i", 3, -1), "but is -1"),
    (lambda: fc.categorical_column_with_identity(None, 3), "str.*None"),
    (lambda: fc.categorical_column_with_hash_bucket("h", 0), "size.*'h'.*0"),
    (lambda: fc.categorical_column_with_hash_bucket("h", None), "None"),
    (
      lambda: fc.categorical_column_with_hash_bucket("h", 3, tf.float32),
      "string or an integer, but is float32",
    ),
    (lambda: fc.categorical_column_with_hash_bucket(("h",), 3), "str"),
    (lambda: fc.crossed_column(["a", "b"], 0), "hash_bucket_size.*a_X_b.*0"),
    (lambda: fc.crossed_column(["a", "b"], None), "None"),
    (lambda: fc.crossed_column(["a"], 5), r"two keys.*\['a'\]"),
    (lambda: fc.crossed_column("ab", 5), "two keys.*'ab'"),
    (lambda: fc.crossed_column(None, 5), "two keys.*None"),
    (lambda: fc.crossed_column(["a", HASHED], 5), "'h'.*twice.*name 'h'"),
    (lambda: fc.crossed_column(["a", NUMBER], 5), "bucketized_column first"),
    (lambda: fc.crossed_column(["a", 3], 5), "one is 3"),
    (
      lambda: fc.crossed_column(
        ["a", fc.weighted_categorical_column(IDENTITY, "w")], 5
      ),
      "does not support weights",
    ),
    (
      lambda: fc.crossed_column(
        ["a", fc.sequence_categorical_column_with_identity("s", 3)], 5
      ),
      "sequences.*'s'",
    ),
    (
      lambda: fc.weighted_categorical_column(NUMBER, "w"),
      "needs a categorical",
    ),
    (lambda: fc.weighted_categorical_column(IDENTITY, 3), "str.* 3"),
    (
      lambda: fc.weighted_categorical_column(IDENTITY, "w", tf.string),
      "'w'.*string",
    ),
    (
      lambda: fc.weighted_categorical_column(
        fc.weighted_categorical_column(IDENTITY, "w"), "v"
      ),
      "cannot take 'i_weighted_by_w'",
    ),
    (lambda: fc.indicator_column(NUMBER), "indicator_column needs a categ"),
    (lambda: fc.indicator_column("x"), "needs a categorical.*'x'"),
    (lambda: fc.embedding_column(NUMBER, 3), "embedding_column needs a categ"),
    (lambda: fc.embedding_column(IDENTITY, 0), "dimension.*i_embedding.*0"),
    (lambda: fc.embedding_column(IDENTITY, None), "None"),
    (lambda: fc.embedding_column(IDENTITY, 3, "max"), "mean, sqrtn, sum.*max"),
    (lambda: fc.embedding_column(IDENTITY, 3, initializer=5), "function.*5"),
    (lambda: fc.embedding_column(IDENTITY, 3, max_norm=0), "positive.*0"),
    (
      lambda: fc.embedding_column(IDENTITY, 3, ckpt_to_load_from="path"),
      "or neither, but got 'path' and None",
    ),
    (
      lambda: fc.embedding_column(IDENTITY, 3, tensor_name_in_ckpt="x"),
      "or neither",
    ),
    (lambda: fc.shared_embeddings([], 3), "got none"),
    (
      lambda: fc.shared_embeddings([NUMBER], 3),
      "shared_embeddings needs a cat",
    ),
    (lambda: fc.shared_embeddings([IDENTITY, HASHED], 3), "'h'.*Hash.*Ident"),
    (
      lambda: fc.shared_embeddings(
        [IDENTITY, fc.categorical_column_with_identity("j", 6)], 3
      ),
      "'i' has 5 and 'j' 6",
    ),
    (lambda: fc.shared_embeddings([IDENTITY], 0), "dimension.*0"),
  )
  def test_categories(self, call, message):
    with self.assertRaisesRegex(ValueError, message):
      call()

  @parameterized.parameters(
    (dict(vocabulary_list=[]), "at least one word"),
    (dict(vocabulary_list=None), "at least one word.*None"),
    (dict(vocabulary_list="abc"), "list.*'abc'"),
    (dict(vocabulary_list=["a", "b", "a"]), r"Duplicate keys.*\['a'\]"),
    (dict(vocabulary_list=[1.5, 2]), "float64"),
    (dict(vocabulary_list=["a"], dtype=tf.int32), "int32.*string"),
    (dict(vocabulary_list=[1], dtype=tf.string), "string.*int64"),
    (dict(vocabulary_list=[1], dtype=tf.float32), "float32"),
    (dict(vocabulary_list=["a"], num_oov_buckets=-1), "at least 0.*-1"),
    (
      dict(vocabulary_list=["a"], num_oov_buckets=1, default_value=0),
      "not both",
    ),
    (dict(vocabulary_list=["a", "b"], default_value=2), "0 to 1.*but is 2"),
    (dict(vocabulary_list=["a", "b"], default_value=-2), "but is -2"),
    (dict(vocabulary_list=["a"], key=3), "str.* 3"),
  )
  def test_vocabulary_lists(self, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      fc.categorical_column_with_vocabulary_list(**({"key": "v"} | arguments))

  @parameterized.parameters(
    (dict(vocabulary_file=""), "vocabulary_file of the column 'v' is missing"),
    (dict(vocabulary_file=None), "missing: None"),
    (dict(vocabulary_file="/no/such/file"), "does not exist: /no/such/file"),
    (dict(vocabulary_size=0), "vocabulary_size.*at least 1.*0"),
    (dict(num_oov_buckets=-1), "num_oov_buckets.*-1"),
    (dict(num_oov_buckets=2, default_value=1), "not both"),
    (dict(default_value=3), "0 to 2.*but is 3"),
    (dict(dtype=tf.float32), "float32"),
    (dict(file_format="csv"), "tfrecord_gzip.*csv"),
    (dict(key=("v",)), "str"),
  )
  def test_vocabulary_files(self, arguments, message):
    arguments = {
      "vocabulary_file": file_of("a\nb\nc\n"),
      "key": "v",
    } | arguments
    with self.assertRaisesRegex(ValueError, message):
      fc.categorical_column_with_vocabulary_file(**arguments)

  @parameterized.parameters(
    ("a\nb\n", 3, tf.string, "vocabulary_size=3.*expected 3 but got 2"),
    ("a\nb\na\n", 3, tf.string, "vocabulary_size=3 different.*Key a has 0"),
    ("a\n\nb\n", 3, tf.string, "empty line"),
    ("1\nb\n", 2, tf.int64, "int64.*b"),
  )
  def test_content_of_vocabulary_files(self, text, size, dtype, message):
    column = fc.categorical_column_with_vocabulary_file(
      "v", file_of(text), size, dtype
    )
    with self.assertRaisesRegex(ValueError, message):
      fc.LinearModel(column)

  def test_vocabulary_file_that_is_missing_when_it_is_needed(self):
    column = fc.categorical_column_with_vocabulary_file("v", "/no/such", 3)
    with self.assertRaisesRegex(ValueError, "does not exist: /no/such"):
      fc.LinearModel(column)


if __name__ == "__main__":
  absltest.main()

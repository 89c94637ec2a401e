"""Feature columns: what to make of the named features of an example.

The functions are those of `tf.feature_column`, with the same arguments, and a
category gets the same id. Layers turn columns and features into numbers:

    from estimators import feature_columns as fc

    age = fc.numeric_column("age")
    job = fc.categorical_column_with_hash_bucket("job", 1000)
    columns = [fc.bucketized_column(age, [18, 30, 50]), job]

    @once
    def linear():
      return fc.LinearModel(columns)

    logits = linear()(features)

Letters: B examples of a batch, n values per example. A categorical feature is a
dense tensor [B] or [B, n], in which '' or -1 means that there is no value, or a
`tf.SparseTensor` or `tf.RaggedTensor` [B, n]. A column is a description without
tensors or variables; two are equal when made of equal arguments.

Errors: wrong arguments are a ValueError when a column is made (a TypeError
where it says so); features that do not fit are one when a layer is called.
"""

import tensorflow as tf

from estimators.columns import embedding
from estimators.columns.cache import FeatureCache
from estimators.columns.categorical import (
  CrossedColumn,
  HashedCategoricalColumn,
  IdentityCategoricalColumn,
  SequenceCategoricalColumn,
  WeightedCategoricalColumn,
)
from estimators.columns.convert import as_column
from estimators.columns.dense_features import DenseFeatures
from estimators.columns.linear_model import LinearModel
from estimators.columns.numeric import (
  BucketizedColumn,
  NumericColumn,
  SequenceNumericColumn,
)
from estimators.columns.sequence_features import SequenceFeatures
from estimators.columns.vocabulary import (
  VocabularyFileCategoricalColumn,
  VocabularyListCategoricalColumn,
)

__all__ = [
  "DenseFeatures",
  "FeatureCache",
  "LinearModel",
  "SequenceFeatures",
  "bucketized_column",
  "categorical_column_with_hash_bucket",
  "categorical_column_with_identity",
  "categorical_column_with_vocabulary_file",
  "categorical_column_with_vocabulary_list",
  "crossed_column",
  "embedding_column",
  "indicator_column",
  "make_parse_example_spec",
  "numeric_column",
  "sequence_categorical_column_with_hash_bucket",
  "sequence_categorical_column_with_identity",
  "sequence_categorical_column_with_vocabulary_file",
  "sequence_categorical_column_with_vocabulary_list",
  "sequence_numeric_column",
  "shared_embeddings",
  "weighted_categorical_column",
]


def numeric_column(
  key, shape=(1,), default_value=None, dtype=tf.float32, normalizer_fn=None
):
  """Returns a dense column of numbers.

  Args:
    key: str, the feature; also the column's name.
    shape: tuple of int, the numbers of an example; the feature is [B, *shape],
      or [B] for one number.
    default_value: number, or numbers of that shape, for examples without it;
      used in parsing only. None: an example without it is an error.
    dtype: integer or floating `tf.DType` to parse.
    normalizer_fn: function of the tensor ([B, 1] when the feature is [B]) that
      returns the numbers to use. The result becomes float32.

  Raises:
    TypeError: shape, default_value or normalizer_fn is of a wrong type.
  """
  return NumericColumn(key, shape, default_value, dtype, normalizer_fn)


def bucketized_column(source_column, boundaries):
  """Returns a column of the intervals that numbers lie in.

  It is dense (one-hot) and categorical. Boundaries [0, 10] make the intervals
  below 0, [0, 10), and 10 and above. Category `i * (len(boundaries) + 1) + k`
  says that number i of the example lies in interval k. NaN lies in the last.

  Args:
    source_column: a numeric_column with a one-dimensional shape.
    boundaries: sorted list of numbers, without repetition.
  """
  return BucketizedColumn(as_column(source_column), boundaries)


def categorical_column_with_identity(key, num_buckets, default_value=None):
  """Returns a column of integers that are categories already.

  Args:
    key: str, the integer feature.
    num_buckets: int, how many categories there are.
    default_value: int, the category of integers that are out of range. None:
      they are an error when a step runs.
  """
  return IdentityCategoricalColumn(key, num_buckets, default_value)


def categorical_column_with_hash_bucket(key, hash_bucket_size, dtype=tf.string):
  """Returns a column of values that are hashed into categories.

  Args:
    key: str, the feature.
    hash_bucket_size: int, how many categories there are. Values fall together
      in some; more categories make it rarer.
    dtype: `tf.string` or an integer type; integers are hashed as texts.
  """
  return HashedCategoricalColumn(key, hash_bucket_size, dtype)


def categorical_column_with_vocabulary_list(
  key, vocabulary_list, dtype=None, default_value=-1, num_oov_buckets=0
):
  """Returns a column whose categories are the places in a list.

  Args:
    key: str, the feature.
    vocabulary_list: list of different texts, or of integers.
    dtype: `tf.string` or an integer type; None for that of the list.
    default_value: int, the category of values that are not in the list; -1
      leaves them out.
    num_oov_buckets: int, how many categories after those of the list are for
      values that are not in it, which are hashed.
  """
  return VocabularyListCategoricalColumn(
    key, vocabulary_list, dtype, default_value, num_oov_buckets
  )


def categorical_column_with_vocabulary_file(
  key,
  vocabulary_file,
  vocabulary_size=None,
  dtype=tf.string,
  default_value=None,
  num_oov_buckets=0,
  file_format=None,
):
  """Returns a column whose categories are the lines of a file.

  A SavedModel takes the file along.

  Args:
    key: str, the feature.
    vocabulary_file: str, path of a text file with one value a line.
    vocabulary_size: int, how many of its first lines to use; None for all,
      which are then counted now.
    dtype: `tf.string` or an integer type.
    default_value: int, the category of values that are not in the file; None
      or -1 leaves them out.
    num_oov_buckets: int, how many categories after those of the file are for
      values that are not in it, which are hashed.
    file_format: None, or "tfrecord_gzip" for a compressed TFRecord file with a
      value a record, as names that end with `tfrecord.gz` imply.
  """
  return VocabularyFileCategoricalColumn(
    key,
    vocabulary_file,
    vocabulary_size,
    num_oov_buckets or 0,
    dtype,
    -1 if default_value is None else default_value,
    file_format,
  )


def crossed_column(keys, hash_bucket_size, hash_key=None):
  """Returns a column of combinations of categories, hashed.

  An example has all combinations of the values of its keys.

  Args:
    keys: list of two or more names of text or integer features, bucketized
      columns, or other categorical columns but those of hashes and weights. A
      cross in it stands for its own keys. Missing values ('' and -1) of dense
      features are values here when a key is a name.
    hash_bucket_size: int, how many categories there are.
    hash_key: int, a key of the hash function.
  """
  if isinstance(keys, list | tuple):
    keys = [key if isinstance(key, str) else _column(key) for key in keys]
  return CrossedColumn(keys, hash_bucket_size, hash_key)


def weighted_categorical_column(
  categorical_column, weight_feature_key, dtype=tf.float32
):
  """Returns a categorical column whose categories have weights.

  A weight multiplies what is looked up for its category.

  Args:
    categorical_column: the categories.
    weight_feature_key: str, the feature of weights: of the same shape as that
      of the categories, or sparse with the same indices.
    dtype: `tf.DType` of the weights, integer or floating.
  """
  return WeightedCategoricalColumn(
    _column(categorical_column), weight_feature_key, dtype
  )


def indicator_column(categorical_column):
  """Returns a dense column that counts each category of an example.

  With weights it sums them. One category per example is one-hot.

  Args:
    categorical_column: the categories.
  """
  return embedding.IndicatorColumn(_column(categorical_column))


def embedding_column(
  categorical_column,
  dimension,
  combiner="mean",
  initializer=None,
  ckpt_to_load_from=None,
  tensor_name_in_ckpt=None,
  max_norm=None,
  trainable=True,
  use_safe_embedding_lookup=True,
):
  """Returns a dense column that learns numbers for each category.

  Args:
    categorical_column: the categories.
    dimension: int, how many numbers.
    combiner: "mean", "sqrtn" (the sum, divided by the root of the sum of
      squared weights) or "sum": what to make of the numbers of an example with
      several categories. One with none has zeros.
    initializer: function of (shape, dtype), such as a Keras initializer; None
      for a normal distribution with standard deviation 1 / sqrt(dimension), cut
      off at twice that.
    ckpt_to_load_from: str, a checkpoint that holds the first values.
    tensor_name_in_ckpt: str, their name in it.
    max_norm: float; numbers that are longer (L2) are scaled down to it.
    trainable: bool, whether training changes them.
    use_safe_embedding_lookup: has no effect: examples without categories, and
      ids below 0, are always seen to.
  """
  return embedding.EmbeddingColumn(
    _column(categorical_column),
    dimension,
    combiner,
    initializer,
    ckpt_to_load_from,
    tensor_name_in_ckpt,
    max_norm,
    trainable,
    use_safe_embedding_lookup,
  )


def shared_embeddings(
  categorical_columns,
  dimension,
  combiner="mean",
  initializer=None,
  shared_embedding_collection_name=None,
  ckpt_to_load_from=None,
  tensor_name_in_ckpt=None,
  max_norm=None,
  trainable=True,
  use_safe_embedding_lookup=True,
):
  """Returns a list of embedding columns that share one variable.

  Args:
    categorical_columns: list of columns of the same kind and with the same
      number of categories, also weighted or of sequences.
    shared_embedding_collection_name: str, the name of the variable; None makes
      one of the names of the columns.

  The other arguments are those of `embedding_column`.
  """
  return embedding.shared_embedding_columns(
    map(_column, categorical_columns),
    shared_embedding_collection_name,
    dimension=dimension,
    combiner=combiner,
    initializer=initializer,
    ckpt_to_load_from=ckpt_to_load_from,
    tensor_name_in_ckpt=tensor_name_in_ckpt,
    max_norm=max_norm,
    trainable=trainable,
    use_safe_embedding_lookup=use_safe_embedding_lookup,
  )


def sequence_numeric_column(
  key,
  shape=(1,),
  default_value=0.0,
  dtype=tf.float32,
  normalizer_fn=None,
):
  """Returns a column of numbers by step.

  Args:
    key: str, the feature; also the column's name. It is sparse or ragged
      [B, n], with the numbers of all steps one after the other, or [B, T, n].
    shape: tuple of int, the numbers of one step.
    default_value: number that pads sequences which are shorter than others.
    dtype: integer or floating `tf.DType` to parse.
    normalizer_fn: function of the SparseTensor that returns the one to use.

  Raises:
    TypeError: shape or normalizer_fn is of a wrong type.
  """
  return SequenceNumericColumn(key, shape, default_value, dtype, normalizer_fn)


def sequence_categorical_column_with_identity(
  key, num_buckets, default_value=None
):
  """Returns `categorical_column_with_identity` of sequences."""
  return SequenceCategoricalColumn(
    categorical_column_with_identity(key, num_buckets, default_value)
  )


def sequence_categorical_column_with_hash_bucket(
  key, hash_bucket_size, dtype=tf.string
):
  """Returns `categorical_column_with_hash_bucket` of sequences."""
  return SequenceCategoricalColumn(
    categorical_column_with_hash_bucket(key, hash_bucket_size, dtype)
  )


def sequence_categorical_column_with_vocabulary_file(
  key,
  vocabulary_file,
  vocabulary_size=None,
  num_oov_buckets=0,
  default_value=None,
  dtype=tf.string,
):
  """Returns `categorical_column_with_vocabulary_file` of sequences."""
  return SequenceCategoricalColumn(
    categorical_column_with_vocabulary_file(
      key,
      vocabulary_file,
      vocabulary_size,
      dtype,
      default_value,
      num_oov_buckets,
    )
  )


def sequence_categorical_column_with_vocabulary_list(
  key, vocabulary_list, dtype=None, default_value=-1, num_oov_buckets=0
):
  """Returns `categorical_column_with_vocabulary_list` of sequences."""
  return SequenceCategoricalColumn(
    categorical_column_with_vocabulary_list(
      key, vocabulary_list, dtype, default_value, num_oov_buckets
    )
  )


def make_parse_example_spec(feature_columns):
  """Returns what to give `tf.io.parse_example` for some columns.

  Args:
    feature_columns: list of columns.

  Returns:
    Dictionary of feature name to `tf.io.FixedLenFeature` (numbers) or
    `tf.io.VarLenFeature`.

  Raises:
    ValueError: two columns want the same feature in different ways.
  """
  spec = {}
  for column in map(as_column, feature_columns):
    for key, value in column.parse_example_spec.items():
      if spec.setdefault(key, value) != value:
        raise ValueError(
          f"the columns want to parse the feature {key!r} in different ways, "
          f"as {spec[key]} and as {value}; make them agree, or give it a "
          "second time under another name."
        )
  return spec


def _column(column):
  """Returns a column that goes into another as ours; checked there."""
  return column if not hasattr(column, "_fields") else as_column(column)

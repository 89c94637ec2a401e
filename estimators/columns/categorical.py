"""Columns of categories, but for those with vocabularies."""

import dataclasses

import tensorflow as tf

from estimators.columns.base import (
  CategoricalColumn,
  SequenceColumn,
  check_count,
  check_key,
  is_integer,
  number_dtype,
  string_or_integer,
)

_MISSING = -1


@dataclasses.dataclass(frozen=True)
class IdentityCategoricalColumn(CategoricalColumn):
  """Numbers as they are; see `categorical_column_with_identity`."""

  key: str
  number_buckets: int
  default_value: int | None = None

  def __post_init__(self):
    check_key(self.key)
    check_count(self.number_buckets, "num_buckets", self.key)
    default = self.default_value
    if default is not None and not (
      is_integer(default) and 0 <= default < self.number_buckets
    ):
      raise ValueError(
        f"default_value of the column {self.key!r} must be one of its "
        f"categories, 0 to {self.number_buckets - 1}, but is {default!r}."
      )

  @property
  def name(self):
    return self.key

  @property
  def parse_example_spec(self):
    return {self.key: tf.io.VarLenFeature(tf.int64)}

  @property
  def num_buckets(self):
    return self.number_buckets

  @property
  def dtype(self):
    return tf.int64

  def ids(self, values, table):
    """Returns the categories of integers, int64 of the same shape.

    Raises (when it runs):
      InvalidArgumentError: a value is out of range, and there is no
        default_value.
    """
    del table
    values = tf.cast(values, tf.int64)
    count = self.number_buckets
    if self.default_value is None:
      least, most = tf.reduce_min(values), tf.reduce_max(values)
      tf.raw_ops.Assert(
        condition=tf.logical_and(least >= _MISSING, most < count),
        data=[
          # The op would put backslashes before quotation marks.
          f"the column {self.key} takes integers from 0 to {count - 1} (and "
          "-1 where there is none), but the least and the largest are",
          least,
          most,
          "; raise num_buckets, or give a default_value",
        ],
      )
      return values
    default = tf.constant(self.default_value, tf.int64)
    return tf.where((values < 0) | (values >= count), default, values)


@dataclasses.dataclass(frozen=True)
class HashedCategoricalColumn(CategoricalColumn):
  """Hashes; see `feature_columns.categorical_column_with_hash_bucket`."""

  key: str
  hash_bucket_size: int
  dtype: tf.DType = tf.string

  def __post_init__(self):
    check_key(self.key)
    check_count(self.hash_bucket_size, "hash_bucket_size", self.key)
    dtype = string_or_integer(self.dtype, f"the column {self.key!r}")
    object.__setattr__(self, "dtype", dtype)

  @property
  def name(self):
    return self.key

  @property
  def parse_example_spec(self):
    return {self.key: tf.io.VarLenFeature(self.dtype)}

  @property
  def num_buckets(self):
    return self.hash_bucket_size

  def ids(self, values, table):
    """Returns the categories of texts or integers, int64 of the same shape."""
    del table
    return hashed(values, self.hash_bucket_size)


@dataclasses.dataclass(frozen=True)
class CrossedColumn(CategoricalColumn):
  """Combinations; see `feature_columns.crossed_column`."""

  keys: tuple
  hash_bucket_size: int
  hash_key: int | None = None

  def __post_init__(self):
    keys = self.keys
    if isinstance(keys, str) or not keys or len(keys) < 2:
      raise ValueError(
        "crossed_column needs a list of at least two keys (names of features, "
        f"or categorical columns), but got {keys!r}."
      )
    for key in keys:
      _check_crossable(key)
    object.__setattr__(self, "keys", tuple(keys))
    check_count(self.hash_bucket_size, "hash_bucket_size", self.name)

  @property
  def leaves(self):
    """The keys, with those of crosses inside in their place."""
    found = []
    for key in self.keys:
      found += key.leaves if isinstance(key, CrossedColumn) else [key]
    return found

  @property
  def name(self):
    names = [key if isinstance(key, str) else key.name for key in self.leaves]
    return "_X_".join(sorted(names))

  @property
  def parse_example_spec(self):
    spec = {}
    for key in self.keys:
      if isinstance(key, str):
        spec[key] = tf.io.VarLenFeature(tf.string)
      else:
        spec |= key.parse_example_spec
    return spec

  @property
  def num_buckets(self):
    return self.hash_bucket_size


@dataclasses.dataclass(frozen=True)
class WeightedCategoricalColumn(CategoricalColumn):
  """Categories with weights; see `weighted_categorical_column`."""

  categorical_column: CategoricalColumn
  weight_feature_key: str
  dtype: tf.DType = tf.float32

  def __post_init__(self):
    column = self.categorical_column
    if not isinstance(column, CategoricalColumn):
      raise ValueError(
        "weighted_categorical_column needs a categorical column, but got "
        f"{column!r}."
      )
    if isinstance(column, WeightedCategoricalColumn | SequenceColumn):
      raise ValueError(
        f"weighted_categorical_column cannot take {column.name!r}, which is a "
        f"{type(column).__name__}; weight the column inside it."
      )
    check_key(self.weight_feature_key, "weight_feature_key")
    dtype = number_dtype(self.dtype, self.weight_feature_key)
    object.__setattr__(self, "dtype", dtype)

  @property
  def name(self):
    return (
      f"{self.categorical_column.name}_weighted_by_{self.weight_feature_key}"
    )

  @property
  def parse_example_spec(self):
    spec, key = (
      self.categorical_column.parse_example_spec,
      self.weight_feature_key,
    )
    if key in spec:
      raise ValueError(
        f"the weights of {self.name!r} are the feature {key!r}, which is also "
        "what they weight; give them a feature of their own."
      )
    return spec | {key: tf.io.VarLenFeature(self.dtype)}

  @property
  def num_buckets(self):
    return self.categorical_column.num_buckets


@dataclasses.dataclass(frozen=True)
class SequenceCategoricalColumn(CategoricalColumn, SequenceColumn):
  """Categories by step; see `sequence_categorical_column_with_*`."""

  categorical_column: CategoricalColumn

  @property
  def name(self):
    return self.categorical_column.name

  @property
  def parse_example_spec(self):
    return self.categorical_column.parse_example_spec

  @property
  def num_buckets(self):
    return self.categorical_column.num_buckets


def hashed(values, num_buckets):
  """Returns the hashes of texts or integers: int64 in [0, num_buckets).

  Integers are hashed as their decimal texts. The hash is FarmHash's
  Fingerprint64, which stays the same for good.
  """
  if values.dtype != tf.string:
    values = tf.strings.as_string(values)
  return tf.strings.to_hash_bucket_fast(values, num_buckets)


def _check_crossable(key):
  if isinstance(key, HashedCategoricalColumn):
    raise ValueError(
      f"crossed_column cannot take the hash-bucket column {key.name!r}, since "
      "hashing twice makes more categories fall together; use the feature's "
      f"name {key.key!r} instead."
    )
  if isinstance(key, WeightedCategoricalColumn):
    raise ValueError(
      f"crossed_column does not support weights, but {key.name!r} has them; "
      "cross the column that it weights."
    )
  if isinstance(key, SequenceColumn):
    raise ValueError(
      f"crossed_column does not take sequences, but {key.name!r} is of them; "
      "cross the column inside it."
    )
  if not isinstance(key, str | CategoricalColumn):
    raise ValueError(
      "the keys of crossed_column must be names of features or categorical "
      f"columns, but one is {key!r}; numbers need bucketized_column first."
    )

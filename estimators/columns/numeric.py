"""Columns of numbers, and of the intervals that numbers lie in."""

import collections.abc
import dataclasses
import numbers

import numpy as np
import tensorflow as tf

from estimators.columns.base import (
  CategoricalColumn,
  DenseColumn,
  SequenceColumn,
  check_key,
  is_integer,
  number_dtype,
)


@dataclasses.dataclass(frozen=True)
class NumericColumn(DenseColumn):
  """Numbers; see `feature_columns.numeric_column`."""

  key: str
  shape: tuple = (1,)
  default_value: object = None
  dtype: tf.DType = tf.float32
  normalizer_fn: object = None

  def __post_init__(self):
    _check_numbers(self)
    value = _default(self.shape, self.default_value, self.dtype, self.key)
    object.__setattr__(self, "default_value", value)

  @property
  def name(self):
    return self.key

  @property
  def parse_example_spec(self):
    return {
      self.key: tf.io.FixedLenFeature(
        self.shape, self.dtype, self.default_value
      )
    }

  @property
  def variable_shape(self):
    return self.shape


@dataclasses.dataclass(frozen=True)
class BucketizedColumn(DenseColumn, CategoricalColumn):
  """Intervals; see `feature_columns.bucketized_column`."""

  source_column: NumericColumn
  boundaries: tuple

  def __post_init__(self):
    source = self.source_column
    if not isinstance(source, NumericColumn):
      raise ValueError(
        "bucketized_column needs a source_column made by numeric_column, but "
        f"got {source!r}."
      )
    if len(source.shape) != 1:
      raise ValueError(
        "bucketized_column needs numbers in one dimension, but the shape of "
        f"{source.name!r} is {source.shape}; use shape=(n,)."
      )
    boundaries = _boundaries(self.boundaries, source.name)
    object.__setattr__(self, "boundaries", boundaries)

  @property
  def name(self):
    return f"{self.source_column.name}_bucketized"

  @property
  def parse_example_spec(self):
    return self.source_column.parse_example_spec

  @property
  def num_intervals(self):
    """How many intervals one number may lie in."""
    return len(self.boundaries) + 1

  @property
  def variable_shape(self):
    return (*self.source_column.shape, self.num_intervals)

  @property
  def num_buckets(self):
    return self.num_elements


@dataclasses.dataclass(frozen=True)
class SequenceNumericColumn(DenseColumn, SequenceColumn):
  """Numbers by step; see `feature_columns.sequence_numeric_column`."""

  key: str
  shape: tuple = (1,)
  default_value: float = 0.0
  dtype: tf.DType = tf.float32
  normalizer_fn: object = None

  def __post_init__(self):
    _check_numbers(self)
    value = self.default_value
    whole = self.dtype.is_integer and not is_integer(value)
    if not isinstance(value, numbers.Real) or (whole and value % 1):
      raise ValueError(
        f"default_value of the column {self.key!r} must be one number of the "
        f"dtype {self.dtype.name}, which pads short sequences, but is "
        f"{value!r}."
      )

  @property
  def name(self):
    return self.key

  @property
  def parse_example_spec(self):
    return {self.key: tf.io.VarLenFeature(self.dtype)}

  @property
  def variable_shape(self):
    return self.shape


def _check_numbers(column):
  """Checks and completes what numeric columns have in common."""
  key = column.key
  check_key(key)
  object.__setattr__(column, "shape", _shape(column.shape, key))
  object.__setattr__(column, "dtype", number_dtype(column.dtype, key))
  normalizer_fn = column.normalizer_fn
  if normalizer_fn is not None and not callable(normalizer_fn):
    raise TypeError(
      f"normalizer_fn of the column {key!r} must be a function of a tensor, "
      f"but is {normalizer_fn!r}."
    )


def _shape(shape, key):
  """Returns a shape as a tuple of int."""
  if shape is None:
    raise ValueError(
      f"the column {key!r} needs a shape: (n,) for n numbers per example."
    )
  if not isinstance(shape, collections.abc.Iterable):
    shape = [shape]
  shape = tuple(shape)
  for size in shape:
    if isinstance(size, bool) or not is_integer(size):
      raise TypeError(
        f"the shape of the column {key!r} must be of whole numbers, but is "
        f"{shape}."
      )
    if size < 1:
      raise ValueError(
        f"the sizes in the shape of the column {key!r} must be positive, but "
        f"the shape is {shape}."
      )
  return tuple(int(size) for size in shape)


def _default(shape, value, dtype, key):
  """Returns a default value as nested tuples of a shape, or None."""
  if value is None:
    return None
  array = np.asarray(value)
  floats = np.issubdtype(array.dtype, np.floating)
  if not (np.issubdtype(array.dtype, np.integer) or floats) or (
    floats and not dtype.is_floating
  ):
    raise TypeError(
      f"default_value of the column {key!r} must be of numbers that fit "
      f"dtype={dtype.name}, but is {value!r}."
    )
  if array.shape not in ((), shape):
    raise ValueError(
      f"default_value of the column {key!r} must be one number or have the "
      f"column's shape {shape}, but has {array.shape}: {value!r}."
    )
  return _nested(np.broadcast_to(array, shape).tolist())


def _nested(value):
  return tuple(map(_nested, value)) if isinstance(value, list) else value


def _boundaries(boundaries, name):
  """Returns checked boundaries as a tuple of numbers."""
  if not isinstance(boundaries, (list, tuple, np.ndarray)):
    raise ValueError(
      f"the boundaries of {name!r} must be a sorted list of numbers, but are "
      f"{boundaries!r}."
    )
  values = tuple(np.asarray(boundaries).tolist())
  if not values:
    raise ValueError(
      f"the boundaries of {name!r} must not be empty; one boundary makes two "
      "intervals."
    )
  for low, high in zip(values, values[1:], strict=False):
    if not low < high:  # Also where one is NaN.
      raise ValueError(
        f"the boundaries of {name!r} must be a sorted list without "
        f"repetition, but {high} comes after {low}: {list(values)}."
      )
  return values

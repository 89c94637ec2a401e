"""What all columns have in common.

Letters in the modules of columns: B examples of a batch, N categories in it, n
categories per example, T steps of a sequence, D numbers per example.

A column is a description. It holds no tensors and no variables; layers do. It
is frozen, and two columns are equal when they were made of equal arguments.
"""

import math

import tensorflow as tf


class Column:
  """A description of what to make of one or more named features.

  Attributes:
    name: str, the name of its variables in checkpoints.
    parse_example_spec: dictionary of feature name to `tf.io.FixedLenFeature`
      or `tf.io.VarLenFeature`.
    is_sequence: whether its examples are sequences of steps.
  """

  is_sequence = False


class DenseColumn(Column):
  """A column of numbers.

  Attributes:
    variable_shape: tuple of int, the shape of the numbers of one example.
  """

  @property
  def num_elements(self):
    """How many numbers one example (or one step of a sequence) has."""
    return math.prod(self.variable_shape)


class CategoricalColumn(Column):
  """A column of categories, numbered from 0.

  Attributes:
    num_buckets: int, how many categories there are.
  """


class SequenceColumn(Column):
  """A column whose examples are sequences of steps."""

  is_sequence = True


def check_key(key, what="key"):
  """Raises ValueError unless a feature's name is a string."""
  if not isinstance(key, str):
    raise ValueError(
      f"{what} must be a str, the name of a feature, but is {key!r} "
      f"({type(key).__name__})."
    )


def check_count(value, what, column, least=1):
  """Raises ValueError unless a value is a whole number of some size."""
  if isinstance(value, bool) or not is_integer(value) or value < least:
    raise ValueError(
      f"{what} of {column!r} must be a whole number, at least "
      f"{least}, but is {value!r}."
    )


def is_integer(value):
  """Whether a value is a Python or NumPy integer."""
  return hasattr(value, "__index__") and not hasattr(value, "__len__")


def string_or_integer(dtype, what):
  """Returns a tf.DType; raises ValueError for other than text and integers."""
  dtype = tf.as_dtype(dtype)
  if dtype != tf.string and not dtype.is_integer:
    raise ValueError(
      f"the dtype of {what} must be tf.string or an integer, but is "
      f"{dtype.name}; categories are texts or whole numbers."
    )
  return dtype


def number_dtype(dtype, column):
  """Returns a tf.DType; raises ValueError for other than real numbers."""
  dtype = tf.as_dtype(dtype)
  if not (dtype.is_integer or dtype.is_floating):
    raise ValueError(
      f"the dtype of the numbers of {column!r} must be an integer or floating "
      f"one, but is {dtype.name}."
    )
  return dtype

"""Rows of a sparse matrix as a batch, gathered in one pass.

V is the number of columns, N of rows, M of numbers, B of rows of a batch.

The op is written in C++ and built when it is first used; see build.py. Without
a compiler TensorFlow's own ops do the same, several times as slowly.
"""

import functools

import tensorflow as tf

from estimators.ops import build


@functools.cache
def _ops():
  """Returns the module of the C++ op, or None where it cannot be built."""
  return build.load("sparse_rows")


def is_native():
  """Whether the C++ op is there."""
  return _ops() is not None


def gather(columns, values, row_splits, rows, num_columns):
  """Returns some rows of a matrix in CSR form.

  Args:
    columns: int32 [M], of each number, row after row.
    values: float32 [M], the numbers.
    row_splits: int64 [N + 1], where each row begins, and where the last ends.
    rows: int64 [B], which rows, in 0..N-1; any number of times.
    num_columns: int, V; more than the largest of columns.

  Returns:
    `tf.SparseTensor` float32 [B, V], the numbers in the order of the rows.

  Raises:
    tf.errors.InvalidArgumentError, ValueError: a row is out of its range, or
      the first three are not of a matrix in CSR form. (The twin does not see
      all of that.)
  """
  ops = _ops()
  if ops is None:
    return twin(columns, values, row_splits, rows, num_columns)
  found = ops.estimators_gather_sparse_rows(
    columns=columns, values=values, row_splits=row_splits, rows=rows
  )
  return _sparse(found.indices, found.gathered, rows, num_columns)


def twin(columns, values, row_splits, rows, num_columns):
  """As `gather`, in TensorFlow's own ops."""
  places = tf.RaggedTensor.from_row_splits(
    tf.range(tf.size(values, tf.int64)), row_splits, validate=False
  )
  found = tf.gather(places, rows)
  found_columns = tf.gather(columns, found.flat_values)
  indices = tf.stack(
    [found.value_rowids(), tf.cast(found_columns, tf.int64)], axis=1
  )
  gathered = tf.gather(values, found.flat_values)
  return _sparse(indices, gathered, rows, num_columns)


def _sparse(indices, values, rows, num_columns):
  shape = tf.stack([tf.size(rows, tf.int64), num_columns])
  x = tf.SparseTensor(indices, values, shape)
  x.set_shape([rows.shape[0], num_columns])
  return x

"""Features of sequences: numbers and categories by step."""

import tensorflow as tf

from estimators.columns.ids import Ids
from estimators.columns.leaves import sparse_ids_of


def steps_of(column, cache, tables):
  """Returns the categories of a SequenceCategoricalColumn by step.

  A feature [B, T] has at most one category a step, and one [B, T, n] several.

  Returns:
    (Ids of B * T steps, in place of B examples; int64 [2], B and T; int64 [B],
    how many steps each example has, up to its last value).
  """
  sparse = sparse_ids_of(column.categorical_column, cache, tables)
  indices, shape = sparse.indices, sparse.dense_shape[:2]
  step = indices[:, :1] * shape[1] + indices[:, 1:2]
  ids = Ids(sparse.values, indices=step)
  return ids, shape, _lengths(indices, shape[0])


def numbers_by_step(column, cache):
  """Returns the numbers of a SequenceNumericColumn by step.

  Returns:
    (float32 [B, T, num_elements], padded with default_value; int64 [B], how
    many steps each example has).

  Raises:
    ValueError: the feature is dense, or of text.
  """
  sparse = cache.raw(column.key)
  if not isinstance(sparse, tf.SparseTensor):
    raise ValueError(
      f"sequence_numeric_column {column.key!r} needs a sparse or ragged "
      "feature, which tells how long a sequence is, but it is dense: "
      f"{sparse}; use tf.RaggedTensor, or tf.sparse.from_dense."
    )
  if sparse.dtype == tf.string:
    raise ValueError(
      f"sequence_numeric_column {column.key!r} needs numbers, but the feature "
      "is of dtype string; use a sequence_categorical_column_with_*."
    )
  if column.normalizer_fn is not None:
    sparse = column.normalizer_fn(sparse)
  dense = tf.sparse.to_dense(
    sparse, tf.cast(column.default_value, sparse.dtype)
  )
  size = column.num_elements
  shape = tf.stack([sparse.dense_shape[0], -1, size])
  lengths = _lengths(sparse.indices, sparse.dense_shape[0])
  if sparse.shape.rank == 2 and size > 1:
    lengths = -(-lengths // size)  # Rounded up.
  return tf.reshape(tf.cast(dense, tf.float32), shape), lengths


def _lengths(indices, batch_size):
  """Returns int64 [B], the number of the last step that has a value."""
  zeros = tf.zeros([batch_size], tf.int64)
  return tf.tensor_scatter_nd_max(zeros, indices[:, :1], indices[:, 1] + 1)

"""The ids of a categorical column that takes a feature as it comes."""

import tensorflow as tf


def ids_of_values(column, values, tables):
  """Returns int64 ids of the shape of a tensor of values.

  A word outside of a vocabulary may have the id -1. Values that mean that
  there is none have ids like others.

  Args:
    column: CategoricalColumn with a key.
    values: tensor.
    tables: Tables, with that of the column.

  Raises:
    ValueError: the values are of an unfit dtype.
  """
  texts = column.dtype == tf.string
  dtype = values.dtype
  if not (dtype == tf.string if texts else dtype.is_integer):
    raise ValueError(
      f"the column {column.name!r} takes {'texts' if texts else 'integers'} "
      f"(its dtype is {column.dtype.name}), but the feature {column.key!r} is "
      f"of dtype {dtype.name}; correct the column's dtype, or convert the "
      "feature."
    )
  return column.ids(values, tables.of(column))


def is_there(values):
  """Returns where a dense tensor has values: '' and -1 say that it has none.

  Unsigned integers cannot say so. (tf.feature_column drops 255 of uint8.)
  """
  if values.dtype.is_unsigned:
    return tf.ones_like(values, tf.bool)
  return values != ("" if values.dtype == tf.string else -1)


def sparse_ids_of(column, cache, tables):
  """Returns ids as a SparseTensor [B, n], or of the feature's higher rank.

  It lacks what the feature lacks, but has -1 for words that are outside of a
  vocabulary.
  """
  raw = cache.matrix(column.key)
  if not isinstance(raw, tf.SparseTensor):
    indices = tf.where(is_there(raw))
    values = tf.gather_nd(raw, indices)
    raw = tf.SparseTensor(indices, values, tf.shape(raw, tf.int64))
  return raw.with_values(ids_of_values(column, raw.values, tables))

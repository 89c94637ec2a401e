"""The categories of crossed columns."""

import math

import tensorflow as tf

from estimators.columns.leaves import sparse_ids_of
from estimators.columns.numbers import intervals_of
from estimators.columns.numeric import BucketizedColumn


def crossed(column, cache, tables):
  """Returns the ids of a CrossedColumn.

  Args:
    column: CrossedColumn.
    cache: FeatureCache.
    tables: Tables, with those of the columns that are crossed.

  Returns:
    An int64 tensor [B] or [B, n] when every example has a known number of
    combinations, or else a SparseTensor [B, n].

  Raises:
    ValueError: a feature is missing, or cannot be crossed.
  """
  # The order matters for the hash. tf.feature_column has sparse tensors first,
  # and all that columns make is sparse there.
  first, last = [], []
  for leaf in column.leaves:
    if isinstance(leaf, str):
      feature = _feature(column, leaf, cache)
      (first if isinstance(feature, tf.SparseTensor) else last).append(feature)
    elif isinstance(leaf, BucketizedColumn):
      first.append(_intervals(leaf, cache))
    else:
      _check_shape(cache.matrix(leaf.key), leaf.key)
      first.append(sparse_ids_of(leaf, cache, tables))
  if any(isinstance(x, tf.SparseTensor) for x in first):
    first = [_sparse(x) for x in first]
  inputs = first + last
  cross = tf.sparse.cross_hashed(
    inputs, column.hash_bucket_size, column.hash_key
  )
  if isinstance(inputs[0], tf.SparseTensor):
    return cross
  return _dense(cross, [x.shape[1] for x in inputs])


def _feature(column, name, cache):
  feature = cache.matrix(name)
  if feature.dtype != tf.string and not feature.dtype.is_integer:
    raise ValueError(
      f"the crossed column {column.name!r} takes texts and integers, but the "
      f"feature {name!r} is of dtype {feature.dtype.name}, whose fractions "
      "would be cut off; cross a bucketized_column of it."
    )
  _check_shape(feature, name)
  return feature


def _check_shape(feature, name):
  if feature.shape.rank != 2:
    raise ValueError(
      f"what is crossed must have the shape [B] or [B, n], but the feature "
      f"{name!r} has {feature.shape}; reshape it in the input function."
    )


def _intervals(column, cache):
  intervals = tf.cast(intervals_of(column, cache), tf.int64)  # [B, D]
  (size,) = column.source_column.shape
  if size == 1:
    return intervals
  return intervals + tf.range(size, dtype=tf.int64) * column.num_intervals


def _sparse(tensor):
  """Returns a dense tensor as a sparse one that has all of its values."""
  if isinstance(tensor, tf.SparseTensor):
    return tensor
  indices = tf.where(tf.ones_like(tensor, tf.bool))
  values = tf.reshape(tensor, [-1])
  return tf.SparseTensor(indices, values, tf.shape(tensor, tf.int64))


def _dense(cross, sizes):
  """Returns a cross of dense tensors [B, size] without indices if it can."""
  if None in sizes:
    return cross
  count = math.prod(sizes)
  values = cross.values
  return values if count == 1 else tf.reshape(values, [-1, count])

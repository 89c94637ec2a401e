"""The categories of a batch: from raw features to ids.

An id below 0 says that there is no category in its place.
"""

import dataclasses

import tensorflow as tf

from estimators.columns.categorical import (
  CrossedColumn,
  SequenceCategoricalColumn,
  WeightedCategoricalColumn,
)
from estimators.columns.crosses import crossed
from estimators.columns.leaves import ids_of_values, is_there
from estimators.columns.numbers import intervals_of
from estimators.columns.numeric import BucketizedColumn

_NONE = -1


@dataclasses.dataclass(frozen=True, eq=False)
class Ids:
  """The categories of the examples of a batch.

  Attributes:
    values: integer tensor. Dense: [B], [B, n], ... Sparse: [N].
    indices: None when dense; else int64 [N, rank], in order.
    shape: None when dense; else int64 [rank], the dense shape.
    weights: floating tensor like values, or None for ones.
    complete: whether no id is below 0.
  """

  values: tf.Tensor
  indices: tf.Tensor | None = None
  shape: tf.Tensor | None = None
  weights: tf.Tensor | None = None
  complete: bool = False

  @property
  def is_dense(self):
    return self.indices is None

  @property
  def rank(self):
    """How many dimensions they have when dense."""
    if self.is_dense:
      return self.values.shape.rank
    return self.indices.shape[-1]

  def as_sparse(self):
    """Returns these with indices; dense ones without the ids below 0."""
    if not self.is_dense:
      return self
    indices, weights = tf.where(self.values >= 0), self.weights
    return Ids(
      tf.gather_nd(self.values, indices),
      indices,
      tf.shape(self.values, tf.int64),
      None if weights is None else tf.gather_nd(weights, indices),
      complete=True,
    )


def ids_of(column, cache, tables):
  """Returns the `Ids` of a categorical column, made once per batch.

  Args:
    column: CategoricalColumn.
    cache: FeatureCache.
    tables: Tables, with those of the column.

  Raises:
    ValueError: a feature is missing, or has an unfit dtype or shape.
  """
  make = _of_feature
  for kind, make_kind in _KINDS.items():
    if isinstance(column, kind):
      make = make_kind
  return cache.once(("ids", column), lambda: make(column, cache, tables))


def _of_feature(column, cache, tables):
  raw = cache.vector(column.key)
  if isinstance(raw, tf.SparseTensor):
    ids = ids_of_values(column, raw.values, tables)
    return Ids(ids, raw.indices, raw.dense_shape)
  ids = ids_of_values(column, raw, tables)
  if not getattr(column, "missing_is_unknown", False):
    ids = tf.where(is_there(raw), ids, tf.constant(_NONE, tf.int64))
  return Ids(ids)


def _of_intervals(column, cache, tables):
  del tables
  intervals = intervals_of(column, cache)  # [B, D]
  (size,) = column.source_column.shape
  if size == 1:
    return Ids(tf.reshape(intervals, [-1]), complete=True)
  offsets = tf.range(size) * column.num_intervals
  return Ids(intervals + offsets, complete=True)


def _of_weights(column, cache, tables):
  ids = ids_of(column.categorical_column, cache, tables)
  weights = cache.vector(column.weight_feature_key)
  if weights.dtype != column.dtype:
    raise ValueError(
      f"the weights of {column.name!r} must be of dtype {column.dtype.name}, "
      f"but the feature {column.weight_feature_key!r} is of "
      f"{weights.dtype.name}; give weighted_categorical_column dtype="
      f"tf.{weights.dtype.name}, or convert the feature."
    )
  if not weights.dtype.is_floating:
    weights = tf.cast(weights, tf.float32)
  if isinstance(weights, tf.SparseTensor):
    return _with_sparse_weights(column, ids.as_sparse(), weights)
  if not ids.is_dense:
    found = tf.gather_nd(_matrix(weights), ids.indices)
    return dataclasses.replace(ids, weights=found)
  values = ids.values
  if values.shape.rank != weights.shape.rank:
    values, weights = _matrix(values), _matrix(weights)
  _check_weights(column, weights.shape, values.shape)
  return dataclasses.replace(ids, values=values, weights=weights)


def _matrix(x):
  return x[:, None] if x.shape.rank == 1 else x


def _with_sparse_weights(column, ids, weights):
  if ids.rank == 1 and weights.shape.rank == 2:  # The categories were [B].
    zeros = tf.zeros_like(ids.indices)
    ids = dataclasses.replace(ids, indices=tf.concat([ids.indices, zeros], 1))
  _check_weights(column, weights.values.shape, ids.values.shape)
  tf.debugging.assert_equal(
    ids.indices,
    weights.indices,
    f"{column.name!r} needs weights where its categories are, and only there",
  )
  return dataclasses.replace(ids, weights=weights.values)


def _check_weights(column, weights, ids):
  if not weights.is_compatible_with(ids):
    raise ValueError(
      f"{column.name!r} needs a weight for each category, but the categories "
      f"have the shape {ids} and the weights {weights}."
    )


def _of_cross(column, cache, tables):
  cross = crossed(column, cache, tables)
  if isinstance(cross, tf.SparseTensor):
    return Ids(cross.values, cross.indices, cross.dense_shape, complete=True)
  return Ids(cross, complete=True)


def _of_steps(column, cache, tables):
  return ids_of(column.categorical_column, cache, tables)


_KINDS = {
  BucketizedColumn: _of_intervals,
  CrossedColumn: _of_cross,
  SequenceCategoricalColumn: _of_steps,
  WeightedCategoricalColumn: _of_weights,
}

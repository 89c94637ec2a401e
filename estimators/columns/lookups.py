"""Rows of variables, looked up by id and combined by example.

U is the width of a variable [num_buckets, U]. Gradients of the variables are
`tf.IndexedSlices` of the rows that were looked up.
"""

import dataclasses

import tensorflow as tf

from estimators.objects import raw


@dataclasses.dataclass(frozen=True, eq=False)
class Entries:
  """The categories of a batch, one after the other, and whose they are.

  Attributes:
    rows: int64 [N, 1], the examples.
    ids: [N], all at least 0.
    scale: float32 [N, 1], what their rows are multiplied by, or None for ones.
  """

  rows: tf.Tensor
  ids: tf.Tensor
  scale: tf.Tensor | None


def combined(variable, ids, combiner, batch_size, max_norm=None):
  """Returns the combination of the rows of each example, [B, U].

  With the rows e_i of an example's categories and their weights w_i (1 when
  there are none):

      sum:   sum_i w_i e_i
      mean:  sum_i w_i e_i / sum_i w_i
      sqrtn: sum_i w_i e_i / sqrt(sum_i w_i^2)

  Ids below 0 are left out, and for mean and sqrtn those whose weights are not
  positive. An example without categories has zeros.

  Args:
    variable: Keras variable [num_buckets, U].
    ids: Ids.
    combiner: "sum", "mean" or "sqrtn".
    batch_size: B, an int or an int64 scalar.
    max_norm: float; rows that are longer (L2) are first scaled down to it.
  """
  if ids.is_dense and ids.complete and ids.weights is None:
    return _of_all(gathered(variable, ids.values, max_norm), ids, combiner)
  entries = entries_of(ids, combiner, batch_size)
  found = gathered(variable, entries.ids, max_norm)
  if entries.scale is not None:
    found *= entries.scale
  return tf.scatter_nd(entries.rows, found, [batch_size, variable.shape[1]])


def counted(ids, num_buckets, batch_size):
  """Returns how often each example has each category, float32 [B, num_buckets].

  With weights it is their sum. Ids below 0 are left out.
  """
  if ids.is_dense and ids.weights is None:
    hot = tf.one_hot(ids.values, num_buckets)  # Zeros for ids below 0.
    return hot if ids.rank == 1 else tf.reduce_sum(hot, 1)
  entries = entries_of(ids, "sum", batch_size)
  columns = tf.cast(entries.ids[:, None], tf.int64)
  counts = (
    tf.ones_like(entries.ids, tf.float32)
    if entries.scale is None
    else entries.scale[:, 0]
  )
  return tf.scatter_nd(
    tf.concat([entries.rows, columns], 1), counts, [batch_size, num_buckets]
  )


def gathered(variable, ids, max_norm=None):
  """Returns the rows of a variable for ids of any shape."""
  found = tf.gather(raw(variable), ids)
  if max_norm is None:
    return found
  return tf.clip_by_norm(found, max_norm, axes=[-1])


def _of_all(found, ids, combiner):
  """Combines [B, U] or [B, n, U]."""
  if ids.values.shape.rank == 1:
    return found
  if combiner == "mean":
    return tf.reduce_mean(found, 1)
  total = tf.reduce_sum(found, 1)
  if combiner == "sum":
    return total
  return total * tf.math.rsqrt(tf.cast(tf.shape(found)[1], tf.float32))


def entries_of(ids, combiner, batch_size):
  """Returns the `Entries` of Ids, of which the first dimension is that of B."""
  single = ids.is_dense and ids.rank == 1
  ids = ids.as_sparse()
  values, rows, weights = ids.values, ids.indices[:, :1], ids.weights
  keep = None if ids.complete else values >= 0
  if weights is not None:
    weights = tf.cast(weights, tf.float32)
    if combiner != "sum":
      keep = weights > 0 if keep is None else keep & (weights > 0)
  if keep is not None:
    kept = tf.where(keep)[:, 0]
    values, rows = tf.gather(values, kept), tf.gather(rows, kept)
    weights = None if weights is None else tf.gather(weights, kept)
  if single and combiner != "sum":
    weights = None  # w e / w, and w e / sqrt(w^2) with w > 0.
  elif combiner != "sum":
    weights = _normalized(values, rows, weights, combiner, batch_size)
  return Entries(rows, values, None if weights is None else weights[:, None])


def _normalized(values, rows, weights, combiner, batch_size):
  """Returns weights divided by their sum, or its like, in each example."""
  if weights is None:
    weights = tf.ones_like(values, tf.float32)
  size = weights if combiner == "mean" else weights * weights
  total = tf.gather_nd(tf.scatter_nd(rows, size, [batch_size]), rows)
  return weights / (total if combiner == "mean" else tf.sqrt(total))

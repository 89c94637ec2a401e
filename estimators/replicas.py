"""The global batch on several replicas: slices out, sums back.

Every replica takes its slice of the global batch, and what it finds is weighted
by the share of the examples that it had. One replica and eight therefore give
the same numbers.
"""

import contextlib
import contextvars

import tensorflow as tf

# On each of several replicas, the weight of its slice.
_weight = contextvars.ContextVar("estimators_replica_weight", default=None)
# And where its slice lies: (start, stop, size of the global batch), int64.
_rows = contextvars.ContextVar("estimators_replica_rows", default=None)


def batch_size(batch):
  """Returns B, the leading dimension of the input, as an int64 scalar.

  Input without any dimension counts as one example.
  """
  for value in tf.nest.flatten(batch):
    if isinstance(value, tf.SparseTensor):
      return value.dense_shape[0]
    if isinstance(value, tf.RaggedTensor):
      return tf.cast(value.nrows(), tf.int64)
    if value.shape.rank != 0:
      return tf.shape(value, tf.int64)[0]
  return tf.constant(1, tf.int64)


def on_replicas(strategy, step, batch, keep_one):
  """Calls step(slice of the batch, weight) on every replica.

  Args:
    strategy: `tf.distribute.Strategy`, or None for no replicas.
    step: function of a batch and of the weight (float32 scalar in [0, 1]) of
      its slice; returns a structure of tensors.
    batch: structure of tensors of leading dimension B.
    keep_one: whether a replica for which there is no example gets one, with
      the weight 0, instead of an empty slice. (There is no gradient of the mean
      over nothing.)

  Returns:
    What `step` returns, on several replicas as per-replica values.
  """
  if strategy is None:
    return step(batch, tf.constant(1.0))
  num_replicas = strategy.num_replicas_in_sync

  def on_replica(batch):
    if num_replicas == 1:
      return step(batch, tf.constant(1.0))
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    replica = tf.cast(replica, tf.int64)
    size = batch_size(batch)
    start = size * replica // num_replicas
    stop = size * (replica + 1) // num_replicas
    weight = tf.cast((stop - start) / size, tf.float32)
    if keep_one:
      start = tf.minimum(start, size - 1)
      stop = tf.maximum(stop, start + 1)
    with _set(_weight, weight), _set(_rows, (start, stop, size)):
      return step(_slice(batch, start, stop, size), weight)

  return strategy.run(on_replica, args=(batch,))


def total(strategy, value):
  """Returns the sum of a value over the replicas."""
  if strategy is None:
    return value
  return strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)


def join(strategy, value, per_example):
  """Returns the tensors of all replicas as one.

  Args:
    strategy: `tf.distribute.Strategy`, or None.
    value: a per-replica value.
    per_example: whether its leading dimension is the batch: then the replicas'
      parts are joined, otherwise the first replica's is taken.
  """
  if strategy is None:
    return value
  parts = strategy.experimental_local_results(value)
  return tf.concat(parts, 0) if per_example else parts[0]


def share_of_sum(value):
  """Returns, on a replica, what it reports for a sum over its slice.

  Reports are summed, weighted by the size of the slice. These then come to the
  sum over the global batch. A replica whose weight is 0 reports 0.
  """
  weight = _weight.get()
  if weight is None:
    return value
  return tf.math.divide_no_nan(value, tf.cast(weight, value.dtype))


def share_of_mean(value, count):
  """Returns, on a replica, what it reports for a mean over its values.

  Reports are summed, weighted by the number of the replicas' examples. These
  then come to the mean over the values of all replicas, though an example may
  have any number of values.

  Args:
    value: floating scalar, the mean over this replica's values.
    count: int scalar, how many there are; with 0 of them the value may be NaN.
  """
  weight = _weight.get()
  if weight is None:
    return value
  mine = tf.where(weight > 0, tf.cast(count, tf.float32), 0.0)
  context = tf.distribute.get_replica_context()
  everyone = context.all_reduce(tf.distribute.ReduceOp.SUM, mine)
  factor = tf.math.divide_no_nan(mine, everyone * weight)
  return tf.math.multiply_no_nan(value, tf.cast(factor, value.dtype))


def rows():
  """Returns where the slice of the replica lies in the global batch.

  Returns:
    (start, stop, size of the global batch), int64 scalars; None where there
    are no several replicas.
  """
  return _rows.get()


@contextlib.contextmanager
def _set(variable, value):
  token = variable.set(value)
  try:
    yield
  finally:
    variable.reset(token)


def all_sum(strategy, gradients):
  """Returns, on a replica, gradients summed over all of them."""
  if strategy is None:
    return gradients
  context = tf.distribute.get_replica_context()
  return context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)


def share(strategy, gradients):
  """Returns, on a replica, the part of equal gradients that makes their sum."""
  if strategy is None:
    return gradients
  part = 1 / strategy.num_replicas_in_sync
  return [tf.math.scalar_mul(part, gradient) for gradient in gradients]


def _slice(batch, start, stop, size):
  def part(value):
    if isinstance(value, tf.SparseTensor):
      shape = value.dense_shape
      begin = tf.concat([[start], tf.zeros_like(shape[1:])], 0)
      length = tf.concat([[stop - start], shape[1:]], 0)
      return tf.sparse.slice(value, begin, length)
    if isinstance(value, tf.RaggedTensor):
      return value[start:stop]
    if value.shape.rank == 0:
      return value
    tf.debugging.assert_equal(
      tf.shape(value, tf.int64)[0],
      size,
      "Under a strategy all features and labels must have the batch as their "
      "first dimension, since each replica takes its slice of it.",
    )
    return value[start:stop]

  return tf.nest.map_structure(part, batch)

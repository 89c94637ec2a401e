"""The global batch on several replicas: slices out, sums back.

Every replica takes its slice of the global batch, and what it finds is weighted
by the share of the examples that it had. One replica and eight therefore give
the same numbers.
"""

import contextlib
import contextvars
import dataclasses

import tensorflow as tf

# On each of several replicas, the weight of its slice.
_weight = contextvars.ContextVar("estimators_replica_weight", default=None)
# And where its slice lies: (start, stop, size of the global batch), int64.
_rows = contextvars.ContextVar("estimators_replica_rows", default=None)


@dataclasses.dataclass(frozen=True)
class Parts:
  """Tells that each worker's batch is its own part of the global batch.

  Attributes:
    worker: int, the number of this worker.
    num_workers: int.
    sizes: tuple of the workers' batch sizes; None where they are known only
      at each step.
  """

  worker: int
  num_workers: int
  sizes: tuple | None


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


def static_batch_size(element_spec):
  """Returns what `batch_size` gives for all batches, None if they differ."""
  for spec in tf.nest.flatten(element_spec):
    if spec.shape.rank != 0:
      return spec.shape[0] if spec.shape.rank else None
  return 1


def global_batch_size(batch):
  """Returns, on a replica, the size of the global batch, int64 scalar."""
  place = _rows.get()
  return batch_size(batch) if place is None else place[2]


def on_replicas(strategy, step, batch, parts=None):
  """Calls step(slice of the batch, weight) on every replica.

  A replica for which there is no example is lent one, with the weight 0: there
  is no gradient of the mean over nothing, and layers of no example may give
  wrong shapes (convolutions do, in TensorFlow 2.21 with oneDNN).

  Args:
    strategy: `tf.distribute.Strategy`, or None for no replicas.
    step: function of a batch and of the weight (float32 scalar in [0, 1]) of
      its slice; returns a structure of tensors.
    batch: structure of tensors of leading dimension B.
    parts: `Parts` when the batch is this worker's part; None when it is the
      global batch, which every worker reads.

  Returns:
    What `step` returns, on several replicas as per-replica values.
  """
  if strategy is None:
    return step(batch, tf.constant(1.0))
  num_replicas = strategy.num_replicas_in_sync

  def on_replica(batch):
    if num_replicas == 1:
      return step(batch, tf.constant(1.0))
    size = batch_size(batch)
    start, stop, first, whole = _place(size, num_replicas, parts)
    weight = tf.math.divide_no_nan(
      tf.cast(stop - start, tf.float64), tf.cast(whole, tf.float64)
    )
    weight = tf.cast(weight, tf.float32)
    if parts and not parts.sizes:
      batch, size = _with_a_row(batch, size), tf.maximum(size, 1)
    start = tf.minimum(start, size - 1)
    stop = tf.maximum(stop, start + 1)
    # A row that is made up lies somewhere.
    begin = tf.minimum(first + start, whole - (stop - start))
    rows_ = (begin, begin + stop - start, whole)
    with _set(_weight, weight), _set(_rows, rows_):
      return step(_slice(batch, start, stop, size), weight)

  return strategy.run(on_replica, args=(batch,))


def _place(size, num_replicas, parts):
  """Returns, on a replica, where its slice lies.

  Args:
    size: int64 scalar, the size of the batch at hand.
    num_replicas: int, of all workers.
    parts: as for `on_replicas`.

  Returns:
    int64 scalars (start and stop of the slice in the batch at hand, where that
    begins in the global batch, size of the global batch).
  """
  replica = tf.distribute.get_replica_context().replica_id_in_sync_group
  replica = tf.cast(replica, tf.int64)
  first, whole = tf.constant(0, tf.int64), size
  if parts:
    num_replicas //= parts.num_workers
    replica -= parts.worker * num_replicas
    sizes = _sizes_of_parts(parts, size, num_replicas)
    first = tf.reduce_sum(sizes[: parts.worker])
    whole = tf.reduce_sum(sizes)
  start = size * replica // num_replicas
  stop = size * (replica + 1) // num_replicas
  return start, stop, first, whole


def _sizes_of_parts(parts, size, num_replicas):
  """Returns the sizes of the workers' batches, int64 [workers].

  Args:
    parts: `Parts`.
    size: int64 scalar, the size of this worker's.
    num_replicas: int, of each worker.
  """
  if parts.sizes:
    return tf.constant(parts.sizes, tf.int64)
  mine = size * tf.one_hot(parts.worker, parts.num_workers, dtype=tf.int64)
  context = tf.distribute.get_replica_context()
  # Each of a worker's replicas adds the same.
  return context.all_reduce(tf.distribute.ReduceOp.SUM, mine) // num_replicas


def _with_a_row(batch, size):
  """Returns a batch, or where it is empty one row of zeros instead."""
  missing = tf.cast(tf.equal(size, 0), tf.int64)

  def with_a_row(value):
    if isinstance(value, tf.SparseTensor):
      shape = value.dense_shape
      shape = tf.concat([shape[:1] + missing, shape[1:]], 0)
      return tf.SparseTensor(value.indices, value.values, shape)
    if isinstance(value, tf.RaggedTensor):
      splits = tf.pad(value.row_splits, [[0, missing]])
      return value.from_row_splits(value.values, splits, validate=False)
    if value.shape.rank == 0:
      return value
    others = tf.zeros([tf.rank(value) - 1, 2], tf.int64)
    padded = tf.pad(value, tf.concat([[[0, missing]], others], 0))
    return tf.ensure_shape(padded, [None, *value.shape[1:]])

  return tf.nest.map_structure(with_a_row, batch)


def of_real_rows(parts, tensors):
  """Returns tensors as zeros on a replica whose only row is made up.

  A weight of 0 alone does not do: the gradient there may be infinite.
  """
  if parts is None or parts.sizes:
    return tensors
  weight = _weight.get()

  def real(tensor):
    return tf.math.multiply_no_nan(tensor, tf.cast(weight > 0, tensor.dtype))

  return [
    tf.IndexedSlices(real(t.values), t.indices, t.dense_shape)
    if isinstance(t, tf.IndexedSlices)
    else real(t)
    for t in tensors
  ]


def total(strategy, value):
  """Returns the sum of a value over the replicas."""
  if strategy is None:
    return value
  return strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)


def join(strategy, value, per_example):
  """Returns the tensors of all of this process's replicas as one.

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

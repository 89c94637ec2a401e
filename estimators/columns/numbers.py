"""From raw features to numbers, and to the intervals that they lie in."""

import tensorflow as tf


def numbers_of(column, cache):
  """Returns the numbers of a NumericColumn, float32 [B, D].

  Raises:
    ValueError: the feature is sparse, of text, or of an unfit shape.
  """
  return cache.once(("numbers", column), lambda: _numbers(column, cache))


def intervals_of(column, cache):
  """Returns which intervals numbers lie in, int32 [B, D].

  Interval i begins with boundary i - 1, which belongs to it, and ends before
  boundary i.
  """
  return cache.once(
    ("intervals", column),
    lambda: tf.raw_ops.Bucketize(
      input=numbers_of(column.source_column, cache),
      boundaries=list(column.boundaries),
    ),
  )


def _numbers(column, cache):
  raw = cache.matrix(column.key)
  if isinstance(raw, tf.SparseTensor):
    raise ValueError(
      f"numeric_column {column.key!r} needs a dense tensor, with numbers for "
      "every example, but the feature is sparse or ragged; use "
      "tf.sparse.to_dense, or parse it with tf.io.FixedLenFeature."
    )
  if column.normalizer_fn is not None:
    raw = column.normalizer_fn(raw)
  if raw.dtype == tf.string:
    raise ValueError(
      f"numeric_column {column.key!r} needs numbers, but the feature is of "
      "dtype string; give normalizer_fn=tf.strings.to_number, or use a "
      "categorical column."
    )
  numbers = tf.cast(raw, tf.float32)
  size = column.num_elements
  known = numbers.shape[1:].num_elements()
  if known not in (None, size):
    raise ValueError(
      f"numeric_column {column.key!r} has the shape {column.shape}, that is "
      f"{size} numbers per example, but the feature has the shape "
      f"{numbers.shape}; give numeric_column shape={tuple(numbers.shape[1:])}."
    )
  if numbers.shape.rank == 2 and known is not None:
    return numbers
  return tf.reshape(numbers, [-1, size])

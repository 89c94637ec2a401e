"""Dropout that does not depend on how many replicas share a batch.

Shapes: B examples of the batch, or of a replica's slice of it.
"""

import keras
import tensorflow as tf

from estimators import replicas


class Dropout(keras.layers.Dropout):
  """`keras.layers.Dropout` for the slices of a global batch.

  Keras's layer draws the same numbers on every replica, each for its own slice:
  the first example of every slice loses the same units, and two replicas do not
  take the step that one takes. This one drops of every example what one replica
  that had the whole batch would drop. On one replica, and outside of an
  Estimator, it is Keras's layer to the last bit. The names in a checkpoint are
  the same as well.

  Each replica draws for the whole batch, which is its price.

  Input shape: floating [B, ...], or [k B, ...] with k rows for each example,
  those of an example side by side. Output shape: the same.

  Args: as for Keras's layer. The B of a `noise_shape` is the global batch:
    `noise_shape=(None, 1, C)` drops whole channels.

  Raises:
    tf.errors.InvalidArgumentError: on several replicas, the rows are not k for
      each example, as with an input that is no batch (use Keras's layer then).
  """

  def call(self, inputs, training=False):
    rows = replicas.rows()
    if rows is None or not training:
      return super().call(inputs, training=training)
    begin, end, size = _rows_of(inputs, *rows)
    rest = inputs.shape.rank - 1
    whole = tf.pad(inputs, tf.stack([[begin, size - end], *[[0, 0]] * rest]))
    outputs = super().call(whole, training=training)
    return tf.slice(outputs, [begin, *[0] * rest], tf.shape(inputs, tf.int64))


def _rows_of(inputs, start, stop, size):
  """Returns (begin, end, number) of the rows, from those of the examples."""
  mine = tf.shape(inputs, tf.int64)[0]
  examples = tf.maximum(stop - start, 1)  # A slice may be empty.
  check = tf.debugging.assert_equal(
    mine % examples,
    tf.constant(0, tf.int64),
    "estimators.Dropout needs an input whose first dimension is the batch, or "
    "a multiple of it, to know which rows are this replica's; reshape the "
    "input, or use keras.layers.Dropout for one that is no batch.",
  )
  with tf.control_dependencies([check] if check is not None else []):
    rows_each = mine // examples
  return start * rows_each, stop * rows_each, size * rows_each

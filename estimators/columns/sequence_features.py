"""The input of a recurrent network, made of columns."""

import tensorflow as tf

from estimators.columns.base import DenseColumn
from estimators.columns.layer import ColumnLayer
from estimators.columns.numeric import SequenceNumericColumn
from estimators.columns.sequences import numbers_by_step, steps_of


class SequenceFeatures(ColumnLayer):
  """Columns of sequences, side by side in the order of their names.

  Variables: `<name>/<column>/embedding_weights`, as those of `DenseFeatures`.

  Args:
    feature_columns: list of columns, or one: sequence_numeric_column, and
      embedding_column or indicator_column of a
      sequence_categorical_column_with_*.
    name: str.

  Attributes:
    width: int, how many numbers it gives per step.

  Raises:
    ValueError: a column is not of sequences, or not dense.
  """

  def __init__(self, feature_columns, name="sequence_input_layer"):
    super().__init__(feature_columns, name)
    self.width = sum(column.num_elements for column in self.columns)

  @staticmethod
  def _check(column):
    if not (isinstance(column, DenseColumn) and column.is_sequence):
      raise ValueError(
        f"SequenceFeatures takes columns of sequences, but {column.name!r} is "
        f"a {type(column).__name__} that is not one; use "
        "sequence_numeric_column, or embedding_column or indicator_column of "
        "a sequence_categorical_column_with_*."
      )

  def call(self, features):
    """Returns the numbers of all columns, and the lengths of the sequences.

    Args:
      features: FeatureCache.

    Returns:
      (float32 [B, T, width], int64 [B]). T is that of the longest sequence.

    Raises (when it runs):
      InvalidArgumentError: an example has sequences of different lengths.
    """
    numbers, lengths = zip(
      *[self._by_step(column, features) for column in self.columns],
      strict=True,
    )
    if len(numbers) == 1:
      return numbers[0], lengths[0]
    checks = [
      tf.debugging.assert_equal(
        lengths[0],
        other,
        "the sequences of an example must be equally long, but those of "
        f"{self.columns[0].name!r} and {column.name!r} are not",
      )
      for column, other in zip(self.columns[1:], lengths[1:], strict=True)
    ]
    # Eager checks are no operations: they have raised by now.
    with tf.control_dependencies([c for c in checks if c is not None]):
      return tf.concat(numbers, 2), tf.identity(lengths[0])

  def _by_step(self, column, features):
    """Returns (float32 [B, T, num_elements], int64 [B])."""
    if isinstance(column, SequenceNumericColumn):
      return numbers_by_step(column, features)
    ids, shape, lengths = steps_of(
      column.categorical_column, features, self._tables
    )
    numbers = self._numbers_of_ids(column, ids, shape[0] * shape[1])
    by_step = tf.reshape(numbers, [shape[0], shape[1], column.num_elements])
    return by_step, lengths

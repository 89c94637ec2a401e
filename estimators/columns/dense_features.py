"""The dense input of a network, made of columns."""

import tensorflow as tf

from estimators.columns.base import DenseColumn
from estimators.columns.layer import ColumnLayer


class DenseFeatures(ColumnLayer):
  """Dense columns side by side, in the order of their names.

  Variables: `<name>/<column>/embedding_weights`, float32 [num_buckets,
  dimension]; columns of one `shared_embeddings` share
  `<name>/<shared name>/embedding_weights`.

  Args:
    feature_columns: list of dense columns, or one. Wrap a categorical one in
      `embedding_column` or `indicator_column`.
    name: str.

  Attributes:
    width: int, how many numbers it gives per example.

  Raises:
    ValueError: a column is not dense, or of sequences.
  """

  def __init__(self, feature_columns, name="input_layer"):
    super().__init__(feature_columns, name)
    self.width = sum(column.num_elements for column in self.columns)

  @staticmethod
  def _check(column):
    if not isinstance(column, DenseColumn):
      raise ValueError(
        f"DenseFeatures takes dense columns, but {column.name!r} is a "
        f"{type(column).__name__}; wrap a categorical column in "
        "embedding_column or indicator_column."
      )
    if column.is_sequence:
      raise ValueError(
        f"DenseFeatures takes no sequences, but {column.name!r} is a "
        f"{type(column).__name__} of them; use SequenceFeatures, or a column "
        "that is not of sequences."
      )

  def call(self, features):
    """Returns the numbers of all columns, float32 [B, width].

    Args:
      features: FeatureCache.
    """
    numbers = [self._dense(column, features) for column in self.columns]
    return tf.concat(numbers, 1) if len(numbers) > 1 else numbers[0]

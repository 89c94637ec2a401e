"""A linear model of columns."""

import keras
import tensorflow as tf

from estimators.columns import lookups
from estimators.columns.base import CategoricalColumn, check_count
from estimators.columns.embedding import COMBINERS
from estimators.columns.ids import ids_of
from estimators.columns.layer import ColumnLayer
from estimators.objects import raw


class LinearModel(ColumnLayer):
  """A weight for each number and each category, and a bias.

  logits = bias + sum over dense columns of x W
                + sum over categorical columns of the combined rows of W.

  Weights of categories are looked up by id, and combined within a column as
  `sparse_combiner` says. All begin at zero. A bucketized column is categorical.

  Variables: `<name>/<column>/weights`, float32 [num_buckets, units] or
  [num_elements, units], and `<name>/bias_weights`, float32 [units].

  Args:
    feature_columns: list of columns, or one.
    units: int, the width of the logits.
    sparse_combiner: "sum", "mean" or "sqrtn".
    name: str.

  Attributes:
    bias: the Keras variable.
    column_weights: dictionary of column name to Keras variable.

  Raises:
    ValueError: an argument is out of range, or a column is neither dense nor
      categorical.

  Source: the names and the arithmetic are those of tf.feature_column.
  """

  def __init__(
    self, feature_columns, units=1, sparse_combiner="sum", name="linear_model"
  ):
    super().__init__(feature_columns, name)
    check_count(units, "units", name)
    check_combiner(sparse_combiner)
    self.units = units
    self.sparse_combiner = sparse_combiner
    self._categorical = [c for c in self.columns if _is_categorical(c)]
    self._numbers = [c for c in self.columns if not _is_categorical(c)]
    self.column_weights = {
      column.name: self._variable(
        column.name,
        "weights",
        [_num_rows(column), units],
        keras.initializers.Zeros(),
      )
      for column in self.columns
    }
    with keras.name_scope(self.name):
      self.bias = keras.Variable(
        keras.initializers.Zeros(),
        shape=[units],
        dtype="float32",
        name="bias_weights",
      )

  @staticmethod
  def _check(column):
    if column.is_sequence and not _is_categorical(column):
      raise ValueError(
        "a LinearModel takes dense and categorical columns, but "
        f"{column.name!r} is a {type(column).__name__} of sequences; use "
        "SequenceFeatures."
      )

  def call(self, features):
    """Returns the logits, float32 [B, units].

    Args:
      features: FeatureCache.
    """
    parts, single = [], []
    for column in self._categorical:
      ids = ids_of(column, features, self._tables)
      variable = self.column_weights[column.name]
      if _may_lack_one(ids):
        single.append((variable, ids))
      else:
        parts.append(self._combined(variable, ids, features))
    if len(single) == 1:
      ((variable, ids),) = single
      parts.append(self._combined(variable, ids, features))
    elif single:
      parts.append(_sum_of_single(single, self.units))
    if self._numbers:
      parts.append(self._product(features))
    logits = tf.add_n(parts) if len(parts) > 1 else parts[0]
    return tf.nn.bias_add(logits, raw(self.bias))

  def _combined(self, variable, ids, features):
    return lookups.combined(
      variable, ids, self.sparse_combiner, features.batch_size
    )

  def _product(self, features):
    numbers = [self._dense(column, features) for column in self._numbers]
    weights = [raw(self.column_weights[c.name]) for c in self._numbers]
    return tf.matmul(_joined(numbers, 1), _joined(weights, 0))


def check_combiner(sparse_combiner):
  """Raises ValueError for what is no way to combine the weights of a row."""
  if sparse_combiner not in COMBINERS:
    raise ValueError(
      f"sparse_combiner must be one of {', '.join(COMBINERS)}, but is "
      f"{sparse_combiner!r}."
    )


def _joined(tensors, axis):
  return tf.concat(tensors, axis) if len(tensors) > 1 else tensors[0]


def _is_categorical(column):
  return isinstance(column, CategoricalColumn)


def _num_rows(column):
  return column.num_buckets if _is_categorical(column) else column.num_elements


def _may_lack_one(ids):
  """Whether Ids have at most one category per example, without a weight."""
  return (
    ids.is_dense
    and ids.rank == 1
    and not ids.complete
    and ids.weights is None
    and ids.values.dtype == tf.int64
  )


def _sum_of_single(pairs, units):
  """Returns the sum of the rows that several columns have for each example.

  All columns are pruned in one go, which takes a few ops for all of them
  instead of a few for each.

  Args:
    pairs: list of K pairs of a variable [num_buckets, units] and `Ids` [B].
    units: int.

  Returns:
    float32 [B, units].
  """
  ids = tf.stack([ids.values for _, ids in pairs])  # [K, B]
  is_there = ids >= 0
  count = len(pairs)
  columns = tf.where(is_there, tf.range(count)[:, None], count)
  *parts, _ = tf.dynamic_partition(ids, columns, count + 1)
  found = [
    lookups.gathered(variable, part)
    for (variable, _), part in zip(pairs, parts, strict=True)
  ]
  examples = tf.where(is_there)[:, 1:]  # In the order of the parts.
  shape = [tf.shape(ids, tf.int64)[1], units]
  return tf.scatter_nd(examples, tf.concat(found, 0), shape)

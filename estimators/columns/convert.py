"""Columns from what users give: ours, or objects made by tf.feature_column."""

import collections.abc
import math

from estimators.columns.base import Column
from estimators.columns.categorical import (
  CrossedColumn,
  HashedCategoricalColumn,
  IdentityCategoricalColumn,
  SequenceCategoricalColumn,
  WeightedCategoricalColumn,
)
from estimators.columns.embedding import (
  EmbeddingColumn,
  EmbeddingWeights,
  IndicatorColumn,
  SharedEmbeddingColumn,
)
from estimators.columns.numeric import (
  BucketizedColumn,
  NumericColumn,
  SequenceNumericColumn,
)
from estimators.columns.vocabulary import (
  VocabularyFileCategoricalColumn,
  VocabularyListCategoricalColumn,
)

# tf.feature_column's classes have the same names, and the same fields.
_CLASSES = {
  cls.__name__: cls
  for cls in (
    BucketizedColumn,
    CrossedColumn,
    EmbeddingColumn,
    HashedCategoricalColumn,
    IdentityCategoricalColumn,
    IndicatorColumn,
    NumericColumn,
    SequenceCategoricalColumn,
    SequenceNumericColumn,
    SharedEmbeddingColumn,
    VocabularyFileCategoricalColumn,
    VocabularyListCategoricalColumn,
    WeightedCategoricalColumn,
  )
}


def as_columns(feature_columns):
  """Returns columns as a list of ours, sorted by name.

  Args:
    feature_columns: a column or an iterable of columns, made by
      `estimators.feature_columns` or by `tf.feature_column`.

  Raises:
    ValueError: there are none, some are no columns, or two have one name.
  """
  if _is_column(feature_columns):
    feature_columns = [feature_columns]
  if isinstance(feature_columns, (dict, str)) or not isinstance(
    feature_columns, collections.abc.Iterable
  ):
    raise ValueError(
      "feature_columns must be a list of columns, but is of type "
      f"{type(feature_columns).__name__}: {feature_columns!r}."
    )
  columns = [as_column(column) for column in feature_columns]
  if not columns:
    raise ValueError(
      "feature_columns must not be empty: a model needs at least one column."
    )
  by_name = {}
  for column in columns:
    if column.name in by_name:
      raise ValueError(
        f"Duplicate feature column name {column.name!r}: {column} and "
        f"{by_name[column.name]}. Leave one out, or give its feature in the "
        "features a second time under another name."
      )
    by_name[column.name] = column
  return sorted(columns, key=lambda column: column.name)


def as_column(column):
  """Returns one column as ours.

  Raises:
    ValueError: it is no column.
  """
  if isinstance(column, Column):
    return column
  if not _is_column(column):
    raise ValueError(
      "feature_columns must hold columns, made by estimators.feature_columns "
      f"or tf.feature_column, but one is of type {type(column).__name__}: "
      f"{column!r}."
    )
  values = {
    field: _converted(getattr(column, field)) for field in column._fields
  }
  if "shared_embedding_column_creator" in values:
    values["weights"] = _weights_of(
      values.pop("shared_embedding_column_creator")
    )
  if "initializer" in values:
    values["initializer"] = _initializer(
      values["initializer"], column.dimension
    )
  return _CLASSES[type(column).__name__](**values)


def _is_column(value):
  return isinstance(value, Column) or (
    type(value).__name__ in _CLASSES and hasattr(value, "_fields")
  )


def _converted(value):
  """Returns a field's value, with the columns in it as ours."""
  if _is_column(value):
    return as_column(value)
  if type(value) is tuple:
    return tuple(map(_converted, value))
  return value


def _weights_of(creator):
  """Returns what tf.feature_column's maker of a shared variable describes."""
  # It has no public attributes for these.
  return EmbeddingWeights(
    creator._name,
    creator._num_buckets,
    creator._dimension,
    _initializer(creator._initializer, creator._dimension),
    creator._ckpt_to_load_from,
    creator._tensor_name_in_ckpt,
    creator._trainable,
  )


def _initializer(initializer, dimension):
  """Returns an initializer, None for what tf.feature_column makes by default.

  It makes a new one each time, so that equal columns would not be equal.
  """
  config = getattr(initializer, "get_config", dict)()
  deviation = config.get("stddev")
  if (
    type(initializer).__name__ == "TruncatedNormal"
    and isinstance(deviation, float)
    and math.isclose(deviation, 1 / math.sqrt(dimension))
    and not config.get("mean")
    and config.get("seed") is None
  ):
    return None
  return initializer

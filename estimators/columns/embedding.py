"""Columns that make numbers of categories."""

import dataclasses

import keras
import tensorflow as tf

from estimators.columns.base import (
  CategoricalColumn,
  DenseColumn,
  SequenceColumn,
  check_count,
)
from estimators.columns.categorical import (
  SequenceCategoricalColumn,
  WeightedCategoricalColumn,
)

COMBINERS = ("mean", "sqrtn", "sum")


class _OfCategories(DenseColumn):
  """What the columns here share."""

  @property
  def parse_example_spec(self):
    return self.categorical_column.parse_example_spec

  @property
  def is_sequence(self):
    """Whether the categories come by step."""
    return isinstance(self.categorical_column, SequenceColumn)


@dataclasses.dataclass(frozen=True)
class IndicatorColumn(_OfCategories):
  """Counts of categories; see `feature_columns.indicator_column`."""

  categorical_column: CategoricalColumn

  def __post_init__(self):
    _check_categorical(self.categorical_column, "indicator_column")

  @property
  def name(self):
    return f"{self.categorical_column.name}_indicator"

  @property
  def variable_shape(self):
    return (1, self.categorical_column.num_buckets)


@dataclasses.dataclass(frozen=True)
class EmbeddingWeights:
  """The description of the variable of one or more embedding columns.

  Attributes:
    name: str, of the variable's scope.
    num_buckets, dimension: int, its shape.
    initializer: function of (shape, dtype), or None: normal with standard
      deviation 1 / sqrt(dimension), cut off at twice that.
    ckpt_to_load_from, tensor_name_in_ckpt: where its first values are, or None.
    trainable: bool.
  """

  name: str
  num_buckets: int
  dimension: int
  initializer: object = None
  ckpt_to_load_from: str | None = None
  tensor_name_in_ckpt: str | None = None
  trainable: bool = True

  def __post_init__(self):
    check_count(self.dimension, "dimension", self.name)
    if (self.ckpt_to_load_from is None) != (self.tensor_name_in_ckpt is None):
      raise ValueError(
        f"the column {self.name!r} needs both ckpt_to_load_from and "
        "tensor_name_in_ckpt, or neither, but got "
        f"{self.ckpt_to_load_from!r} and {self.tensor_name_in_ckpt!r}."
      )
    if self.initializer is not None and not callable(self.initializer):
      raise ValueError(
        f"initializer of the column {self.name!r} must be a function of "
        f"(shape, dtype), such as keras.initializers.Zeros(), but is "
        f"{self.initializer!r}."
      )

  @property
  def shape(self):
    return (self.num_buckets, self.dimension)

  def initial(self):
    """Returns an initializer, or the array of the checkpoint.

    Raises:
      ValueError: the checkpoint has no such tensor, or one of another shape.
    """
    if self.ckpt_to_load_from is not None:
      return self._from_checkpoint()
    if self.initializer is None:
      return keras.initializers.TruncatedNormal(0, self.dimension**-0.5)
    if isinstance(self.initializer, type):
      return self.initializer()
    if isinstance(self.initializer, keras.initializers.Initializer):
      # Keras draws an initializer's seed when it is made. Made anew here, under
      # the seed of the Estimator, each table gets values of its own.
      return self.initializer.clone()
    return self.initializer

  def _from_checkpoint(self):
    path, name = self.ckpt_to_load_from, self.tensor_name_in_ckpt
    try:
      reader = tf.train.load_checkpoint(path)
    except (ValueError, tf.errors.OpError) as error:
      raise ValueError(
        f"the column {self.name!r} is to begin with values of a checkpoint, "
        f"but there is none at ckpt_to_load_from={path!r}; name a checkpoint "
        "(.../model.ckpt-100) or its folder."
      ) from error
    shapes = reader.get_variable_to_shape_map()
    if shapes.get(name) != list(self.shape):
      raise ValueError(
        f"the column {self.name!r} needs a tensor {name!r} of the shape "
        f"{list(self.shape)} in {path}, but it holds {shapes}."
      )
    return reader.get_tensor(name)


@dataclasses.dataclass(frozen=True)
class EmbeddingColumn(_OfCategories):
  """Learned numbers; see `feature_columns.embedding_column`."""

  categorical_column: CategoricalColumn
  dimension: int
  combiner: str = "mean"
  initializer: object = None
  ckpt_to_load_from: str | None = None
  tensor_name_in_ckpt: str | None = None
  max_norm: float | None = None
  trainable: bool = True
  use_safe_embedding_lookup: bool = True

  def __post_init__(self):
    _check_categorical(self.categorical_column, "embedding_column")
    _check_lookup(self)
    _ = self.weights  # Its arguments are checked.

  @property
  def name(self):
    return f"{self.categorical_column.name}_embedding"

  @property
  def variable_shape(self):
    return (self.dimension,)

  @property
  def weights(self):
    """The description of its variable."""
    return EmbeddingWeights(
      self.name,
      self.categorical_column.num_buckets,
      self.dimension,
      self.initializer,
      self.ckpt_to_load_from,
      self.tensor_name_in_ckpt,
      self.trainable,
    )


@dataclasses.dataclass(frozen=True)
class SharedEmbeddingColumn(_OfCategories):
  """One of several with the same variable; see `shared_embeddings`."""

  categorical_column: CategoricalColumn
  weights: EmbeddingWeights
  combiner: str = "mean"
  max_norm: float | None = None
  use_safe_embedding_lookup: bool = True

  def __post_init__(self):
    _check_lookup(self)

  @property
  def name(self):
    return f"{self.categorical_column.name}_shared_embedding"

  @property
  def dimension(self):
    return self.weights.dimension

  @property
  def variable_shape(self):
    return (self.dimension,)


def shared_embedding_columns(categorical_columns, name, **kwargs):
  """Returns SharedEmbeddingColumns, in the order of the categorical columns.

  Args:
    categorical_columns: list of CategoricalColumn.
    name: str, of the variable; None makes one of the columns' names.
    **kwargs: of EmbeddingWeights and of SharedEmbeddingColumn.

  Raises:
    ValueError: the columns are not categorical, or not alike.
  """
  columns = list(categorical_columns)
  if not columns:
    raise ValueError(
      "shared_embeddings needs categorical columns, but got none."
    )
  for column in columns:
    _check_categorical(column, "shared_embeddings")
  ordered = sorted(columns, key=lambda column: column.name)
  first = ordered[0]
  for column in ordered[1:]:
    if type(_source(column)) is not type(_source(first)):
      raise ValueError(
        "shared_embeddings needs columns of the same type, but "
        f"{first.name!r} is a {type(_source(first)).__name__} and "
        f"{column.name!r} a {type(_source(column)).__name__}."
      )
    if column.num_buckets != first.num_buckets:
      raise ValueError(
        "shared_embeddings needs columns with the same number of categories, "
        f"but {first.name!r} has {first.num_buckets} and {column.name!r} "
        f"{column.num_buckets}."
      )
  names = "_".join(column.name for column in ordered)
  lookup = {k: kwargs.pop(k) for k in _LOOKUP_FIELDS if k in kwargs}
  weights = EmbeddingWeights(
    name or f"{names}_shared_embedding", first.num_buckets, **kwargs
  )
  return [SharedEmbeddingColumn(c, weights, **lookup) for c in columns]


_LOOKUP_FIELDS = ("combiner", "max_norm", "use_safe_embedding_lookup")


def _check_categorical(column, what):
  if not isinstance(column, CategoricalColumn):
    raise ValueError(
      f"{what} needs a categorical column, such as "
      f"categorical_column_with_hash_bucket makes, but got {column!r}."
    )


def _check_lookup(column):
  if column.combiner not in COMBINERS:
    raise ValueError(
      f"combiner of the column {column.name!r} must be one of "
      f"{', '.join(COMBINERS)}, but is {column.combiner!r}."
    )
  if column.max_norm is not None and not column.max_norm > 0:
    raise ValueError(
      f"max_norm of the column {column.name!r} must be positive, or None for "
      f"no limit, but is {column.max_norm!r}."
    )


def _source(column):
  """Returns the column inside of weights and sequences."""
  while isinstance(
    column, WeightedCategoricalColumn | SequenceCategoricalColumn
  ):
    column = column.categorical_column
  return column

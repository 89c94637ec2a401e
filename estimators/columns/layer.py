"""What the layers of columns share: variables, tables and dense columns."""

import re

import keras
import numpy as np
import tensorflow as tf

from estimators.columns import lookups
from estimators.columns.cache import FeatureCache
from estimators.columns.convert import as_columns
from estimators.columns.embedding import (
  EmbeddingColumn,
  IndicatorColumn,
  SharedEmbeddingColumn,
)
from estimators.columns.ids import ids_of
from estimators.columns.numbers import intervals_of, numbers_of
from estimators.columns.numeric import BucketizedColumn, NumericColumn
from estimators.columns.tables import Tables


class ColumnLayer(keras.layers.Layer):
  """A layer that is called with a dictionary of features.

  Its variables and lookup tables are made when it is constructed. Variables
  are named `<layer>/<column>/<name>`, with `_` for characters that a variable
  may not have in its name.

  Attributes:
    columns: list of columns, sorted by name.
  """

  # The names are those of checkpoints that others have written: never number
  # them.
  exact_names = True

  def __init__(self, feature_columns, name):
    super().__init__(name=name)
    self.columns = self.checked(feature_columns)
    self._tables = Tables(self.columns)
    self._scopes = {}  # The scope that each variable's path was made of.
    self._embeddings = self._make_embeddings()
    self.built = True

  def __call__(self, features, training=None):
    """Calls the layer with a dictionary of features, or a `FeatureCache`.

    Keras's own call would look for one dtype and one shape in them.
    """
    del training
    with tf.name_scope(self.name):
      return self.call(FeatureCache.of(features))

  @classmethod
  def checked(cls, feature_columns):
    """Returns `as_columns`, all of which are for this kind of layer.

    Raises:
      ValueError: a column is not.
    """
    columns = as_columns(feature_columns)
    for column in columns:
      cls._check(column)
    return columns

  @staticmethod
  def _check(column):
    """Raises ValueError for a column that is not for this layer."""
    raise NotImplementedError

  def _variable(self, scope, name, shape, initializer, trainable=True):
    """Returns a new float32 Keras variable."""
    path = f"{sanitized(scope)}/{name}"
    if self._scopes.setdefault(path, scope) != scope:
      raise ValueError(
        f"the columns {scope!r} and {self._scopes[path]!r} would both have a "
        f"variable {path!r}; rename the feature of one."
      )
    with keras.name_scope(self.name), keras.name_scope(sanitized(scope)):
      return keras.Variable(
        initializer,
        shape=None if isinstance(initializer, np.ndarray) else shape,
        dtype="float32",
        trainable=trainable,
        name=name,
      )

  def _make_embeddings(self):
    """Returns the variables of embedding columns by the name of their scope."""
    made, found = {}, {}
    for column in self.columns:
      if not isinstance(column, EmbeddingColumn | SharedEmbeddingColumn):
        continue
      weights = column.weights
      if made.setdefault(weights.name, weights) != weights:
        raise ValueError(
          f"two different embeddings are named {weights.name!r}: {weights} and "
          f"{made[weights.name]}; make the columns that share it with one call "
          "of shared_embeddings, or give shared_embedding_collection_name."
        )
      if weights.name not in found:
        found[weights.name] = self._variable(
          weights.name,
          "embedding_weights",
          weights.shape,
          weights.initial(),
          weights.trainable,
        )
    return found

  def _dense(self, column, cache):
    """Returns a dense column's numbers, float32 [B, num_elements]."""
    if isinstance(column, BucketizedColumn):
      hot = tf.one_hot(intervals_of(column, cache), column.num_intervals)
      return tf.reshape(hot, [-1, column.num_elements])
    if isinstance(column, NumericColumn):
      return numbers_of(column, cache)
    ids = ids_of(column.categorical_column, cache, self._tables)
    if ids.rank > 2:
      raise ValueError(
        f"{column.name!r} needs categories of the shape [B] or [B, n], but "
        f"they have {ids.rank} dimensions; reshape the feature, or use "
        "sequence_categorical_column_with_* and SequenceFeatures."
      )
    return self._numbers_of_ids(column, ids, cache.batch_size)

  def _numbers_of_ids(self, column, ids, batch_size):
    """Returns the numbers of an indicator or embedding column."""
    if isinstance(column, IndicatorColumn):
      return lookups.counted(ids, column.num_elements, batch_size)
    return lookups.combined(
      self._embeddings[column.weights.name],
      ids,
      column.combiner,
      batch_size,
      column.max_norm,
    )


def sanitized(name):
  """Returns a name that a variable can have in its path."""
  return re.sub(r"[^A-Za-z0-9_.\-]", "_", name)

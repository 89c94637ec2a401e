"""The lookup tables that a layer holds for its columns."""

import dataclasses
import types

import tensorflow as tf

from estimators.columns.vocabulary import VocabularyColumn


class Tables(tf.Module):
  """The lookup tables of some columns.

  A module, so that a SavedModel of what holds it finds the tables, and makes
  vocabulary files its assets.
  """

  def __init__(self, columns):
    """Makes the tables that columns need, also inside others and in crosses."""
    super().__init__()
    needed = dict.fromkeys(
      inner
      for column in columns
      for inner in _inside(column)
      if isinstance(inner, VocabularyColumn)
    )
    self.tables = [column.table() for column in needed]
    # A proxy, since TensorFlow would save a dictionary, whose keys it wants
    # to be strings.
    self._places = types.MappingProxyType(
      {column: place for place, column in enumerate(needed)}
    )

  def of(self, column):
    """Returns a column's table, None when it needs none."""
    place = self._places.get(column)
    return None if place is None else self.tables[place]


def _inside(column):
  """Yields a column and all that it is made of."""
  yield column
  for field in dataclasses.fields(column):
    value = getattr(column, field.name)
    for item in value if isinstance(value, tuple) else [value]:
      if dataclasses.is_dataclass(item):
        yield from _inside(item)

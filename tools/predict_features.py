"""A feature that a model takes, and what a row may have for it.

Sizes: D... the dimensions of one row's value.
"""

import dataclasses
import math

import numpy as np
import tensorflow as tf

_MAX_SHOWN = 80  # characters of a bad value


@dataclasses.dataclass(frozen=True)
class Feature:
  """A feature that a model takes.

  Attributes:
    name: str.
    dtype: tf.DType.
    shape: (D...) of one row's value; a dimension is None where rows differ in
      it, and the whole is None if even their number is not known.
    optional: whether the model has a value for rows that have none.
  """

  name: str
  dtype: tf.DType
  shape: tuple | None = ()
  optional: bool = False

  def __post_init__(self):
    if self.dtype != tf.string and not (
      self.dtype.is_integer or self.dtype.is_floating or self.dtype.is_bool
    ):
      raise ValueError(
        f"the features of a signature must be numbers, text or bool, but "
        f"{self.name} is {self.dtype.name}; choose another signature."
      )

  @property
  def size(self):
    """How many values a row has, or None if rows differ in that."""
    if self.shape is None or None in self.shape:
      return None
    return math.prod(self.shape)

  @property
  def columns(self):
    """The columns of a CSV file that it is read from."""
    if self.size in (None, 1):
      return (self.name,)
    return tuple(f"{self.name}_{i}" for i in range(self.size))

  @property
  def needs(self):
    """What a row's value must be, in words."""
    if self.size == 1:
      return self._kind
    if self.size is None:
      return f"{self._kind}, or a list of such in as many dimensions as needed"
    shape = "" if len(self.shape) == 1 else f" (of shape {list(self.shape)})"
    return f"a list of {self.size}{shape}, each {self._kind}"

  @property
  def _kind(self):
    if self.dtype == tf.string:
      return "text in UTF-8"
    if self.dtype.is_bool:
      return "true or false"
    kind = "a whole number" if self.dtype.is_integer else "a number"
    return f"{kind} ({self.dtype.name})"

  def from_fields(self, fields):
    """Makes of fields of a CSV file what JSON would have: None if empty."""
    empty = not any(fields)
    if empty and (self.dtype != tf.string or self.optional or not self.size):
      return None
    values = [self._from_field(field) for field in fields]
    return values[0] if len(values) == 1 else values

  def _from_field(self, field):
    """Returns the value that a field stands for; itself, if it does not."""
    if self.dtype == tf.string:
      return field
    if self.dtype.is_bool:
      words = {"true": True, "1": True, "false": False, "0": False}
      return words.get(field.lower(), field)
    for parse in (int, float):
      try:
        return field if "_" in field else parse(field)
      except ValueError:
        pass
    return field

  def value(self, given):
    """Checks a row's value.

    Args:
      given: what JSON has: str, bool, int, float, lists of them, or None.

    Returns:
      array [D...]; bytes as objects. Or None, if the model has a default.

    Raises:
      ValueError: that is not what the feature needs.
    """
    if given is None and self.optional:
      return None
    if given is None and self.shape == (None,):
      given = []
    try:
      flat, shape = _flattened(given)
      shape = self._fitted(shape, len(flat))
      values = [self._converted(value) for value in flat]
      array = np.array(values, self.dtype.as_numpy_dtype).reshape(shape)
    except (ValueError, OverflowError):
      shown = "nothing" if given is None else repr(given)
      dots = "..." if len(shown) > _MAX_SHOWN else ""
      raise ValueError(
        f"{self.name} must be {self.needs}; got {shown[:_MAX_SHOWN]}{dots}"
      ) from None
    return array

  def _fitted(self, shape, count):
    """Returns the shape that `count` values of a shape are to have."""
    if self.shape is None:
      return shape
    if len(shape) == len(self.shape) and all(
      want in (None, got) for want, got in zip(self.shape, shape, strict=True)
    ):
      return shape
    if count == self.size and len(shape) <= 1:
      return self.shape
    if shape == () and self.shape == (None,):
      return (1,)
    raise ValueError

  def _converted(self, value):
    """Returns one value as NumPy takes it; raises ValueError if it is none."""
    if self.dtype == tf.string:
      good = isinstance(value, str)
      value = value.encode() if good else value
    elif self.dtype.is_bool:
      good = isinstance(value, bool)
    else:
      good = isinstance(value, int | float) and not isinstance(value, bool)
      if good and self.dtype.is_integer:
        good, value = value == int(value), int(value)
      elif good and math.isfinite(value):
        good = abs(value) <= float(self.dtype.max)
    if not good:
      raise ValueError
    return value


def _flattened(value):
  """Returns (values of nested lists in a row, the shape of the lists)."""
  if not isinstance(value, list):
    return [value], ()
  if not any(isinstance(part, list) for part in value):
    return value, (len(value),)
  parts = [_flattened(part) for part in value]
  if len({shape for _, shape in parts}) > 1:
    raise ValueError
  flat = [number for numbers, _ in parts for number in numbers]
  return flat, (len(parts), *parts[0][1])

"""Checks of the arguments that heads are made with."""

import inspect
import numbers
import re

import tensorflow as tf

from estimators.columns.convert import as_column
from estimators.columns.numeric import NumericColumn

_REDUCTIONS = ("sum_over_batch_size", "sum")


def name(value):
  """Returns a head's name, which also names a scope of operations, or None."""
  legal = isinstance(value, str) and re.fullmatch(
    r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*", value
  )
  if value is not None and not legal:
    raise ValueError(
      "the name of a head must be letters, digits and _ . / - and begin with a "
      f"letter or digit, or None, but is {value!r}; rename the head."
    )
  return value


def loss_reduction(value):
  """Returns "sum_over_batch_size" or "sum", in lower case."""
  given = getattr(value, "value", value)
  lowered = given.lower() if isinstance(given, str) else given
  if lowered not in _REDUCTIONS:
    raise ValueError(
      f"loss_reduction must be one of {_REDUCTIONS}, as a head gives one loss "
      f"for the batch, but is {value!r}; the first is the mean."
    )
  return lowered


def weight_column(value):
  """Returns a weight column: None, a feature's name or a numeric column."""
  if value is None or isinstance(value, str):
    return value
  is_column = hasattr(value, "parse_example_spec")
  column = as_column(value) if is_column else value
  if not isinstance(column, NumericColumn):
    raise TypeError(
      "weight_column must be the name of a feature or a numeric_column, but is "
      f"{value!r}."
    )
  return column


def positive_int(what, value, least):
  """Returns an int of at least `least`."""
  is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
  if not is_int or value < least:
    hint = ""
    if what == "n_classes" and least == 3:
      hint = "; for two classes use BinaryClassHead"
    raise ValueError(
      f"{what} must be an int of at least {least}, but is {value!r}{hint}."
    )
  return int(value)


def thresholds(values):
  """Returns thresholds as a tuple of floats; None gives none."""
  values = tuple(float(value) for value in (() if values is None else values))
  wrong = [value for value in values if not 0 < value < 1]
  if wrong:
    raise ValueError(
      "thresholds of probabilities must lie between 0 and 1, both excluded, "
      f"but there are {wrong} among {values}; leave them out."
    )
  return values


def vocabulary(words, n_classes):
  """Returns a label vocabulary as a tuple of str, or None."""
  if words is None:
    return None
  if not isinstance(words, (list, tuple)):
    raise ValueError(
      "label_vocabulary must be a list or a tuple of strings, but is "
      f"{words!r}, of type {type(words).__name__}."
    )
  if not all(isinstance(word, (str, bytes)) for word in words):
    raise ValueError(
      f"label_vocabulary must hold strings only, but is {words!r}; with labels "
      "that are ids from 0 on leave it out."
    )
  words = tuple(map(tf.compat.as_str, words))
  if len(words) != n_classes or len(set(words)) != n_classes:
    raise ValueError(
      f"label_vocabulary must have one word for each of the {n_classes} "
      f"classes, all different, but has {len(words)}: {words}."
    )
  return words


def loss_fn(fn):
  """Returns a loss function after a look at its arguments; None for none."""
  if fn is None:
    return None
  arguments = arguments_of(fn)
  known = {"labels", "logits", "features", "loss_reduction"}
  if not {"labels", "logits"} <= arguments <= known:
    raise ValueError(
      "loss_fn must take labels and logits, and may take features and "
      f"loss_reduction, but its arguments are {sorted(arguments)}; rename or "
      "bind the others."
    )
  return fn


def arguments_of(fn):
  if not callable(fn):
    raise ValueError(f"loss_fn must be a function, but is {fn!r}.")
  return set(inspect.signature(fn).parameters)

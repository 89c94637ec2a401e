"""What the canned estimators share."""

import collections.abc
import numbers

import tensorflow as tf

from estimators import summaries
from estimators.heads.base import Head
from estimators.heads.binary_class import BinaryClassHead
from estimators.heads.multi_class import MultiClassHead


def classification_head(
  n_classes, weight_column, label_vocabulary, loss_reduction
):
  """Returns the head of a classifier: binary, or of three or more classes.

  Raises:
    ValueError: there are fewer than two classes.
  """
  if n_classes < 2:
    raise ValueError(
      f"a classifier needs n_classes of 2 or more, but got {n_classes}."
    )
  arguments = {
    "weight_column": weight_column,
    "label_vocabulary": label_vocabulary,
    "loss_reduction": loss_reduction,
  }
  if n_classes == 2:
    return BinaryClassHead(**arguments)
  return MultiClassHead(n_classes, **arguments)


def checked_head(head):
  """Returns the head.

  Raises:
    TypeError: it is none.
  """
  if not isinstance(head, Head):
    raise TypeError(
      "head must be one of estimators' heads, such as BinaryClassHead(), but "
      f"is {head!r}; it is the first argument."
    )
  return head


def check_features(features):
  """Refuses features that are not a dictionary.

  Raises:
    ValueError: they are not.
  """
  if not isinstance(features, dict):
    raise ValueError(
      "a canned estimator finds its features by the names in its feature "
      f"columns, so they must be a dictionary, but are {features!r}; name it: "
      '{"x": tensor}.'
    )


def checked_sizes(sizes, message):
  """Returns the sizes of layers as a tuple of int.

  Raises:
    ValueError: they are not a list of positive ints, or there are none.
  """
  is_list = isinstance(sizes, collections.abc.Iterable)
  found = tuple(sizes) if is_list else ()
  if not found or not all(
    isinstance(size, numbers.Integral) and size > 0 for size in found
  ):
    raise ValueError(f"{message}, but is {sizes!r}.")
  return tuple(map(int, found))


def trainable_variables(layers):
  """Returns the trainable variables of a dictionary of layers."""
  return [v for layer in layers.values() for v in layer.trainable_variables]


def write_activations(values):
  """Writes the share of zeros and the histogram of each layer's output.

  Args:
    values: dictionary of the layer's name to a float tensor.
  """

  def write():
    for name, value in values.items():
      tf.summary.scalar(
        f"{name}/fraction_of_zero_values", tf.math.zero_fraction(value)
      )
      tf.summary.histogram(f"{name}/activation", value)

  summaries.when_recorded(write)

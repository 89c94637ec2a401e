"""Checks of what heads are given: arguments when made, tensors when called.

Shapes: [D0, ..., DN] are the batch dimensions, mostly [B]; L is the number of
logits of an example.
"""

import inspect
import numbers
import re

import tensorflow as tf

_REDUCTIONS = ("sum_over_batch_size", "sum")
# How many values of a bad batch an error shows.
_SHOWN = 100


# Arguments of heads.


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
  if value is None or isinstance(value, str) or hasattr(value, "key"):
    return value
  raise TypeError(
    "weight_column must be the name of a feature or a numeric_column, but is "
    f"{value!r}."
  )


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
  arguments = _arguments(fn)
  known = {"labels", "logits", "features", "loss_reduction"}
  if not {"labels", "logits"} <= arguments <= known:
    raise ValueError(
      "loss_fn must take labels and logits, and may take features and "
      f"loss_reduction, but its arguments are {sorted(arguments)}; rename or "
      "bind the others."
    )
  return fn


def _arguments(fn):
  if not callable(fn):
    raise ValueError(f"loss_fn must be a function, but is {fn!r}.")
  return set(inspect.signature(fn).parameters)


# Tensors.


def checked_logits(logits, dimension):
  """Returns logits as float32 [D0, ..., DN, dimension].

  Raises:
    ValueError: they have another shape.
  """
  logits = tf.cast(tf.convert_to_tensor(logits), tf.float32)
  rank = logits.shape.rank
  if rank is None or rank < 2 or logits.shape[-1] not in (None, dimension):
    raise ValueError(
      f"logits must have the shape [D0, D1, ... DN, {dimension}], at least two "
      f"dimensions, but have {logits.shape}; let the last layer have "
      "head.logits_dimension units."
    )
  if logits.shape[-1] is None:
    logits = tf.ensure_shape(logits, [None] * (rank - 1) + [dimension])
  return logits


def dense_labels(labels, logits, dimension):
  """Returns labels as a tensor [D0, ..., DN, dimension].

  With one label per example they may lack the last dimension.

  Raises:
    ValueError: they are missing, sparse, or of another shape.
  """
  if labels is None:
    raise ValueError(
      "a head needs labels for a loss, but they are None; give "
      "(features, labels) in the input function, and pass them on."
    )
  if isinstance(labels, (tf.SparseTensor, tf.RaggedTensor)):
    raise ValueError(
      f"labels must be a dense tensor of {dimension} value(s) for each "
      f"example, but are a {type(labels).__name__}: this head does not take "
      "them; use tf.sparse.to_dense or to_tensor in the input function."
    )
  if isinstance(labels, dict):
    raise ValueError(
      "labels must be one tensor, but are a dictionary of "
      f"{sorted(labels)}; pass one of them, or use MultiHead."
    )
  return match("labels", tf.convert_to_tensor(labels), logits, dimension)


def match(what, tensor, logits, last):
  """Returns a tensor in the shape of the logits, but for the last dimension.

  Args:
    what: str, what the tensor is.
    tensor: [D0, ..., DN, last], or [D0, ..., DN] when last is 1.
    logits: [D0, ..., DN, L].
    last: int.

  Raises:
    ValueError: the shapes are known to differ. Otherwise it is the reshape
      that fails, with an InvalidArgumentError; the operation's name says what
      was compared. A broadcast would hide it, a check would cost more.
  """
  wanted = logits.shape[:-1].concatenate(last)
  without = last == 1 and tensor.shape.is_compatible_with(wanted[:-1])
  if not without and not tensor.shape.is_compatible_with(wanted):
    raise ValueError(
      f"Mismatched {what[:-1]} shape: {what} must have the shape "
      f"{wanted}{f' or {wanted[:-1]}' if last == 1 else ''}, to fit logits of "
      f"the shape {logits.shape}, but have {tensor.shape}; check them in the "
      "input function, and the number of classes or labels of the head."
    )
  if wanted.is_fully_defined():
    return tf.reshape(tensor, wanted)
  if last == logits.shape[-1]:
    shape = tf.shape(logits)
  elif wanted.rank == 2:
    shape = tf.stack([tf.shape(logits)[0], last])
  else:
    shape = tf.concat([tf.shape(logits)[:-1], [last]], 0)
  return tf.reshape(tensor, shape, name=f"{what}_must_match_logits")


def weights_of(features, column, logits, per_logit):
  """Returns the weights of the examples, or None without a weight column.

  Args:
    features: dictionary of tensors.
    column: a checked weight column.
    logits: float32 [D0, ..., DN, L].
    per_logit: bool, whether there may be a weight for each logit.

  Returns:
    float32 [D0, ..., DN, 1] or, for per_logit, [D0, ..., DN, L].

  Raises:
    ValueError: the feature is missing, of a wrong dtype or of a wrong shape.
  """
  if column is None:
    return None
  key = column if isinstance(column, str) else column.key
  if not isinstance(features, dict) or key not in features:
    known = sorted(features) if isinstance(features, dict) else features
    raise ValueError(
      f"the head's weight_column is the feature {key!r}, but the features are "
      f"{known}; add it to the input, and pass features to the head."
    )
  weights = features[key]
  if isinstance(weights, (tf.SparseTensor, tf.RaggedTensor)):
    raise ValueError(
      f"the weights {key!r} must be a dense tensor, but are a "
      f"{type(weights).__name__}; make them dense in the input function."
    )
  weights = tf.convert_to_tensor(weights)
  if not (weights.dtype.is_floating or weights.dtype.is_integer):
    raise ValueError(
      f"the weights {key!r} must be numbers, but their dtype is "
      f"{weights.dtype.name}; parse them as float32."
    )
  weights = tf.cast(weights, tf.float32)
  normalizer = getattr(column, "normalizer_fn", None)
  if normalizer is not None:
    weights = normalizer(weights)
  each = per_logit and weights.shape.is_compatible_with(logits.shape)
  # Where the last dimension is 1, it is known to be.
  each = each and weights.shape[-1:] != [1]
  return match("weights", weights, logits, logits.shape[-1] if each else 1)


def call_loss_fn(fn, labels, logits, features, loss_reduction, dimension):
  """Returns the losses of a user's function, [D0, ..., DN, dimension]."""
  given = {"features": features, "loss_reduction": loss_reduction}
  given = {k: v for k, v in given.items() if k in _arguments(fn)}
  losses = tf.convert_to_tensor(fn(labels=labels, logits=logits, **given))
  wanted = logits.shape[:-1].concatenate(dimension)
  if not losses.shape.is_compatible_with(wanted):
    raise ValueError(
      f"loss_fn must return a loss for each example, of the shape {wanted}, "
      f"but its result has the shape {losses.shape}; leave out the mean over "
      "the batch, and keep the last dimension."
    )
  return losses


def within(values, low, high):
  """Returns (values clipped to a range, whether that changed none of them).

  NaN is in no range.
  """
  clipped = tf.raw_ops.ClipByValue(
    t=values,
    clip_value_min=tf.constant(low, values.dtype),
    clip_value_max=tf.constant(high, values.dtype),
  )
  return clipped, tf.reduce_all(tf.equal(clipped, values))


def not_negative(values):
  """Returns whether all values are at least 0; NaN is not."""
  return tf.reduce_all(tf.greater_equal(values, 0))


def require(condition, message, *values):
  """Raises an error with a message and values unless a condition holds.

  Args:
    condition: bool scalar tensor.
    message: str, what was needed and what to do.
    *values: tensors to show.

  Raises:
    ValueError, eagerly, or tf.errors.InvalidArgumentError in a graph. There it
      is one operation; `tf.debugging.Assert` would be a whole condition.
  """
  if tf.executing_eagerly():
    if not condition:
      shown = ", ".join(str(value.numpy().tolist()) for value in values)
      raise ValueError(f"{message} They are: {shown}.")
    return
  tf.raw_ops.Assert(
    condition=condition,
    data=[tf.constant(f"{message} They are:"), *values],
    summarize=_SHOWN,
  )

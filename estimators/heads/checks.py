"""Checks of the tensors that heads are called with.

Shapes: [D0, ..., DN] are the batch dimensions, mostly [B]; L is the number of
logits of an example.
"""

import tensorflow as tf

from estimators.heads.arguments import arguments_of

# How many values of a bad batch an error shows.
_SHOWN = 100


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
  return match("weights", weights, logits, _size(weights, logits, per_logit))


def _size(weights, logits, per_logit):
  """Returns how many weights an example has: 1, or one for each logit."""
  size, shape = logits.shape[-1], weights.shape
  if not per_logit or size == 1:
    return 1
  if shape.rank is not None and shape.rank < logits.shape.rank:
    return 1
  if shape.rank is None or shape[-1] is None:
    raise ValueError(
      f"the weights may be one for an example or one for each of {size} "
      f"logits, but their shape {shape} does not tell; use tf.ensure_shape."
    )
  return 1 if shape[-1] == 1 else size


def call_loss_fn(fn, labels, logits, features, loss_reduction, dimension):
  """Returns the losses of a user's function, [D0, ..., DN, dimension]."""
  given = {"features": features, "loss_reduction": loss_reduction}
  given = {k: v for k, v in given.items() if k in arguments_of(fn)}
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

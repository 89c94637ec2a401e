"""Optimizers for sparse gradients, and what any optimizer needs of those.

`Ftrl`, `Adagrad` and `SGD` are those of Keras with the step done by
TensorFlow's fused kernels: one operation for each variable, of which a linear
model has many, and which goes through memory once. Rows (of an embedding, of a
column's weights) that a batch did not use are not changed, and on one replica
not read either. Keras has no public way to an optimizer's slots; their private
names stand in this module alone.
"""

import weakref

import keras
import tensorflow as tf

from estimators.objects import raw

# For each optimizer of this module, the indices of the variables whose sparse
# gradients `ready` has made dense.
_made_dense = weakref.WeakKeyDictionary()


class Ftrl(keras.optimizers.Ftrl):
  """`keras.optimizers.Ftrl`, fused and for sparse gradients.

  A row that a sparse gradient does not name stays as it is.

  Source: McMahan et al. 2013, "Ad click prediction: a view from the trenches".
  """

  def update_step(self, gradient, variable, learning_rate):
    index = self._get_variable_index(variable)
    rate = tf.cast(learning_rate, variable.dtype)
    l2 = self.l2_regularization_strength
    arguments = {
      "var": variable.handle,
      "accum": raw(self._accumulators[index]).handle,
      "linear": raw(self._linears[index]).handle,
      "lr": rate,
      "l1": self.l1_regularization_strength,
      "l2": l2 + self.beta / (2 * rate) if self.beta else l2,
      "l2_shrinkage": self.l2_shrinkage_regularization_strength,
      "lr_power": self.learning_rate_power,
    }
    gradient = _as_it_was(self, index, gradient)
    if isinstance(gradient, tf.IndexedSlices):
      tf.raw_ops.ResourceSparseApplyFtrlV2(
        grad=gradient.values, indices=gradient.indices, **arguments
      )
    else:
      tf.raw_ops.ResourceApplyFtrlV2(grad=gradient, **arguments)


class Adagrad(keras.optimizers.Adagrad):
  """`keras.optimizers.Adagrad`, fused and for sparse gradients.

  The step is rate * gradient / (sqrt(accumulator) + epsilon), as in
  tf.estimator's; Keras has epsilon under the root.

  Source: Duchi et al. 2011, "Adaptive subgradient methods for online learning
  and stochastic optimization".
  """

  def update_step(self, gradient, variable, learning_rate):
    index = self._get_variable_index(variable)
    arguments = {
      "var": variable.handle,
      "accum": raw(self._accumulators[index]).handle,
      "lr": tf.cast(learning_rate, variable.dtype),
      "epsilon": self.epsilon,
    }
    gradient = _as_it_was(self, index, gradient)
    if isinstance(gradient, tf.IndexedSlices):
      tf.raw_ops.ResourceSparseApplyAdagradV2(
        grad=gradient.values, indices=gradient.indices, **arguments
      )
    else:
      tf.raw_ops.ResourceApplyAdagradV2(grad=gradient, **arguments)


class SGD(keras.optimizers.SGD):
  """`keras.optimizers.SGD` without momentum, fused."""

  def __init__(self, learning_rate=0.01, **kwargs):
    super().__init__(learning_rate, **kwargs)
    if self.momentum:
      raise ValueError(
        "optimizers.SGD has no momentum, but momentum is "
        f"{self.momentum}; take keras.optimizers.SGD."
      )

  def update_step(self, gradient, variable, learning_rate):
    rate = tf.cast(learning_rate, variable.dtype)
    gradient = _as_it_was(self, self._get_variable_index(variable), gradient)
    if isinstance(gradient, tf.IndexedSlices):
      tf.raw_ops.ResourceScatterSub(
        resource=variable.handle,
        indices=gradient.indices,
        updates=rate * gradient.values,
      )
    else:
      tf.raw_ops.ResourceApplyGradientDescent(
        var=variable.handle, alpha=rate, delta=gradient
      )


def keep_weights(optimizer, given):
  """Makes weights that were given those that an Ftrl's accumulators stand for.

  Ftrl computes a weight anew from its accumulators in every step, and fresh
  ones stand for zero: the first step would undo a warm start. With

      linear = -w ((accumulator^-power + beta) / rate + 2 l2) - sign(w) l1

  the solution of the proximal problem (algorithm 1 of the source) is w.

  Args:
    optimizer: a Keras optimizer; nothing is done when it is no Ftrl, or has no
      variables yet.
    given: list of `tf.Variable`s that a warm start has set. A slot `linear`
      that is among them stays as it is.
  """
  optimizer = _inner(optimizer)
  if not isinstance(optimizer, keras.optimizers.Ftrl) or not optimizer.built:
    return
  rate = tf.cast(optimizer.learning_rate, tf.float32)
  l1 = optimizer.l1_regularization_strength
  is_given = {id(variable) for variable in given}
  for weights, accumulator, linear in zip(
    optimizer._trainable_variables,
    optimizer._accumulators,
    optimizer._linears,
    strict=True,
  ):
    if id(raw(weights)) not in is_given or id(raw(linear)) in is_given:
      continue
    w = tf.convert_to_tensor(raw(weights))
    root = raw(accumulator) ** -optimizer.learning_rate_power
    quadratic = (root + optimizer.beta) / rate
    quadratic += 2 * optimizer.l2_regularization_strength
    linear.assign(-w * quadratic - tf.sign(w) * l1)


def ready(optimizer, gradient, variable):
  """Returns a gradient that an optimizer gives the right step for.

  A batch that uses a row twice has two entries for it in a sparse gradient.
  Norms, and most of Keras's optimizers, take their squares one by one, where
  the square of their sum is meant. So the entries of a row are summed.

  On several replicas the gradient is made dense. TensorFlow would put their
  entries side by side, by operations that within a call must always have the
  size of the first time: a loop of steps would end in an error.

  Args:
    optimizer: a Keras optimizer.
    gradient: tensor or `tf.IndexedSlices`, of a replica.
    variable: the variable that it is of.
  """
  if not isinstance(gradient, tf.IndexedSlices):
    return gradient
  if _num_replicas() == 1:
    return _summed_by_row(gradient)
  inner = _inner(optimizer)
  if isinstance(inner, (Ftrl, Adagrad, SGD)):
    index = inner._get_variable_index(variable)
    _made_dense.setdefault(inner, set()).add(index)
  return tf.convert_to_tensor(gradient)


def check_under(strategy, optimizer):
  """Refuses what Keras's optimizers cannot do on several replicas.

  Raises:
    ValueError: the optimizer is to accumulate gradients. Keras would sum those
      of the replicas inside a condition, which TensorFlow does not do.
  """
  count = strategy.num_replicas_in_sync if strategy else 1
  steps = _inner(optimizer).gradient_accumulation_steps
  if count > 1 and steps:
    raise ValueError(
      "an optimizer with gradient_accumulation_steps needs a single replica, "
      f"but there are {count}, and it accumulates {steps} steps; leave it out "
      f"and make the batch {steps} times as large, each replica has a part."
    )


def clips(optimizer):
  """Whether a Keras optimizer clips the gradients that it is given."""
  inner = _inner(optimizer)
  return bool(inner.clipnorm or inner.global_clipnorm or inner.clipvalue)


def clipped(gradients, norm, limit):
  """Returns gradients with a global norm of at most a limit.

  Those that are within it are not copied, other than by
  `tf.clip_by_global_norm`. A norm that is not finite makes all of them NaN.

  Args:
    gradients: list of tensors and `tf.IndexedSlices`.
    norm: scalar, what `tf.linalg.global_norm` says of them.
    limit: scalar, positive.
  """

  def scaled():
    # In a condition, so that a check of numbers meets the NaN only when meant.
    factor = tf.cond(
      tf.math.is_finite(norm),
      lambda: limit / norm,
      lambda: tf.constant(float("nan"), norm.dtype),
    )
    return [
      tf.IndexedSlices(g.values * factor, g.indices, g.dense_shape)
      if isinstance(g, tf.IndexedSlices)
      else g * factor
      for g in gradients
    ]

  return tf.cond(norm <= limit, lambda: gradients, scaled)


def clipped_by(optimizer, gradients):
  """Returns gradients as a Keras optimizer that `clips` would clip them.

  Keras does it on each replica, before it sums their gradients: other steps
  than those of one replica. Clipped before, a replica's share of the sum is
  below the limits.
  """
  inner = _inner(optimizer)

  def scaled(limit):  # With loss scaling the gradients are still scaled here.
    return optimizer.scale_loss(tf.constant(float(limit)))

  if inner.clipnorm:
    limit = scaled(inner.clipnorm)
    return [tf.clip_by_norm(g, limit) for g in gradients]
  if inner.global_clipnorm:
    limit = scaled(inner.global_clipnorm)
    return clipped(gradients, tf.linalg.global_norm(gradients), limit)
  limit = scaled(inner.clipvalue)
  return [tf.clip_by_value(g, -limit, limit) for g in gradients]


def _inner(optimizer):
  """Returns the optimizer inside one that scales the loss, or the one given."""
  return getattr(optimizer, "inner_optimizer", optimizer)


def _as_it_was(optimizer, index, gradient):
  """Returns a gradient that `ready` made dense as `tf.IndexedSlices` again.

  Of the rows that it named, those are left out of which the sum is zero. (For
  Ftrl a first such step would have replaced an initial value by zero.)
  """
  if index not in _made_dense.get(optimizer, ()):
    return gradient
  others = list(range(1, gradient.shape.rank))
  rows = tf.where(tf.reduce_any(gradient != 0, axis=others))[:, 0]
  return tf.IndexedSlices(tf.gather(gradient, rows), rows)


def _num_replicas():
  return tf.distribute.get_strategy().num_replicas_in_sync


def _summed_by_row(gradient):
  """Returns `tf.IndexedSlices` in which each row is named once."""
  rows, positions = tf.unique(gradient.indices)
  values = tf.math.unsorted_segment_sum(
    gradient.values, positions, tf.size(rows)
  )
  return tf.IndexedSlices(values, rows, gradient.dense_shape)

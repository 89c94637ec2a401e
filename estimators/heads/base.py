"""What all heads share: the top of a model, from logits to an EstimatorSpec.

A head knows the loss, the predictions, the metrics and the signatures of a
kind of task. It is a frozen dataclass of its constructor's arguments, and may
be made anew in each call of a model function:

    def model_fn(features, labels, mode):
      head = BinaryClassHead(weight_column="weight")
      logits = network()(features["x"])  # [B, head.logits_dimension]
      return head.create_estimator_spec(
        features, mode, logits, labels, optimizer=optimizer()
      )

Its other methods work eagerly too.

Shapes: [D0, ..., DN] are the batch dimensions, mostly [B]; L is
`logits_dimension`.
"""

import collections

import keras
import tensorflow as tf

from estimators import replicas
from estimators.heads import checks
from estimators.heads import metrics as head_metrics
from estimators.spec import MODES, EstimatorSpec, ModeKeys, minimize

CLASSIFY = "classification"
REGRESS = "regression"
PREDICT = "predict"

# What a batch comes to: logits, labels and losses by example, and the weights,
# None without any.
Scored = collections.namedtuple("Scored", "logits labels losses weights")
# Labels ready for the loss, whether all are good (a bool scalar, or None), what
# they must be, and what they were.
Labels = collections.namedtuple("Labels", "values good needed given")


class Head:
  """Base class of heads.

  A head of one's own gives `logits_dimension`, `name`, `loss_reduction`,
  `loss`, `predictions`, `metric_specs`, `update_metrics` and `export_outputs`.
  The heads here give `loss` and `update_metrics` by `_labels`, `_losses` and
  `_update`.
  """

  name = None
  loss_reduction = "sum_over_batch_size"
  weight_column = None
  loss_fn = None
  # Whether each logit may have its own weight.
  _per_logit_weights = False

  @property
  def logits_dimension(self):
    """The size L of the last dimension of the logits."""
    raise NotImplementedError

  def loss(
    self, labels, logits, features=None, mode=None, regularization_losses=None
  ):
    """Returns the loss of a batch.

    Args:
      labels: see the head's class.
      logits: floating [D0, ..., DN, L].
      features: dictionary of tensors, for the weights.
      mode: ignored by the heads of this package.
      regularization_losses: list of scalars to add, or None.

    Returns:
      float32 scalar: the weighted sum of the losses divided by their number, or
      not divided when loss_reduction is "sum". The runner adds up the losses of
      several replicas weighted by their share of the examples, and each gives
      what then comes to the loss of the whole batch.

    Raises:
      ValueError: wrong shapes or dtypes. Wrong values are a ValueError eagerly
        and tf.errors.InvalidArgumentError in a graph.
    """
    del mode
    with tf.name_scope("losses"):
      scored = self._scored(labels, logits, features)
      losses, weights = scored.losses, scored.weights
      total = tf.reduce_sum(losses if weights is None else losses * weights)
      if self.loss_reduction == "sum":
        loss = replicas.share_of_sum(total)
      else:
        # Quicker than reduce_mean, whose gradient counts once more.
        loss = total / tf.cast(tf.size(losses), tf.float32)
      if regularization_losses:
        loss += tf.add_n(list(regularization_losses))
      return loss

  def predictions(self, logits, keys=None):
    """Returns predictions by key, all of them or those of some keys.

    Raises:
      ValueError: there is no prediction of some key.
    """
    logits = checks.checked_logits(logits, self.logits_dimension)
    with tf.name_scope("predictions"):
      return chosen(self._predictions(logits), keys)

  def metrics(self, regularization_losses=None):
    """Returns fresh Keras metrics by key."""
    return head_metrics.build(self.metric_specs(bool(regularization_losses)))

  def metric_specs(self, regularized=False):
    """Returns how the metrics are built.

    Args:
      regularized: bool, whether there are regularization losses.

    Returns:
      Dictionary of key to (class, dictionary of its arguments but the name).
    """
    specs = {"average_loss": (keras.metrics.Mean, {}), **self._metric_specs()}
    if regularized:
      specs["regularization_loss"] = (keras.metrics.Mean, {})
    return {self._key(key): spec for key, spec in specs.items()}

  def update_metrics(
    self,
    eval_metrics,
    features,
    logits,
    labels,
    mode=None,
    regularization_losses=None,
  ):
    """Updates what `metrics` returned with a batch; returns it.

    Args and errors as for `loss`.
    """
    del mode
    with tf.name_scope("metrics"):
      scored = self._scored(labels, logits, features)
      eval_metrics[self._key("average_loss")].update_state(
        head_metrics.flat(scored.losses),
        head_metrics.flat_weights(scored.weights, scored.losses),
      )
      self._update(eval_metrics, scored)
      if regularization_losses:
        eval_metrics[self._key("regularization_loss")].update_state(
          tf.add_n(list(regularization_losses))
        )
    return eval_metrics

  def export_outputs(self, predictions):
    """Returns the export outputs by signature name.

    Args:
      predictions: all of the head's predictions.
    """
    raise NotImplementedError

  def create_estimator_spec(
    self,
    features,
    mode,
    logits,
    labels=None,
    optimizer=None,
    trainable_variables=None,
    train_op_fn=None,
    update_ops=None,
    regularization_losses=None,
  ):
    """Returns what a model function returns.

    Args:
      features: dictionary of tensors, for the weights.
      mode: one of `ModeKeys`.
      logits: floating [D0, ..., DN, L].
      labels: see the head's class; not needed in PREDICT.
      optimizer: a Keras optimizer from a function marked `@once`. In TRAIN
        either it or train_op_fn is needed.
      trainable_variables: list of the variables to change; all trainable
        variables of the model when None.
      train_op_fn: function of the loss that returns a train_op.
      update_ops: list of operations to run in training besides.
      regularization_losses: list of scalars to add to the loss.

    Raises:
      ValueError: as `loss` does; both or neither of optimizer and train_op_fn;
        an unknown mode; update_ops or trainable_variables are no list.
      TypeError: the optimizer is not a Keras optimizer.
    """
    if mode not in MODES:
      raise ValueError(
        f"mode must be one of {MODES}, but is {mode!r}; pass on the mode that "
        "the model function got."
      )
    with tf.name_scope(self.name or "head"):
      predictions = self.predictions(logits)
      if mode == ModeKeys.PREDICT:
        outputs = self.export_outputs(predictions)
        return EstimatorSpec(mode, predictions, export_outputs=outputs)
      loss = self.loss(labels, logits, features, mode, regularization_losses)
      if mode == ModeKeys.EVAL:
        metrics = head_metrics.head_metrics(
          self.metric_specs(bool(regularization_losses))
        )
        self.update_metrics(
          metrics, features, logits, labels, mode, regularization_losses
        )
        return EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)
      train_op = _train_op(
        loss, optimizer, trainable_variables, train_op_fn, update_ops
      )
    self._write_summaries(loss, regularization_losses)
    return EstimatorSpec(mode, predictions, loss, train_op)

  # What the heads of this package give.

  def _labels(self, labels, logits):
    """Returns `Labels`."""
    raise NotImplementedError

  def _losses(self, labels, logits):
    """Returns losses [D0, ..., DN, 1], or of the logits' shape."""
    raise NotImplementedError

  def _predictions(self, logits):
    """Returns all predictions by key."""
    raise NotImplementedError

  def _metric_specs(self):
    """Returns the specs of metrics besides the losses, by key."""
    raise NotImplementedError

  def _update(self, metrics, scored):
    """Updates the metrics of `_metric_specs`."""
    raise NotImplementedError

  # Helpers.

  def _set(self, **values):
    """Sets fields of a frozen dataclass, in __post_init__."""
    for name, value in values.items():
      object.__setattr__(self, name, value)

  def _check_common(self):
    """Checks the fields that most heads have."""
    self._set(
      name=checks.name(self.name),
      loss_reduction=checks.loss_reduction(self.loss_reduction),
      weight_column=checks.weight_column(self.weight_column),
    )
    checks.loss_fn(self.loss_fn)

  def _key(self, key):
    return f"{key}/{self.name}" if self.name else key

  def _scored(self, labels, logits, features):
    """Returns `Scored`, after checks of everything."""
    logits = checks.checked_logits(logits, self.logits_dimension)
    labels = self._labels(labels, logits)
    weights = checks.weights_of(
      features, self.weight_column, logits, self._per_logit_weights
    )
    _require(labels, weights)
    if self.loss_fn is None:
      losses = self._losses(labels.values, logits)
    else:
      losses = checks.call_loss_fn(
        self.loss_fn,
        labels.values,
        logits,
        features,
        self.loss_reduction,
        logits.shape[-1] if self._per_logit_weights else 1,
      )
    return Scored(logits, labels.values, losses, weights)

  def _write_summaries(self, loss, regularization_losses):
    """Writes what the runner does not write itself."""
    with tf.name_scope(""):
      if self.name:
        tf.summary.scalar(self._key("loss"), loss)
      if regularization_losses:
        tf.summary.scalar(
          self._key("regularization_loss"),
          tf.add_n(list(regularization_losses)),
        )


def chosen(predictions, keys):
  """Returns the predictions of some keys; all for None or none.

  Raises:
    ValueError: there is no prediction of some key.
  """
  if not keys:
    return predictions
  unknown = [key for key in keys if key not in predictions]
  if unknown:
    raise ValueError(
      f"this head has no predictions {unknown}; it has {list(predictions)}."
    )
  return {key: predictions[key] for key in keys}


def _require(labels, weights):
  """Raises an error unless labels and weights are good: one check for both."""
  conditions, needed, given = [], [], []
  if labels.good is not None:
    conditions.append(labels.good)
    needed.append(labels.needed)
    given.append(labels.given)
  if weights is not None:
    conditions.append(checks.not_negative(weights))
    needed.append("weights must be at least 0")
    given.append(weights)
  if conditions:
    checks.require(
      conditions[0] if len(conditions) == 1 else tf.reduce_all(conditions),
      f"{'; '.join(needed)}; correct the input function or the head.",
      *given,
    )


def _train_op(loss, optimizer, trainable_variables, train_op_fn, update_ops):
  if (optimizer is None) == (train_op_fn is None):
    raise ValueError(
      "in training a head needs either optimizer or train_op_fn, but got "
      f"optimizer={optimizer!r} and train_op_fn={train_op_fn!r}; pass one."
    )
  for name, value in (
    ("trainable_variables", trainable_variables),
    ("update_ops", update_ops),
  ):
    if value is not None and not isinstance(value, (list, tuple)):
      raise ValueError(f"{name} must be a list or a tuple, but is {value!r}.")
  if optimizer is not None:
    train_op = minimize(loss, optimizer, trainable_variables)
  else:
    train_op = train_op_fn(loss)
  if not update_ops:
    return train_op
  if not isinstance(train_op, (list, tuple)):
    train_op = [train_op]
  return [*train_op, *update_ops]

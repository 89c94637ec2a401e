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

import tensorflow as tf

from estimators import summaries
from estimators.heads import metrics as metrics_lib
from estimators.spec import MODES, EstimatorSpec, ModeKeys, minimize

CLASSIFY = "classification"
REGRESS = "regression"
PREDICT = "predict"


class Head:
  """Base class of heads.

  A head of one's own gives `logits_dimension`, `name`, `loss_reduction`,
  `loss`, `predictions`, `metric_specs`, `update_metrics` and `export_outputs`.
  """

  name = None
  loss_reduction = "sum_over_batch_size"
  weight_column = None

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
    raise NotImplementedError

  def predictions(self, logits, keys=None):
    """Returns predictions by key, all of them or those of some keys.

    Raises:
      ValueError: there is no prediction of some key.
    """
    raise NotImplementedError

  def metrics(self, regularization_losses=None):
    """Returns fresh Keras metrics by key."""
    return metrics_lib.build(self.metric_specs(bool(regularization_losses)))

  def metric_specs(self, regularized=False):
    """Returns how the metrics are built.

    Args:
      regularized: bool, whether there are regularization losses.

    Returns:
      Dictionary of key to (class, dictionary of its arguments but the name).
    """
    raise NotImplementedError

  def update_metrics(
    self,
    eval_metrics,
    features,
    logits,
    labels,
    regularization_losses=None,
  ):
    """Updates what `metrics` returned with a batch; returns it.

    Args and errors as for `loss`.
    """
    raise NotImplementedError

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
      head = self._averaging() if mode == ModeKeys.EVAL else self
      loss = head.loss(labels, logits, features, mode, regularization_losses)
      if mode == ModeKeys.EVAL:
        metrics = metrics_lib.head_metrics(
          self.metric_specs(bool(regularization_losses))
        )
        head.update_metrics(
          metrics, features, logits, labels, regularization_losses
        )
        return EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)
      train_op = _train_op(
        loss, optimizer, trainable_variables, train_op_fn, update_ops
      )
    self._write_summaries(loss, regularization_losses)
    return EstimatorSpec(mode, predictions, loss, train_op)

  def _averaging(self):
    """Returns the head with the mean for its loss, whatever it trains with.

    An evaluation reports the mean over all examples, which does not change with
    the size of its batches.
    """
    return self

  def _set(self, **values):
    """Sets fields of a frozen dataclass, in __post_init__."""
    for name, value in values.items():
      object.__setattr__(self, name, value)

  def _key(self, key):
    return f"{key}/{self.name}" if self.name else key

  def _write_summaries(self, loss, regularization_losses):
    """Writes what the runner does not write itself."""
    values = {"loss": loss} if self.name else {}
    if regularization_losses:
      values["regularization_loss"] = tf.add_n(list(regularization_losses))

    def write():
      for key, value in values.items():
        tf.summary.scalar(self._key(key), value)

    if values:
      summaries.when_recorded(write)


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

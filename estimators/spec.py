"""What a model function returns, and how it asks for a training step."""

import dataclasses
import functools

import keras
import tensorflow as tf

from estimators import export_outputs, hooks


class ModeKeys:
  """The modes a model function is called in."""

  TRAIN = "train"
  EVAL = "eval"
  PREDICT = "infer"


MODES = (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)
RESERVED_METRICS = ("loss", "global_step")
_NEEDED = {
  ModeKeys.TRAIN: ("loss", "train_op"),
  ModeKeys.EVAL: ("loss",),
  ModeKeys.PREDICT: ("predictions",),
}
_HOOK_FIELDS = (
  "training_chief_hooks",
  "training_hooks",
  "evaluation_hooks",
  "prediction_hooks",
)


@dataclasses.dataclass(frozen=True)
class Minimize:
  """One update that the runner applies; made by `minimize`."""

  loss: tf.Tensor
  optimizer: keras.optimizers.Optimizer
  variables: tuple | None
  clip_norm: float | None
  summarize_gradients: bool


def minimize(
  loss, optimizer, variables=None, clip_norm=None, summarize_gradients=False
):
  """Returns a train_op that takes one gradient step.

  The runner computes the gradients, sums them over replicas, clips them and
  hands them to the optimizer.

  Args:
    loss: scalar floating tensor, the mean over the examples of the batch.
    optimizer: a Keras optimizer, from a function marked `@once`.
    variables: the variables to change; all trainable variables of the model's
      `once` objects when None. Variables that the loss does not depend on are
      left alone.
    clip_norm: positive float; gradients with a global norm above it are scaled
      down to it (Pascanu et al. 2013, arXiv:1211.5063). None: no clipping.
    summarize_gradients: bool, whether to write a histogram of each gradient,
      `<variable>/gradient`, as it was before clipping; on several replicas that
      of the first one's slice of the batch.

  Raises:
    TypeError: the optimizer is not a Keras optimizer.
    ValueError: the loss is not a scalar, clip_norm is not positive, or
      variables is empty.
  """
  if not isinstance(optimizer, keras.optimizers.Optimizer):
    raise TypeError(
      "minimize needs a Keras optimizer (keras.optimizers.Adam(...)), but got "
      f"{optimizer!r}; return one from a function marked @once."
    )
  if clip_norm is not None and not clip_norm > 0:
    raise ValueError(
      f"clip_norm must be positive, or None for no clipping: {clip_norm}."
    )
  if variables is not None:
    variables = tuple(variables)
    if not variables:
      raise ValueError(
        "minimize got an empty list of variables, so nothing would be "
        "trained; pass variables=None for all of the model's."
      )
  loss = _scalar(loss, "the loss given to minimize")
  return Minimize(loss, optimizer, variables, clip_norm, summarize_gradients)


@dataclasses.dataclass(frozen=True)
class MoveAverages:
  """An update of moving averages; made by `move_averages`."""

  pairs: tuple
  decay: float
  warm_up: bool


def move_averages(source, target, decay, warm_up=False):
  """Returns a train_op that moves the averages of weights a step on.

  The runner does it after the updates of the `minimize`s of the same step:

      target = decay * target + (1 - decay) * source

  A second network that is built like the first one, with the same first values
  and `trainable = False`, is the network of the averages: evaluate that one.

  Args:
    source: Keras layer or model, or list of variables: what is trained.
    target: the same with as many variables of the same shapes: the averages.
      Both come from functions marked `@once`.
    decay: float in [0, 1).
    warm_up: bool; True takes min(decay, (1 + n) / (10 + n)) in step n = 0, 1,
      ..., so that the first values do not weigh for long. (It is what
      tf.train.ExponentialMovingAverage does with num_updates=global_step.)

  Raises:
    ValueError: the decay is out of its range, or the variables do not fit.

  Source: Polyak and Juditsky 1992, "Acceleration of stochastic approximation by
  averaging".
  """
  if not 0 <= decay < 1:
    raise ValueError(
      f"decay must be at least 0 and below 1, but is {decay}; 0.999 is usual."
    )
  shapes = [tuple(v.shape) for v in _variables(source)]
  others = [tuple(v.shape) for v in _variables(target)]
  if not shapes or shapes != others:
    raise ValueError(
      "move_averages needs a target with the variables of the source, but the "
      f"shapes are {others} and {shapes}; build both by the same function, and "
      "both on the same input."
    )
  pairs = zip(_variables(source), _variables(target), strict=True)
  return MoveAverages(tuple(pairs), float(decay), warm_up)


def _variables(value):
  """Returns the weights of a layer, or the list that was given."""
  return list(value if isinstance(value, (list, tuple)) else value.weights)


@dataclasses.dataclass(frozen=True)
class EstimatorSpec:
  """What a model function returns: the parts of the model in one mode.

  `dataclasses.replace(spec, loss=...)` makes a changed copy.

  Attributes:
    mode: one of `ModeKeys`.
    predictions: tensor or dictionary of tensors with the batch in the first
      dimension. Needed in PREDICT.
    loss: scalar floating tensor (or of shape [1]), the mean over the examples
      of the batch. Needed in TRAIN and EVAL.
    train_op: what `minimize` returns, a list of these and of what
      `move_averages` returns, or any tensor or operation that does its own
      update. Needed in TRAIN.
    eval_metric_ops: dictionary of name to a Keras metric (from a `once`
      function, already updated with this batch) or to a tensor with one value
      per example, of which the mean over all examples is reported.
    export_outputs: dictionary of signature name to an `export.ExportOutput`.
    training_chief_hooks, training_hooks, evaluation_hooks, prediction_hooks:
      hooks to run besides the caller's.

  Raises:
    ValueError: a field that the mode needs is missing, or of a wrong shape.
    TypeError: a field has a wrong type.
  """

  mode: str
  predictions: dict | tf.Tensor | None = None
  loss: tf.Tensor | None = None
  train_op: object = None
  eval_metric_ops: dict | None = None
  export_outputs: dict | None = None
  training_chief_hooks: tuple | None = None
  training_hooks: tuple | None = None
  evaluation_hooks: tuple | None = None
  prediction_hooks: tuple | None = None

  def __post_init__(self):
    if self.mode not in MODES:
      raise ValueError(
        "mode must be ModeKeys.TRAIN, EVAL or PREDICT, but is "
        f"{self.mode!r}; pass on the mode that the model function got."
      )
    for name in _NEEDED[self.mode]:
      if getattr(self, name) is None:
        raise ValueError(
          f"an EstimatorSpec in mode {self.mode!r} needs {name}, and the "
          f"model function gave none; pass {name}=... for this mode."
        )
    _check_predictions(self.predictions)
    _check_train_op(self.train_op)
    set_field = functools.partial(object.__setattr__, self)
    if self.loss is not None:
      set_field("loss", _scalar(self.loss, "loss"))
    set_field("eval_metric_ops", _checked_metrics(self.eval_metric_ops))
    set_field("export_outputs", export_outputs.checked(self.export_outputs))
    for name in _HOOK_FIELDS:
      set_field(name, hooks.checked(getattr(self, name)))

  @property
  def hooks(self):
    """The hooks that the model function asks for in this mode."""
    return {
      ModeKeys.TRAIN: self.training_chief_hooks + self.training_hooks,
      ModeKeys.EVAL: self.evaluation_hooks,
      ModeKeys.PREDICT: self.prediction_hooks,
    }[self.mode]


def _scalar(loss, what):
  loss = tf.convert_to_tensor(loss)
  if not loss.dtype.is_floating:
    raise TypeError(f"{what} must be floating, but its dtype is {loss.dtype}.")
  if loss.shape.rank is not None and loss.shape.num_elements() != 1:
    raise ValueError(
      f"{what} must be a scalar, but its shape is {loss.shape}; take the mean "
      "over the batch: tf.reduce_mean(loss)."
    )
  return tf.reshape(loss, [])


def _check_predictions(predictions):
  if not isinstance(predictions, dict):
    predictions = {} if predictions is None else {"": predictions}
  for key, value in predictions.items():
    if not tf.is_tensor(value):
      raise TypeError(
        f"predictions must be tensors, but the one named {key!r} is {value!r}."
      )


def _check_train_op(train_op):
  for op in train_op if isinstance(train_op, (list, tuple)) else [train_op]:
    if op is not None and not (
      isinstance(op, (Minimize, MoveAverages, tf.Operation)) or tf.is_tensor(op)
    ):
      raise TypeError(
        "train_op must be minimize(loss, optimizer), a list of these, or a "
        f"tensor or operation that does its own update, but is {op!r}."
      )


def _checked_metrics(metrics):
  if metrics is None:
    return {}
  if not isinstance(metrics, dict):
    raise TypeError(
      "eval_metric_ops must be a dictionary of name to metric, but is "
      f"{metrics!r}."
    )
  for name, value in metrics.items():
    if name in RESERVED_METRICS:
      raise ValueError(
        f"eval_metric_ops may not use the name {name!r}, as the results of "
        f"evaluate() hold {' and '.join(RESERVED_METRICS)} already; rename it."
      )
    if isinstance(value, tuple):
      raise TypeError(
        f"eval_metric_ops[{name!r}] is a tuple; (value, update_op) belonged to "
        "graph sessions. Give a tensor with one value per example, or a Keras "
        "metric from a @once function after update_state(...)."
      )
    if not (isinstance(value, keras.metrics.Metric) or tf.is_tensor(value)):
      raise TypeError(
        f"eval_metric_ops[{name!r}] must be a Keras metric or a tensor with "
        f"one value per example, but is {value!r}."
      )
    if tf.is_tensor(value) and value.shape.rank == 0:
      raise ValueError(
        f"eval_metric_ops[{name!r}] is a scalar, but the mean over all "
        "examples needs a value for each of them; leave out tf.reduce_mean."
      )
  return dict(metrics)

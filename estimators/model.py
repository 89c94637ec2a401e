"""A model function with the objects that it has built."""

import contextlib
import dataclasses
import inspect

import keras
import tensorflow as tf

from estimators import optimizers
from estimators.objects import Objects, raw
from estimators.spec import EstimatorSpec, Minimize, ModeKeys, MoveAverages

_logger = tf.get_logger()

# Ops that draw from a state which no checkpoint holds.
# What draws random numbers from a state of its own.
_STATEFUL_RANDOM_OPS = {
  "AllCandidateSampler",
  "FixedUnigramCandidateSampler",
  "LearnedUnigramCandidateSampler",
  "LogUniformCandidateSampler",
  "Multinomial",
  "ParameterizedTruncatedNormal",
  "RandomCrop",
  "RandomGamma",
  "RandomPoisson",
  "RandomPoissonV2",
  "RandomShuffle",
  "RandomStandardNormal",
  "RandomUniform",
  "RandomUniformInt",
  "SampleDistortedBoundingBox",
  "SampleDistortedBoundingBoxV2",
  "ThreadUnsafeUnigramCandidateSampler",
  "TruncatedNormal",
  "UniformCandidateSampler",
}


@dataclasses.dataclass(frozen=True)
class Plan:
  """What one trace of the model function told about a mode.

  Attributes:
    mode: one of `ModeKeys`.
    spec: the EstimatorSpec of that trace; its tensors are symbolic.
    graph: the traced graph, without the loop around it.
    element_spec: the `tf.TypeSpec`s of the input.
    objects: dictionary of name to the `once` objects that the mode uses.
    variables: dictionary of name to their variables, and `global_step`. Only
      in training are those of Keras metrics among them: an evaluation begins
      with fresh ones.
  """

  mode: str
  spec: EstimatorSpec
  graph: tf.Graph
  element_spec: object
  objects: dict
  variables: dict


class Model:
  """One Estimator's model function, its objects and its traced functions."""

  def __init__(self, model_fn, params, config):
    self._model_fn = model_fn
    self._arguments = model_fn_arguments(model_fn)
    self.params = params
    self.config = config
    self.strategy = config.train_distribute or config.eval_distribute
    with self.scope():
      self.objects = Objects(config.tf_random_seed)
    self._plans = {}
    # The names of the objects that training uses.
    self._trained = frozenset()

  def scope(self):
    """Returns the strategy's scope, or a context that does nothing."""
    return self.strategy.scope() if self.strategy else contextlib.nullcontext()

  def call(self, features, labels, mode):
    """Calls the model function and returns its checked EstimatorSpec."""
    values = {
      "labels": labels,
      "mode": mode,
      "params": self.params,
      "config": self.config,
    }
    if labels is not None and "labels" not in self._arguments:
      raise ValueError(
        "the input gives labels, but the model function does not take any "
        f"(its arguments are {sorted(self._arguments)}); add the argument "
        "labels, or give features alone."
      )
    values = {k: v for k, v in values.items() if k in self._arguments}
    with self.objects.active():
      spec = self._model_fn(features, **values)
    if not isinstance(spec, EstimatorSpec):
      raise ValueError(
        f"the model function should return an EstimatorSpec, but returned "
        f"{spec!r} in mode {mode!r}."
      )
    if spec.mode != mode:
      raise ValueError(
        f"the model function was called in mode {mode!r} but returned a spec "
        f"of mode {spec.mode!r}; pass its argument mode on."
      )
    return spec

  def build(self, mode, element_spec):
    """Makes all variables of a mode; returns the `Plan` of its steps.

    The model function is traced once, under the strategy's scope, with every
    variable lifted out of the trace. The optimizers are built then.
    """
    key = (mode, hashable(element_spec))
    if key not in self._plans:
      self._plans[key] = self._build(mode, element_spec)
    return self._plans[key]

  def _build(self, mode, element_spec):
    _logger.info("Calling model_fn.")
    created, specs = [], []
    self.objects.used = set()

    def creator(next_creator, **kwargs):
      if _would_drift_apart(**kwargs):
        kwargs["aggregation"] = tf.VariableAggregation.MEAN
      # Without this the first values would be tensors of the trace.
      with tf.init_scope():
        created.append(next_creator(**kwargs))
      return created[-1]

    def trace(batch):
      with tf.variable_creator_scope(creator):
        specs.append(self.call(*split_batch(batch, mode), mode))
      self._check_owned(created)

    with self.scope():
      tracer = tf.function(trace, autograph=False)
      graph = tracer.get_concrete_function(element_spec).graph
      used = frozenset(self.objects.used)
      if mode == ModeKeys.TRAIN:
        self._trained = used
      for update in updates(specs[-1]):
        optimizers.check_under(self.strategy, update.optimizer)
        update.optimizer.build(self.variables_of(update))
    self._check_metrics(specs[-1])
    if mode == ModeKeys.TRAIN:
      _warn_of_stateful_randomness(graph)
    _logger.info("Done calling model_fn.")
    variables = self.objects.variables(used)
    if mode != ModeKeys.TRAIN:
      for name in self.objects.names_of_type(keras.metrics.Metric):
        variables.pop(name, None)
    objects = {k: v for k, v in self.objects.values().items() if k in used}
    return Plan(mode, specs[-1], graph, element_spec, objects, variables)

  @contextlib.contextmanager
  def fresh_metrics(self):
    """Resets all Keras metrics, and puts their values back afterwards.

    A metric that training updates as well goes on from where it was.
    """
    metrics = self.objects.of_type(keras.metrics.Metric)
    with self.scope():
      kept = [[v.numpy() for v in metric.variables] for metric in metrics]
      for metric in metrics:
        metric.reset_state()
    try:
      yield
    finally:
      with self.scope():
        for metric, values in zip(metrics, kept, strict=True):
          for variable, value in zip(metric.variables, values, strict=True):
            variable.assign(value)

  def variables_of(self, update):
    """Returns the variables that a `Minimize` changes."""
    if update.variables is not None:
      return list(update.variables)
    variables = self.objects.trainable_variables(self._trained)
    if not variables:
      raise ValueError(
        "minimize has nothing to train: none of the model's @once objects has "
        "trainable variables; is the network built by a @once function?"
      )
    return variables

  def _check_owned(self, created):
    """Refuses variables that no `once` function made: they would be lost."""
    owned = {id(raw(variable)) for variable in self.objects.all_variables()}
    lost = [v.name for v in created if id(v) not in owned]
    if lost:
      raise ValueError(
        f"the model function made variables outside of @once: {lost}. They "
        "would be made anew in each trace and be in no checkpoint; build the "
        "layer, metric or variable in a function marked @once."
      )

  def _check_metrics(self, spec):
    known = self.objects.of_type(keras.metrics.Metric)
    for name, metric in spec.eval_metric_ops.items():
      if isinstance(metric, keras.metrics.Metric) and not any(
        metric is other for other in known
      ):
        raise ValueError(
          f"the metric {name!r} in eval_metric_ops was not built by a @once "
          "function, so it would be built anew in each trace; build it in one."
        )


def split_batch(batch, mode):
  """Returns (features, labels) of an input's element; no labels in PREDICT."""
  features, labels = batch if isinstance(batch, tuple) else (batch, None)
  return features, None if mode == ModeKeys.PREDICT else labels


def updates(spec):
  """Returns the `Minimize`s of a spec's train_op."""
  return [op for op in _as_list(spec.train_op) if isinstance(op, Minimize)]


def averages(spec):
  """Returns the `MoveAverages` of a spec's train_op."""
  return [op for op in _as_list(spec.train_op) if isinstance(op, MoveAverages)]


def model_fn_arguments(model_fn):
  """Returns the names, besides features, that a model function takes.

  Raises:
    ValueError: it is not callable, takes no features, or takes something that
      the Estimator does not know.
  """
  if not callable(model_fn):
    raise ValueError(
      "model_fn must be a function model_fn(features, labels, mode, params, "
      f"config), or one with some of these arguments, but is {model_fn!r}."
    )
  names = list(inspect.signature(model_fn).parameters)
  known = {"labels", "mode", "params", "config"}
  unknown = [name for name in names if name not in known | {"features"}]
  if "features" not in names or unknown:
    raise ValueError(
      f"model_fn must take features, and may take {sorted(known)}, but its "
      f"arguments are {names}; rename or bind the others "
      "(functools.partial binds by keyword)."
    )
  return set(names) & known


def _as_list(value):
  if value is None:
    return []
  return list(value) if isinstance(value, (list, tuple)) else [value]


def hashable(element_spec):
  """Returns a structure of `tf.TypeSpec`s as a key of a dictionary."""
  return (
    tuple(tf.nest.flatten(element_spec)),
    str(tf.nest.map_structure(lambda _: 0, element_spec)),
  )


def _would_drift_apart(trainable=None, dtype=None, aggregation=None, **others):
  """Whether replicas would each update their own copy of a new variable.

  So it is with the running means of Keras's batch norm.
  """
  del others
  none = aggregation == tf.VariableAggregation.NONE
  floating = dtype is not None and tf.as_dtype(dtype).is_floating
  return trainable is False and floating and none


def _warn_of_stateful_randomness(graph):
  """Warns of random ops whose state a checkpoint cannot hold."""
  graph_def = graph.as_graph_def()
  nodes = [*graph_def.node]
  for function in graph_def.library.function:  # of tf.cond and the like
    nodes += function.node_def
  found = sorted(
    f"{node.name} ({node.op})"
    for node in nodes
    if node.op in _STATEFUL_RANDOM_OPS
  )
  if found:
    _logger.warning(
      "The model function draws random numbers from a state that is in no "
      "checkpoint, so a resumed run will differ from an unbroken one: %s. Use "
      "Keras layers or tf.random.stateless_* with get_global_step() instead.",
      ", ".join(found[:5]),
    )

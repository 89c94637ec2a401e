"""Blocks of steps: traced functions that loop over the input in the graph.

A small model spends more time in a Python call per step than in its step, so a
whole block of steps is one call. Traced functions are kept for good: asking a
second time for the same block traces nothing.

B is the size of the global batch. Under a strategy each replica takes its slice
of it, and what the replicas find is summed, weighted by the size of the slice.
"""

import contextlib

import keras
import tensorflow as tf

from estimators import optimizers, replicas, summaries
from estimators.fetches import fetch, fetched_specs
from estimators.model import averages, hashable, split_batch, updates
from estimators.objects import raw
from estimators.spec import ModeKeys

_COUNT = tf.TensorSpec([], tf.int64)


class Blocks:
  """The traced functions of one `Model`.

  Args:
    model: a `Model`.
  """

  def __init__(self, model):
    self._model = model
    self._functions = {}

  def train(
    self,
    plan,
    names=frozenset(),
    writer=None,
    endless=False,
    workers=None,
    parts=None,
  ):
    """Returns the function that takes a block of training steps.

    Args:
      plan: the `Plan` of the input.
      names: frozenset of str, the tensors to fetch by name.
      writer: `tf.summary` writer for the model's summaries, or None.
      endless: bool, whether the input is known to have no end, on all workers.
      workers: `Workers` that train together, or None. The input then ends for
        all of them where it ends for one.
      parts: `replicas.Parts` when each worker reads its part of the batch.

    Returns:
      A function of an iterator and n (int64 scalar). It takes up to n steps,
      fewer where the input ends or the loss is not finite. It returns
      (steps, has_more, state): the steps taken; False when the input has
      ended; and the dictionary of `examples` seen, `loss`, `fetched` and
      `batch`, the last three of the last step. The batch is a
      `tf.experimental.Optional`, empty when no step was taken.
    """

    def make():
      batch_spec = tf.OptionalSpec(plan.element_spec)
      state = {
        "examples": tf.TensorSpec([], tf.int64),
        "loss": tf.TensorSpec([], tf.float32),
        "fetched": fetched_specs(plan, names),
      }

      def step(optional, state_):
        batch = optional.get_value()
        result = _train_step(self._model, batch, names, writer, parts)
        return {
          "batch": optional,
          "examples": state_["examples"] + result["examples"],
          "loss": result["loss"],
          "fetched": self._join(result["fetched"], state["fetched"]),
        }

      def block(iterator, n):
        return _loop(
          iterator,
          n,
          step,
          {
            "batch": tf.experimental.Optional.empty(plan.element_spec),
            **_zeros(state),
          },
          shapes={"batch": batch_spec, **_shapes(state)},
          go_on=lambda state_: tf.math.is_finite(state_["loss"]),
          endless=endless,
          workers=workers,
        )

      return _traced(block, tf.data.IteratorSpec(plan.element_spec), _COUNT)

    if workers:  # All trace anew, or none: see `workers`.
      return make()
    kind = "train endlessly" if endless else "train"
    return self._kept((kind, plan, names, writer), make)

  def step(self, plan, update=None):
    """Returns a function of a batch that takes one training step.

    It is traced anew, and not kept: for looking into a step.

    Args:
      plan: the `Plan` of the input.
      update: what is done with a `Minimize` instead of applying it: function
        of (model, the `Minimize`, its scaled loss, a persistent tape, None)
        that is called on each replica and returns a structure of tensors.

    Returns:
      A function that returns what `update` has returned on the first replica,
      a list with an item for each `Minimize`.
    """

    def step(batch):
      how = update or _apply
      return _train_step(self._model, batch, frozenset(), None, None, how)[
        "updates"
      ]

    return _traced(step, plan.element_spec)

  def evaluate(self, plan, names=frozenset(), writer=None):
    """Returns (function of a block of evaluation steps, its first state).

    Args:
      plan, names: as for `train`.
      writer: `tf.summary` writer; the model's summaries of the first batch are
        recorded. None for no summaries.

    Returns:
      A function of an iterator, n and state, and the state to begin with. The
      function returns (steps, has_more, state). The state holds the number of
      `examples`, the sum of the `loss` over them, for each metric that is a
      tensor its `totals` and `counts`, and the `fetched` tensors.
    """
    metrics = [
      name
      for name, metric in plan.spec.eval_metric_ops.items()
      if not isinstance(metric, keras.metrics.Metric)
    ]
    state = {
      "examples": tf.TensorSpec([], tf.int64),
      "loss": tf.TensorSpec([], tf.float64),
      "totals": {name: tf.TensorSpec([], tf.float64) for name in metrics},
      "counts": {name: tf.TensorSpec([], tf.float64) for name in metrics},
      "fetched": fetched_specs(plan, names),
    }

    def step(optional, state_):
      batch = optional.get_value()
      first = tf.equal(state_["examples"], 0)
      result = _eval_step(self._model, batch, names, writer, first)
      size = replicas.batch_size(batch)
      return {
        "examples": state_["examples"] + size,
        "loss": state_["loss"] + result["loss"] * tf.cast(size, tf.float64),
        "totals": _add(state_["totals"], result["totals"]),
        "counts": _add(state_["counts"], result["counts"]),
        "fetched": self._join(result["fetched"], state["fetched"]),
      }

    def make():
      def block(iterator, n, state_):
        return _loop(iterator, n, step, state_, shapes=_shapes(state))

      return _traced(
        block, tf.data.IteratorSpec(plan.element_spec), _COUNT, state
      )

    return self._kept(("eval", plan, names, writer), make), _zeros(state)

  def predict(self, plan, names=frozenset()):
    """Returns the function of features that predicts one batch.

    It returns the predictions, and the dictionary of the fetched tensors.
    """
    fetched_specs(plan, names)  # refuses unknown names before the first batch
    features_spec, _ = split_batch(plan.element_spec, ModeKeys.PREDICT)

    def predict(features):
      spec = self._model.call(features, None, ModeKeys.PREDICT)
      return spec.predictions, fetch(spec, names)

    return self._kept(
      ("predict", plan, names, None), lambda: _traced(predict, features_spec)
    )

  def _join(self, fetched, specs):
    """Returns the replicas' fetched tensors as one tensor each."""
    return {
      key: replicas.join(
        self._model.strategy,
        value,
        per_example=specs[key].shape.rank and specs[key].shape[0] is None,
      )
      for key, value in fetched.items()
    }

  def _kept(self, key, make):
    kind, plan, names, writer = key
    key = (kind, hashable(plan.element_spec), names, id(writer))
    if key not in self._functions:
      # The writer is kept as well, so that its id stays its own.
      self._functions[key] = (make(), writer)
    return self._functions[key][0]


# One step.


def _train_step(model, batch, names, writer, parts, apply=None):
  """Takes one training step; returns its loss, size and fetched tensors.

  Args:
    apply: what applies a `Minimize`, `_apply` if None; what it returns on the
      first replica is among the results, as `updates`.
  """
  apply = apply or _apply
  step = model.objects.global_step.read_value()
  every = model.config.save_summary_steps
  moves = []

  def train_on_replica(batch, weight):
    with tf.GradientTape(persistent=True) as tape:
      with _metrics_of_own_examples(model, model.strategy, weight):
        spec = model.call(*split_batch(batch, ModeKeys.TRAIN), ModeKeys.TRAIN)
      losses = [
        update.optimizer.scale_loss(
          update.loss * tf.cast(weight, update.loss.dtype)
        )
        for update in updates(spec)
      ]
    # Before the step, since with it the schedule goes on.
    rates = [tf.identity(u.optimizer.learning_rate) for u in updates(spec)]
    applied = [
      apply(model, update, loss, tape, parts)
      for update, loss in zip(updates(spec), losses, strict=True)
    ]
    moves[:] = averages(spec)  # The same on each replica.
    loss = tf.cast(spec.loss, tf.float32) * weight
    return {
      "loss": replicas.of_real_rows(parts, [loss])[0],
      "fetched": fetch(spec, names),
      "rates": rates,
      "size": replicas.global_batch_size(batch),
      "updates": applied,
    }

  record = tf.equal(step % every, 0) if every else False
  with _step_context(writer, step, record):
    result = replicas.on_replicas(
      model.strategy,
      _with_its_summaries(model.strategy, train_on_replica),
      batch,
      parts=parts,
    )
    for move in moves:
      _move(model.strategy, move, step)
    loss = replicas.total(model.strategy, result["loss"])
    if writer and every:
      rates = replicas.join(model.strategy, result["rates"], per_example=False)
      summaries.when_recorded(lambda: _write_summaries(loss, rates))
  model.objects.global_step.assign_add(1)
  if parts:
    size = replicas.join(model.strategy, result["size"], per_example=False)
  else:
    size = replicas.batch_size(batch)
  first = tf.nest.map_structure(
    lambda value: replicas.join(model.strategy, value, per_example=False),
    result["updates"],
  )
  return {
    "loss": loss,
    "examples": size,
    "fetched": result["fetched"],
    "updates": first,
  }


def _with_its_summaries(strategy, step):
  """Returns a replica's step that writes its own summaries, not the batch's."""
  if strategy is None:
    return step

  def on_replica(*args):
    with summaries.in_one_condition():
      return step(*args)

  return on_replica


def _write_summaries(loss, rates):
  """Writes what every training reports."""
  tf.summary.scalar("loss", loss)
  for i, rate in enumerate(rates):
    tf.summary.scalar(f"learning_rate_{i}" if i else "learning_rate", rate)


def _apply(model, update, loss, tape, parts):
  """Applies one `Minimize` on a replica.

  Keras sums the gradients over the replicas when it applies them. To clip the
  global gradient it must be summed before; then each replica gives its share.
  """
  gradients, variables = gradients_of(model, update, loss, tape)
  gradients = replicas.of_real_rows(parts, gradients)
  if update.summarize_gradients:
    _write_gradients(model, update.optimizer, gradients, variables)
  clipped = update.clip_norm is not None
  clips_itself = model.strategy and optimizers.clips(update.optimizer)
  gradients = [
    optimizers.ready(update.optimizer, g, v)
    for g, v in zip(gradients, variables, strict=True)
  ]
  if clipped or clips_itself:
    gradients = replicas.all_sum(model.strategy, gradients)
  if clipped:
    # With loss scaling the gradients are still scaled here.
    scale = update.optimizer.scale_loss(tf.constant(1.0))
    norm = tf.linalg.global_norm(gradients)
    _write_norm(norm / scale)
    gradients = optimizers.clipped(gradients, norm, scale * update.clip_norm)
  if clips_itself:
    gradients = optimizers.clipped_by(update.optimizer, gradients)
  if clipped or clips_itself:
    gradients = replicas.share(model.strategy, gradients)
  update.optimizer.apply(gradients, variables)
  return ()


def gradients_of(model, update, loss, tape):
  """Returns the gradients of a `Minimize` on a replica, and their variables.

  Args:
    model: a `Model`.
    update: the `Minimize`.
    loss: scalar, its loss.
    tape: `tf.GradientTape` that has seen it.
  """
  variables = model.variables_of(update)
  gradients = tape.gradient(loss, [raw(v) for v in variables])
  pairs = [
    (g, v) for g, v in zip(gradients, variables, strict=True) if g is not None
  ]
  if not pairs:
    raise ValueError(
      "the loss given to minimize depends on none of the variables "
      f"{[v.name for v in variables]}, so there is no gradient; compute it "
      "from the output of the @once network."
    )
  gradients, variables = map(list, zip(*pairs, strict=True))
  return gradients, variables


def _write_norm(norm):
  """Writes the global norm of the gradients, as it was before clipping."""
  summaries.when_recorded(lambda: tf.summary.scalar("gradient_norm", norm))


def _write_gradients(model, optimizer, gradients, variables):
  """Writes a histogram of each gradient, named after its variable."""
  names = {id(raw(v)): name for name, v in model.objects.variables().items()}
  scale = optimizer.scale_loss(tf.constant(1.0))

  def write():
    for gradient, variable in zip(gradients, variables, strict=True):
      gradient = tf.cast(tf.convert_to_tensor(gradient), tf.float32)
      name = f"{names[id(raw(variable))]}/gradient"
      tf.summary.histogram(name, gradient / scale)

  summaries.when_recorded(write)


def _move(strategy, move, step):
  """Applies one `MoveAverages`, on each device to its own copies."""
  decay = tf.constant(move.decay)
  if move.warm_up:
    n = tf.cast(step, tf.float32)
    decay = tf.minimum(decay, (1 + n) / (10 + n))

  def update(target, source):
    target.assign_add((source - target) * tf.cast(1 - decay, target.dtype))

  for source, target in move.pairs:
    if strategy is None:
      update(raw(target), raw(source))
    else:
      strategy.extended.update(raw(target), update, args=(raw(source),))


def _eval_step(model, batch, names, writer, first):
  """Evaluates one batch; returns its mean loss and sums of its metrics."""

  strategy = model.config.eval_distribute

  def forward(batch, weight):
    with _metrics_of_own_examples(model, strategy, weight):
      spec = model.call(*split_batch(batch, ModeKeys.EVAL), ModeKeys.EVAL)
    metrics = {
      name: tf.cast(value, tf.float64)
      for name, value in spec.eval_metric_ops.items()
      if not isinstance(value, keras.metrics.Metric)
    }
    # An example that was lent does not count.
    counts = tf.cast(weight > 0, tf.float64)
    return {
      "loss": tf.math.multiply_no_nan(tf.cast(spec.loss, tf.float32), weight),
      "totals": {
        k: tf.math.multiply_no_nan(tf.reduce_sum(v), counts)
        for k, v in metrics.items()
      },
      "counts": {
        k: counts * tf.cast(tf.size(v), tf.float64) for k, v in metrics.items()
      },
      "fetched": fetch(spec, names),
    }

  step = model.objects.global_step.read_value()
  with _step_context(writer, step, first):
    result = replicas.on_replicas(
      strategy, _with_its_summaries(strategy, forward), batch
    )
  for key in ("loss", "totals", "counts"):
    result[key] = tf.nest.map_structure(
      lambda value: replicas.total(strategy, value), result[key]
    )
  result["loss"] = tf.cast(result["loss"], tf.float64)
  return result


@contextlib.contextmanager
def _metrics_of_own_examples(model, strategy, weight):
  """Within this context a replica of weight 0 leaves Keras metrics as they are.

  It was lent an example, which another one counts.
  """
  if strategy is None or strategy.num_replicas_in_sync == 1:
    yield
    return
  variables = [
    raw(variable)
    for metric in model.objects.of_type(keras.metrics.Metric)
    for variable in metric.variables
  ]
  before = [tf.identity(variable) for variable in variables]
  yield
  for variable, value in zip(variables, before, strict=True):
    variable.assign(tf.where(weight > 0, variable, value))


def _add(totals, values):
  return {key: total + values[key] for key, total in totals.items()}


@contextlib.contextmanager
def _step_context(writer, step, condition):
  """Records the summaries of what is traced in it, where condition is true.

  Names, of tensors and of summaries, do not begin with those of the loop.
  """
  with contextlib.ExitStack() as stack:
    stack.enter_context(tf.name_scope(""))
    if writer:
      stack.enter_context(writer.as_default(step=step))
    stack.enter_context(tf.summary.record_if(condition if writer else False))
    stack.enter_context(summaries.in_one_condition())
    yield


# The loop.


def _loop(
  iterator,
  n,
  step,
  state,
  shapes,
  go_on=lambda state: True,
  endless=False,
  workers=None,
):
  """Calls step(optional batch, state) up to n times, while there is input.

  Returns (steps taken, whether there is more input, state).

  `get_next_as_optional` is used since `next` raises at the end of the input,
  after other effects of the step may have run. Input that has no end needs no
  condition around the step, a tenth of a small one.
  """

  def body(done, has_more, state):
    optional = iterator.get_next_as_optional()
    if endless:
      return done + 1, has_more, step(optional, state)
    has_value = optional.has_value()
    return tf.cond(
      workers.all_have(has_value) if workers else has_value,
      lambda: (done + 1, True, step(optional, state)),
      lambda: (done, False, state),
    )

  return tf.while_loop(
    lambda done, has_more, state: (done < n) & has_more & go_on(state),
    body,
    (tf.constant(0, tf.int64), tf.constant(True), state),
    shape_invariants=(tf.TensorShape([]), tf.TensorShape([]), shapes),
  )


def _traced(function, *specs):
  """Traces a function at once, and never again.

  AutoGraph is off: it took three quarters of the time of tracing, and model
  functions of tf.estimator went without it too.
  """
  return tf.function(function, autograph=False).get_concrete_function(*specs)


def _zeros(specs):
  def zeros(spec):
    shape = spec.shape.as_list() if spec.shape.rank else []
    return tf.zeros([size or 0 for size in shape], spec.dtype)

  return tf.nest.map_structure(zeros, specs)


def _shapes(specs):
  return tf.nest.map_structure(lambda spec: spec.shape, specs)

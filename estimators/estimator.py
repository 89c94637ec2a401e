"""The Estimator: one model function, trained, evaluated and put to use."""

import copy
import json
import numbers
import os
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

from estimators import (
  checkpoints,
  export,
  fetches,
  inputs,
  log,
  receivers,
  summaries,
)
from estimators import hooks as hooks_lib
from estimators import warm_start as warm_start_lib
from estimators.blocks import Blocks
from estimators.model import Model, model_fn_arguments, split_batch
from estimators.progress import ProgressHook, progress_is_shown
from estimators.run_config import RunConfig
from estimators.runner import (
  BlockTimer,
  Interruption,
  Run,
  TrainingRun,
  call_hooks,
  loop,
)
from estimators.spec import ModeKeys

_logger = tf.get_logger()


class Estimator:
  """Trains, evaluates, predicts with and exports a model function.

  What it learns is in the checkpoints of `model_dir`; an Estimator made with
  the same folder later goes on from there. Traced functions are kept, so that
  calling a method again is quick.

  Args:
    model_fn: function of features and any of labels, mode, params and config,
      which returns an `EstimatorSpec`. What has variables in it must come from
      functions marked `@once`.
    model_dir: str, folder of checkpoints and events. None: that of the config,
      or a temporary folder.
    config: `RunConfig`.
    params: dictionary of hyperparameters, passed to the functions.
    warm_start_from: str (a checkpoint, model_dir or SavedModel) or
      `WarmStartSettings`: where the first values come from when model_dir
      holds no checkpoint.

  Raises:
    ValueError: an argument does not fit the others.
    TypeError: an argument is of a wrong type.
  """

  def __init__(
    self,
    model_fn,
    model_dir=None,
    config=None,
    params=None,
    warm_start_from=None,
  ):
    log.show()
    arguments = model_fn_arguments(model_fn)
    if config is not None and not isinstance(config, RunConfig):
      raise ValueError(
        f"config must be an estimators.RunConfig, but is {config!r}."
      )
    if params is not None and "params" not in arguments:
      raise ValueError(
        f"params were given ({params!r}), but the model function does not "
        "take any; add the argument params to it."
      )
    self._model_fn = model_fn
    self._params = copy.deepcopy(params) if params is not None else {}
    self._config = _with_model_dir(config or RunConfig(), model_dir)
    self._warm_start = warm_start_lib.settings_from(warm_start_from)
    self._reset()
    self._training = None
    _logger.info("Using config: %s", self._config.as_dict())

  def _reset(self):
    """Forgets the variables and traced functions, to begin anew."""
    self._model = Model(self._model_fn, self._params, self._config)
    self._blocks = Blocks(self._model)
    self._timers = {}
    # The checkpoint whose values the variables hold, and which of them.
    self._loaded = (None, frozenset())
    self._dirty = False

  @property
  def model_dir(self):
    """The folder of checkpoints and events."""
    return self._config.model_dir

  @property
  def config(self):
    """The RunConfig."""
    return self._config

  @property
  def params(self):
    """A copy of the hyperparameters."""
    return copy.deepcopy(self._params)

  @property
  def warm_start_from(self):
    """The WarmStartSettings, or None."""
    return self._warm_start

  @property
  def model_fn(self):
    """The model function, with params bound: f(features, labels, mode, config).

    The metrics that `add_metrics` added are among its metrics.
    """
    arguments = model_fn_arguments(self._model_fn)

    def model_fn(features, labels, mode, config):
      values = {
        "labels": labels,
        "mode": mode,
        "params": self.params,
        "config": config,
      }
      return self._model_fn(
        features, **{k: v for k, v in values.items() if k in arguments}
      )

    return model_fn

  def eval_dir(self, name=None):
    """Returns the folder of an evaluation's events: `eval` or `eval_<name>`."""
    return os.path.join(self.model_dir, f"eval_{name}" if name else "eval")

  def latest_checkpoint(self):
    """Returns the path of the newest checkpoint in model_dir, or None."""
    return checkpoints.newest(self.model_dir)

  def get_variable_names(self):
    """Returns the names of the variables in the newest checkpoint, sorted.

    Raises:
      ValueError: there is no checkpoint.
    """
    return sorted(checkpoints.names(self._trained_checkpoint()))

  def get_variable_value(self, name):
    """Returns a variable's value in the newest checkpoint, a NumPy array.

    Raises:
      ValueError: there is no checkpoint, or no variable of that name in it.
    """
    path = self._trained_checkpoint()
    if name not in checkpoints.names(path):
      raise ValueError(
        f"{path} holds no variable {name!r}; it holds "
        f"{self.get_variable_names()}."
      )
    return checkpoints.value(path, name)

  def _trained_checkpoint(self):
    path = self.latest_checkpoint()
    if path is None:
      raise ValueError(
        f"there is no checkpoint in model_dir {self.model_dir}; train first, "
        "or name the folder of a trained model."
      )
    return path

  # Training.

  def train(
    self,
    input_fn,
    hooks=None,
    steps=None,
    max_steps=None,
    saving_listeners=None,
  ):
    """Trains until the input ends, or for a number of steps.

    Goes on from the newest checkpoint in model_dir, and from where in the input
    it was made, unless that input had ended.

    Args:
      input_fn: function that returns a `tf.data.Dataset` of features or of
        (features, labels); it may take mode, params, config.
      hooks: list of `Hook`.
      steps: int, how many steps to take in this call.
      max_steps: int, the global step to train to.
      saving_listeners: list of `CheckpointSaverListener`.

    Returns:
      The Estimator.

    Raises:
      NanLossDuringTrainingError: the loss was NaN or infinite.
      ValueError: both steps and max_steps, or one that is not a positive
        integer; listeners without checkpoints; no input.
      TypeError: a hook or listener is of a wrong type.
    """
    hooks = hooks_lib.checked(hooks)
    listeners = hooks_lib.checked(
      saving_listeners, hooks_lib.CheckpointSaverListener
    )
    _check_steps("steps", steps)
    _check_steps("max_steps", max_steps)
    if steps is not None and max_steps is not None:
      raise ValueError(
        f"Can not provide both steps ({steps}) and max_steps ({max_steps}): "
        "steps counts from here, max_steps from the beginning."
      )
    path = self.latest_checkpoint()
    if max_steps is not None and path:
      if checkpoints.step_of(path) >= max_steps:
        _logger.info("Skipping training since max_steps has already saved.")
        return self
    self._refuse_to_train()
    dataset = self._dataset(input_fn, ModeKeys.TRAIN)
    plan = self._prepare(ModeKeys.TRAIN, dataset.element_spec, path)
    position = checkpoints.InputPosition(dataset)
    if path:
      position.restore(path)
    run = self._training_run(plan, position, path, listeners)
    limit = steps if max_steps is None else max_steps - run.global_step
    hooks = self._training_hooks(run, plan, hooks, limit)
    self._training = run
    try:
      self._train(run, plan, position, hooks, limit)
    finally:
      self._training = None
    return self

  def _training_run(self, plan, position, path, listeners):
    """Returns the `Run` of a call of train."""
    writer = summaries.writer_for(self.model_dir)
    os.makedirs(self.model_dir, exist_ok=True)
    step = int(self._model.objects.global_step.numpy())

    def saved(path):
      self._loaded = (_stamp(path), frozenset(plan.variables))

    run = TrainingRun(
      self,
      ModeKeys.TRAIN,
      step,
      self.model_dir,
      writer,
      saver=checkpoints.Saver(
        self.model_dir, self._config, plan.variables, position
      ),
      position=position,
      saved=saved,
      saving_listeners=listeners,
    )
    if path:
      run.last_saved = (step, False)
    else:
      summaries.write_graph(writer, plan.graph)
      summaries.write_hparams(writer, self._params)
    self._write_config()
    return run

  def _write_config(self):
    """Writes config.json: what this model_dir was trained with."""
    path = os.path.join(self.model_dir, "config.json")
    values = {"params": self._params, "run_config": self._config.as_dict()}
    with open(path + ".tmp", "w") as file:
      json.dump(values, file, indent=2, sort_keys=True, default=repr)
    os.replace(path + ".tmp", path)

  def _training_hooks(self, run, plan, hooks, limit):
    """Returns all hooks of a call of train, in the order they are called."""
    config, spec = self._config, plan.spec
    every = config.log_step_count_steps
    given = hooks + spec.hooks
    first, last = [], []
    if any(isinstance(h, hooks_lib.CheckpointSaverHook) for h in given):
      pass  # It takes the place of the one that the config asks for.
    elif config.save_checkpoints_steps or config.save_checkpoints_secs:
      first.append(
        hooks_lib.CheckpointSaverHook(
          config.save_checkpoints_secs or None,
          config.save_checkpoints_steps or None,
        )
      )
    elif run.saving_listeners:
      raise ValueError(
        "saving_listeners were given, but no checkpoints are saved; set "
        "RunConfig(save_checkpoints_steps=...) or save_checkpoints_secs."
      )
    else:
      _logger.warning(
        "No checkpoints are saved, as both save_checkpoints_steps and "
        "save_checkpoints_secs are off: what is learned will be lost."
      )
    first += spec.training_chief_hooks
    if every:
      first.append(hooks_lib.StepCounterHook(every))
    if not any(isinstance(h, hooks_lib.NanTensorHook) for h in given):
      last.append(hooks_lib.NanTensorHook())
    if progress_is_shown():
      total = None if limit is None else run.global_step + limit
      last.append(ProgressHook(total))
    elif every:
      last.append(hooks_lib.LossLoggingHook(every))
    return [*first, *hooks, *last, *spec.training_hooks]

  def _train(self, run, plan, position, hooks, limit):
    timer = self._timers.setdefault("train", BlockTimer())
    writer = run.writer if self._config.save_summary_steps else None
    block = self._blocks.train(plan, fetches.names_of(hooks), writer)

    def take_steps(n):
      with self._model.scope():
        steps, has_more, state = timer.timed(block, position.iterator, n)
      if steps:
        self._loaded, self._dirty = (None, frozenset()), True
        position.advance(steps)
        run.steps += steps
        run.global_step += steps
        run.examples += int(state["examples"])
        run.loss = float(state["loss"])
      return steps, has_more, state["fetched"]

    interruption = Interruption(run)
    try:
      with interruption.watched():
        for hook in hooks:
          hook.begin(run)
        has_more = loop(run, hooks, plan.spec.hooks, take_steps, timer, limit)
        if interruption.signal:
          run.save_checkpoint()
          interruption.leave()
    finally:
      for hook in hooks:
        if isinstance(hook, ProgressHook):
          hook.close()
    self._check_trained(run, position, has_more)
    position.finish(has_more)
    for hook in hooks:
      hook.end(run)
    run.writer.flush()
    if run.steps:
      _logger.info("Loss for final step: %s.", np.float32(run.loss))

  def _check_trained(self, run, position, has_more):
    """Refuses an empty training set; warns when the input had ended before."""
    if run.steps or has_more:
      return
    if position.restored:
      _logger.warning(
        "No step was taken: the input had ended where the checkpoint was made. "
        "The next call of train reads it from its beginning."
      )
      return
    raise ValueError(
      "the training input is empty: it gave no batch; check the files and "
      "filters of input_fn, and drop_remainder with a large batch_size."
    )

  # Evaluation.

  def evaluate(
    self,
    input_fn,
    steps=None,
    hooks=None,
    checkpoint_path=None,
    name=None,
    *,
    untrained=False,
  ):
    """Evaluates a checkpoint on the whole input, or on some batches of it.

    Args:
      input_fn: as for `train`; the input must end, or steps be given.
      steps: int, the most batches to evaluate; None for all.
      hooks: list of `Hook`.
      checkpoint_path: str, the checkpoint; None for the newest.
      name: str, for a folder of events of its own: `eval_<name>`.
      untrained: bool, whether to evaluate the initial values when there is no
        checkpoint and no warm start.

    Returns:
      Dictionary of metric name to float (or array), with `loss`, the mean over
      all examples, and the int `global_step`.

    Raises:
      ValueError: there is no checkpoint, or no input; steps is not a positive
        integer.
      TypeError: a hook is of a wrong type.
    """
    hooks = hooks_lib.checked(hooks)
    _check_steps("steps", steps)
    path = self._checkpoint_to_use(checkpoint_path, untrained)
    dataset = self._evaluation_dataset(input_fn, steps)
    plan = self._prepare(ModeKeys.EVAL, dataset.element_spec, path)
    return self._evaluate(plan, dataset, steps, hooks, path, name)

  def evaluate_in_memory(self, input_fn, steps=None, hooks=None, name=None):
    """Evaluates the values in memory, while training is under way.

    The arguments and the result are those of `evaluate`.
    """
    hooks = hooks_lib.checked(hooks)
    _check_steps("steps", steps)
    dataset = self._evaluation_dataset(input_fn, steps)
    plan = self._model.build(ModeKeys.EVAL, dataset.element_spec)
    return self._evaluate(plan, dataset, steps, hooks, None, name)

  def _evaluation_dataset(self, input_fn, steps):
    dataset = self._dataset(input_fn, ModeKeys.EVAL)
    if (
      steps is None
      and int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY
    ):
      raise ValueError(
        "the evaluation input never ends; give steps=..., or num_epochs=1 in "
        "input_fn."
      )
    return dataset

  def _evaluate(self, plan, dataset, steps, hooks, path, name):
    """Evaluates what the variables hold now; `path` is what they are of."""
    directory = self.eval_dir(name)
    writer = summaries.writer_for(directory)
    step = int(self._model.objects.global_step.numpy())
    run = Run(self, ModeKeys.EVAL, step, directory, writer)
    hooks = [*hooks, *plan.spec.hooks]
    if steps is not None:
      hooks.append(_EvaluationProgressHook(steps))
    timer = self._timers.setdefault(("eval", name), BlockTimer())
    block, state = self._blocks.evaluate(plan, fetches.names_of(hooks), writer)
    iterator = iter(dataset)

    def take_steps(n):
      nonlocal state
      with self._model.scope():
        taken, has_more, state = timer.timed(block, iterator, n, state)
      run.steps += taken
      run.examples = int(state["examples"])
      if run.examples:
        run.loss = float(state["loss"]) / run.examples
      return taken, has_more, state["fetched"]

    now = time.strftime("%Y-%m-%dT%H:%M:%S")
    _logger.info("Starting evaluation at %s", now)
    start = time.monotonic()
    with self._model.fresh_metrics():
      for hook in hooks:
        hook.begin(run)
      loop(run, hooks, plan.spec.hooks, take_steps, timer, steps)
      for hook in hooks:
        hook.end(run)
      if not run.examples:
        raise ValueError(
          "the evaluation input is empty: it gave no batch, so there is "
          "nothing to measure; check the files and filters of input_fn."
        )
      results = _results(plan.spec, state, run)
    _logger.info("Inference Time : %.5fs", time.monotonic() - start)
    now = time.strftime("%Y-%m-%dT%H:%M:%S")
    _logger.info("Finished evaluation at %s", now)
    line = ", ".join(
      f"{k} = {np.float32(v) if isinstance(v, float) else v!s}"
      for k, v in sorted(results.items())
    )
    _logger.info("Saving dict for global step %d: %s", step, line)
    summaries.write_evaluation(writer, results, step, path)
    if path:
      _logger.info(
        "Saving 'checkpoint_path' summary for global step %d: %s", step, path
      )
    return results

  # Prediction.

  def predict(
    self,
    input_fn,
    predict_keys=None,
    hooks=None,
    checkpoint_path=None,
    yield_single_examples=True,
    *,
    untrained=False,
  ):
    """Yields the predictions for an input.

    Several such generators may be read in turn, also while others wait.

    Args:
      input_fn: as for `train`; labels are ignored.
      predict_keys: list of str, the predictions to yield; None for all.
      hooks: list of `Hook`.
      checkpoint_path: str, the checkpoint; None for the newest.
      yield_single_examples: bool; False yields whole batches.
      untrained: bool, whether to predict from the initial values when there is
        no checkpoint and no warm start.

    Yields:
      For each example a dictionary of name to NumPy value, or the value alone
      when the model function's predictions are one tensor.

    Raises:
      ValueError: there is no checkpoint; a key is unknown; predictions have
        leading dimensions that differ.
      TypeError: a hook is of a wrong type.
    """
    hooks = hooks_lib.checked(hooks)
    path = self._checkpoint_to_use(checkpoint_path, untrained)
    return self._predict(
      input_fn, predict_keys, hooks, path, yield_single_examples
    )

  def _predict(self, input_fn, predict_keys, hooks, path, single):
    dataset = self._dataset(input_fn, ModeKeys.PREDICT)
    plan = self._prepare(ModeKeys.PREDICT, dataset.element_spec, path)
    _check_predict_keys(predict_keys, plan.spec.predictions)
    step = int(self._model.objects.global_step.numpy())
    run = Run(self, ModeKeys.PREDICT, step, self.model_dir, None)
    hooks = [*hooks, *plan.spec.hooks]
    function = self._blocks.predict(plan, fetches.names_of(hooks))
    for hook in hooks:
      hook.begin(run)
    for batch in dataset:
      # Between two batches the caller may have trained, or read another
      # generator: the values must again be those of this checkpoint.
      self._load(path, plan)
      features, _ = split_batch(batch, ModeKeys.PREDICT)
      with self._model.scope():
        predictions, fetched = function(features)
      if predict_keys is not None:
        predictions = {key: predictions[key] for key in predict_keys}
      predictions = tf.nest.map_structure(lambda t: t.numpy(), predictions)
      run.steps += 1
      call_hooks(run, hooks, plan.spec.hooks, fetched)
      yield from _examples(predictions) if single else [predictions]
      if run.stop_requested:
        break
    for hook in hooks:
      hook.end(run)

  # Export.

  def export_saved_model(
    self,
    export_dir_base,
    serving_input_receiver_fn,
    assets_extra=None,
    checkpoint_path=None,
  ):
    """Writes a SavedModel into a new folder named by the time.

    Args:
      export_dir_base: str, the folder above.
      serving_input_receiver_fn: function without arguments that returns an
        `export.ServingInputReceiver`; see `export`.
      assets_extra: dictionary of path below `assets.extra/` to source file.
      checkpoint_path: str, the checkpoint; None for the newest.

    Returns:
      str, the path of the folder `<export_dir_base>/<unix seconds>`.

    Raises:
      ValueError: there is no checkpoint, or no signature fits the receiver.
    """
    path = self._checkpoint_to_use(checkpoint_path, untrained=False)
    receiver = receivers.trace(serving_input_receiver_fn)
    plan = self._prepare(ModeKeys.PREDICT, receiver.features_spec, path)
    _logger.info("Exporting %s.", path or "the values of the warm start")
    return export.write(
      self._model, plan, receiver, export_dir_base, assets_extra
    )

  # What several of them need.

  def _dataset(self, input_fn, mode):
    return inputs.dataset_from(input_fn, mode, self.params, self._config)

  def _checkpoint_to_use(self, path, untrained):
    """Returns the checkpoint to evaluate, None for the initial values."""
    if path is not None:
      if not os.path.exists(f"{path}.index"):
        raise ValueError(
          f"there is no checkpoint {path!r}; the newest in model_dir is "
          f"{self.latest_checkpoint()!r}."
        )
      return path
    path = self.latest_checkpoint()
    if path is None and not (untrained or self._warm_start):
      raise ValueError(
        f"there is no checkpoint in model_dir {self.model_dir}, so the model "
        "is untrained; train it first, or pass untrained=True to use its "
        "initial values."
      )
    return path

  def _prepare(self, mode, element_spec, path):
    """Builds a mode and loads a checkpoint; returns the `Plan`."""
    if path is None and self._dirty:
      if self._training:
        raise self._busy(None)
      self._reset()
    plan = self._model.build(mode, element_spec)
    self._load(path, plan)
    return plan

  def _load(self, path, plan):
    """Gives the variables of a plan their values in a checkpoint."""
    variables, objects = plan.variables, self._model.objects
    names = frozenset(variables)
    if path is None:
      fresh = names - self._loaded[1]
      if self._warm_start and fresh:
        excluded = objects.names_of_type(
          (keras.optimizers.Optimizer, keras.metrics.Metric)
        )
        warm_start_lib.apply(
          self._warm_start, objects.variables(), excluded, fresh
        )
        self._loaded = (None, self._loaded[1] | names)
      return
    stamp, loaded = self._loaded
    if stamp == _stamp(path):
      names -= loaded
      if not names:
        return
    else:
      loaded = frozenset()
    if self._training:
      raise self._busy(path)
    _logger.info("Restoring parameters from %s", path)
    checkpoints.restore(
      path,
      {name: variables[name] for name in names},
      optional=objects.names_of_type(keras.metrics.Metric),
    )
    self._loaded, self._dirty = (_stamp(path), loaded | names), True

  def _busy(self, path):
    return RuntimeError(
      f"values of {path} were asked for while this Estimator is training with "
      "others; use evaluate_in_memory, or a second Estimator on the same "
      "model_dir."
    )

  def _refuse_to_train(self):
    if self._training:
      raise RuntimeError(
        "train was called while this Estimator is training; use a second "
        "Estimator."
      )
    if self._model.strategy is not self._config.train_distribute:
      raise ValueError(
        "the RunConfig has eval_distribute but no train_distribute, so this "
        "Estimator can only evaluate; give train_distribute as well."
      )


class _EvaluationProgressHook(hooks_lib.Hook):
  """Logs `Evaluation [k/N]`: each batch of a few, else about ten times."""

  def __init__(self, steps):
    self._steps = steps
    self._every = 1 if steps < 20 else steps // 10

  def next_step(self, step):
    return step + self._every - step % self._every

  def after_run(self, run):
    if run.step % self._every == 0 or run.step == self._steps:
      _logger.info("Evaluation [%d/%d]", run.step, self._steps)


def _with_model_dir(config, model_dir):
  if model_dir is not None and not str(model_dir):
    raise ValueError("model_dir is empty; name a folder, or pass None.")
  model_dir = None if model_dir is None else os.fspath(model_dir)
  if config.model_dir and model_dir and config.model_dir != model_dir:
    raise ValueError(
      f"model_dir is {model_dir!r} but config.model_dir is "
      f"{config.model_dir!r}; give one of the two, or the same."
    )
  model_dir = model_dir or config.model_dir
  if model_dir is None:
    model_dir = tempfile.mkdtemp()
    _logger.warning("Using temporary folder as model directory: %s", model_dir)
  return config.replace(model_dir=model_dir)


def _check_steps(name, steps):
  if steps is None:
    return
  is_number = isinstance(steps, numbers.Real) and not isinstance(steps, bool)
  if not is_number or steps % 1 or steps <= 0:
    raise ValueError(
      f"Must specify {name} > 0, a whole number, given: {steps!r}."
    )


def _check_predict_keys(keys, predictions):
  if keys is None:
    return
  if not isinstance(predictions, dict):
    raise ValueError(
      f"predict_keys is {keys}, but the model function's predictions are one "
      "tensor without keys; pass predict_keys=None."
    )
  unknown = sorted(set(keys) - set(predictions))
  if unknown or not keys:
    raise ValueError(
      f"predict_keys has {unknown or 'nothing'}, but the predictions are "
      f"{sorted(predictions)}."
    )


def _examples(predictions):
  """Yields the predictions of each example of a batch."""
  if not isinstance(predictions, dict):
    yield from predictions
    return
  sizes = {
    key: value.shape[0] if value.ndim else None
    for key, value in predictions.items()
  }
  if len(set(sizes.values())) > 1 or None in sizes.values():
    raise ValueError(
      "all predictions must have the batch as their leading dimension, but "
      f"these are {sizes}; pass yield_single_examples=False for batches."
    )
  for row in zip(*predictions.values(), strict=True):
    yield dict(zip(predictions, row, strict=True))


def _results(spec, state, run):
  """Returns the results of an evaluation as Python numbers and arrays."""
  results = {"loss": float(state["loss"]) / run.examples}
  for name, metric in spec.eval_metric_ops.items():
    if isinstance(metric, keras.metrics.Metric):
      value = np.asarray(metric.result())
      results[name] = value if value.ndim else float(value)
    else:
      count = float(state["counts"][name])
      results[name] = float(state["totals"][name]) / max(count, 1.0)
  results["global_step"] = run.global_step
  return results


def _stamp(path):
  """Returns what tells a checkpoint from another, or a later one like it."""
  try:
    return path, os.stat(path + ".index").st_mtime_ns
  except FileNotFoundError:
    raise ValueError(
      f"the checkpoint {path} is there no more; keep more of them "
      "(RunConfig(keep_checkpoint_max=...)) while predictions are read."
    ) from None

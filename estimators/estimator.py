"""The Estimator: one model function, trained, evaluated and put to use."""

import contextlib
import copy
import numbers
import os
import tempfile

import tensorflow as tf

from estimators import (
  checkpoints,
  config_file,
  distribute,
  evaluation,
  export,
  fetches,
  inputs,
  log,
  prediction,
  receivers,
  replay,
  training,
  training_lock,
  warm_start,
  workers,
)
from estimators import hooks as hooks_lib
from estimators.loaded_model import LoadedModel
from estimators.model import model_fn_arguments
from estimators.run_config import RunConfig
from estimators.spec import ModeKeys

_logger = tf.get_logger()


class Estimator:
  """Trains, evaluates, predicts with and exports a model function.

  What it learns is in the checkpoints of `model_dir`; an Estimator made with
  the same folder later goes on from there. Traced functions are kept, so that
  calling a method again is quick.

  Of several workers all must call `train`, which waits for the others; nothing
  else does. Where it raises an error in one of them, it does so in all, and
  none of these processes can train together again.

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
    if self._config.deterministic:
      tf.config.experimental.enable_op_determinism()
    self._warm_start = warm_start.settings_from(warm_start_from)
    self._workers = workers.of(
      self._config.train_distribute or self._config.eval_distribute
    )
    if self._workers:
      # Each evaluates on its own, if at all. What they train they make
      # together, when they train: all else is to wait for nobody.
      alone = self._config.replace(train_distribute=None, eval_distribute=None)
      self._scored = self._new_model(alone)
      self._trained = None
    else:
      self._scored = self._trained = self._new_model(self._config)
    _logger.info("Using config: %s", self._config.as_dict())

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
  def writes(self):
    """Whether this process writes events; of several workers the chief does."""
    return self._workers is None or self._workers.is_chief

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
        "params": self._params,
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
        (features, labels); it may take mode, params, config. Batches are global
        ones, of which each replica takes its slice. With the argument
        input_context, a `tf.distribute.InputContext`, each of several workers
        gives its part instead, 1 / num_input_pipelines of the rows; training
        ends for all of them when the first has no more.
      hooks: list of `Hook`.
      steps: int, how many steps to take in this call.
      max_steps: int, the global step to train to.
      saving_listeners: list of `CheckpointSaverListener`.

    Returns:
      The Estimator.

    Raises:
      NanLossDuringTrainingError: the loss was NaN or infinite.
      ModelDirInUseError: another process, or Estimator, trains in model_dir.
      OSError: model_dir cannot be written.
      WorkerLostError: another worker that trains together with this one has
        gone, or has raised an error; all of them are to be started again.
      ValueError: both steps and max_steps, or one that is not a positive
        integer; listeners without checkpoints; no input; model_dir was trained
        with other params, or another seed, than are given now.
      TypeError: a hook or listener is of a wrong type.
    """
    hooks = _checked_hooks(hooks)
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
    group = self._workers
    with group.watched(self.model_dir) if group else contextlib.nullcontext():
      self._train(input_fn, hooks, listeners, steps, max_steps)
    return self

  def _train(self, input_fn, hooks, listeners, steps, max_steps):
    """Trains, with arguments that were checked."""
    if replay.asked():
      replay.asked().check(self.model_dir)
    if self._is_reached(self._checkpoint_to_go_on_from(), max_steps):
      return
    self._refuse_to_train()
    with contextlib.ExitStack() as stack:
      if self.writes:
        stack.enter_context(training_lock.held(self.model_dir))
      # Until it was locked another process may have trained here.
      path = self._checkpoint_to_go_on_from()
      if not self._is_reached(path, max_steps):
        self._train_from(path, input_fn, hooks, listeners, steps, max_steps)

  def _checkpoint_to_go_on_from(self):
    """Returns the newest checkpoint, in a cluster the chief's, or None.

    Raises:
      ValueError: it was trained with other settings.
    """
    if self._workers:
      path = self._workers.checkpoint(self.model_dir)
    else:
      path = self.latest_checkpoint()
    if path:
      config_file.check(self)
    return path

  def _is_reached(self, path, max_steps):
    """Whether a checkpoint, or None, is of max_steps or more."""
    if max_steps is None or path is None:
      return False
    if checkpoints.step_of(path) < max_steps:
      return False
    _logger.info("Skipping training since max_steps has already saved.")
    return True

  def _train_from(self, path, input_fn, hooks, listeners, steps, max_steps):
    """Trains on from a checkpoint, None for the very start."""
    group = self._workers
    context = group.input_context() if group else None
    dataset = self._dataset(input_fn, ModeKeys.TRAIN, context)
    is_part = inputs.takes_context(input_fn)
    if group and not is_part and self._config.tf_random_seed is None:
      _logger.warning(
        "Every worker reads the global batches here, and takes its slice. If "
        "input_fn shuffles, these are slices of different batches: give "
        "RunConfig a tf_random_seed, or input_fn an input_context."
      )
    if self._trained is None:
      self._trained = self._new_model(self._config, group)
    plan = self._trained.prepare(ModeKeys.TRAIN, dataset.element_spec, path)
    training.train(
      self,
      self._trained,
      plan,
      dataset,
      path,
      hooks,
      listeners,
      steps,
      max_steps,
      is_part=is_part,
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
    hooks = _checked_hooks(hooks)
    _check_steps("steps", steps)
    path = self._checkpoint_to_use(checkpoint_path, untrained)
    dataset = self._evaluation_dataset(input_fn, steps)
    plan = self._scored.prepare(ModeKeys.EVAL, dataset.element_spec, path)
    return evaluation.evaluate(
      self, self._scored, plan, dataset, steps, hooks, path, name
    )

  def evaluate_in_memory(self, input_fn, steps=None, hooks=None, name=None):
    """Evaluates the values in memory, while training is under way.

    The arguments and the result are those of `evaluate`.

    Raises:
      RuntimeError: no training is under way, or it is that of several workers.
    """
    if self._workers:
      raise RuntimeError(
        "evaluate_in_memory needs training in one process, but several workers "
        "train together here; use evaluate, which loads a checkpoint, or an "
        "evaluator's process."
      )
    if not self._trained.training:
      raise RuntimeError(
        "evaluate_in_memory is for hooks while training is under way; use "
        "evaluate, which loads a checkpoint."
      )
    hooks = _checked_hooks(hooks)
    _check_steps("steps", steps)
    dataset = self._evaluation_dataset(input_fn, steps)
    plan = self._trained.model.build(ModeKeys.EVAL, dataset.element_spec)
    return evaluation.evaluate(
      self, self._trained, plan, dataset, steps, hooks, None, name
    )

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
    hooks = _checked_hooks(hooks)
    path = self._checkpoint_to_use(checkpoint_path, untrained)

    def predictions():
      dataset = self._dataset(input_fn, ModeKeys.PREDICT)
      plan = self._scored.prepare(ModeKeys.PREDICT, dataset.element_spec, path)
      yield from prediction.predict(
        self,
        self._scored,
        plan,
        dataset,
        predict_keys,
        hooks,
        path,
        yield_single_examples,
      )

    return predictions()

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
    plan = self._scored.prepare(ModeKeys.PREDICT, receiver.features_spec, path)
    _logger.info("Exporting %s.", path or "the values of the warm start")
    return export.write(
      self._scored.model, plan, receiver, export_dir_base, assets_extra
    )

  # What several of them need.

  def _new_model(self, config, group=None):
    return LoadedModel(
      self._model_fn, self._params, config, self._warm_start, group
    )

  def _dataset(self, input_fn, mode, context=None):
    return inputs.dataset_from(
      input_fn, mode, self.params, self._config, context
    )

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

  def _refuse_to_train(self):
    distribute.check_can_train(self._config)
    if self._trained and self._trained.training:
      raise RuntimeError(
        "train was called while this Estimator is training; use a second "
        "Estimator."
      )
    if self._config.eval_distribute and not self._config.train_distribute:
      raise ValueError(
        "the RunConfig has eval_distribute but no train_distribute, so this "
        "Estimator can only evaluate; give train_distribute as well."
      )


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
  if model_dir is None and (config.cluster_spec or not config.is_chief):
    raise ValueError(
      "in a cluster all tasks need the same model_dir, but there is none; name "
      "a folder that they share."
    )
  if model_dir is None:
    model_dir = tempfile.mkdtemp()
    _logger.warning("Using temporary folder as model directory: %s", model_dir)
  return config.replace(model_dir=model_dir)


def _checked_hooks(hooks):
  hooks = hooks_lib.checked(hooks)
  fetches.check_names(hooks)
  return hooks


def _check_steps(name, steps):
  if steps is None:
    return
  is_number = isinstance(steps, numbers.Real) and not isinstance(steps, bool)
  if not is_number or steps % 1 or steps <= 0:
    raise ValueError(
      f"Must specify {name} > 0, a whole number, given: {steps!r}."
    )

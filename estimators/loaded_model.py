"""A model, and which checkpoint's values its variables hold."""

import os

import keras
import tensorflow as tf

from estimators import checkpoints, warm_start
from estimators.blocks import Blocks
from estimators.model import Model
from estimators.objects import raw
from estimators.optimizers import keep_weights
from estimators.runner import BlockTimer

_logger = tf.get_logger()


class LoadedModel:
  """One Estimator's `Model` with its traced functions and loaded values.

  Args:
    model_fn, params, config: those of the Estimator.
    warm_start_settings: WarmStartSettings, or None.
    workers: the `Workers` that train it together, each of which makes it; or
      None.

  Attributes:
    model: the `Model`.
    blocks: its `Blocks`.
    workers: the argument.
    training: bool, whether a call of train is under way; other values may not
      be loaded then.
  """

  def __init__(
    self, model_fn, params, config, warm_start_settings, workers=None
  ):
    self._arguments = (model_fn, params, config)
    self._warm_start = warm_start_settings
    self.training = False
    self.workers = workers
    self._begin_anew()

  def _begin_anew(self):
    self.model = Model(*self._arguments)
    self.blocks = Blocks(self.model)
    self._timers = {}
    # The checkpoint whose values are loaded, and the names of those loaded.
    self._loaded = (None, frozenset())
    self._are_initial = True
    self._taken = []  # The variables that a warm start has set.

  @property
  def global_step(self):
    """The number of training steps behind the values, an int."""
    return int(self.model.objects.global_step.numpy())

  def timer(self, key):
    """Returns the `BlockTimer` that is kept for a kind of block."""
    return self._timers.setdefault(key, BlockTimer())

  def prepare(self, mode, element_spec, path):
    """Builds a mode and loads a checkpoint; returns the `Plan`.

    Args:
      mode: one of `ModeKeys`.
      element_spec: `tf.TypeSpec`s of the input.
      path: str, the checkpoint; None for the initial values.
    """
    if path is None and not self._are_initial:
      if self.training:
        raise _busy(path)
      self._begin_anew()
    plan = self.model.build(mode, element_spec)
    self.load(path, plan)
    return plan

  def load(self, path, plan):
    """Gives the variables of a plan their values in a checkpoint.

    Nothing is read when they hold them already.

    Raises:
      RuntimeError: training is under way, with other values.
      ValueError: the checkpoint is gone, or does not fit the model.
    """
    names = frozenset(plan.variables)
    if path is None:
      if not self._are_initial:
        raise RuntimeError(
          "the initial values were asked for, but training has changed them; "
          "begin the prediction anew."
        )
      self._load_warm_start(names)
      return
    if plan.variables["global_step"] is not self.model.objects.global_step:
      raise RuntimeError(
        "model_dir was emptied meanwhile, and the model made anew; begin the "
        "prediction anew."
      )
    stamp, loaded = self._loaded
    if stamp == _stamp(path):
      names -= loaded
      if not names:
        return
    else:
      loaded = frozenset()
    if self.training:
      raise _busy(path)
    _logger.info("Restoring parameters from %s", path)
    checkpoints.restore(
      path,
      {name: plan.variables[name] for name in names},
      optional=self.model.objects.names_of_type(keras.metrics.Metric),
    )
    self._loaded, self._are_initial = (_stamp(path), loaded | names), False

  def _load_warm_start(self, names):
    fresh = names - self._loaded[1]
    if not self._warm_start or not fresh:
      return
    objects = self.model.objects
    excluded = objects.names_of_type(
      (keras.optimizers.Optimizer, keras.metrics.Metric)
    )
    variables = objects.variables()
    taken = warm_start.apply(self._warm_start, variables, excluded, fresh)
    self._taken += [raw(variables[name]) for name in taken]
    for optimizer in objects.of_type(keras.optimizers.Optimizer):
      keep_weights(optimizer, self._taken)
    self._loaded = (None, self._loaded[1] | names)

  def note_steps(self):
    """Notes that training has changed the values."""
    self._loaded, self._are_initial = (None, frozenset()), False

  def note_saved(self, path, plan):
    """Notes that the values of a plan are those of a new checkpoint."""
    self._loaded = (_stamp(path), frozenset(plan.variables))


def _busy(path):
  return RuntimeError(
    f"the values of {path or 'the start'} were asked for while this Estimator "
    "is training with others; use evaluate_in_memory, or a second Estimator on "
    "the same model_dir."
  )


def _stamp(path):
  """Returns what tells a checkpoint from another, or a later one like it."""
  try:
    return path, os.stat(path + ".index").st_mtime_ns
  except FileNotFoundError:
    raise ValueError(
      f"the checkpoint {path} is there no more; keep more of them "
      "(RunConfig(keep_checkpoint_max=...)) while predictions are read."
    ) from None

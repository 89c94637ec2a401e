"""Training with evaluations and exports in between."""

import dataclasses
import os
import time

import tensorflow as tf

from estimators import checkpoints
from estimators import hooks as hooks_lib
from estimators.estimator import Estimator
from estimators.exporters import Exporter

_logger = tf.get_logger()


@dataclasses.dataclass(frozen=True)
class TrainSpec:
  """What to train on, and how far.

  Attributes:
    input_fn, hooks, saving_listeners: as for `Estimator.train`.
    max_steps: int, the global step to train to; None until the input ends.

  Raises:
    TypeError, ValueError: a field is of a wrong type, or out of its range.
  """

  input_fn: object
  max_steps: int | None = None
  hooks: tuple | None = None
  saving_listeners: tuple | None = None

  def __post_init__(self):
    _check_input_fn(self.input_fn)
    _check_positive("max_steps", self.max_steps)
    hooks_lib.checked(self.hooks)
    hooks_lib.checked(self.saving_listeners, hooks_lib.CheckpointSaverListener)


@dataclasses.dataclass(frozen=True)
class EvalSpec:
  """What to evaluate on, when, and what to export then.

  Attributes:
    input_fn, hooks, name: as for `Estimator.evaluate`.
    steps: int, how many batches; None (the default) for the whole input.
    exporters: `Exporter` or a list of them.
    start_delay_secs: float, accepted and ignored: it was for evaluators in
      processes of their own.
    throttle_secs: float, the least seconds from one evaluation to the next.

  Raises:
    TypeError, ValueError: a field is of a wrong type, or out of its range.
  """

  input_fn: object
  steps: int | None = None
  name: str | None = None
  hooks: tuple | None = None
  exporters: tuple | Exporter | None = None
  start_delay_secs: float = 120
  throttle_secs: float = 600

  def __post_init__(self):
    _check_input_fn(self.input_fn)
    _check_positive("steps", self.steps)
    if self.name is not None and not isinstance(self.name, str):
      raise TypeError(f"name must be a string: {self.name!r}.")
    hooks_lib.checked(self.hooks)
    for name in ("start_delay_secs", "throttle_secs"):
      if getattr(self, name) < 0:
        raise ValueError(f"{name} must be at least 0: {getattr(self, name)}.")
    object.__setattr__(self, "exporters", _checked_exporters(self.exporters))


def train_and_evaluate(estimator, train_spec, eval_spec):
  """Trains, and evaluates checkpoints as they are written.

  The first checkpoint after the one at the start is evaluated, and later ones
  when throttle_secs have passed. The last one is always evaluated, and then the
  exporters know that it is the final one.

  Args:
    estimator: an Estimator.
    train_spec: a TrainSpec.
    eval_spec: an EvalSpec, or a list of them with different names, for several
      evaluation sets.

  Returns:
    (results, exports): the results of the last evaluation (None when this
    had all been done before) and the paths its exporters returned.
    For a list of EvalSpecs the results are a dictionary by name.

  Raises:
    TypeError: an argument is of a wrong type.
    ValueError: two EvalSpecs have the same name.
  """
  specs = eval_spec if isinstance(eval_spec, (list, tuple)) else [eval_spec]
  for what, value, cls in (
    ("estimator", estimator, Estimator),
    ("train_spec", train_spec, TrainSpec),
    *(("eval_spec", spec, EvalSpec) for spec in specs),
  ):
    if not isinstance(value, cls):
      raise TypeError(f"{what} must be of {cls.__name__}, but is {value!r}.")
  names = [spec.name for spec in specs]
  if not specs or len(set(names)) < len(names):
    raise ValueError(
      f"several EvalSpecs need names that differ, but they are {names}."
    )
  exporters = [exporter.name for spec in specs for exporter in spec.exporters]
  if len(set(exporters)) < len(exporters):
    raise ValueError(
      f"the exporters of several EvalSpecs need names that differ: {exporters}."
    )
  evaluations = [_Evaluation(estimator, spec) for spec in specs]
  listener = _EvaluatingListener(evaluations, train_spec.max_steps)
  estimator.train(
    train_spec.input_fn,
    hooks=train_spec.hooks,
    max_steps=train_spec.max_steps,
    saving_listeners=[*(train_spec.saving_listeners or ()), listener],
  )
  for evaluation in evaluations:
    evaluation.finish()
  if isinstance(eval_spec, (list, tuple)):
    return (
      {e.spec.name: e.results for e in evaluations},
      [path for e in evaluations for path in e.exports or ()],
    )
  return evaluations[0].results, evaluations[0].exports


class _EvaluatingListener(hooks_lib.CheckpointSaverListener):
  """Evaluates checkpoints when they have been saved, all but the first."""

  def __init__(self, evaluations, max_steps):
    self._evaluations = evaluations
    self._max_steps = max_steps

  def begin(self, run):
    self._first_step = run.global_step
    for evaluation in self._evaluations:
      evaluation.unfinish()

  def after_save(self, run, global_step):
    if global_step == self._first_step or run.stop_requested:
      return
    if self._max_steps is not None and global_step >= self._max_steps:
      return  # The last one is evaluated when training has ended.
    for evaluation in self._evaluations:
      evaluation.evaluate_unless_throttled()


class _Evaluation:
  """One EvalSpec's evaluations in a run of train_and_evaluate.

  A file in the folder of events says which step was evaluated and exported as
  the last one. A run that is killed before it has done so does it when it is
  started again.

  Attributes:
    spec: the EvalSpec.
    results: the results of the last evaluation, or None.
    exports: the paths that the exporters returned after it, or None.
  """

  def __init__(self, estimator, spec, clock=time.monotonic):
    self._estimator = estimator
    self._clock = clock
    self._last_time = None
    self._last_path = None
    self._mark = os.path.join(estimator.eval_dir(spec.name), "finished")
    self.spec = spec
    self.results = self.exports = None

  def evaluate_unless_throttled(self):
    """Evaluates the newest checkpoint if it is time."""
    if self._last_time is not None and (
      self._clock() - self._last_time < self.spec.throttle_secs
    ):
      _logger.info(
        "Skip the current checkpoint eval due to throttle secs (%s secs).",
        self.spec.throttle_secs,
      )
      return
    self._evaluate(is_the_final_export=False)
    self._last_time = self._clock()

  def unfinish(self):
    """Notes that training goes on."""
    if os.path.exists(self._mark):
      os.remove(self._mark)

  def finish(self):
    """Evaluates and exports the last checkpoint, unless that was done."""
    path = self._estimator.latest_checkpoint()
    if path is None or self._is_finished(path):
      return
    if self._last_path == path:
      self.exports = [
        done or self._export(exporter, True)
        for exporter, done in zip(
          self.spec.exporters, self.exports, strict=True
        )
      ]
    else:
      self._evaluate(is_the_final_export=True)
    with open(self._mark, "w") as file:
      file.write(str(checkpoints.step_of(path)))

  def _is_finished(self, path):
    if not os.path.exists(self._mark):
      return False
    with open(self._mark) as file:
      return file.read() == str(checkpoints.step_of(path))

  def _evaluate(self, is_the_final_export):
    spec = self.spec
    self._last_path = self._estimator.latest_checkpoint()
    self.results = self._estimator.evaluate(
      spec.input_fn,
      steps=spec.steps,
      hooks=spec.hooks,
      checkpoint_path=self._last_path,
      name=spec.name,
    )
    self.exports = [
      self._export(exporter, is_the_final_export) for exporter in spec.exporters
    ]

  def _export(self, exporter, is_the_final_export):
    return exporter.export(
      estimator=self._estimator,
      export_path=os.path.join(
        self._estimator.model_dir, "export", exporter.name
      ),
      checkpoint_path=self._last_path,
      eval_result=self.results,
      is_the_final_export=is_the_final_export,
    )


def _check_input_fn(input_fn):
  if not callable(input_fn):
    raise TypeError(f"input_fn must be a function, but is {input_fn!r}.")


def _check_positive(name, value):
  if value is not None and value <= 0:
    raise ValueError(f"Must specify {name} > 0, given: {value}.")


def _checked_exporters(exporters):
  if isinstance(exporters, Exporter):
    exporters = [exporters]
  exporters = tuple(exporters or ())
  for exporter in exporters:
    if not isinstance(exporter, Exporter):
      raise TypeError(f"exporters must be Exporters, but one is {exporter!r}.")
  names = [exporter.name for exporter in exporters]
  if len(set(names)) < len(names):
    raise ValueError(f"the names of exporters must differ: {names}.")
  return exporters

"""What to train on and what to evaluate on, for `train_and_evaluate`."""

import dataclasses

from estimators import hooks as hooks_lib
from estimators.exporters import Exporter


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
    start_delay_secs: float, what an evaluator in a process of its own waits
      before its first evaluation. Not used where the trainer evaluates.
    throttle_secs: float, the least seconds from the beginning of one evaluation
      to that of the next.
    every_checkpoint: bool; True evaluates all checkpoints, in the order of the
      steps, whatever throttle_secs says; False the newest one when it is time.

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
  every_checkpoint: bool = False

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


def checked_eval_specs(eval_spec):
  """Returns the list of EvalSpecs that one, or several, make.

  Raises:
    TypeError: one is no EvalSpec.
    ValueError: there is none, or names are the same.
  """
  specs = eval_spec if isinstance(eval_spec, (list, tuple)) else [eval_spec]
  for spec in specs:
    check_type("eval_spec", spec, EvalSpec)
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
  return list(specs)


def check_type(what, value, cls):
  """Raises a TypeError unless a value is of a class."""
  if not isinstance(value, cls):
    raise TypeError(f"{what} must be of {cls.__name__}, but is {value!r}.")


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

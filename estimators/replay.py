"""A step of an earlier training, taken again and looked into.

`tools.replay` runs the program of a training within `of(step)`. The first call
of `train` then goes on from the checkpoint in its model_dir to that step by the
same traced block as then, with the input where it was, so that the step has the
same bits. It is taken once more, traced anew with a check on each operation,
and the program is ended. Nothing is saved.
"""

import contextlib
import dataclasses
import math
import os
import re
import sysconfig

import numpy as np
import tensorflow as tf

from estimators import divergence, replicas
from estimators.blocks import gradients_of
from estimators.objects import raw

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
# Parts of the paths of code that is not the user's.
_OF_OTHERS = (_PACKAGE, "/site-packages/", sysconfig.get_path("stdlib"), "<")
# What TensorFlow's check says: name of the node, kind of the operation, what it
# gave, and of each line of code file, line and function.
_NODE = re.compile(r"Detected at node (\S+?)(?:/CheckNumericsV2\S*)? defined")
_KIND = re.compile(r'op "([^"]+)"')
_VALUES = re.compile(r"Tensor had (.+?) values")
_LINE = re.compile(r"\+ (.+) \(L(\d+)\) (.+)")
# Of lines and of their letters in it. (None, which is to mean this, fails.)
_NO_LIMIT = 1_000_000


class ReplayError(RuntimeError):
  """The step could not be taken again."""


@dataclasses.dataclass(frozen=True)
class BrokenOp:
  """An operation that gave NaN or infinite values.

  Attributes:
    name: str, of its node; that of a gradient begins with `gradient_tape/`.
    kind: str, such as Log.
    values: str, what it gave: NaN, +Inf, -Inf.
    line: str, the innermost line of the user's code that it comes from:
      `file:line in function`; "" for gradients, which no such line makes.
  """

  name: str
  kind: str
  values: str
  line: str


@dataclasses.dataclass(frozen=True)
class Findings:
  """What there was in a step.

  Attributes:
    step: int, the global step that it was taken from.
    start: int, the step of the checkpoint that training went on from.
    loss: float.
    fingerprint, batch: of its batch, as `divergence` has them.
    broken_before: names of the variables that were not finite before it.
    broken_after: the same, after it.
    first: `BrokenOp`, the first in the step; None when all are finite. A step
      with a finite loss may have one, such as the -inf of a mask.
    gradients: dictionary of the name of a variable to the norm of its gradient,
      before any clipping and scaling.
  """

  step: int
  start: int
  loss: float
  fingerprint: str
  batch: dict
  broken_before: list
  broken_after: list
  first: BrokenOp | None
  gradients: dict


class _Done(BaseException):
  """Ends the program whose step was taken; no handler of errors is meant."""


_asked = None


def asked():
  """Returns the `Replay` under way, or None."""
  return _asked


@contextlib.contextmanager
def of(step, model_dir):
  """Within this context a call of `train` takes a step again, and ends it.

  Args:
    step: int, the global step that it was taken from.
    model_dir: str, where it may train; the newest checkpoint there is what it
      goes on from.

  Yields:
    A `Replay`, with the attribute `findings`, None until the step was taken.

  Raises:
    ReplayError: the step cannot be reached.
  """
  global _asked
  _asked = Replay(step, model_dir)
  try:
    with contextlib.suppress(_Done):
      yield _asked
  finally:
    _asked = None


class Replay:
  """The step that is to be taken again; see `of`.

  Attributes:
    findings: `Findings`, or None.
  """

  def __init__(self, step, model_dir):
    self._step = step
    self._model_dir = os.path.realpath(model_dir)
    self.findings = None

  def check(self, model_dir):
    """Refuses to train elsewhere, where it would be in earnest."""
    if os.path.realpath(model_dir) != self._model_dir:
      raise ReplayError(
        f"the program was to train in {self._model_dir}, a copy, but would in "
        f"{model_dir}; name the model_dir among its arguments."
      )

  def take(self, run, loaded, plan, take_steps, limit):
    """Takes the steps up to the one that is asked for, looks into it, and ends.

    Args:
      run: `TrainingRun`.
      loaded: its `LoadedModel`.
      plan: its `Plan`.
      take_steps: function of n that takes up to n steps.
      limit: int, how many steps this training may take; or None.

    Raises:
      ReplayError: the step is not one of this training.
    """
    if loaded.workers:
      raise ReplayError(
        "a step is taken again in one process, but this training is one of "
        f"{loaded.workers.number} workers; replay it without TF_CONFIG."
      )
    start = run.global_step
    last = math.inf if limit is None else start + limit - 1
    if not start <= self._step <= last:
      raise ReplayError(
        f"step {self._step} was asked for, but the training that goes on from "
        f"the checkpoint of step {start} takes the steps {start} to {last:g}; "
        "give one of them."
      )
    self._go_on(run, take_steps, loaded.timer("train"))
    values = _values(plan.variables)
    if not take_steps(1)[0]:
      raise ReplayError(f"the input ended before step {self._step}; give less.")
    loss, batch = run.loss, run.last_batch.get_value()
    after = _values(plan.variables)
    with loaded.model.scope():
      _set(plan.variables, values)
      gradients = _gradients(loaded, plan, batch)
      _set(plan.variables, values)
      first = _first_broken(loaded, plan, batch)
    self.findings = Findings(
      step=self._step,
      start=start,
      loss=loss,
      fingerprint=divergence.fingerprint(batch),
      batch=divergence.described(batch),
      broken_before=_broken(values),
      broken_after=_broken(after),
      first=first,
      gradients=gradients,
    )
    raise _Done

  def _go_on(self, run, take_steps, timer):
    """Takes the steps before."""
    while run.global_step < self._step:
      n = min(self._step - run.global_step, timer.limit())
      steps, has_more, _ = take_steps(n)
      if steps and not math.isfinite(run.loss):
        raise ReplayError(
          f"step {self._step} was asked for, but the loss is not finite in "
          f"step {run.global_step - 1} already; replay that one."
        )
      if not has_more:
        raise ReplayError(
          f"step {self._step} was asked for, but the input ends after step "
          f"{run.global_step - 1}, where the next call of train began; its "
          "checkpoint is not there any more. Give a step up to that one."
        )


def _values(variables):
  return {name: raw(v).numpy() for name, v in variables.items()}


def _set(variables, values):
  for name, variable in variables.items():
    raw(variable).assign(values[name])


def _broken(values):
  """Returns the names of values that are not finite."""
  return [
    name
    for name, value in values.items()
    if tf.as_dtype(value.dtype).is_floating
    and not np.isfinite(value.astype(np.float64)).all()
  ]


def _gradients(loaded, plan, batch):
  """Returns the norms of the gradients, largest first, broken ones at the top.

  Of several `Minimize`s that change the same variable the larger one counts.
  """
  names = {
    id(raw(variable)): name
    for name, variable in loaded.model.objects.variables().items()
  }

  def norms(model, update, loss, tape, parts):
    del parts
    gradients, variables = gradients_of(model, update, loss, tape)
    gradients = [tf.convert_to_tensor(g) for g in gradients]
    scale = update.optimizer.scale_loss(tf.constant(1.0))
    return {
      names[id(raw(variable))]: tf.norm(tf.cast(gradient, tf.float32)) / scale
      for gradient, variable in zip(
        replicas.all_sum(model.strategy, gradients), variables, strict=True
      )
    }

  found = {}
  for update in loaded.blocks.step(plan, norms)(batch):
    for name, norm in update.items():
      found[name] = max(found.get(name, 0.0), float(norm), key=_size)
  order = sorted(found, key=lambda name: _size(found[name]), reverse=True)
  return {name: found[name] for name in order}


def _size(norm):
  return math.inf if math.isnan(norm) else norm


def _first_broken(loaded, plan, batch):
  """Takes the step with a check on each operation; returns a `BrokenOp`."""
  tf.debugging.enable_check_numerics(_NO_LIMIT, _NO_LIMIT)
  try:
    loaded.blocks.step(plan)(batch)
  except tf.errors.InvalidArgumentError as error:
    if not _VALUES.search(error.message):
      raise
    return _parsed(error.message)
  finally:
    tf.debugging.disable_check_numerics()
  return None


def _parsed(message):
  """Returns the `BrokenOp` of the message of TensorFlow's check."""
  kind = _KIND.search(message)[1]
  node = _NODE.search(message)
  lines = [
    f"{file}:{number} in {function}"
    for file, number, function in _LINE.findall(message)
    if not any(part in file for part in _OF_OTHERS)
  ]
  name = node[1] if node else kind
  is_gradient = name.startswith("gradient_tape/")
  return BrokenOp(
    name=name,
    kind=kind,
    values=_VALUES.search(message)[1],
    line="" if is_gradient or not lines else lines[-1],
  )

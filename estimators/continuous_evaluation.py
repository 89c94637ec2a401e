"""Evaluation beside training: of checkpoints that another process writes."""

import os
import time

import tensorflow as tf

from estimators import checkpoint_files, checkpoints
from estimators.estimator import Estimator
from estimators.evaluations import Evaluation, results_of
from estimators.train_specs import check_type, checked_eval_specs
from estimators.trainer_watch import TrainerWatch

_logger = tf.get_logger()

POLL_SECS = 1.0


def evaluate_continuously(estimator, eval_spec, max_steps=None):
  """Evaluates checkpoints while another process trains, until training ends.

  It is for a process of its own with the model_dir of the trainer. It evaluates
  the newest checkpoint, or each of them in the order of their steps with
  `EvalSpec(every_checkpoint=True)`; one that is removed before its turn is
  named in a warning. Then it calls the exporters.

  It ends when all is evaluated that there is, and

  - a checkpoint of step max_steps or later was among it, or
  - training has finished or was stopped while it was followed, or
  - the trainer has given no sign of life for a minute: it failed, was killed,
    or its machine is gone. One that is started again within that minute is
    followed on. So is one that finishes before max_steps, as a program does
    that calls `train` several times, or
  - there was no sign of life since the evaluator began, for ten minutes (for
    one, when a training had finished before), and for start_delay_secs.

  The exporters are told that the last checkpoint is the final one when training
  has finished, or max_steps are reached. Started again, it evaluates what it
  missed, and nothing twice.

  Args:
    estimator: an Estimator.
    eval_spec: an EvalSpec, or a list of them with different names, for several
      evaluation sets.
    max_steps: int, the global step that training goes to; None if not known.

  Returns:
    (results, exports): the results of the last evaluation (None when all had
    been done before) and what its exporters returned. For a list of EvalSpecs
    the results are a dictionary by name.

  Raises:
    TypeError: an argument is of a wrong type.
    ValueError: two EvalSpecs have the same name, or max_steps is not positive.
  """
  check_type("estimator", estimator, Estimator)
  if max_steps is not None and max_steps <= 0:
    raise ValueError(f"Must specify max_steps > 0, given: {max_steps}.")
  specs = checked_eval_specs(eval_spec)
  evaluations = [Evaluation(estimator, spec) for spec in specs]
  Loop(estimator.model_dir, evaluations, max_steps).run()
  return results_of(evaluations, eval_spec)


class Loop:
  """The evaluator's loop.

  Args:
    model_dir: str.
    evaluations: list of `Evaluation`.
    max_steps: int or None.
    clock, sleep: functions, those of `time`.
  """

  def __init__(
    self,
    model_dir,
    evaluations,
    max_steps,
    clock=time.monotonic,
    sleep=time.sleep,
  ):
    self._model_dir = model_dir
    self._evaluations = evaluations
    self._max_steps = max_steps
    self._clock, self._sleep = clock, sleep
    self._start_delay = max(e.spec.start_delay_secs for e in evaluations)
    self._watch = TrainerWatch(model_dir, max_steps, self._start_delay, clock)
    self._due = {e: clock() + e.spec.start_delay_secs for e in evaluations}
    self._known = set()  # The steps of checkpoints seen and not done with.

  def run(self):
    """Evaluates until there is an end."""
    if self._start_delay:
      _logger.info("Waiting %f secs before starting eval.", self._start_delay)
    while True:
      # In this order: the last checkpoint is there before training has ended.
      has_ended = self._watch.has_ended()
      pending = self._pending(has_ended)
      self._evaluate_all(pending, has_ended)
      if self._is_done():
        _logger.info(
          "Exiting evaluation, max_steps=%d are reached.", self._max_steps
        )
        self._finish()
        return
      if pending:
        continue  # Others may have come meanwhile.
      if not has_ended:
        self._watch.tell_wait()
        self._sleep(POLL_SECS)
      elif self._watch.has_ended():
        if self._watch.is_finished:
          self._finish()
        self._watch.tell_end()
        return

  def _is_done(self):
    """Whether max_steps are reached in all sets."""
    # An earlier evaluator may have been further than training is now.
    newest = self._watch.newest_step()
    steps = [evaluation.last_step for evaluation in self._evaluations]
    return self._watch.is_reached(min(steps)) and newest >= max(steps)

  def _pending(self, has_ended):
    """Returns (step, Evaluation)s to evaluate now, in the order of steps."""
    newest = self._watch.newest_step()
    if newest < 0:
      return []
    self._known |= {*_kept_steps(self._model_dir)}
    self._known |= {*self._watch.status.get("saved", ())}
    for evaluation in self._evaluations:
      if evaluation.last_step > newest:
        evaluation.begin(newest)  # It is a training that began anew.
    oldest = min(evaluation.last_step for evaluation in self._evaluations)
    self._known = {step for step in self._known if oldest <= step <= newest}
    pending = []
    for evaluation in self._evaluations:
      if self._watch.is_reached(evaluation.last_step) or not (
        has_ended or self._clock() >= self._due[evaluation]
      ):
        continue
      every = evaluation.spec.every_checkpoint
      steps = self._known if every else {newest}
      first = evaluation.last_step + (not evaluation.owes_exports)
      pending += [(step, evaluation) for step in steps if step >= first]
    return sorted(pending, key=lambda pair: pair[0])

  def _evaluate_all(self, pending, has_ended):
    """Evaluates, and names what was removed before its turn."""
    removed = {}
    for step, evaluation in pending:
      if self._watch.is_reached(evaluation.last_step):
        continue  # By a step before this one.
      if not self._evaluate(evaluation, step, has_ended):
        removed.setdefault(evaluation, []).append(step)
    for evaluation, steps in removed.items():
      _warn_of_removed(evaluation, steps)

  def _evaluate(self, evaluation, step, has_ended):
    """Evaluates a step's checkpoint, and sets the time of the next.

    Returns:
      bool, whether the checkpoint was still there.
    """
    start, spec = self._clock(), evaluation.spec
    is_there = self._evaluate_if_there(evaluation, step)
    if not spec.every_checkpoint:
      self._due[evaluation] = start + spec.throttle_secs
      rest = self._due[evaluation] - self._clock()
      if rest > 0 and not has_ended:
        _logger.info("Waiting %f secs before starting next eval run.", rest)
    return is_there

  def _evaluate_if_there(self, evaluation, step):
    path = os.path.join(self._model_dir, f"{checkpoint_files.NAME}-{step}")
    try:
      if _is_there(path):
        evaluation.evaluate(path, lambda: self._watch.is_final(step))
        return True
    except (ValueError, OSError, tf.errors.OpError):
      # Its files go one after another.
      self._sleep(POLL_SECS)
      problem = _is_there(path) and checkpoint_files.damage(path)
      if problem:
        _logger.warning("Step %d cannot be evaluated: %s.", step, problem)
      elif _is_there(path):
        raise
    if evaluation.last_step != step:
      evaluation.skip(step)
      return False
    evaluation.skip_exports()
    _logger.warning(
      "The checkpoint of step %d was removed before it was exported%s: its "
      "results are there, what is missing is the export. %s",
      step,
      _where(evaluation),
      _KEEP_MORE,
    )
    return True

  def _finish(self):
    """Tells the exporters that the last evaluation was the final one."""
    newest = self._watch.newest_step()
    for evaluation in self._evaluations:
      if evaluation.last_step == newest and not evaluation.is_final:
        self._evaluate_if_there(evaluation, newest)


_KEEP_MORE = (
  "Keep more of them in training (RunConfig(keep_checkpoint_max=...)), or save "
  "them less often."
)


def _warn_of_removed(evaluation, steps):
  one = f"The checkpoint of step {steps[0]} was"
  more = (
    f"The checkpoints of {len(steps)} steps, {steps[0]} to {steps[-1]}, were"
  )
  _logger.warning(
    "%s removed before evaluation%s. %s",
    one if len(steps) == 1 else more,
    _where(evaluation),
    _KEEP_MORE,
  )


def _where(evaluation):
  return f" in {evaluation.spec.name}" if evaluation.spec.name else ""


def _kept_steps(model_dir):
  """Returns the steps of the checkpoints that training keeps."""
  return [
    checkpoints.step_of(path) for path in checkpoint_files.listed(model_dir)
  ]


def _is_there(path):
  return os.path.exists(path + ".index")

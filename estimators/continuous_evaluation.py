"""Evaluation beside training: of checkpoints that another process writes."""

import os
import time

import tensorflow as tf

from estimators import checkpoints, training_status
from estimators.estimator import Estimator
from estimators.evaluations import Evaluation, results_of
from estimators.train_specs import check_type, checked_eval_specs

_logger = tf.get_logger()

POLL_SECS = 1.0
# A trainer that has not changed its status for so long is taken for dead; it
# does so every `training_status.REFRESH_SECS`.
SILENT_SECS = 60.0
# How long a trainer may take that has never been heard of.
FIRST_WORD_SECS = 600.0


def evaluate_continuously(estimator, eval_spec, max_steps=None):
  """Evaluates checkpoints while another process trains, until training ends.

  It is for a process of its own with the model_dir of the trainer. It evaluates
  the newest checkpoint, or each of them in the order of their steps with
  `EvalSpec(every_checkpoint=True)`; one that is removed before its turn is
  named in a warning. Then it calls the exporters.

  It ends when all is evaluated that there is, and

  - a checkpoint of step max_steps or later was among it, or
  - training has finished, failed or was stopped, or
  - the trainer has given no sign of life for a minute (ten, if there never was
    one): it was killed, or its machine is gone. One that is started again
    within that minute is followed on.

  The exporters are told that the last checkpoint is the final one when training
  has finished, or max_steps are reached. Started again, it evaluates what it
  missed, and nothing twice. A program that trains in several calls of `train`
  is best given max_steps, since each of the calls finishes.

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
    self._follower = training_status.Follower(model_dir, clock)
    self._start_delay = max(e.spec.start_delay_secs for e in evaluations)
    self._due = {e: clock() + e.spec.start_delay_secs for e in evaluations}
    self._known = set()  # The steps of all checkpoints that were seen.

  def run(self):
    """Evaluates until there is an end."""
    if self._start_delay:
      _logger.info("Waiting %f secs before starting eval.", self._start_delay)
    while True:
      # In this order: the last checkpoint is there before training has ended.
      has_ended = self._has_ended()
      pending = self._pending(has_ended)
      for step, evaluation in pending:
        self._evaluate(evaluation, step, has_ended)
      if self._reached(min(e.last_step for e in self._evaluations)):
        _logger.info(
          "Exiting evaluation, max_steps=%d are reached.", self._max_steps
        )
        self._finish()
        return
      if has_ended and self._has_ended():
        self._tell_end()
        return
      if not (has_ended or pending):
        self._sleep(POLL_SECS)

  def _has_ended(self):
    """Whether training has ended, or seems to."""
    state, follower = self._follower.look(), self._follower
    has_begun = state is not None or self._newest_step() >= 0
    if state is None:
      limit = SILENT_SECS if has_begun else FIRST_WORD_SECS
    elif state == training_status.RUNNING:
      limit = SILENT_SECS
    else:
      limit = 0
    if not follower.has_changed:
      # It may be an earlier training's, and the next one about to begin.
      limit = max(limit, self._start_delay)
      if self._max_steps and not self._reached(self._newest_step()):
        limit = max(limit, SILENT_SECS)
    return follower.quiet_secs >= limit

  def _reached(self, step):
    return self._max_steps is not None and step >= self._max_steps

  def _newest_step(self):
    path = checkpoints.newest(self._model_dir)
    return -1 if path is None else checkpoints.step_of(path)

  def _pending(self, has_ended):
    """Returns (step, Evaluation)s to evaluate now, in the order of steps."""
    newest = self._newest_step()
    if newest < 0:
      return []
    self._known |= {*_kept_steps(self._model_dir)}
    self._known |= {*self._follower.status.get("saved", ())}
    self._known = {step for step in self._known if step <= newest}
    pending = []
    for evaluation in self._evaluations:
      if evaluation.last_step > newest:
        evaluation.begin(newest)  # It is a training that began anew.
      if self._reached(evaluation.last_step) or not (
        has_ended or self._clock() >= self._due[evaluation]
      ):
        continue
      every = evaluation.spec.every_checkpoint
      steps = self._known if every else {newest}
      first = evaluation.last_step + (not evaluation.owes_exports)
      pending += [(step, evaluation) for step in steps if step >= first]
    return sorted(pending, key=lambda pair: pair[0])

  def _evaluate(self, evaluation, step, has_ended):
    """Evaluates a step's checkpoint, and sets the time of the next."""
    if self._reached(evaluation.last_step):
      return  # By a step before this one.
    start, spec = self._clock(), evaluation.spec
    is_final = self._reached(step) or (
      has_ended and self._is_finished() and step == self._newest_step()
    )
    self._evaluate_if_there(evaluation, step, is_final)
    if not spec.every_checkpoint:
      self._due[evaluation] = start + spec.throttle_secs
      rest = self._due[evaluation] - self._clock()
      if rest > 0 and not has_ended:
        _logger.info("Waiting %f secs before starting next eval run.", rest)

  def _evaluate_if_there(self, evaluation, step, is_final):
    path = os.path.join(
      self._model_dir, f"{checkpoints.CHECKPOINT_NAME}-{step}"
    )
    try:
      if _is_there(path):
        evaluation.evaluate(path, is_final)
        return
    except (ValueError, OSError, tf.errors.OpError):
      # Its files go one after another.
      self._sleep(POLL_SECS)
      if _is_there(path):
        raise
    evaluation.skip(step)
    _logger.warning(
      "The checkpoint of step %d was removed before its turn%s; keep "
      "more of them in training (RunConfig(keep_checkpoint_max=...)), or save "
      "them less often.",
      step,
      f" in {evaluation.spec.name}" if evaluation.spec.name else "",
    )

  def _is_finished(self):
    state = self._follower.status.get("state")
    return state == training_status.FINISHED

  def _finish(self):
    """Tells the exporters that the last evaluation was the final one."""
    newest = self._newest_step()
    for evaluation in self._evaluations:
      if evaluation.last_step == newest:
        self._evaluate_if_there(evaluation, newest, is_final=True)

  def _tell_end(self):
    status = self._follower.status
    state = status.get("state")
    if self._is_finished():
      self._finish()
    if state in (None, training_status.RUNNING):
      _logger.warning(
        "Exiting evaluation: the trainer has given no sign of life for %.0f "
        "seconds; the last was %s. Start both again to go on.",
        self._follower.quiet_secs,
        f"of step {status['step']}, process {status['pid']} on {status['host']}"
        if status
        else "none at all",
      )
    else:
      error = f" ({status['error']})" if "error" in status else ""
      _logger.info(
        "Exiting evaluation: training has %s%s at step %d.",
        "been stopped" if state == training_status.STOPPED else state,
        error,
        status["step"],
      )


def _kept_steps(model_dir):
  """Returns the steps of the checkpoints that training keeps."""
  state = tf.train.get_checkpoint_state(model_dir)
  paths = state.all_model_checkpoint_paths if state else ()
  return [checkpoints.step_of(path) for path in paths]


def _is_there(path):
  return os.path.exists(path + ".index")

"""Whether the training that another process does has ended."""

import time

import tensorflow as tf

from estimators import checkpoints, training_status

_logger = tf.get_logger()

# A trainer that has not changed its status for so long is taken for dead; it
# does so every `training_status.REFRESH_SECS`. One that failed has so long to
# be started again.
SILENT_SECS = 60.0
# How long a trainer may take that was not heard of since the evaluator began:
# workers wait for each other and load their data before the first word.
FIRST_WORD_SECS = 600.0
# The same when a training had finished before the evaluator began. Most often
# no other follows, so that it is not worth ten minutes.
NEXT_TRAINING_SECS = 60.0


class TrainerWatch:
  """Watches a model_dir for one that follows its training.

  Args:
    model_dir: str.
    max_steps: int, the global step that training goes to; None if not known.
    start_delay: float, seconds that a first sign of life may take at least.
    clock: function that returns seconds.
  """

  def __init__(self, model_dir, max_steps, start_delay, clock=time.monotonic):
    self._model_dir = model_dir
    self._max_steps = max_steps
    self._start_delay = start_delay
    self._clock = clock
    self._follower = training_status.Follower(model_dir, clock)
    self._newest = self.newest_step()
    self._last_saved = None  # The time when a checkpoint was seen to come.
    self._has_told_wait = False

  @property
  def status(self):
    """The newest status of training, a dictionary; empty without one."""
    return self._follower.status

  def has_ended(self):
    """Whether training has ended, or seems to."""
    self._follower.look()
    newest = self.newest_step()
    if newest not in (-1, self._newest):
      self._newest, self._last_saved = newest, self._clock()
    return self._quiet_secs() >= self._patience()

  def _quiet_secs(self):
    """Returns for how many seconds there was no sign of life."""
    if self._last_saved is None:
      return self._follower.quiet_secs
    return min(self._follower.quiet_secs, self._clock() - self._last_saved)

  def _patience(self):
    """Returns after how many seconds without a change training has ended."""
    state = self.status.get("state")
    if not self._follower.has_changed:
      if self._last_saved is not None:
        return SILENT_SECS  # Checkpoints come, whatever the old status says.
      # That is an earlier training's word, and the next may be about to begin.
      is_over = state == training_status.FINISHED
      secs = NEXT_TRAINING_SECS if is_over else FIRST_WORD_SECS
      return max(secs, self._start_delay)
    if state == training_status.STOPPED:
      return 0
    if state == training_status.FINISHED and (
      self._max_steps is None or self.is_reached(self.newest_step())
    ):
      return 0
    return SILENT_SECS

  def is_reached(self, step):
    """Whether max_steps are given, and a step is so far."""
    return self._max_steps is not None and step >= self._max_steps

  def newest_step(self):
    """Returns the step of the newest checkpoint, -1 without one."""
    path = checkpoints.newest(self._model_dir, or_earlier=False)
    return -1 if path is None else checkpoints.step_of(path)

  @property
  def is_finished(self):
    """Whether training said that it has finished."""
    return self.status.get("state") == training_status.FINISHED

  def is_final(self, step):
    """Whether no checkpoint comes after a step's, as far as is known now."""
    return self.is_reached(step) or (
      self.has_ended() and self.is_finished and step == self.newest_step()
    )

  def tell_wait(self):
    """Says, once, for what it waits when nothing goes on."""
    if self._has_told_wait or self._follower.has_changed:
      return
    self._has_told_wait = True
    status = self.status
    _logger.info(
      "Waiting for news from the trainer, for %.0f secs at most; %s.",
      self._patience() - self._quiet_secs(),
      f"what is there is {status['state']!r} at step {status['step']}"
      if status
      else "there is none yet",
    )

  def tell_end(self):
    """Says why there is nothing more to wait for."""
    status = self.status
    state = status.get("state")
    if state in (None, training_status.RUNNING):
      _logger.warning(
        "Exiting evaluation: the trainer has given no sign of life for %.0f "
        "seconds; the last was %s. Start both again to go on.",
        self._quiet_secs(),
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

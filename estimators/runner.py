"""The outer loop: blocks of steps, and between them whoever is due.

Everything that happens every so often is a `Hook`. The loop asks each hook for
the next step that it wants to see, takes the steps up to the first of them in
one block, and calls the hooks.
"""

import contextlib
import math
import time

import tensorflow as tf

from estimators import fetches
from estimators.spec import ModeKeys

_logger = tf.get_logger()

# A block is to take about this long, so that signals, hooks that go by time
# and the progress bar do not wait for long.
BLOCK_SECS = 1.0


class Run:
  """A training or evaluation under way: what hooks are given.

  See `Hook` for its attributes.
  """

  def __init__(self, estimator, mode, global_step, output_dir, writer):
    self.estimator = estimator
    self.mode = mode
    self.global_step = global_step
    self.output_dir = output_dir
    self.writer = writer
    self.loss = None
    self.diagnosis = ""
    self.values = {}
    self.examples = 0
    self.steps = 0
    self.stop_requested = False

  @property
  def step(self):
    """The steps of this loop: training steps, or batches evaluated."""
    return self.global_step if self.mode == ModeKeys.TRAIN else self.steps

  def request_stop(self):
    """Ends the loop after the hooks of this step."""
    self.stop_requested = True


class TrainingRun(Run):
  """A `Run` that can save checkpoints, and knows the batch of its last step.

  Args:
    saver: `checkpoints.Saver`; None in workers other than the chief, which save
      no checkpoints.
    position: `input_position.InputPosition`.
    saved: function of the path of a checkpoint, called when it was written.
    saving_listeners: `CheckpointSaverListener`s besides those of the hooks.

  Attributes:
    last_batch: `tf.experimental.Optional` of the batch of the last step; None
      before the first.
    divergence: `divergence.Divergence`, which says what has gone wrong.
  """

  def __init__(self, *args, saver, position, saved, saving_listeners):
    super().__init__(*args)
    self.saving_listeners = saving_listeners
    self._saver = saver
    self._position = position
    self._saved = saved
    self.last_batch = self.divergence = None
    self.last_saved = None
    self.saved_steps = []

  def save_checkpoint(self, listeners=()):
    """Saves a checkpoint, unless it is there or the loss is not finite.

    Args:
      listeners: `CheckpointSaverListener`s to call around it.

    Returns:
      The checkpoint's path, or None: also in workers other than the chief.

    Raises:
      NanLossDuringTrainingError: a variable is not finite.
    """
    if self._saver is None:
      return None
    if self.loss is not None and not math.isfinite(self.loss):
      return None
    state = (self.global_step, self._position.finished)
    if self.last_saved == state:
      return None
    if self.last_saved and self.last_saved[0] == self.global_step:
      self._saver.note_end(self.global_step)  # Only that is new.
      self.last_saved = state
      return None
    broken = self._saver.not_finite()
    if broken:
      self.divergence.of_variables(broken)
    line = "Calling checkpoint listeners %s saving checkpoint %d..."
    _logger.info(line, "before", self.global_step)
    for listener in listeners:
      listener.before_save(self, self.global_step)
    # Events of the steps before are not written again after a kill.
    self.writer.flush()
    path = self._saver.save(self.global_step)
    self.last_saved = state
    self.saved_steps.append(self.global_step)
    self._saved(path)
    _logger.info(line, "after", self.global_step)
    stops = [x.after_save(self, self.global_step) for x in listeners]
    if any(stop is True for stop in stops):
      _logger.info("A listener asked to stop at step %d.", self.global_step)
      self.request_stop()
    return path


class BlockTimer:
  """Says how many steps fit into a block, from how long the last one took."""

  def __init__(self, clock=time.monotonic):
    self._clock = clock
    self._steps_per_sec = None

  def limit(self):
    """Returns the most steps that a block should take: 1 at first."""
    if self._steps_per_sec is None:
      return 1
    return max(1, int(self._steps_per_sec * BLOCK_SECS))

  def timed(self, block, iterator, n, *args):
    """Takes a block of n steps, and notes its rate.

    Returns:
      (steps taken, whether there is more input, state).
    """
    start = self._clock()
    # As a tensor, since an int would be part of the trace.
    taken, has_more, state = block(iterator, tf.constant(n, tf.int64), *args)
    steps = int(taken)
    seconds = self._clock() - start
    if steps:
      self._steps_per_sec = steps / max(seconds, 1e-6)
    return steps, bool(has_more), state


def loop(
  run,
  hooks,
  spec_hooks,
  take_steps,
  timer,
  limit=None,
  agree=lambda n: n,
  around_hooks=contextlib.nullcontext,
):
  """Takes steps until the input ends, a limit is reached or a hook stops it.

  Args:
    run: the `Run`.
    hooks: list of hooks, in the order in which they are called.
    spec_hooks: those of them that the model function made, in its order.
    take_steps: function of n; takes up to n steps and returns (steps taken,
      whether there is more input, dictionary of fetched tensors). It updates
      the `run`.
    timer: `BlockTimer`.
    limit: int, the most steps to take, or None.
    agree: function of the number of steps wanted next, 0 for none, that returns
      how many to take: workers that train together agree on it.
    around_hooks: function that returns a context for the call of a hook.

  Returns:
    False when the input has ended.
  """
  has_more = True
  while has_more:
    n = agree(_steps_wanted(run, hooks, timer, limit))
    if n <= 0:
      break
    steps, has_more, fetched = take_steps(int(n))
    if not steps:
      break
    call_hooks(run, hooks, spec_hooks, fetched, around_hooks)
  return has_more


def _steps_wanted(run, hooks, timer, limit):
  """Returns how many steps the next block is to have; 0 to stop."""
  n = min(timer.limit(), math.inf if limit is None else limit - run.steps)
  if run.stop_requested or n <= 0:
    return 0
  for hook in hooks:
    wanted = hook.next_step(run.step)
    if wanted is not None:
      n = min(n, max(1, wanted - run.step))
  return n


def call_hooks(
  run, hooks, spec_hooks, fetched, around_hooks=contextlib.nullcontext
):
  """Calls `after_run` of all hooks, each with the values it asked for."""
  indices = {id(hook): i for i, hook in enumerate(spec_hooks)}
  for hook in hooks:
    run.values = fetches.values_for(hook, fetched, indices.get(id(hook)))
    with around_hooks():
      hook.after_run(run)

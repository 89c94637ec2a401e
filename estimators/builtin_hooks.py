"""The hooks that come with the runner: logging, saving, stopping, profiling."""

import math
import os
import time

import numpy as np
import tensorflow as tf

from estimators import checkpoints, event_files, summaries, workers
from estimators.hooks import (
  CheckpointSaverListener,
  Hook,
  NanLossDuringTrainingError,
  PeriodicHook,
  Timer,
  checked,
)
from estimators.spec import ModeKeys

_logger = tf.get_logger()


class LoggingTensorHook(Hook):
  """Logs tensors: `tag = value, tag2 = value (0.053 sec)`.

  Args:
    tensors: dictionary of tag to tensor name (or tensor), or a list of names.
    every_n_iter: int, steps from one line to the next; the first step logs.
    every_n_secs: float, seconds from one line to the next.
    at_end: whether to log the last step; without a cadence, only that.
    formatter: function of the dictionary of values, returns the line.
  """

  def __init__(
    self,
    tensors,
    every_n_iter=None,
    every_n_secs=None,
    at_end=False,
    formatter=None,
  ):
    if not isinstance(tensors, dict):
      tensors = {str(tensor): tensor for tensor in tensors}
    self.tensors = dict(tensors)
    self._only_at_end = at_end and every_n_iter is None and every_n_secs is None
    self._timer = (
      Timer(every_n_iter, every_n_secs) if not (self._only_at_end) else None
    )
    self._at_end = at_end
    self._formatter = formatter

  def begin(self, run):
    self._last_values = None
    if self._timer:
      self._timer.reset()

  def next_step(self, step):
    return self._timer.next_step(step) if self._timer else None

  def after_run(self, run):
    self._last_values = self.line_values(run)
    if self._timer and self._timer.is_due(run.step):
      seconds, _ = self._timer.mark(run.step)
      self._log(self._last_values, seconds)

  def end(self, run):
    if self._at_end and self._last_values is not None:
      self._log(self._last_values, None)

  def line_values(self, run):
    """Returns the values of one line, by tag."""
    return run.values

  def _log(self, values, seconds):
    if self._formatter:
      _logger.info("%s", self._formatter(values))
      return
    with np.printoptions(suppress=True):
      line = ", ".join(f"{tag} = {value!s}" for tag, value in values.items())
    _logger.info(
      "%s%s", line, "" if seconds is None else f" ({seconds:.3f} sec)"
    )


class LossLoggingHook(LoggingTensorHook):
  """Logs `loss = 2.3, step = 100`: the loss of the step taken from there."""

  def __init__(self, every_n_iter):
    super().__init__({}, every_n_iter=every_n_iter)

  def line_values(self, run):
    return {"loss": np.float32(run.loss), "step": run.global_step - 1}


class StopAtStepHook(Hook):
  """Ends training after a number of steps, or at a step.

  Args:
    num_steps: int, the steps to take from where training begins; or
    last_step: int, the global step to stop at. Exactly one of them.
  """

  def __init__(self, num_steps=None, last_step=None):
    if (num_steps is None) == (last_step is None):
      raise ValueError(
        "exactly one of num_steps and last_step must be given, but they are "
        f"{num_steps} and {last_step}."
      )
    self._num_steps, self._last_step = num_steps, last_step

  def begin(self, run):
    self._stop_at = self._last_step
    if self._stop_at is None:
      self._stop_at = run.global_step + self._num_steps
    self._stop_if_there(run)

  def next_step(self, step):
    return max(self._stop_at, step + 1)

  def after_run(self, run):
    self._stop_if_there(run)

  def _stop_if_there(self, run):
    if run.global_step >= self._stop_at:
      run.request_stop()


class CheckpointSaverHook(Hook):
  """Saves checkpoints: at the start, at a cadence, and at the end.

  A hook of this kind given to `train` takes the place of the one that the
  RunConfig asks for.

  Args:
    save_secs: float, seconds from one checkpoint to the next; or
    save_steps: int, steps from one to the next.
    listeners: list of `CheckpointSaverListener`.
  """

  def __init__(self, save_secs=None, save_steps=None, listeners=None):
    _logger.info("Create CheckpointSaverHook.")
    self._timer = Timer(save_steps, save_secs, begins_at=0)
    self._listeners = checked(listeners, CheckpointSaverListener)

  def begin(self, run):
    self._called = (*self._listeners, *run.saving_listeners)
    for listener in self._called:
      listener.begin(run)
    self._timer.reset()
    self._timer.mark(run.step)
    run.save_checkpoint(self._called)

  def next_step(self, step):
    return self._timer.next_step(step)

  def after_run(self, run):
    if self._timer.is_due(run.step):
      self._timer.mark(run.step)
      run.save_checkpoint(self._called)

  def end(self, run):
    run.save_checkpoint(self._called)
    for listener in self._called:
      listener.end(run, run.global_step)


class StepCounterHook(PeriodicHook):
  """Logs `global_step/sec` and writes it, and examples/sec, as summaries.

  Args:
    every_n_steps: int, steps from one to the next; or
    every_n_secs: float, seconds from one to the next.
    output_dir: folder of the events; that of the run when None.
    log: bool, whether to log as well.
  """

  def __init__(
    self, every_n_steps=100, every_n_secs=None, output_dir=None, log=True
  ):
    if every_n_secs is not None:
      every_n_steps = None
    super().__init__(Timer(every_n_steps, every_n_secs))
    self._output_dir = output_dir
    self._log = log

  def begin(self, run):
    super().begin(run)
    self._examples = 0
    self._writer = _writer(run, self._output_dir)

  def act(self, run, seconds, steps):
    examples, self._examples = run.examples - self._examples, run.examples
    if not seconds:
      return
    if self._log:
      _logger.info("global_step/sec: %g", steps / seconds)
    with self._writer.as_default(step=run.global_step - 1):
      tf.summary.scalar("global_step/sec", steps / seconds)
      tf.summary.scalar("examples/sec", examples / seconds)
    self._writer.flush()  # so that TensorBoard shows it while it trains


class NanTensorHook(Hook):
  """Ends training when the loss is NaN or infinite.

  The runner stops at that very step on its own; this hook says what happens
  then.

  Args:
    fail_on_nan_loss: True raises NanLossDuringTrainingError; False warns and
      ends training cleanly. In both cases nothing is saved after that step,
      whose batch is described in `<model_dir>/diverged.json`.
  """

  def __init__(self, fail_on_nan_loss=True):
    self._fail = fail_on_nan_loss

  def next_step(self, step):
    return None

  def after_run(self, run):
    if run.loss is None or math.isfinite(run.loss):
      return
    what = "NaN" if math.isnan(run.loss) else "Inf"
    message = (
      f"Model diverged with loss = {what}, in the step from "
      f"global_step {run.global_step - 1}."
    )
    if self._fail:
      _logger.error("%s", message)
      raise NanLossDuringTrainingError(
        f"NaN loss during training. {message} {run.diagnosis}"
      )
    _logger.warning("%s %s", message, run.diagnosis)
    run.request_stop()


class SummarySaverHook(PeriodicHook):
  """Writes tensors of the model function as summaries at a cadence.

  Scalars become scalars, everything else histograms. (Summaries written by
  `tf.summary` in the model function need no hook.)

  Args:
    tensors: dictionary of tag to tensor name (or tensor).
    save_steps: int, steps from one summary to the next; or
    save_secs: float, seconds from one to the next.
    output_dir: folder of the events; that of the run when None.
  """

  def __init__(self, tensors, save_steps=None, save_secs=None, output_dir=None):
    super().__init__(Timer(save_steps, save_secs))
    self.tensors = dict(tensors)
    self._output_dir = output_dir

  def begin(self, run):
    super().begin(run)
    self._writer = _writer(run, self._output_dir)

  def act(self, run, seconds, steps):
    with self._writer.as_default(step=run.global_step - 1):
      for tag, value in run.values.items():
        write = tf.summary.histogram if np.ndim(value) else tf.summary.scalar
        write(tag, value)
    # A checkpoint of this step may come next, after which it is not written
    # once more.
    self._writer.flush()


class ProfilerHook(Hook):
  """Profiles one step at a cadence, for TensorBoard's Profile tab.

  Of workers that train together the chief alone does.

  Args:
    save_steps: int, steps from one profile to the next; or
    save_secs: float, seconds from one to the next.
    output_dir: folder of the profiles; that of the run when None.
  """

  def __init__(self, save_steps=None, save_secs=None, output_dir=None):
    self._timer = Timer(save_steps, save_secs, begins_at=0)
    self._output_dir = output_dir
    self._profiling = False

  def begin(self, run):
    self._is_on = run.estimator.writes
    if self._profiling:  # An exception ended the run before.
      self._stop()
    self._timer.reset()
    # The first step is a slow one, and is not what one wants to see.
    self._timer.mark(run.step)

  def next_step(self, step):
    if not self._is_on:
      return None
    return step + 1 if self._profiling else self._timer.next_step(step)

  def after_run(self, run):
    if self._profiling:
      self._stop()
    elif self._is_on and self._timer.is_due(run.step):
      self._timer.mark(run.step)
      tf.profiler.experimental.start(self._output_dir or run.output_dir)
      self._profiling = True

  def end(self, run):
    if self._profiling:
      self._stop()

  def _stop(self):
    tf.profiler.experimental.stop()
    self._profiling = False


class FinalOpsHook(Hook):
  """Calls a function at the end, and keeps what it returns.

  Args:
    final_ops: function without arguments that returns a tensor or a structure
      of tensors; it may read the model's variables.

  Attributes:
    final_ops_values: the result as NumPy arrays; None before the end.
  """

  def __init__(self, final_ops):
    if not callable(final_ops):
      raise TypeError(
        "FinalOpsHook needs a function that computes the values at the end, "
        f"but got {final_ops!r}; wrap it: lambda: value."
      )
    self._final_ops = final_ops
    self.final_ops_values = None

  def next_step(self, step):
    return None

  def end(self, run):
    values = self._final_ops()
    self.final_ops_values = tf.nest.map_structure(
      lambda value: tf.convert_to_tensor(value).numpy(), values
    )


class GlobalStepWaiterHook(Hook):
  """Waits, before the first step, for another process to get that far.

  Workers that train together take each step together, so that none of them can
  wait for another: there it warns, and does nothing.

  Args:
    wait_until_step: int, the step that the newest checkpoint in model_dir must
      have reached; 0 does not wait.
    poll_secs: float, seconds from one look to the next.
  """

  def __init__(self, wait_until_step, poll_secs=0.5):
    self._wait_until_step = wait_until_step
    self._poll_secs = poll_secs

  def begin(self, run):
    if self._wait_until_step <= 0:
      return
    config = run.estimator.config
    if run.mode == ModeKeys.TRAIN and workers.of(config.train_distribute):
      _logger.warning(
        "GlobalStepWaiterHook does nothing here, as all workers take each step "
        "together and would wait for each other without end; leave it out."
      )
      return
    _logger.info("Waiting for global step %d.", self._wait_until_step)
    while not run.stop_requested:
      path = run.estimator.latest_checkpoint()
      step = checkpoints.step_of(path) if path else 0
      if step >= self._wait_until_step:
        return
      _logger.debug("Waiting: global step is %d.", step)
      time.sleep(self._poll_secs)

  def next_step(self, step):
    return None


def _writer(run, output_dir):
  """Returns the `tf.summary` writer of a folder, the run's own when None.

  What was written within model_dir of steps that training takes again is
  removed. In another folder there may be events of other runs.
  """
  if not run.estimator.writes or not output_dir:
    return run.writer  # In workers other than the chief it writes nothing.
  model_dir = os.path.realpath(run.estimator.model_dir)
  is_own = os.path.realpath(output_dir).startswith(model_dir + os.sep)
  if run.mode == ModeKeys.TRAIN and run.global_step and is_own:
    summaries.close_if_past(output_dir, run.global_step)
    event_files.remove(output_dir, run.global_step, quiet_secs=0)
  return summaries.writer_for(output_dir)

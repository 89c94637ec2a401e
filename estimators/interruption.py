"""SIGTERM and Ctrl-C in training: a checkpoint, and an orderly end."""

import contextlib
import contextvars
import signal
import threading

import tensorflow as tf

from estimators import config_file

_logger = tf.get_logger()

# The `Interruption` of the training that this code is called in.
_watching = contextvars.ContextVar("watching", default=None)


class Interrupted(BaseException):
  """Breaks off what is done between the steps of training, after a signal."""


def check():
  """Is to be called by what takes long between steps, and may be broken off.

  Raises:
    Interrupted: this is called in a training that a signal is to end.
  """
  interruption = _watching.get()
  if interruption is not None and interruption.signal:
    raise Interrupted


class Interruption:
  """Turns SIGTERM and Ctrl-C into a stop at the end of the block under way.

  A second signal has its usual effect at once. One that is ignored, as Ctrl-C
  is in what a script runs in the background, stays so, and a handler that is
  not Python's stays. Outside of the main thread Python cannot watch for
  signals, and nothing is changed.

  Args:
    run: the `TrainingRun`.

  Attributes:
    signal: int, the signal that has come, here or in another worker; or None.
  """

  def __init__(self, run):
    self._run = run
    self.signal = None

  @contextlib.contextmanager
  def watched(self):
    """Within this context the two signals are watched for.

    Raises:
      KeyboardInterrupt, SystemExit: at its end, when one has come that nobody
        has seen to.
    """
    if threading.current_thread() is not threading.main_thread():
      yield
      return
    self._previous = {
      number: signal.signal(number, self._note)
      for number in (signal.SIGTERM, signal.SIGINT)
      if signal.getsignal(number) not in (signal.SIG_IGN, None)
    }
    token = _watching.set(self)
    try:
      yield
    finally:
      _watching.reset(token)
      self._put_back()
    if self.signal:
      self.leave()

  @contextlib.contextmanager
  def breaking_off(self):
    """Within this context a signal breaks off evaluations."""
    try:
      yield
    except Interrupted:
      name = signal.Signals(self.signal).name
      _logger.info("An evaluation or export was broken off by %s.", name)

  def note_from_others(self, number):
    """Notes a signal that another worker has got."""
    self.signal = self.signal or number
    self._run.request_stop()

  def leave(self):
    """Ends the program the way that the signal would have.

    Raises:
      KeyboardInterrupt: after Ctrl-C.
      SystemExit: with code 143, after SIGTERM.
    """
    command = config_file.command_line()
    _logger.warning(
      "Stopped by %s after step %d. Start the same command again to go on from "
      "the newest checkpoint, %s%s",
      signal.Signals(self.signal).name,
      self._run.global_step,
      self._run.estimator.latest_checkpoint(),
      f": {command}" if command else ".",
    )
    if self.signal == signal.SIGINT:
      raise KeyboardInterrupt
    raise SystemExit(128 + self.signal)

  def _note(self, number, frame):
    del frame
    self.signal = number
    self._run.request_stop()
    self._put_back()

  def _put_back(self):
    for number, handler in self._previous.items():
      signal.signal(number, handler)

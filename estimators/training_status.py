"""A file that says whether training is under way, for those that follow it.

`<model_dir>/training_status.json` holds

    state: running, finished, failed or stopped (by a signal)
    step: the global step
    saved: the steps of the last checkpoints that this run has saved
    error: with failed, the error's type
    host, pid: whose it is
    beat: a number that grows every few seconds while it runs

A trainer that dies without a word leaves it at `running`, but it changes no
more. Followers look by their own clock for how long: those of two machines need
not agree.
"""

import os
import socket
import threading
import time

import tensorflow as tf

from estimators import atomic_files

_logger = tf.get_logger()

FILE = "training_status.json"
RUNNING, FINISHED, FAILED, STOPPED = "running", "finished", "failed", "stopped"
REFRESH_SECS = 5.0
# Of so many checkpoints followers learn that they were there and are removed.
NUM_SAVED = 300
_FIELDS = ("state", "step", "saved", "host", "pid")


class Status:
  """Writes the file of one call of `train`, until `end` is called.

  A file that cannot be written is warned of, and training goes on.

  Args:
    run: `TrainingRun`; unless it is the chief's, nothing is written.
    refresh_secs: float, seconds from one beat to the next.
  """

  def __init__(self, run, refresh_secs=REFRESH_SECS):
    self._run = run
    self._refresh_secs = refresh_secs
    self._path = os.path.join(run.output_dir, FILE)
    self._beat = 0
    self._ended = threading.Event()
    self._thread = None
    if run.estimator.writes:
      self._write(RUNNING)
      self._thread = threading.Thread(
        target=self._refresh, name="training_status", daemon=True
      )
      self._thread.start()

  def end(self, error=None):
    """Says how training has ended.

    Args:
      error: the exception that it ended with, or None.
    """
    if self._thread is None:
      return
    self._ended.set()
    self._thread.join()
    self._thread = None
    if error is None:
      self._write(FINISHED)
    elif isinstance(error, (KeyboardInterrupt, SystemExit)):
      self._write(STOPPED)
    else:
      self._write(FAILED, error=type(error).__name__)

  def _refresh(self):
    while not self._ended.wait(self._refresh_secs):
      self._write(RUNNING)

  def _write(self, state, **more):
    self._beat += 1
    values = {
      "state": state,
      "step": self._run.global_step,
      "saved": self._run.saved_steps[-NUM_SAVED:],
      "host": socket.gethostname(),
      "pid": os.getpid(),
      "beat": self._beat,
      **more,
    }
    try:
      atomic_files.write_json(self._path, values)
    except OSError as error:
      _logger.warning("The status of training cannot be written: %s", error)


class Follower:
  """Looks at the status of a model_dir's training from time to time.

  Args:
    model_dir: str.
    clock: function that returns seconds.

  Attributes:
    status: dictionary, the newest status that could be read; empty when there
      is none.
    has_changed: bool, whether it was seen to change: the training is one that
      goes on now, and not an earlier one.
    last_change: the clock's time of that, or of the beginning.
  """

  def __init__(self, model_dir, clock=time.monotonic):
    self._path = os.path.join(model_dir, FILE)
    self._clock = clock
    self.status = {}
    self.status = self._read()
    self.has_changed = False
    self.last_change = clock()

  def look(self):
    """Reads the status again; returns its state, or None without one."""
    status = self._read()
    if status != self.status:
      self.status = status
      self.has_changed = True
      self.last_change = self._clock()
    return status.get("state")

  @property
  def quiet_secs(self):
    """For how many seconds there has been no change."""
    return self._clock() - self.last_change

  def _read(self):
    try:
      with open(self._path) as file:
        text = file.read()
    except FileNotFoundError:
      return {}
    except OSError:
      return self.status
    status = atomic_files.parsed(text, _FIELDS)
    return self.status if status is None else status

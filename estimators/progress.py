"""A progress bar on a terminal."""

import contextlib
import os
import sys

import tensorflow as tf
import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from estimators.hooks import Hook


def progress_is_shown():
  """Whether there is somebody at a terminal to see a progress bar.

  A terminal that does not know its width, as those of some containers, has no
  room for one.
  """
  return (
    sys.stderr.isatty()
    and os.get_terminal_size(sys.stderr.fileno()).columns > 0
  )


class ProgressHook(Hook):
  """Shows the steps done, their rate, the time left and the loss.

  Args:
    total: int, the global step at which training will end, or None.
  """

  def __init__(self, total=None):
    self._total = total
    self._open = contextlib.ExitStack()

  def next_step(self, step):
    return None

  def begin(self, run):
    # Log lines are written above the bar.
    self._open.enter_context(logging_redirect_tqdm([tf.get_logger()]))
    self._bar = self._open.enter_context(
      tqdm.tqdm(
        total=self._total, initial=run.global_step, unit="step", file=sys.stderr
      )
    )

  def after_run(self, run):
    self._bar.set_postfix(loss=f"{run.loss:.4g}", refresh=False)
    self._bar.update(run.global_step - self._bar.n)

  def end(self, run):
    self.close()

  def close(self):
    """Ends the bar, if there is one; safe to call twice."""
    self._open.close()

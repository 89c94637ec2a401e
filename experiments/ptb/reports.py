"""The lines that the tutorial's program printed."""

import time

import tensorflow as tf

from estimators import Hook


class EpochReport(Hook):
  """`0.104 perplexity: 834.153 speed: 9012 wps`, ten times an epoch.

  The first number is the share of the epoch that was done before the step, the
  second the perplexity of the epoch so far. Published is the line of every step
  i with i % (steps // 10) == 10, of an epoch's steps from 0: none in epochs of
  less than 110, for which it is the last of each tenth.

  Args:
    steps_per_epoch: int.
    words_per_step: int.

  Attributes:
    words, seconds: what was trained, in all epochs that had this report.
  """

  tensors = {"perplexity": "perplexity"}

  def __init__(self, steps_per_epoch, words_per_step):
    self._steps_per_epoch = steps_per_epoch
    self._words_per_step = words_per_step
    self._every = max(steps_per_epoch // 10, 1)
    self._offset = min(10, self._every - 1)
    self.words, self.seconds = 0, 0.0

  def begin(self, run):
    self._begun = self._noted = self._written = self._now(run)

  def next_step(self, step):
    index = step % self._steps_per_epoch  # of the next step in its epoch
    return step + 1 + (self._offset - index) % self._every

  def after_run(self, run):
    now = self._now(run)
    self.words += self._words(self._noted, now)
    self.seconds += now[1] - self._noted[1]
    self._noted = now
    index = (run.global_step - 1) % self._steps_per_epoch
    if index % self._every != self._offset:
      return
    print(
      f"{index / self._steps_per_epoch:.3f} "
      f"perplexity: {run.values['perplexity']:.3f} "
      f"speed: {self._speed(self._begun, now):.0f} wps",
      flush=True,
    )
    with run.writer.as_default(step=run.global_step - 1):
      tf.summary.scalar("words_per_sec", self._speed(self._written, now))
    self._written = now

  def _now(self, run):
    return run.global_step, time.perf_counter()

  def _words(self, before, now):
    return (now[0] - before[0]) * self._words_per_step

  def _speed(self, before, now):
    return self._words(before, now) / (now[1] - before[1])

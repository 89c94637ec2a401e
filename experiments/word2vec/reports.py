"""What is told of a training by the clock, as hooks."""

import json
import os
import sys
import time

import tensorflow as tf
import tqdm

from estimators import CheckpointSaverListener, Hook, atomic_files
from estimators.hooks import PeriodicHook, Timer
from estimators.progress import progress_is_shown

LOSS_FILE = "last_loss.json"


class Meter(Hook):
  """Measures the training of all calls of `Estimator.train`.

  Attributes:
    words: int, the words that were trained on; those of each call count from
      `words_before`, which is to be set before it.
    seconds: float, of training, without what comes before and after it.
  """

  tensors = {"words": "words_processed"}

  def __init__(self):
    self.words, self.seconds = 0, 0.0
    self.words_before = 0

  def next_step(self, step):
    return None

  def begin(self, run):
    self._time = time.perf_counter()

  def after_run(self, run):
    now, words = time.perf_counter(), int(run.values["words"])
    self.words += words - self.words_before
    self.seconds += now - self._time
    self.words_before, self._time = words, now

  def words_per_second(self):
    return self.words / self.seconds


class LossKeeper(CheckpointSaverListener):
  """Keeps the loss beside the checkpoints, for a run with no step to take.

  A run that was killed behind its last checkpoint has none, and tells the same
  loss nevertheless. It is written before the checkpoint, which is not there
  without it then.
  """

  def before_save(self, run, global_step):
    if run.loss is not None:
      path = os.path.join(run.output_dir, LOSS_FILE)
      atomic_files.write_json(path, {"step": global_step, "loss": run.loss})


def kept_loss(model_dir, step):
  """Returns the loss of a step from what `LossKeeper` wrote, or None."""
  path = os.path.join(model_dir, LOSS_FILE)
  if not os.path.exists(path):
    return None
  with open(path) as stream:
    kept = json.load(stream)
  return kept["loss"] if kept["step"] == step else None


class _Report(PeriodicHook):
  """Calls `report(run, words_per_second)` every so often, and at the end.

  Args:
    every_secs: float.
    meter: the Meter, which is called before.
  """

  tensors = {"words": "words_processed", "rate": "learning_rate"}

  def __init__(self, every_secs, meter):
    super().__init__(Timer(every_secs=every_secs))
    self._meter = meter
    self._seen = (0, 0.0)

  def after_run(self, run):
    self._values = run.values
    super().after_run(run)

  def act(self, run, seconds, steps):
    if seconds is not None:  # The first step only starts the clock.
      self._report(run)

  def end(self, run):
    if self._meter.words > self._seen[0]:
      self._report(run)

  def _report(self, run):
    words, seconds = self._meter.words, self._meter.seconds
    before, self._seen = self._seen, (words, seconds)
    self.report(run, (words - before[0]) / max(seconds - before[1], 1e-6))


class ProgressLine(_Report):
  """Prints a line of progress over the one before it.

  Args:
    every_secs, meter: as for _Report.
    words_per_epoch: int.
  """

  def __init__(self, every_secs, meter, words_per_epoch):
    super().__init__(every_secs, meter)
    self._words_per_epoch = words_per_epoch

  def begin(self, run):
    super().begin(run)
    self._is_open = False

  def report(self, run, words_per_second):
    epoch = (int(self._values["words"]) - 1) // self._words_per_epoch
    rate = self._values["rate"]
    line = (
      f"Epoch {epoch:4d} Step {run.global_step:8d}: lr = {rate:5.3f} "
      f"loss = {run.loss:6.2f} words/sec = {words_per_second:8.0f}"
    )
    # The bar of a terminal would be written over it.
    self._is_open = not progress_is_shown()
    tqdm.tqdm.write(line, sys.stdout, "\r" if self._is_open else "\n")
    sys.stdout.flush()

  def end(self, run):
    super().end(run)
    if self._is_open:
      print(flush=True)


class Summaries(_Report):
  """Writes loss, learning rate and words per second as summaries."""

  def report(self, run, words_per_second):
    with run.writer.as_default(step=run.global_step - 1):
      tf.summary.scalar("loss", run.loss)
      tf.summary.scalar("learning_rate", self._values["rate"])
      tf.summary.scalar("words_per_second", words_per_second)
    run.writer.flush()  # so that TensorBoard shows it while it trains

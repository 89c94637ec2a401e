"""Trainings whose time is taken, each in a process of its own.

Their functions print a dictionary in their last line.
"""

import json
import os
import time

import tensorflow as tf

from estimators import CheckpointSaverListener, Hook, RunConfig, checkpoints
from experiments.mnist import config as mnist_config
from experiments.mnist import inputs as mnist_inputs
from experiments.mnist import model as mnist_model
from experiments.ptb import config as ptb_config
from experiments.ptb import inputs as ptb_inputs
from experiments.ptb import options as ptb_options
from tools.survive import kill_trials

_WARM_STEPS = 20


def mnist(settings, folder):
  """Returns the Estimator of MNIST cnn and its training input function."""
  del folder  # Nothing is written.
  found = kill_trials.real_data("mnist")
  given = {"data_dir": found} if found else {"dataset": "digits"}
  config = mnist_config.published("cnn", **given)
  splits = mnist_inputs.load(config)
  return (
    mnist_model.estimator_of(config, settings, len(splits.train.labels)),
    mnist_inputs.train_input_fn(splits.train, config),
  )


def ptb(settings, folder):
  """Returns the Estimator of PTB small and its training input function."""
  (flag,) = kill_trials.ptb_text(folder)
  data_dir = flag.removeprefix("--data_dir=")
  config = ptb_config.published("small", data_dir=data_dir)
  corpus, _ = ptb_inputs.load(config)
  steps = ptb_inputs.steps_per_epoch(corpus, config)
  return (
    ptb_options.estimator_of(config, settings, corpus, steps),
    ptb_inputs.input_fns(corpus, config)["train"],
  )


PROGRAMS = {"MNIST cnn": mnist, "PTB small": ptb}


class Clock(Hook):
  """Takes the time of the steps after the first few.

  Args:
    steps: int, the last one.
  """

  def __init__(self, steps):
    self._steps = steps
    self._begun = self._last = None

  def next_step(self, step):
    return _WARM_STEPS if step < _WARM_STEPS else max(self._steps, step + 1)

  def after_run(self, run):
    if run.step >= _WARM_STEPS:
      self._last = (time.monotonic(), run.step)
      self._begun = self._begun or self._last

  def secs_per_step(self):
    (begin, first), (end, last) = self._begun, self._last
    return (end - begin) / (last - first)


class SaveTimer(CheckpointSaverListener):
  """Takes the time of saves, and of plain ones of the same variables.

  Plain: TensorFlow's own, without the position of the input, checksums, and
  what puts files on the disk.

  Args:
    folder: str, for the plain ones.
  """

  def __init__(self, folder):
    self._plain = os.path.join(folder, "plain")
    self._checkpoint = None
    self.seconds, self.plain_seconds = [], []
    self.size = self.plain_size = 0

  def before_save(self, run, global_step):
    self._begin = time.monotonic()

  def after_save(self, run, global_step):
    self.seconds.append(time.monotonic() - self._begin)
    path = checkpoints.newest(run.output_dir)
    self.size = _size(path)
    if self._checkpoint is None:
      values = {n: checkpoints.value(path, n) for n in checkpoints.names(path)}
      variables = {name: tf.Variable(v) for name, v in values.items()}
      self._checkpoint = tf.train.Checkpoint(**checkpoints.tree(variables))
    begin = time.monotonic()
    self._checkpoint.write(self._plain)
    self.plain_seconds.append(time.monotonic() - begin)
    self.plain_size = _size(self._plain)


def _size(path):
  """Returns the bytes of a checkpoint's files."""
  folder, name = os.path.split(path)
  return sum(
    os.path.getsize(os.path.join(folder, file))
    for file in os.listdir(folder)
    if file.startswith(name + ".")
  )


def speed(program, folder, steps, save_secs=None, deterministic=False):
  """Prints the seconds of a training step.

  Args:
    program: str, a key of `PROGRAMS`.
    folder: str, an empty folder.
    steps: int.
    save_secs: float, from one checkpoint to the next; None for none at all.
    deterministic: bool, of `RunConfig`.
  """
  settings = RunConfig(
    os.path.join(folder, "model"),
    tf_random_seed=1,
    save_checkpoints_secs=save_secs,
    deterministic=deterministic,
  )
  estimator, input_fn = PROGRAMS[program](settings, folder)
  clock = Clock(steps)
  estimator.train(input_fn, hooks=[clock], max_steps=steps)
  print(json.dumps({"secs_per_step": clock.secs_per_step()}))


def saves(program, folder, number):
  """Prints sizes (bytes) and seconds of checkpoints, as `SaveTimer` has them.

  Args:
    program, folder: as for `speed`.
    number: int, of checkpoints.
  """
  settings = RunConfig(
    os.path.join(folder, "model"), tf_random_seed=1, save_checkpoints_steps=5
  )
  estimator, input_fn = PROGRAMS[program](settings, folder)
  timer = SaveTimer(folder)
  estimator.train(input_fn, max_steps=5 * number, saving_listeners=[timer])
  values = {k: v for k, v in vars(timer).items() if not k.startswith("_")}
  print(json.dumps(values))

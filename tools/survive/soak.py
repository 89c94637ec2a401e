"""Long runs: what grows with the number of calls, or of checkpoints.

    python -m tools.survive.soak FOLDER [SCALE]

evaluates, predicts and saves checkpoints many times in one process, and prints
a line of JSON for each of the three. `run` starts that in a process of its own,
so that its memory holds nothing else.
"""

import dataclasses
import gc
import glob
import json
import os
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf
import tqdm

import estimators
from estimators import ModeKeys
from tools.survive.outcome import Outcome

SEED = 0
EVALUATES, PREDICTS, CHECKPOINTS = 10_000, 100_000, 1_000
GROWTH = 0.05  # the most that memory and open files may grow
SLOWER = 1.2  # the last saves may take so many times what the first took
KEPT = 5
_WARM_UP = 0.02  # of the calls, before the first look
_ROWS = 8


@estimators.once
def network():
  return keras.Sequential([keras.layers.Dense(8), keras.layers.Dense(3)])


@estimators.once
def optimizer():
  return keras.optimizers.Adam()


@estimators.once
def accuracy():
  return keras.metrics.SparseCategoricalAccuracy()


def model_fn(features, labels, mode):
  """A small classifier, with a metric of each kind."""
  logits = network()(features)
  if mode == ModeKeys.PREDICT:
    return estimators.EstimatorSpec(mode, predictions={"logits": logits})
  loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  )
  if mode == ModeKeys.TRAIN:
    train_op = estimators.minimize(loss, optimizer())
    return estimators.EstimatorSpec(mode, loss=loss, train_op=train_op)
  metric = accuracy()
  metric.update_state(labels, logits)
  right = tf.cast(tf.argmax(logits, 1, tf.int32) == labels, tf.float32)
  metrics = {"accuracy": metric, "right": right}
  return estimators.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


def input_fn(mode):
  """Two batches of invented rows; without end for training."""
  random = np.random.RandomState(SEED)
  features = random.normal(size=[_ROWS, 4]).astype(np.float32)
  labels = features[:, :3].argmax(1).astype(np.int32)
  dataset = tf.data.Dataset.from_tensor_slices((features, labels))
  dataset = dataset.batch(_ROWS // 2)
  return dataset.repeat() if mode == ModeKeys.TRAIN else dataset


def new_estimator(folder, **config):
  """Returns an Estimator of the small model in a folder."""
  config = estimators.RunConfig(**config)
  return estimators.Estimator(model_fn, folder, config)


def evaluate(estimator, i):
  """Evaluates once; i is the number of the call."""
  del i
  estimator.evaluate(input_fn)


def predict(estimator, i):
  """Predicts, and drops every other generator after its first row."""
  rows = estimator.predict(input_fn)
  if i % 2:
    next(rows)
    return
  count = sum(1 for _ in rows)
  if count != _ROWS:
    raise AssertionError(f"{_ROWS} predictions were expected, got {count}.")


@dataclasses.dataclass(frozen=True)
class Use:
  """What a process uses.

  Attributes:
    memory: int, bytes in main memory.
    files: int, open file descriptors.
  """

  memory: int
  files: int

  @classmethod
  def now(cls):
    gc.collect()
    with open("/proc/self/statm") as file:
      pages = int(file.read().split()[1])
    return cls(pages * os.sysconf("SC_PAGE_SIZE"), open_files())


def open_files():
  """Returns how many file descriptors this process has open."""
  return len(os.listdir("/proc/self/fd")) - 1  # That of the list itself.


def soak_calls(name, call, number):
  """Makes many calls; returns what grew in them, an `Outcome`.

  Args:
    name: str, what one call is.
    call: function of the number of the call, from 0.
    number: int, how many calls.
  """
  first = max(2, int(number * _WARM_UP))
  start = time.monotonic()
  for i in tqdm.trange(number, desc=name, mininterval=10):
    if i == first:
      before, warm = Use.now(), time.monotonic()
    call(i)
  after, end = Use.now(), time.monotonic()
  memory = after.memory / before.memory - 1
  files = after.files / before.files - 1
  each = 1e3 * (end - warm) / (number - first)
  return Outcome(
    name=f"{number:,} {name} calls",
    wanted=f"memory and open files +- {GROWTH:.0%}",
    got=f"memory {memory:+.1%} of {before.memory / 2**20:.0f} MiB, "
    f"files {before.files} -> {after.files}; {each:.2f} ms a call",
    passed=abs(memory) <= GROWTH and abs(files) <= GROWTH,
    seconds=end - start,
  )


class Watcher(estimators.CheckpointSaverListener):
  """Times each save, and looks at which checkpoints are kept after it.

  Args:
    model_dir: str.

  Attributes:
    seconds: list of float, of each save.
    wrong: list of (step, steps that were kept) where the rule did not hold.
  """

  def __init__(self, model_dir):
    self._model_dir = model_dir
    self._first = None
    self.seconds, self.wrong = [], []

  def before_save(self, run, global_step):
    del run
    if self._first is None:
      self._first = global_step
    self._start = time.monotonic()

  def after_save(self, run, global_step):
    del run
    self.seconds.append(time.monotonic() - self._start)
    kept = kept_steps(self._model_dir)
    oldest = max(self._first, global_step - KEPT + 1)
    if kept != list(range(oldest, global_step + 1)):
      self.wrong.append((global_step, kept))


def kept_steps(model_dir):
  """Returns the steps of the checkpoints in a folder, sorted."""
  paths = glob.glob(os.path.join(glob.escape(model_dir), "*.index"))
  return sorted(int(p.removesuffix(".index").rsplit("-", 1)[1]) for p in paths)


def soak_checkpoints(folder, number):
  """Saves a checkpoint after every step; returns an `Outcome`."""
  start = time.monotonic()
  estimator = new_estimator(
    folder, save_checkpoints_steps=1, keep_checkpoint_max=KEPT
  )
  watcher = Watcher(folder)
  estimator.train(input_fn, steps=number, saving_listeners=[watcher])
  skipped, part = max(2, number // 50), max(1, number // 10)
  seconds = watcher.seconds[skipped:]
  first = statistics.median(seconds[:part])
  last = statistics.median(seconds[-part:])
  return Outcome(
    name=f"{number:,} checkpoints",
    wanted=f"the last {KEPT} are kept; the time of a save at most {SLOWER} x",
    got=f"{len(watcher.wrong)} times others kept; "
    f"{1e3 * first:.1f} -> {1e3 * last:.1f} ms a save",
    passed=not watcher.wrong and last <= SLOWER * first,
    seconds=time.monotonic() - start,
  )


def outcomes(scale, folder):
  """Yields the `Outcome`s of the three, of this very process."""
  tf.get_logger().setLevel("WARNING")
  estimator = new_estimator(os.path.join(folder, "calls"))
  estimator.train(input_fn, steps=3)
  for call, number in ((evaluate, EVALUATES), (predict, PREDICTS)):
    number = max(100, int(number * scale))
    yield soak_calls(
      call.__name__, lambda i, call=call: call(estimator, i), number
    )
  number = max(30, int(CHECKPOINTS * scale))
  yield soak_checkpoints(os.path.join(folder, "checkpoints"), number)


def run(scale, folder):
  """Returns the list of `Outcome`s of a process that does nothing else.

  Args:
    scale: float, 1.0 for all of the calls and checkpoints.
    folder: str, an empty folder.

  Raises:
    subprocess.CalledProcessError: the process failed.
  """
  command = [sys.executable, "-m", "tools.survive.soak", folder, str(scale)]
  done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
  return [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]


def main(args):
  folder, scale = args[0], float(args[1]) if len(args) > 1 else 1.0
  for outcome in outcomes(scale, folder):
    print(json.dumps(dataclasses.asdict(outcome)), flush=True)


if __name__ == "__main__":
  main(sys.argv[1:])

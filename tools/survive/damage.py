"""Damaged checkpoints: what is restored is right, and at most one is lost.

The counter of the toy model says in each of its elements which step it is at,
so that what was restored can be told from the step that it passes for.
"""

import os
import random
import shutil
import time

import numpy as np
import tensorflow as tf
import tqdm

from estimators import checkpoints
from tools.survive import toy
from tools.survive.nursery import Nursery
from tools.survive.outcome import Outcome
from tools.survive.processes import newest_step

SEED = 1
KILLS, PERCENTS, FLIPS = 100, 100, 200
STEPS = 6
# Of how many damaged folders in one does an Estimator go on training; in the
# others what it would restore is read.
_TRAINED = 10
_SMALL, _LARGE = 1_000, 1_000_000  # elements of the counter: 4 KB, 4 MB
_FILES = (".data-00000-of-00001", ".index", ".sha256")
_LIST = "checkpoint"
_WANTED = "0 wrong, 0 losses beyond one checkpoint"
_POLL_SECS = 0.0002


def restored(model_dir):
  """Returns the step that training would go on from.

  Raises:
    AssertionError: what would be restored is not of that step.
    ValueError, OSError, tf.errors.OpError: nothing could be restored.
  """
  path = checkpoints.newest(model_dir)
  if path is None:
    raise ValueError(f"there is no checkpoint in {model_dir}")
  step = checkpoints.step_of(path)
  _check(checkpoints.value(path, toy.COUNTER), step)
  _check(checkpoints.value(path, "global_step"), step)
  return step


def trained(model_dir, size):
  """Trains one step more; returns the step that it went on from.

  Raises: as `restored`.
  """
  model = toy.estimator(model_dir, size)
  before = checkpoints.step_of(model.latest_checkpoint())
  model.train(toy.input_fn, steps=1)
  _check(model.get_variable_value(toy.COUNTER), before + 1)
  return before


def _check(value, step):
  if not np.all(value == step):
    raise AssertionError(f"of step {step} {np.unique(value)} was restored")


class Count:
  """Counts what a kind of damage has led to.

  Attributes:
    tried, used_earlier: int.
    unfinished: int, how often a save was under way; counted by others.
    problems: list of lines.
  """

  def __init__(self):
    self.tried = self.used_earlier = self.unfinished = 0
    self.problems = []

  def add(self, what, model_dir, newest, restore=restored, most_lost=1):
    """Restores; the newest checkpoint must be used, or the one before it.

    Args:
      what: str, the damage.
      model_dir: str.
      newest: int, the step of the newest checkpoint.
      restore: function of model_dir that returns a step.
      most_lost: int, how many steps may be lost; 0 where all checkpoints are
        whole.
    """
    self.tried += 1
    try:
      step = restore(model_dir)
    except AssertionError as error:
      self.problems.append(f"wrong ({what}): {error}")
      return
    except Exception as error:
      self.problems.append(f"lost ({what}): {error!r}")
      return
    self.used_earlier += step < newest
    if step < newest - most_lost:
      self.problems.append(f"lost ({what}): step {step} of {newest} was used")

  def outcome(self, name, begun, wanted=_WANTED):
    """Returns the `Outcome`, which passed without problems."""
    count = sum(line.startswith("wrong") for line in self.problems)
    lost = len(self.problems) - count
    got = (
      f"{self.tried} restored, {self.used_earlier} of them from the checkpoint "
      f"before; {count} wrong, {lost} lost"
    )
    if self.unfinished:
      got = f"{self.unfinished} saves cut off; {got}"
    if self.problems:
      got += f": {self.problems[0]}"
    return Outcome(
      name, wanted, got,
      not self.problems, time.monotonic() - begun,
    )  # fmt: skip


def killed_saves(kills, folder, nursery, size=_LARGE):
  """Kills a process that saves all the time; returns an `Outcome`.

  Args:
    kills: int.
    folder: str, an empty folder.
    nursery: `nursery.Nursery`.
    size: int, the elements of the counter.
  """
  begun, rng, count = time.monotonic(), random.Random(SEED), Count()
  model_dir = os.path.join(folder, "model")
  out, log = os.path.join(folder, "out"), os.path.join(folder, "log")
  save_secs = 0.05
  for number in tqdm.trange(kills, desc="kills while saving"):
    arguments = {"model_dir": model_dir, "max_steps": 10**9, "size": size}
    first = newest_step(model_dir)
    child = nursery.start(toy.__name__, "train", arguments, out, log)
    if _seen(child, model_dir, first + 1 + rng.randrange(1, 4)):
      time.sleep(rng.random() * 2 * save_secs)
    child.kill()
    child.wait()
    if child.returncode >= 0:
      count.problems.append(f"lost: the process ended: see {log}")
      break
    count.unfinished += is_unfinished(model_dir)
    with open(out) as stream:
      saved = [int(line) for line in stream if line.endswith("\n")]
    least = max([first, *saved])
    trains = number % _TRAINED == 0
    count.add(
      "SIGKILL while saving", model_dir, least,
      (lambda path: trained(path, size)) if trains else restored,
    )  # fmt: skip
  return count.outcome(f"SIGKILL during a save, {4 * size:,} bytes", begun)


def is_unfinished(model_dir):
  """Whether there are files that only a save has while it is under way."""
  names = os.listdir(model_dir)
  begun = {name.split(".data-")[0] for name in names if ".data-" in name}
  return any(
    "temp" in name or ".tmp" in name for name in names
  ) or not begun <= {name.removesuffix(".sha256") for name in names}


def _seen(child, model_dir, step):
  """Waits for a checkpoint; returns whether the process came so far."""
  while newest_step(model_dir) < step:
    if child.poll() is not None:
      return False
    time.sleep(_POLL_SECS)
  return True


def damaged_files(folder):
  """Makes the folder that is damaged; returns the names of its newest files."""
  toy.estimator(folder, _SMALL).train(toy.input_fn, max_steps=STEPS)
  return [*(f"model.ckpt-{STEPS}{end}" for end in _FILES), _LIST]


def _tried(whole, damages, name, most_lost=1, trained_each=None):
  """Restores from copies that are damaged; returns an `Outcome`.

  Args:
    whole: str, the folder that is copied.
    damages: list of (str, file name, function of bytes that returns others).
    name: str.
    most_lost: int, see `Count.add`.
    trained_each: int, of how many in one training goes on; `_TRAINED` if None.
  """
  begun, count = time.monotonic(), Count()
  for number, (what, file, change) in enumerate(tqdm.tqdm(damages, name)):
    # A folder of its own, as what is known of a path is remembered.
    copy = f"{whole}_{name.split()[0]}_{number}"
    shutil.copytree(whole, copy)
    path = os.path.join(copy, file)
    with open(path, "rb") as stream:
      content = stream.read()
    with open(path, "wb") as stream:
      stream.write(change(content))
    trains = number % (trained_each or _TRAINED) == 0
    count.add(
      f"{what} of {file}", copy, STEPS,
      (lambda path: trained(path, _SMALL)) if trains else restored,
      most_lost,
    )  # fmt: skip
    shutil.rmtree(copy)
  wanted = _WANTED if most_lost else "0 wrong, 0 losses"
  return count.outcome(name, begun, wanted)


def truncations(percents, whole, files):
  """Cuts each file at even shares of its size; returns an `Outcome`."""
  damages = [
    (
      f"{100 * i // percents} %",
      file,
      lambda content, i=i: content[: len(content) * i // percents],
    )
    for file in files
    for i in range(percents)
  ]
  step = 100 // percents
  return _tried(whole, damages, f"truncated at every {step} % of each file")


def _flipped(content, bit):
  changed = bytearray(content)
  changed[bit // 8] ^= 1 << bit % 8
  return bytes(changed)


def flips(number, whole, files):
  """Flips a random bit of a file, all files alike; returns an `Outcome`."""
  rng = random.Random(SEED)
  damages = []
  for i in range(number):
    file = files[i % len(files)]
    bit = rng.randrange(8 * os.path.getsize(os.path.join(whole, file)))
    damages.append(
      (f"bit {bit}", file, lambda content, bit=bit: _flipped(content, bit))
    )
  return _tried(whole, damages, f"flipped one bit, {number} times")


def list_flips(scale, whole):
  """Flips each bit of the file that lists the checkpoints, all of them whole.

  The newest must be used, whatever is listed.

  Args:
    scale: float, the share of the bits, evenly spread.
    whole: str, the folder.

  Returns:
    An `Outcome`.
  """
  bits = 8 * os.path.getsize(os.path.join(whole, _LIST))
  every = max(1, round(1 / scale))
  damages = [
    (f"bit {bit}", _LIST, lambda content, bit=bit: _flipped(content, bit))
    for bit in range(0, bits, every)
  ]
  which = "each bit" if every == 1 else f"one bit of {every}"
  name = f"listed: flipped {which} of the list"
  # There are thousands, and to train takes a second.
  return _tried(whole, damages, name, 0, trained_each=20 * _TRAINED)


def run(scale, folder):
  """Damages checkpoints in all ways; see `Outcome`."""
  level = tf.get_logger().level
  tf.get_logger().setLevel("ERROR")  # A warning of each would be a flood.
  try:
    whole = os.path.join(folder, "whole")
    files = damaged_files(whole)
    percents = max(2, round(PERCENTS * min(scale, 1)))
    kills = os.path.join(folder, "kills")
    os.makedirs(kills)
    with Nursery() as nursery:
      saves = killed_saves(max(1, round(KILLS * scale)), kills, nursery)
    return [
      saves,
      truncations(percents, whole, files),
      flips(max(1, round(FLIPS * scale)), whole, files),
      list_flips(scale, whole),
    ]
  finally:
    tf.get_logger().setLevel(level)

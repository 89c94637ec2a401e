"""A full disk, a folder that cannot be written, a clock that goes back.

A toy trains up to a checkpoint. The next process meets the trouble: it must end
with a clear message and leave the checkpoint whole. Then, without the trouble,
training must come out as if there had been none.
"""

import contextlib
import os
import re
import resource
import subprocess
import time
from unittest import mock

from tools.survive import damage, toy, traces
from tools.survive.nursery import Nursery
from tools.survive.outcome import Outcome
from tools.survive.processes import Life

_FIRST, _LAST = 3, 9  # The steps at which the processes end.
_SIZE = 100_000  # elements of the counter: a checkpoint has 400 KB
_DISK_BYTES = 2 << 20
_FILE_BYTES = 100_000
_NOBODY = 65534
_BACK_SECS = 86_400.0
_FULL = "must be written into .*Make room"
_READ_ONLY = "(?i)read-only|permission denied|be writ"


@contextlib.contextmanager
def limit(max_bytes):
  """Within it no file of this process grows beyond so many bytes."""
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, hard))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def limited(max_bytes, **arguments):
  """Trains with a limit to the size of a file, a quota of a kind."""
  with limit(max_bytes):
    toy.train(**arguments)


def as_nobody(**arguments):
  """Trains as a user who may write nothing."""
  os.setuid(_NOBODY)
  toy.train(**arguments)


def with_clock(ahead_secs, **arguments):
  """Trains with a clock that is ahead, up to the middle of training."""
  now = time.time
  end = arguments.pop("until")

  def jumping():
    path = os.path.join(arguments["model_dir"], f"model.ckpt-{end}.index")
    return now() + (0 if os.path.exists(path) else ahead_secs)

  with mock.patch.object(time, "time", jumping):
    toy.train(**arguments)


class Trouble:
  """Runs the three processes of a trial.

  Args:
    nursery: `nursery.Nursery`.
    folder: str, an empty folder.
    model_dir: str, may be on another disk.
  """

  def __init__(self, nursery, folder, model_dir):
    self._nursery = nursery
    self._log = os.path.join(folder, "log")
    self.model_dir = model_dir

  def life(self, module, function, max_steps, **more):
    """Runs a process to its end; returns the `Life`."""
    arguments = {"model_dir": self.model_dir, "max_steps": max_steps}
    arguments |= {"size": _SIZE} | more
    start = self._nursery.starter(module, function, arguments)
    return Life(start, self.model_dir, self._log).run()

  def train(self, max_steps):
    """Trains without trouble; returns the metrics.

    Raises:
      RuntimeError: it failed.
    """
    life = self.life(toy.__name__, "train", max_steps)
    if life.returncode:
      raise RuntimeError(f"training ended with {life.returncode}: {life.log}")
    return life.metrics()

  def fails(self, message, function="train", module=toy.__name__, **more):
    """Trains in trouble; returns what is wrong, a list of lines.

    Args:
      message: str, a regular expression that the last line must have.
      function, module, **more: as for `life`.
    """
    life = self.life(module, function, _LAST, **more)
    with open(self._log, errors="replace") as stream:
      last = stream.read().strip().rsplit("\n", 1)[-1]
    found = []
    if life.returncode != 1:
      found.append(f"it ended with {life.returncode}, not with an error")
    if not re.search(message, last):
      found.append(f"its last line was {last!r}")
    return found

  def step(self):
    """Returns the step that would be restored, verified."""
    return damage.restored(self.model_dir)


def unbroken(nursery, folder):
  """Returns the `Trace` of a run without trouble."""
  run = Trouble(nursery, folder, os.path.join(folder, "model"))
  run.train(_FIRST)
  metrics = run.train(_LAST)
  return traces.trace(run.model_dir, metrics)


def _outcome(name, wanted, begun, found):
  """Returns an `Outcome`, which passed when nothing was found."""
  got = "; ".join(found) or wanted
  return Outcome(name, wanted, got, not found, time.monotonic() - begun)


def _not_tried(name):
  """Returns the `Outcome` where no disk may be mounted."""
  got = "not tried: no tmpfs may be mounted here, which root may elsewhere"
  return Outcome(name, "a clear error", got, False, 0.0)


def _goes_on(run, trace, least=_FIRST):
  """Returns what is wrong with the checkpoint, or with going on from it."""
  found = []
  if run.step() < least:
    found.append(f"step {run.step()} was left of {least}")
  metrics = run.train(_LAST)
  return found + traces.differences(trace, traces.trace(run.model_dir, metrics))


def file_limit(nursery, folder, trace):
  """A limit to the size of files, as of a quota, is met in a save."""
  begun = time.monotonic()
  run = Trouble(nursery, folder, os.path.join(folder, "model"))
  run.train(_FIRST)
  found = run.fails(_FULL, "limited", __name__, max_bytes=_FILE_BYTES)
  return _outcome(
    "a file may not grow (RLIMIT_FSIZE)",
    "clear error, earlier checkpoint intact, goes on exactly",
    begun,
    found + _goes_on(run, trace),
  )


def no_right(nursery, folder, trace):
  """The folder is another user's; root becomes nobody for that."""
  begun = time.monotonic()
  run = Trouble(nursery, folder, os.path.join(folder, "model"))
  run.train(_FIRST)
  # It must reach the folder, to be refused there.
  os.chmod(folder, 0o755)
  if os.getuid() == 0:
    found = run.fails(_READ_ONLY, "as_nobody", __name__)
  else:
    os.chmod(run.model_dir, 0o555)
    found = run.fails(_READ_ONLY)
    os.chmod(run.model_dir, 0o755)
  return _outcome(
    "no right to write into model_dir",
    "clear error, earlier checkpoint intact, goes on exactly",
    begun,
    found + _goes_on(run, trace),
  )


def _mount(folder, options):
  return subprocess.run(
    ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
    capture_output=True,
  ).returncode


@contextlib.contextmanager
def _small_disk(folder):
  """Gives a folder on a disk of its own, or None where none may be mounted."""
  disk = os.path.join(folder, "disk")
  os.makedirs(disk)
  if _mount(disk, f"size={_DISK_BYTES}"):
    yield None
    return
  try:
    yield disk
  finally:
    subprocess.run(["umount", "-l", disk], check=True)


def full_disk(nursery, folder, trace):
  """The disk has room for some checkpoints, and not for all."""
  begun = time.monotonic()
  with _small_disk(folder) as disk:
    if disk is None:
      return _not_tried(f"a full disk, of {_DISK_BYTES >> 20} MB")
    run = Trouble(nursery, folder, os.path.join(disk, "model"))
    run.train(_FIRST)
    found = run.fails(_FULL)
    _mount(disk, f"remount,size={10 * _DISK_BYTES}")
    found += _goes_on(run, trace)
  return _outcome(
    f"a full disk, of {_DISK_BYTES >> 20} MB",
    "clear error, earlier checkpoints intact, goes on exactly",
    begun,
    found,
  )


def read_only_disk(nursery, folder, trace):
  """The disk has become read-only, as Linux makes those with errors."""
  begun = time.monotonic()
  with _small_disk(folder) as disk:
    if disk is None:
      return _not_tried("a disk that is read-only")
    run = Trouble(nursery, folder, os.path.join(disk, "model"))
    _mount(disk, f"remount,size={10 * _DISK_BYTES}")
    run.train(_FIRST)
    _mount(disk, "remount,ro")
    found = run.fails(_READ_ONLY)
    _mount(disk, "remount,rw")
    found += _goes_on(run, trace)
  return _outcome(
    "a disk that is read-only",
    "clear error, earlier checkpoint intact, goes on exactly",
    begun,
    found,
  )


def clock_back(nursery, folder, trace):
  """The clock goes back by a day, within a process and between two."""
  begun = time.monotonic()
  run = Trouble(nursery, folder, os.path.join(folder, "model"))
  clock = {"ahead_secs": _BACK_SECS, "until": _FIRST - 1}
  life = run.life(__name__, "with_clock", _FIRST, **clock)
  found = [f"it ended with {life.returncode}"] if life.returncode else []
  for name in os.listdir(run.model_dir):
    later = time.time() + _BACK_SECS
    os.utime(os.path.join(run.model_dir, name), (later, later))
  found += _goes_on(run, trace)
  kept = len([n for n in os.listdir(run.model_dir) if n.endswith(".index")])
  if kept != 5:
    found.append(f"{kept} checkpoints are there instead of 5")
  return _outcome(
    "the clock goes back by a day", "goes on exactly, keeps 5 checkpoints",
    begun, found,
  )  # fmt: skip


def run(scale, folder):
  """Tries all of them, at any scale; see `Outcome`."""
  del scale  # There is one of each.
  trials = (file_limit, no_right, full_disk, read_only_disk, clock_back)
  found = []
  with Nursery() as nursery:
    os.makedirs(os.path.join(folder, "unbroken"))
    trace = unbroken(nursery, os.path.join(folder, "unbroken"))
    # Others may look into the folders of a temporary one.
    os.chmod(folder, 0o755)
    for trial in trials:
      own = os.path.join(folder, trial.__name__)
      os.makedirs(own)
      try:
        outcome = trial(nursery, own, trace)
      except Exception as error:
        outcome = Outcome(trial.__name__, "to end", repr(error), False, 0.0)
      found.append(outcome)
  return found

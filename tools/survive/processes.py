"""Processes that are killed at a chosen moment."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Of the names that say that a checkpoint is there.
_INDEX = re.compile(r"model\.ckpt-(\d+)\.index")
_LOOK_SECS = 0.002
_LONGEST_SECS = 1800.0


def newest_step(model_dir):
  """Returns the step of the newest checkpoint in a folder, -1 for none.

  By names alone: whether it is whole is what is to be found out.
  """
  try:
    names = os.listdir(model_dir)
  except FileNotFoundError:
    return -1
  found = map(_INDEX.fullmatch, names)
  return max((int(match[1]) for match in found if match), default=-1)


@dataclasses.dataclass(frozen=True)
class Moment:
  """When a process is killed.

  Attributes:
    step: int or None: not before there is a checkpoint of this step or later.
    seconds: float, after that, or after the process began.
  """

  step: int | None
  seconds: float


def program(module, args):
  """Returns what starts `python -m module args`, for `Life`."""

  def start(out, err):
    with open(out, "wb") as out_stream, open(err, "ab") as err_stream:
      return subprocess.Popen(
        [sys.executable, "-m", module, *args],
        cwd=ROOT,
        stdout=out_stream,
        stderr=err_stream,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
      )

  return start


class Life:
  """One start of a program, up to its end or to its being killed.

  Args:
    start: function of two paths, of what it prints and (appended to) of its
      errors; starts it and returns the process, as `subprocess.Popen`.
    model_dir: str, where its checkpoints are looked for.
    log: str, the path of its errors.

  Attributes:
    log: str, the argument.
    returncode: int or None, negative when it was killed.
    hung: bool, whether it was killed as it did not end, nor get to the moment.
    output: str, what it printed.
    seconds: float, what it took.
    ended: float, the time of its end, as of `time.time`.
    first_checkpoint: float or None, seconds until it had made a checkpoint.
  """

  def __init__(self, start, model_dir, log):
    self._start = start
    self._model_dir = model_dir
    self.log = log
    self.returncode = self.first_checkpoint = None
    self.hung = False
    self.output = ""
    self.seconds = self.ended = 0.0

  def run(self, moment=None):
    """Runs it; kills it at a `Moment`, if one is given and it gets there."""
    begun_at = newest_step(self._model_dir)
    out = self.log + ".out"
    begin = time.monotonic()
    process = self._start(out, self.log)
    due = None if moment is None or moment.step is not None else begin
    while process.poll() is None:
      now = time.monotonic()
      step = newest_step(self._model_dir)
      if self.first_checkpoint is None and step > begun_at:
        self.first_checkpoint = now - begin
      if moment and due is None and step >= moment.step:
        due = now
      is_due = due is not None and now >= due + moment.seconds
      self.hung = not is_due and now > begin + _LONGEST_SECS
      if is_due or self.hung:
        process.kill()
        process.wait()
      else:
        time.sleep(_LOOK_SECS)
    self.returncode = process.returncode
    self.seconds, self.ended = time.monotonic() - begin, time.time()
    with open(out, errors="replace") as stream:
      self.output = stream.read()
    return self

  def metrics(self):
    """Returns the dictionary that its last line is, or None."""
    lines = self.output.strip().splitlines()
    try:
      values = json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
      return None
    return values if isinstance(values, dict) else None

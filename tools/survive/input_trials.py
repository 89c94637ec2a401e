"""A damaged file, read: what came of it, and whether that is right."""

import contextlib
import os
import random
import traceback

import numpy as np

from tools.survive import mutations
from tools.survive.binary_oracles import Damaged
from tools.survive.watched_workers import CRASH, HANG

# What may come of a damaged file. The first three are right.
ERROR, VALID, SKIPPED = "errors", "valid", "skipped"
SILENT, UNNAMED, REFUSED = "silent", "unnamed", "refused"
RIGHT = ERROR, VALID, SKIPPED
KINDS = (ERROR, VALID, SKIPPED, SILENT, UNNAMED, REFUSED, HANG, CRASH)


def damaged(form, number):
  """Returns the content of mutation `number` of a format: bytes."""
  draws = random.Random(f"{form.name} {number}")
  first, second = form.samples if draws.random() < 0.7 else form.samples[::-1]
  return form.wrap(mutations.mutated(first, second, draws))


def judged(form, content, path):
  """Reads a file of a content; returns (one of `KINDS`, what happened)."""
  _write(path, content)
  try:
    got = form.read(path)
  except Exception as error:
    got = error
  return _judged_result(form, content, path, got)


def judged_together(form, contents, paths):
  """Reads files of some contents with `read_all`; returns a list as `judged`.

  What does not come out right is read again by itself.
  """
  for path, content in zip(paths, contents, strict=True):
    _write(path, content)
  results = form.read_all(paths)
  judgements = []
  for path, content in zip(paths, contents, strict=True):
    judgement = _judged_result(form, content, path, results[path])
    if judgement[0] not in RIGHT:
      judgement = judged(form, content, path)
    judgements.append(judgement)
  return judgements


def _write(path, content):
  with open(path, "wb") as stream:
    stream.write(content)


def _judged_result(form, content, path, got):
  try:
    wanted = form.oracle(content)
  except Damaged:
    wanted = None
  if isinstance(got, Exception):
    return _judged_error(form, wanted, path, got)
  originals = [wanted]
  if form.is_lenient:
    originals += [form.oracle(form.wrap(sample)) for sample in form.samples]
  if any(same(got, original) for original in originals):
    return VALID, ""
  return SILENT, f"got {got!r:.300}, not {wanted!r:.300}"


def _judged_error(form, wanted, path, error):
  message = f"{type(error).__name__}: {error}"
  if path not in message:
    trace = "".join(traceback.format_tb(error.__traceback__)[-2:])
    return UNNAMED, f"{message:.500}\n{trace}"
  if wanted is not None and not form.is_lenient:
    return REFUSED, f"{message:.300}, not {wanted!r:.300}"
  return ERROR, message


def same(one, other):
  """Whether two values are the same in type, shape and content."""
  if isinstance(one, (tuple, list)):
    return (
      isinstance(other, (tuple, list))
      and len(one) == len(other)
      and all(map(same, one, other))
    )
  if isinstance(one, np.ndarray):
    return (
      isinstance(other, np.ndarray)
      and (one.dtype, one.shape) == (other.dtype, other.shape)
      and one.tobytes() == other.tobytes()
    )
  return one == other or (one != one and other != other)


# What may stand where a file should.
NO_FILES = ("nothing", "a folder", "a pipe", "a device", "a huge file")
_HUGE_BYTES = 1 << 42
_OF_STREAMS = NO_FILES[:2]  # A stream may well come from a pipe.


def judged_no_file(form, what, path):
  """Reads what is no file; returns (one of `KINDS`, what happened).

  Args:
    form: Format.
    what: one of `NO_FILES`.
    path: str; nothing is there before and after.
  """
  if form.is_stream and what not in _OF_STREAMS:
    return ERROR, "not tried"
  with contextlib.suppress(FileNotFoundError):
    os.remove(path)
  _put(what, path)
  try:
    got = form.read(path)
  except Exception as error:
    # Of a folder with nothing in it the name of the file is not known.
    named = os.path.dirname(path) if what == "nothing" else path
    return _judged_error(form, None, named, error)
  finally:
    if what == "a folder":
      os.rmdir(path)
    elif what != "nothing":
      os.remove(path)
  return SILENT, f"{what} gave {got!r:.300}"


def _put(what, path):
  if what == "a folder":
    os.mkdir(path)
  elif what == "a pipe":
    os.mkfifo(path)
  elif what == "a device":
    os.symlink("/dev/zero", path)
  elif what == "a huge file":
    with open(path, "wb") as stream:
      stream.truncate(_HUGE_BYTES)

"""Every input format against random damage: an error that says where, or right.

For each format a small file is damaged at random, again and again, and read by
the public reader in a process that is watched. What is read must be what an
independent reader makes of the same bytes; else the error must name the file.
"""

import collections
import functools
import os
import time

import tqdm

from tools.survive import input_formats, input_trials, watched_workers
from tools.survive.outcome import Outcome

MUTATIONS = 2_000
# As `input_trials.damaged` draws.
SEED = "the name of the format and the number of the file"
# Trials of a format whose files are read together; a crash is counted for all
# up to the one that did it.
_TOGETHER = 20
_SHOWN = 3  # findings of a format that are printed


def run(scale, folder):
  """Returns a list of Outcome, one a format.

  Args:
    scale: float; 1 is `MUTATIONS` of each format.
    folder: str, an empty folder for the files.
  """
  count = max(round(MUTATIONS * scale), 1)
  return [
    _tried(form.name, count, folder) for form in input_formats.all_formats()
  ]


def _tried(name, count, folder):
  start = time.monotonic()
  work = functools.partial(judged, name, folder)
  counts, findings = collections.Counter(), []
  # Below 0 they are places in NO_FILES, from its end.
  numbers = range(-len(input_trials.NO_FILES), count)
  together = _TOGETHER if _forms()[name].read_all else 1
  results = watched_workers.watched(
    work, numbers, max(together / 2, 1) * watched_workers.HANG_SECS
  )
  for number, kind, message in tqdm.tqdm(
    results, desc=name, total=len(numbers), disable=None
  ):
    counts[kind] += 1
    if kind not in input_trials.RIGHT:
      findings.append(f"{name}, file {number}: {kind}: {message}")
  print("\n".join(findings[:_SHOWN]) or f"{name}: nothing found", flush=True)
  return outcome(name, counts, time.monotonic() - start)


def judged(name, folder, number):
  """Returns (kind, message) of one trial of the format of a name."""
  form = _forms()[name]
  path = os.path.join(folder, name.replace(" ", "_"), form.file)
  os.makedirs(os.path.dirname(path), exist_ok=True)
  if number < 0:
    return input_trials.judged_no_file(
      form, input_trials.NO_FILES[number], path
    )
  if form.read_all:
    first = number // _TOGETHER * _TOGETHER
    return _judged_together(name, path, first)[number - first]
  content = input_trials.damaged(form, number)
  return input_trials.judged(form, content, path)


@functools.lru_cache(maxsize=1)
def _judged_together(name, path, first):
  """Returns the list of `judged` of `_TOGETHER` trials from a first one on."""
  form = _forms()[name]
  numbers = range(first, first + _TOGETHER)
  folder, file = os.path.split(path)
  paths = [os.path.join(folder, f"{number:08}-{file}") for number in numbers]
  contents = [input_trials.damaged(form, number) for number in numbers]
  judgements = input_trials.judged_together(form, contents, paths)
  for entry in os.listdir(folder):
    os.remove(os.path.join(folder, entry))
  return judgements


@functools.cache
def _forms():
  return {form.name: form for form in input_formats.all_formats()}


def outcome(name, counts, seconds):
  """Returns the Outcome of a format.

  Args:
    name: str.
    counts: collections.Counter of `input_trials.KINDS`.
    seconds: float.
  """
  wrong = {k: n for k, n in counts.items() if k not in input_trials.RIGHT}
  shown = ", ".join(
    f"{counts[kind]} {kind}"
    for kind in input_trials.KINDS
    if counts[kind] or kind not in input_trials.RIGHT
  )
  return Outcome(
    f"damaged files: {name}",
    "an error that names the file, or what an independent reader finds",
    f"{counts.total()} files: {shown}",
    not wrong,
    seconds,
  )

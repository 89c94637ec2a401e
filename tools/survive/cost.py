"""What exact resume costs: size and seconds of a checkpoint, speed of training.

Runs that are compared take turns, so that what else the machine does meets
both.
"""

import os
import statistics
import time

import tqdm

from tools.survive import cost_runs
from tools.survive.nursery import Nursery
from tools.survive.outcome import Outcome
from tools.survive.processes import Life

CADENCE_SECS = 60.0
# Of the runs in turns: three times as many checkpoints must cost little, too.
_TURNS_CADENCE_SECS = 20.0
MOST_SHARE = 0.03
ROUNDS = 3
_SAVES = 20
_FIRST_STEPS = 60  # of the run that says how many steps fill the time
_DETERMINISTIC_SECS = 10.0


class Runs:
  """Starts the trainings of `cost_runs`.

  Args:
    nursery: `nursery.Nursery`.
    folder: str, an empty folder.
  """

  def __init__(self, nursery, folder):
    self._nursery = nursery
    self._folder = folder
    self._count = 0

  def run(self, function, program, **arguments):
    """Runs one; returns the dictionary that it has printed.

    Raises:
      RuntimeError: it failed.
    """
    self._count += 1
    folder = os.path.join(self._folder, str(self._count))
    os.makedirs(folder)
    arguments |= {"program": program, "folder": folder}
    start = self._nursery.starter(cost_runs.__name__, function, arguments)
    life = Life(start, folder, os.path.join(folder, "log")).run()
    if life.returncode or life.metrics() is None:
      raise RuntimeError(f"it ended with {life.returncode}: see {life.log}")
    return life.metrics()

  def ratio(self, program, steps, rounds, **differing):
    """Returns the seconds with some arguments over those without.

    Args:
      program: str.
      steps: int.
      rounds: int; the median of their ratios is returned.
      **differing: arguments of `cost_runs.speed`.
    """
    found = []
    for number in tqdm.trange(rounds, desc=f"{program}: {[*differing]}"):
      secs = {}
      # The other one is the first in every other round.
      for given in (True, False) if number % 2 else (False, True):
        more = differing if given else {}
        ran = self.run("speed", program, steps=steps, **more)
        secs[given] = ran["secs_per_step"]
      found.append(secs[True] / secs[False])
    return statistics.median(found)


def share(save_secs):
  """Returns the share of the time that saves of so many seconds take."""
  return save_secs / (CADENCE_SECS + save_secs)


def of_checkpoints(program, saved):
  """Returns the `Outcome` of sizes and seconds; there is nothing to fail.

  Args:
    program: str.
    saved: dictionary, what `cost_runs.saves` has printed.
  """
  seconds, plain = (
    statistics.median(saved[name]) for name in ("seconds", "plain_seconds")
  )
  return Outcome(
    f"a checkpoint of {program}",
    "measured",
    f"{saved['size'] / 1e6:.2f} MB in {1000 * seconds:.0f} ms; without "
    "position, checksums and certainty of the disk "
    f"{saved['plain_size'] / 1e6:.2f} MB in {1000 * plain:.0f} ms",
    True,
    sum(saved["seconds"]),
  )


def of_speed(program, saved, ratio, rounds, cadence, seconds):
  """Returns the `Outcome` of training with checkpoints against without.

  Args:
    program, saved: as for `of_checkpoints`.
    ratio: float, the time of runs with checkpoints over that of the others.
    rounds: int, of such runs.
    cadence: float, seconds from one checkpoint to the next in them.
    seconds: float, what all of it took.
  """
  part = share(statistics.median(saved["seconds"]))
  return Outcome(
    f"{program} with checkpoints against none",
    f"<= {MOST_SHARE:.0%} of the time at a cadence of {CADENCE_SECS:g} s",
    f"{part:.2%} at {CADENCE_SECS:g} s from the seconds of a save; "
    f"{ratio - 1:+.2%} in turns with one every {cadence:g} s, the median of "
    f"{rounds} rounds",
    part <= MOST_SHARE and ratio - 1 <= MOST_SHARE,
    seconds,
  )


def of_program(runs, program, scale):
  """Measures a program; returns a list of `Outcome`."""
  rounds = max(1, round(ROUNDS * min(scale, 1)))
  saved = runs.run("saves", program, number=max(3, round(_SAVES * scale)))
  first = runs.run("speed", program, steps=_FIRST_STEPS)["secs_per_step"]
  found = [of_checkpoints(program, saved)]

  begun, cadence = time.monotonic(), _TURNS_CADENCE_SECS * min(scale, 1)
  # A tenth more than from one checkpoint to the next: there is one on the way.
  steps = _FIRST_STEPS + round(1.1 * cadence / first)
  ratio = runs.ratio(program, steps, rounds, save_secs=cadence)
  found.append(
    of_speed(program, saved, ratio, rounds, cadence, time.monotonic() - begun)
  )
  begun = time.monotonic()
  steps = _FIRST_STEPS + round(_DETERMINISTIC_SECS * min(scale, 1) / first)
  ratio = runs.ratio(program, steps, rounds, deterministic=True)
  found.append(
    Outcome(
      f"RunConfig(deterministic=True), {program}",
      "measured",
      f"{ratio:.3f} times the time, the median of {rounds} rounds",
      True,
      time.monotonic() - begun,
    )
  )
  return found


def run(scale, folder):
  """Measures all programs; see `Outcome`."""
  with Nursery() as nursery:
    runs = Runs(nursery, folder)
    return [
      outcome
      for program in cost_runs.PROGRAMS
      for outcome in of_program(runs, program, scale)
    ]

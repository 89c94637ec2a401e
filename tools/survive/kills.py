"""SIGKILL at random moments: what comes out is as if nothing had been.

Each program runs once to its end. Then the same command is killed, again and
again, at moments that are spread over its whole life: while it starts, trains,
saves, evaluates. Started once more it must end with the same bits in all
variables, the same metrics and the same events.
"""

import concurrent.futures
import math
import os
import random
import time

import tqdm

from tools.survive import traces
from tools.survive.kill_trials import TRIALS
from tools.survive.outcome import Outcome
from tools.survive.processes import Life, Moment, newest_step

SEED = 1
KILLS = 20
# A run may end before it was killed as often as wanted: then comes another.
_MOST_RUNS = 8
_SIDE_BY_SIDE = 2
# Of all kills: in the start of a process, and after its last checkpoint.
_AT_START, _AT_END = 0.2, 0.1


class Unbroken:
  """A run from beginning to end, with which others are compared.

  Args:
    trial: `kill_trials.Trial`.
    folder: str, an empty folder.

  Attributes:
    trial, folder: the arguments.
    trace: `traces.Trace` of it.
    start, train, tail: float, seconds up to the first checkpoint, from there to
      the last one, and from there to the end.

  Raises:
    RuntimeError: it failed.
  """

  def __init__(self, trial, folder):
    self.trial = trial
    self.folder = folder
    self._args = [*trial.args, *trial.data(folder)]
    model_dir = os.path.join(folder, "unbroken")
    life = self.life(model_dir).run()
    _check_ended(life)
    self.trace = traces.trace(model_dir, life.metrics())
    self.start = life.first_checkpoint
    written = os.path.getmtime(
      os.path.join(model_dir, f"model.ckpt-{self.trace.step}.index")
    )
    self.tail = max(life.ended - written, 0.1)
    self.train = max(life.seconds - self.start - self.tail, 0.1)

  def life(self, model_dir):
    """Returns a `Life` of the same command in a model_dir."""
    args = [*self._args, f"--model_dir={model_dir}"]
    start = self.trial.start(self.trial.module, args)
    return Life(start, model_dir, os.path.join(self.folder, "log"))


def _check_ended(life):
  if life.returncode or life.metrics() is None:
    raise RuntimeError(
      "a program must end with status 0 and its metrics in the last line, but "
      f"one ended with {life.returncode} and {life.output[-300:]!r}; see "
      f"{life.log}, whose last line is {_last_line(life.log)!r}."
    )


def _last_line(path):
  with open(path, errors="replace") as stream:
    return stream.read().strip().rsplit("\n", 1)[-1]


def moments(unbroken, number, rng):
  """Returns when a program is killed, in the order of its progress.

  Args:
    unbroken: `Unbroken`.
    number: int, of kills.
    rng: `random.Random`.

  Returns:
    list of `Moment`: some in the start of a process, some after the last
    checkpoint, most in between.
  """
  last = unbroken.trace.step
  found = []
  for i in range(number):
    # Spread evenly, so that each process makes some progress.
    step = math.ceil(last * (i + rng.random()) / number)
    if rng.random() < _AT_START:
      found.append(Moment(None, rng.random() * unbroken.start))
    elif i >= number * (1 - _AT_END):
      found.append(Moment(last, rng.random() * unbroken.tail))
    else:
      found.append(Moment(step, rng.random() * unbroken.train / number))
  return found


def reachable(moment, unbroken, step, rng):
  """Returns a moment that is ahead of a process that begins at a step."""
  last = unbroken.trace.step
  if moment.step is None or step < moment.step:
    return moment
  if step < last:
    return Moment(step + 1, moment.seconds)
  return Moment(None, rng.random() * (unbroken.start + unbroken.tail))


def broken_run(unbroken, model_dir, plan, rng, bar):
  """Runs a program that is killed, up to its end.

  Args:
    unbroken: `Unbroken`.
    model_dir: str, an empty folder.
    plan: list of `Moment`.
    rng: `random.Random`.
    bar: `tqdm.tqdm` of the kills.

  Returns:
    (int, how often it was killed; list of lines, how it differs).
  """
  killed = 0
  for moment in plan:
    ahead = reachable(moment, unbroken, newest_step(model_dir), rng)
    life = unbroken.life(model_dir).run(ahead)
    if life.hung:
      return killed, [f"a process hung, after {life.seconds:.0f} s"]
    if life.returncode >= 0:
      break  # It was faster.
    killed += 1
    bar.update()
  else:
    life = unbroken.life(model_dir).run()
  _check_ended(life)
  got = traces.trace(model_dir, life.metrics())
  by_clock = unbroken.trial.by_clock
  return killed, traces.differences(unbroken.trace, got, by_clock)


def try_program(trial, kills, folder, bar):
  """Kills a program as often as wanted; returns an `Outcome`."""
  begun = time.monotonic()
  rng = random.Random(f"{SEED} {trial.name}")
  os.makedirs(folder)
  killed, found = 0, []
  try:
    unbroken = Unbroken(trial, folder)
    for number in range(_MOST_RUNS):
      plan = moments(unbroken, kills - killed, rng)
      model_dir = os.path.join(folder, f"broken_{number}")
      more, differing = broken_run(unbroken, model_dir, plan, rng, bar)
      killed += more
      found += differing
      if killed >= kills:
        break
  except RuntimeError as error:
    found.append(str(error))
  data = "real" if trial.is_real() else "stand-in"
  outcome = Outcome(
    f"SIGKILL in {trial.name}, {data} data",
    f"{kills} kills; variables, metrics and events identical",
    f"{killed} kills; " + ("identical" if not found else "; ".join(found)),
    killed >= kills and not found,
    time.monotonic() - begun,
  )
  bar.write(f"{outcome.name}: {outcome.got}")  # Others take longer.
  return outcome


def run(scale, folder, trials=TRIALS):
  """Tries the programs, two side by side; see `Outcome`.

  Args:
    scale: float; at 1 each is killed `KILLS` times.
    folder: str, an empty folder.
    trials: the programs, a sequence of `kill_trials.Trial`.
  """
  kills = max(1, round(KILLS * scale))
  with (
    tqdm.tqdm(desc="kills", total=kills * len(trials)) as bar,
    concurrent.futures.ThreadPoolExecutor(_SIDE_BY_SIDE) as pool,
  ):
    waiting = [
      pool.submit(try_program, trial, kills, os.path.join(folder, str(i)), bar)
      for i, trial in enumerate(trials)
    ]
    return [future.result() for future in waiting]

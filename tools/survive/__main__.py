"""Tries everything that a training run must survive, and says what came of it.

    python -m tools.survive --data_dir=~/data
    python -m tools.survive --only=damage,disk
    python -m tools.survive --only=kills --scale=0.1

Each part is a module of this folder with a function `run(scale, folder)` that
returns a list of `Outcome`. At scale 1 their figures go into reliability.json
and the table of RELIABILITY.md, those of the chosen parts only; at another
scale they are only printed. The exit status is 1 when a trial failed.
"""

import importlib
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

from absl import app, flags

from tools.survive import report
from tools.survive.outcome import Outcome

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def define_flags(values=flags.FLAGS):
  flags.DEFINE_list(
    "only", [], f"Which of {','.join(report.PARTS)}; else all.",
    flag_values=values,
  )  # fmt: skip
  flags.DEFINE_float(
    "scale", 1.0, "1 for the figures that are promised, less for a short try.",
    lower_bound=0, flag_values=values,
  )  # fmt: skip
  flags.DEFINE_string(
    "data_dir", None,
    "Folder of folders of real data (mnist, census, ...); else that of "
    "TEST_DATA_DIR. Without one, invented data are used.",
    flag_values=values,
  )  # fmt: skip


def chosen(only):
  """Returns the names of the parts to run.

  Raises:
    ValueError: there is no part of such a name.
  """
  unknown = [name for name in only if name not in report.PARTS]
  if unknown:
    raise ValueError(
      f"--only takes names out of {list(report.PARTS)}, and got {unknown}; "
      "correct them."
    )
  return [name for name in report.PARTS if not only or name in only]


def run_part(name, scale):
  """Runs a part in a folder of its own, which stays when something failed.

  Returns:
    list of `Outcome`; of an error in the part itself one that failed.
  """
  module = importlib.import_module(f"tools.survive.{name}")
  folder = tempfile.mkdtemp(prefix=f"survive_{name}_")
  start = time.monotonic()
  try:
    outcomes = module.run(scale, folder)
  except Exception as error:
    traceback.print_exc()
    outcomes = [
      Outcome(name, "to run to its end", repr(error), False,
              time.monotonic() - start)
    ]  # fmt: skip
  if all(outcome.passed for outcome in outcomes):
    shutil.rmtree(folder, ignore_errors=True)
  else:
    print(f"{name}: what it left is in {folder}", file=sys.stderr)
  return outcomes


def run(names, scale):
  """Runs parts, prints what came of them, and returns whether all passed."""
  passed = True
  for name in names:
    outcomes = run_part(name, scale)
    for outcome in outcomes:
      print(report.printed(name, outcome), flush=True)
    passed &= all(outcome.passed for outcome in outcomes)
    # After each part, as all of them take hours.
    if scale == 1:
      report.keep(ROOT, name, outcomes)
  return passed


def main(argv):
  if len(argv) != 1:
    raise app.UsageError(f"there are no arguments but flags, and got {argv}")
  values = flags.FLAGS
  if values.data_dir:
    os.environ["TEST_DATA_DIR"] = os.path.abspath(
      os.path.expanduser(values.data_dir)
    )
  return 0 if run(chosen(values.only), values.scale) else 1


if __name__ == "__main__":
  define_flags()
  app.run(main)

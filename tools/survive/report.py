"""RELIABILITY.md and reliability.json: what the trials came to, and where.

reliability.json holds for each part that was run at full scale

    outcomes: list of the fields of `Outcome`
    commit, versions, machine: what it was run with, as of `make_results`
    seed: what its random moments and inputs were drawn with; null for none
"""

import dataclasses
import importlib

from estimators import atomic_files
from tools import make_results, results_table
from tools.survive.outcome import Outcome

PARTS = (
  "kills", "damage", "disk", "inputs", "ops_random", "soak", "cost",
)  # fmt: skip
FILE, PAGE = "reliability.json", "RELIABILITY.md"
BEGIN, END = "<!-- survive:begin -->", "<!-- survive:end -->"


def printed(part, outcome):
  """Returns an outcome as a line for people."""
  verdict = "passed" if outcome.passed else "FAILED"
  return (
    f"{verdict}  {part}: {outcome.name}: {outcome.got} (wanted: "
    f"{outcome.wanted}; {outcome.seconds:.0f} s)"
  )


def keep(root, part, outcomes):
  """Writes a part's outcomes into both files; the other parts' stay.

  Args:
    root: path of the repository.
    part: str, one of `PARTS`.
    outcomes: list of `Outcome`.
  """
  module = importlib.import_module(f"tools.survive.{part}")
  entry = {
    "outcomes": [dataclasses.asdict(outcome) for outcome in outcomes],
    "commit": make_results.commit(root),
    "versions": make_results.versions(),
    "machine": make_results.machine(),
    "seed": getattr(module, "SEED", None),
  }
  # Read again, since another process may have added its part meanwhile.
  found = read(root) | {part: entry}
  ordered = {name: found[name] for name in PARTS if name in found}
  atomic_files.write_json(root / FILE, ordered)
  write_table(root)


def read(root):
  return results_table.read_json(root / FILE, default={})


def write_table(root):
  """Writes the table between the markers of RELIABILITY.md."""
  path = root / PAGE
  head, _, tail = results_table.split_at_markers(path, BEGIN, END)
  with atomic_files.writing(path) as stream:
    stream.write(f"{head}\n{render(read(root))}\n{tail}".encode())


def render(found):
  """Returns the table, from the content of reliability.json."""
  columns = ("part", "trial", "wanted", "got", "", "seconds", "commit")
  lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
  for part, entry in found.items():
    for fields in entry["outcomes"]:
      lines.append(_row(part, Outcome(**fields), entry["commit"]))
  measured = {
    results_table.measured_on(entry["machine"], entry["versions"])
    for entry in found.values()
  }
  return "\n".join([*lines, "", *sorted(measured)])


def _row(part, outcome, commit):
  cells = (
    part,
    outcome.name,
    outcome.wanted,
    outcome.got,
    "passed" if outcome.passed else "**failed**",
    f"{outcome.seconds:,.0f}",
    commit,
  )
  # An error's text may hold what ends a cell or a row.
  clean = (" ".join(cell.replace("|", "/").split()) for cell in cells)
  return f"| {' | '.join(clean)} |"

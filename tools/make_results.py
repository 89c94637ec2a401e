"""Runs an experiment as published, and writes what came of it.

    python -m tools.make_results mnist --data_dir=~/data/mnist
    python -m tools.make_results mnist --only=softmax,cnn --seeds=3
    python -m tools.make_results mnist --tables_only

What to run stands in experiments/<task>/published.json, a list of rows:

  name: what the row is called, in the table, in --only and as a folder.
  args: the command line flags that are not the experiment's defaults.
  seeds: how many runs, with --seed=1, 2, ...; 0 for one run of an experiment
    that has nothing random.
  metric: which entry of the run's metrics is compared.
  unit: "%" for a share of one that is shown in percent, else it is appended.
  published: the number of the source in the metric's own unit, or null.
  source: where that number was published.
  reach: what the mean over the seeds is expected to reach, or null.
  lower_is_better: true for errors, losses and perplexities.
  also: other metrics of the same runs to show; may be left out. Each is a name,
    or an object of the fields that differ from the row's: its metric, and what
    was published of it.

Each run is a process of its own in <model_dir>/<task>/<name>/seed_<n>, which it
gets as --model_dir, or as --output_dir when the experiment has no model but a
simulate.py. There an interrupted one continues, and a finished one is not done
again: delete its folder for that. The runs are merged into
experiments/<task>/results.json, from which the tables in the experiment's
README and in the top README are made (tools/results_table.py). The exit status
is 1 when a run failed or a mean fell short of its `reach`.
"""

import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import time

from absl import app, flags

from estimators import atomic_files
from tools import results_table
from tools.results_table import read_json, read_results, read_rows

ROOT = pathlib.Path(__file__).resolve().parent.parent


def define_flags(values=flags.FLAGS):
  flags.DEFINE_integer(
    "seeds", None, "Runs of each row; else as published.json says.",
    lower_bound=1, flag_values=values,
  )  # fmt: skip
  flags.DEFINE_list(
    "only", [], "Names of the rows to run; else all.", flag_values=values
  )
  flags.DEFINE_string(
    "data_dir", None, "Handed to the experiment.", flag_values=values
  )
  flags.DEFINE_string(
    "model_dir", "scratch", "Where the runs leave their files.",
    flag_values=values,
  )  # fmt: skip
  flags.DEFINE_bool(
    "tables_only", False, "Only write the tables, from results.json.",
    flag_values=values,
  )  # fmt: skip


def git(root, *args):
  return subprocess.run(
    ["git", "-C", root, *args], capture_output=True, text=True, check=True
  ).stdout.strip()


def commit(root):
  """The commit whose code runs; "+" says that the code was changed since."""
  changed = git(root, "status", "--porcelain", "--", "*.py")
  return git(root, "rev-parse", "--short", "HEAD") + ("+" if changed else "")


def versions():
  packages = ("tensorflow", "keras", "numpy")
  found = {name: importlib.metadata.version(name) for name in packages}
  return found | {"python": platform.python_version()}


def machine():
  """The processor's name, its cores, and the GPUs that TensorFlow sees."""
  import tensorflow as tf  # Takes seconds, and --tables_only needs none of it.

  cpu = platform.processor() or platform.machine()
  cpuinfo = pathlib.Path("/proc/cpuinfo")
  if cpuinfo.exists():
    for line in cpuinfo.read_text().splitlines():
      if line.startswith("model name"):
        cpu = line.split(":", 1)[1].strip()
        break
  gpus = [
    tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
    for gpu in tf.config.list_physical_devices("GPU")
  ]
  return {"cpu": cpu, "cores": os.cpu_count(), "gpus": gpus}


def run_command(root, command):
  """Runs it, passes its output on, and returns the metrics of its last line.

  Raises:
    RuntimeError: it failed, or its last line is not a JSON object.
  """
  last = ""
  with subprocess.Popen(
    command, cwd=root, stdout=subprocess.PIPE, text=True
  ) as process:
    for line in process.stdout:
      print(line, end="", flush=True)
      last = line.strip() or last
  if process.returncode:
    raise RuntimeError(
      f"a run must end with status 0, and this one ended with "
      f"{process.returncode}: {shlex.join(command)}; mend it and start again."
    )
  try:
    metrics = json.loads(last)
  except json.JSONDecodeError:
    metrics = None
  if not isinstance(metrics, dict):
    raise RuntimeError(
      f"a run must print its metrics as one JSON object in its last line, and "
      f"this one printed {last!r}: {shlex.join(command)}; let main print them."
    )
  # Where a run left its files is of no use elsewhere.
  return {k: v for k, v in metrics.items() if not _is_path(v)}


def _is_path(value):
  return isinstance(value, str) and os.path.isabs(value)


def run_seed(root, command, seed, model_dir):
  """Runs one seed, or reads what it left: the run's entry in results.json."""
  done = model_dir / "result.json"
  if done.exists():
    print(f"Done before (to run it again, delete {model_dir})")
    return read_json(done)
  resumed = model_dir.exists()
  ran = {"seed": seed, "commit": commit(root)}
  start = time.monotonic()
  ran["metrics"] = run_command(root, [sys.executable, *command[1:]])
  # The wall time of a run's last part would pass for that of the whole.
  ran["seconds"] = None if resumed else round(time.monotonic() - start, 1)
  ran |= {"versions": versions(), "machine": machine()}
  done.parent.mkdir(parents=True, exist_ok=True)
  atomic_files.write_json(done, ran)
  return ran


def run_row(root, task, row, seeds, model_dir, data_dir):
  """Runs a row, with each seed if any; returns its entry in results.json."""
  command = ["python", "-m", f"experiments.{task}.main", *row["args"]]
  simulates = (root / "experiments" / task / "simulate.py").exists()
  folder_flag = "output_dir" if simulates else "model_dir"
  runs = []
  for seed in range(1, seeds + 1) if seeds else [0]:
    folder = model_dir / task / row["name"] / f"seed_{seed}"
    more = [f"--{folder_flag}={folder}"]
    more += [f"--seed={seed}"] if seeds else []
    more += [f"--data_dir={data_dir}"] if data_dir else []
    runs.append(run_seed(root, [*command, *more], seed, folder))
  config = read_json(folder / "config.json")["params"]
  return {
    "command": shlex.join(command),
    "config": {k: v for k, v in config.items() if k != "seed"},
    "runs": runs,
  }


def chosen_rows(rows, only):
  """The rows that are named, or all of them.

  Raises:
    ValueError: there is no row of such a name.
  """
  names = [row["name"] for row in rows]
  unknown = [name for name in only if name not in names]
  if unknown:
    raise ValueError(
      f"--only takes names out of {names}, and got {unknown}; correct them."
    )
  return [row for row in rows if not only or row["name"] in only]


def make_results(root, task, only, seeds, model_dir, data_dir):
  """Runs the rows and writes results and tables; returns what went wrong."""
  wrong = []
  for row in chosen_rows(read_rows(root, task), only):
    num_seeds = row["seeds"] and (seeds or row["seeds"])
    try:
      result = run_row(root, task, row, num_seeds, model_dir, data_dir)
    except RuntimeError as error:
      wrong.append(f"{row['name']}: {error}")
      continue
    # Read again, since another process may have added its rows meanwhile.
    results = read_results(root, task) | {row["name"]: result}
    path = root / "experiments" / task / "results.json"
    atomic_files.write_json(path, results)
    if results_table.falls_short(row, result):
      wrong.append(f"short: {results_table.table_row(row, result)}")
  results_table.write_tables(root, task)
  return wrong


def main(argv):
  if len(argv) != 2:
    raise app.UsageError("the one argument is the experiment's name: mnist")
  values, task = flags.FLAGS, argv[1]
  if values.tables_only:
    results_table.write_tables(ROOT, task)
    return 0
  data_dir = values.data_dir and pathlib.Path(values.data_dir).expanduser()
  wrong = make_results(
    ROOT, task, values.only, values.seeds,
    pathlib.Path(values.model_dir).expanduser().resolve(),
    data_dir and data_dir.resolve(),
  )  # fmt: skip
  for line in wrong:
    print(line, file=sys.stderr)
  return 1 if wrong else 0


if __name__ == "__main__":
  define_flags()
  app.run(main)

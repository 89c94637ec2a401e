"""AlexNet of the TensorFlow tutorials: how long a batch takes, there and back.

    python -m experiments.alexnet.main
    python -m experiments.alexnet.main --batch_size=16 --csv_file=/tmp/a.csv

A run of the default length takes six minutes on two cores.
"""

import json
import sys

from absl import app, flags

from experiments import common_flags
from experiments.alexnet import model, report, self_test, timing
from experiments.alexnet.config import Config, config_of

FLAGS = flags.FLAGS


def define_flags(values=FLAGS):
  """Defines the common flags, then those of the benchmark."""
  common_flags.define_common_flags(values)
  flags.adopt_module_key_flags(common_flags, values)  # for --help
  flags.DEFINE_integer(
    "num_batches",
    None,
    "Batches of each pass that are timed, after 10 that are not; else 100.",
    lower_bound=1,
    flag_values=values,
  )
  flags.DEFINE_string(
    "csv_file",
    None,
    "File to append a line for each pass to.",
    flag_values=values,
  )
  flags.DEFINE_bool(
    "readme",
    False,
    "Also write the lines of --csv_file into the README of this experiment.",
    flag_values=values,
  )


def config_from_flags(values):
  """Returns the Config that parsed flags stand for.

  Raises:
    ValueError: a flag was given that has no use here.
  """
  return config_of(common_flags.given_fields(values, Config))


def run(config):
  """Times both passes, prints and writes what it finds.

  Args:
    config: Config; `report.prepare` has seen its csv_file.

  Returns:
    The rows of `report`, one for each pass.
  """
  rows = _timed(config)
  for row in rows:
    print(report.summary(row), flush=True)
  if config.csv_file:
    report.append(config.csv_file, rows)
  if config.readme:
    report.write_readme(report.read(config.csv_file))
  return rows


def _timed(config):
  net = model.network(config.seed)
  print("\n".join(model.activation_lines(net, config.batch_size)), flush=True)
  images = model.random_images(config.batch_size, config.seed)
  passes = {
    "Forward": lambda: net(images),
    "Forward-backward": lambda: model.gradients(net, images),
  }
  # Before, between and after, since a machine is not always equally fast.
  gflops, timings = [timing.matmul_gflops()], []
  for name, function in passes.items():
    # Traced only now: the first pass has nothing of the second.
    run_pass = timing.traced(function)
    timings.append(timing.time_run(run_pass, name, config.num_batches))
    gflops.append(timing.matmul_gflops())
  return [
    report.row_of(name, config, found, flops, max(gflops))
    for name, found, flops in zip(
      passes, timings, model.flops(net), strict=True
    )
  ]


def main(argv):
  del argv
  with common_flags.mistakes_in_one_line("alexnet"):
    config = config_from_flags(FLAGS)
    if config.csv_file:
      report.prepare(config.csv_file)  # A mistake is told before the long run.
    rows = run(config)
  print(json.dumps({"model": "alexnet", "passes": rows}), flush=True)
  problems = self_test.problems(rows) if config.self_test else []
  for problem in problems:
    print(f"self test: {problem}", file=sys.stderr)
  return 1 if problems else 0


if __name__ == "__main__":
  define_flags()
  app.run(main)

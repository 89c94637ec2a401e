"""The first program of the TensorFlow introduction: a line through 100 points.

    python -m experiments.line_fit.main

Expect W 0.1 and b 0.3 after 201 steps, within seconds.
"""

import json

import numpy as np
import tensorflow as tf
from absl import app, flags

from estimators import Estimator, Hook, export
from experiments import common_flags
from experiments.line_fit import model
from experiments.line_fit.config import Config
from input_pipelines.arrays import numpy_input_fn

FLAGS = flags.FLAGS
REPORT_STEPS = 20
# How far W and b may be off in the self test.
TOLERANCE = 1e-3


def define_flags(values=FLAGS):
  """Defines the common flags; there are no others."""
  common_flags.define_common_flags(values)
  flags.adopt_module_key_flags(common_flags, values)  # for --help


def config_from_flags(values):
  """Returns the Config that parsed flags stand for.

  Raises:
    ValueError: a flag was given that has no use here.
  """
  return Config(**common_flags.given_fields(values, Config))


class LineReport(Hook):
  """Prints the step, W and b at each 20th step, counted from 0, as the page.

  Args:
    input_fn: gives the points.
  """

  def __init__(self, input_fn):
    self._input_fn = input_fn

  def next_step(self, step):
    return -(-step // REPORT_STEPS) * REPORT_STEPS + 1

  def after_run(self, run):
    if run.global_step % REPORT_STEPS == 1:
      found = run.estimator.evaluate_in_memory(self._input_fn)
      w, b = (np.float32([found[name]]) for name in ("W", "b"))
      print(run.global_step - 1, w, b, flush=True)


def run(config):
  """Trains, evaluates and, with an export_dir, exports.

  Returns:
    Dictionary: steps, W, b, loss (the mean square error), and with an
    export_dir the path of the export. None in the workers of a cluster besides
    the chief, which only train.
  """
  run_config = common_flags.run_config(config)
  x, y = model.points(config.seed)
  batch = {"x": {"x": x}, "y": y, "batch_size": len(x), "shuffle": False}
  every_point = numpy_input_fn(**batch)
  estimator = Estimator(
    model.model_fn,
    config=run_config,
    params={"seed": config.seed, "learning_rate": config.learning_rate},
  )
  # In a cluster no process could evaluate while all of them train.
  is_alone = config.distribution_strategy != "multi_worker"
  estimator.train(
    numpy_input_fn(**batch, num_epochs=None),
    hooks=[LineReport(every_point)] if is_alone else [],
    max_steps=config.train_steps,
  )
  if not run_config.is_chief:
    return None
  results = estimator.evaluate(every_point)
  metrics = {"steps": int(results["global_step"])}
  metrics |= {name: float(results[name]) for name in ("W", "b", "loss")}
  if config.export_dir:
    receiver = export.build_raw_serving_input_receiver_fn(
      {"x": tf.TensorSpec([None], tf.float32)}
    )
    metrics["export"] = estimator.export_saved_model(
      config.export_dir, receiver
    )
  return metrics


def is_found(metrics):
  """Whether W and b are those of the line."""
  wanted = {"W": model.SLOPE, "b": model.INTERCEPT}
  return all(abs(metrics[k] - v) < TOLERANCE for k, v in wanted.items())


def main(argv):
  del argv
  with common_flags.mistakes_in_one_line("line_fit"):
    config = config_from_flags(FLAGS)
    metrics = run(config)
  if metrics is None:
    return 0
  print(json.dumps(metrics), flush=True)
  return 1 if config.self_test and not is_found(metrics) else 0


if __name__ == "__main__":
  define_flags()
  app.run(main)

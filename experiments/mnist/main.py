"""The MNIST programs of the TensorFlow tutorials, on one model function.

    python -m experiments.mnist.main --model=softmax --data_dir=~/data/mnist

Expect 92 % test accuracy within seconds; --model=deep, the most exact one,
reaches 99.2 % in half an hour on two cores.
"""

import json
import time

import tensorflow as tf
from absl import app, flags

from estimators import export
from experiments import common_flags
from experiments.mnist import inputs, reports
from experiments.mnist.config import PUBLISHED, Config, published
from experiments.mnist.model import estimator_of

FLAGS = flags.FLAGS


def define_flags(values=FLAGS):
  """Defines the common flags, then those of MNIST; None: as published."""
  common_flags.define_common_flags(values)
  flags.adopt_module_key_flags(common_flags, values)  # for --help
  flags.DEFINE_enum(
    "model", "cnn", list(PUBLISHED), "Which program.", flag_values=values
  )
  flags.DEFINE_enum(
    "dataset",
    "mnist",
    ["mnist", "digits", "fake"],
    "mnist; digits: 1,797 smaller ones that come with scikit-learn; fake.",
    flag_values=values,
  )
  for name, text in {
    "hidden1": "Units in the first hidden layer of fully_connected.",
    "hidden2": "Units in the second hidden layer of fully_connected.",
    "rffm_dim": "Random Fourier features of kernel.",
  }.items():
    flags.DEFINE_integer(name, None, text, lower_bound=1, flag_values=values)
  for name, text in {
    "dropout_rate": "Share of hidden units that a training step drops.",
    "l2": "Weight decay of convolutional; Ftrl's l2 of linear and kernel.",
    "rffm_stddev": "Width of the Gaussian kernel of kernel.",
  }.items():
    flags.DEFINE_float(name, None, text, lower_bound=0, flag_values=values)


def config_from_flags(values):
  """Returns the Config that parsed flags stand for."""
  return published(**common_flags.given_fields(values, Config))


def run(config):
  """Trains, evaluates and, with an export_dir, exports.

  Returns:
    Dictionary: model, seconds (of training), steps, accuracy and loss in
    validation and test, and with an export_dir the path of the export. None in
    the workers of a cluster besides the chief, which only train.
  """
  run_config = common_flags.run_config(config)
  splits = inputs.load(config)
  estimator = estimator_of(config, run_config, len(splits.train.labels))
  start = time.perf_counter()
  estimator.train(
    inputs.train_input_fn(splits.train, config),
    hooks=reports.hooks(config, splits),
    max_steps=config.train_steps,
  )
  if not run_config.is_chief:
    return None
  metrics = {
    "model": config.model,
    "seconds": round(time.perf_counter() - start, 2),
  }
  for name in ("validation", "test"):
    input_fn = inputs.evaluation_input_fn(getattr(splits, name))
    results = estimator.evaluate(input_fn, name=name)
    metrics["steps"] = int(results["global_step"])
    metrics[f"{name}_accuracy"] = float(results["accuracy"])
    metrics[f"{name}_loss"] = float(results["loss"])
  print(reports.closing_line(config, metrics))
  if config.export_dir:
    receiver = export.build_raw_serving_input_receiver_fn(
      {"x": tf.TensorSpec([None, 784], tf.float32)}
    )
    metrics["export"] = estimator.export_saved_model(
      config.export_dir, receiver
    )
    print("Exported to", metrics["export"])
  return metrics


def main(argv):
  del argv
  with common_flags.mistakes_in_one_line("mnist"):
    config = config_from_flags(FLAGS)
    metrics = run(config)
  if metrics is None:
    return 0
  print(json.dumps(metrics), flush=True)
  if config.self_test and metrics["test_accuracy"] < 1:
    return 1
  return 0


if __name__ == "__main__":
  define_flags()
  app.run(main)

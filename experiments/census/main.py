"""Wide & deep learning of the TensorFlow tutorials, on the census of 1994.

    python -m experiments.census.main --model_type=wide_deep --data_dir=~/census

It tells who earns above 50,000 USD. Expect 85.5 % test accuracy in a minute or
two; wide reaches 83.5 % in half of that.
"""

import json
import os
import shutil
import time

from absl import app, flags

from estimators import training_lock
from experiments import common_flags
from experiments.census import inputs, serving, weights
from experiments.census.config import DEFAULTS, Config, config_of
from experiments.census.model import estimator_of

FLAGS = flags.FLAGS
SELF_TEST_ACCURACY = 0.95  # Who always says no is right three times in four.
ALIASES = {
  "md": "model_dir",
  "mt": "model_type",
  "te": "train_epochs",
  "ebe": "epochs_between_evals",
  "bs": "batch_size",
  "dd": "data_dir",
  "st": "stop_threshold",
  "ed": "export_dir",
}


def define_flags(values=FLAGS):
  """Defines the common flags, then those of census; None: as config.py."""
  common_flags.define_common_flags(values)
  flags.adopt_module_key_flags(common_flags, values)  # for --help
  for name, default, choices, text in (
    ("model_type", "wide_deep", list(DEFAULTS), "Which program."),
    ("on_bad_row", "error", ["error", "skip"], "What a damaged row leads to."),
    (
      "loss_reduction",
      None,
      ["sum", "sum_over_batch_size"],
      "What a step makes of the losses of its batch.",
    ),
  ):
    flags.DEFINE_enum(name, default, choices, text, flag_values=values)
  for name, text in {
    "train_epochs": "Epochs in all, those of earlier runs in model_dir too; "
    "train_steps, when given, takes their place.",
    "epochs_between_evals": "Epochs from one evaluation to the next.",
  }.items():
    flags.DEFINE_integer(name, None, text, lower_bound=1, flag_values=values)
  for name, highest, text in (
    ("linear_learning_rate", None, "Rate of the linear part of wide_deep."),
    ("l1", None, "Ftrl's l1 strength, of wide and wide_deep's linear part."),
    ("l2", None, "Ftrl's l2 strength, likewise."),
    ("dropout", 1, "Share of hidden units that a training step drops."),
    ("stop_threshold", 1, "Test accuracy at which training stops."),
  ):
    flags.DEFINE_float(
      name, None, text, lower_bound=0, upper_bound=highest, flag_values=values
    )
  flags.DEFINE_bool(
    "clean", False, "Remove model_dir first.", flag_values=values
  )
  for short, name in ALIASES.items():
    flags.DEFINE_alias(short, name, flag_values=values)


def config_from_flags(values):
  """Returns the Config that parsed flags stand for."""
  return config_of(**common_flags.given_fields(values, Config))


def run(config):
  """Trains, evaluates every few epochs and, with an export_dir, exports.

  Returns:
    Dictionary: model, seconds (of training and evaluation), steps, epochs,
    test_accuracy, test_auc, test_average_loss, with l1 or l2 zero_weights, and
    with an export_dir the path of the export. None in the workers of a cluster
    besides the chief, which only train.

  Raises:
    ValueError: --clean or a stop_threshold in a cluster.
  """
  _check_strategy(config)
  run_config = common_flags.run_config(config)
  splits = inputs.load(config)  # Its errors are to come before --clean.
  if config.clean:
    remove(config.model_dir)
  estimator = estimator_of(config, run_config)
  start = time.perf_counter()
  with training_lock.kept(estimator):
    epoch, results = train(estimator, config, splits)
  if not run_config.is_chief:
    return None
  metrics = {
    "model": config.model_type,
    "seconds": round(time.perf_counter() - start, 2),
    "steps": int(results["global_step"]),
    "epochs": epoch,
  }
  for key in ("accuracy", "auc", "average_loss"):
    metrics[f"test_{key}"] = float(results[key])
  if "zero_weights" in results:
    metrics["zero_weights"] = results["zero_weights"]
  if config.export_dir:
    metrics["export"] = serving.export_model(estimator, config)
  return metrics


def _check_strategy(config):
  """Refuses what the workers of a cluster would not do together."""
  given = [
    f"--{name}" for name in ("clean", "stop_threshold") if getattr(config, name)
  ]
  if config.distribution_strategy == "multi_worker" and given:
    raise ValueError(
      "a cluster's workers train the same steps in one model_dir, but "
      f"{', '.join(given)} would have each do as it finds; leave it out, and "
      "remove an old model_dir before they start."
    )


def train(estimator, config, splits):
  """Trains in blocks, and prints the results on the test set after each.

  Blocks that an earlier run in model_dir has left behind are passed over.

  Returns:
    (epochs done, results of the last evaluation; None but in the chief).
  """
  train_input_fn = inputs.train_input_fn(splits.train, config)
  test_input_fn = inputs.evaluation_input_fn(splits.test, config)
  blocks = inputs.blocks(config, len(splits.train))
  total, last_step = blocks[-1]
  done = _steps_done(estimator)
  if done > last_step:
    raise ValueError(
      f"the model in {estimator.model_dir} was trained for {done} steps "
      f"already, more than the {last_step} of {total} epochs; ask for more "
      "epochs, or begin anew with --clean."
    )
  results = None
  for epoch, step in blocks:
    if step < done:
      continue
    estimator.train(train_input_fn, max_steps=step)
    if not estimator.config.is_chief:
      continue
    results = estimator.evaluate(test_input_fn)
    if config.l1 or config.l2:
      results["zero_weights"] = weights.count_zeros(estimator)
    print_results(epoch, total, results)
    threshold = config.stop_threshold
    if threshold is not None and results["accuracy"] >= threshold:
      print(f"Stopped: accuracy {results['accuracy']} >= {threshold}")
      break
  return epoch, results


def print_results(epoch, total, results):
  """Prints the results of an evaluation in the form of the tutorial."""
  print(f"Results at epoch {epoch} / {total}")
  print("-" * 60)
  for key in sorted(results):
    print(f"{key}: {results[key]}")
  print(flush=True)


def remove(model_dir):
  """Removes the folder of an earlier run, if there is one.

  Raises:
    ValueError: it has files, but not those of a run.
    ModelDirInUseError: a run is under way there.
  """
  if model_dir is None or not os.path.isdir(model_dir):
    return
  files = os.listdir(model_dir)
  if files and "config.json" not in files:
    raise ValueError(
      "--clean removes the model_dir of an earlier run, which has a "
      f"config.json, but {model_dir} has {sorted(files)[:5]}; remove it "
      "yourself, or name another model_dir."
    )
  with training_lock.held(model_dir):
    shutil.rmtree(model_dir)


def _steps_done(estimator):
  if estimator.latest_checkpoint() is None:
    return 0
  return int(estimator.get_variable_value("global_step"))


def main(argv):
  del argv
  with common_flags.mistakes_in_one_line("census"):
    config = config_from_flags(FLAGS)
    metrics = run(config)
  if metrics is None:
    return 0
  print(json.dumps(metrics), flush=True)
  if config.self_test and metrics["test_accuracy"] < SELF_TEST_ACCURACY:
    return 1
  return 0


if __name__ == "__main__":
  define_flags()
  app.run(main)

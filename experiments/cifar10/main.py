"""The CIFAR-10 program of the TensorFlow tutorials: trains and evaluates.

    python -m experiments.cifar10.main --data_dir=~/data/cifar10 \\
      --model_dir=~/cifar10 --train_steps=30000

Expect about 82 % precision after 30,000 steps, an hour on two cores; published
are 86 % after 100,000. train.py and evaluate.py do the two in processes of
their own.
"""

import json
import time

from absl import app, flags

from estimators import EvalSpec, TrainSpec, train_and_evaluate
from experiments.cifar10 import inputs, options, reports, serving

FLAGS = flags.FLAGS
SELF_TEST_PRECISION = 0.9  # Who guesses is right one time in ten.
define_flags = options.define_flags
config_from_flags = options.config_from_flags


def run(config):
  """Trains, evaluates now and then and at the end, and exports if asked to.

  Returns:
    Dictionary: seconds (of training and the evaluations in between), steps,
    precision and loss of the moving averages on the images of eval_data (or of
    the weights, without use_averages), precision_without_averages, and with an
    export_dir the path of the export. None in the workers of a cluster besides
    the chief, and in its evaluator.
  """
  settings = options.run_config(config)
  splits = inputs.load(config)
  estimator = options.estimator_of(config, settings, splits.train)
  eval_input_fn = inputs.evaluation_input_fn(splits, config)
  start = time.perf_counter()
  results, _ = train_and_evaluate(
    estimator,
    TrainSpec(
      inputs.train_input_fn(splits, config),
      max_steps=config.train_steps,
      hooks=[reports.TrainingReport(config.log_frequency)],
    ),
    EvalSpec(
      eval_input_fn,
      exporters=[reports.PrecisionReport()],
      throttle_secs=config.eval_interval_secs,
    ),
  )
  if not settings.is_chief:
    return None
  metrics = {"seconds": round(time.perf_counter() - start, 2)}
  if results is None:  # It had all been done, or is the evaluator's to do.
    name = "final" if settings.cluster_spec else None
    results = estimator.evaluate(eval_input_fn, name=name)
  metrics["steps"] = results["global_step"]
  metrics["precision"] = results["Precision @ 1"]
  metrics["loss"] = results["loss"]
  if config.use_averages:
    metrics["precision_without_averages"] = _precision_without_averages(
      config, estimator.config, splits
    )
  if config.export_dir:
    metrics["export"] = estimator.export_saved_model(
      config.export_dir, serving.receiver_fn
    )
    print("Exported to", metrics["export"])
  return metrics


def _precision_without_averages(config, settings, splits):
  # What only evaluates needs no strategy.
  settings = settings.replace(train_distribute=None, eval_distribute=None)
  estimator = options.estimator_of(config, settings, use_averages=False)
  results = estimator.evaluate(
    inputs.evaluation_input_fn(splits, config), name="without_averages"
  )
  return results["Precision @ 1"]


def main(argv):
  del argv
  with options.mistakes_in_one_line():
    config = config_from_flags(FLAGS, unused=["run_once"])
    metrics = run(config)
  if metrics is None:
    return 0
  print(json.dumps(metrics), flush=True)
  if config.self_test and metrics["precision"] < SELF_TEST_PRECISION:
    return 1
  return 0


if __name__ == "__main__":
  define_flags()
  app.run(main)

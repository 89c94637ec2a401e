"""Evaluates what experiments.cifar10.train leaves, once or as it comes.

    python -m experiments.cifar10.evaluate --data_dir=~/data/cifar10 \\
      --model_dir=~/cifar10 --eval_interval_secs=60

It ends when the training has ended and its last checkpoint is evaluated; with
--run_once after the newest one.
"""

from absl import app, flags

from estimators import EvalSpec, evaluate_continuously
from experiments.cifar10 import inputs, options, reports

FLAGS = flags.FLAGS


def run(config):
  """Evaluates; returns the results of the last evaluation, or None."""
  if config.run_once and not options.has_model(config):
    print("No checkpoint file found")
    return None
  settings = options.run_config(config)
  splits = inputs.load(config)
  estimator = options.estimator_of(config, settings, splits)
  input_fn = inputs.evaluation_input_fn(splits, config)
  if config.run_once:
    results = estimator.evaluate(input_fn)
    reports.print_precision(results)
    return results
  spec = EvalSpec(
    input_fn,
    exporters=[reports.PrecisionReport()],
    start_delay_secs=0,
    throttle_secs=config.eval_interval_secs,
  )
  results, _ = evaluate_continuously(estimator, spec)
  return results


def main(argv):
  del argv
  run(options.config_from_flags(FLAGS))


if __name__ == "__main__":
  options.define_flags()
  app.run(main)

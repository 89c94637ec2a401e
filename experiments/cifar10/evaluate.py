"""Evaluates what experiments.cifar10.train leaves, once or as it comes.

    python -m experiments.cifar10.evaluate --data_dir=~/data/cifar10 \\
      --model_dir=~/cifar10 --eval_interval_secs=60

It ends when the training has ended and its last checkpoint is evaluated; with
--run_once after the newest one. The exit status is 1 if nothing was evaluated.
"""

from absl import app, flags

from estimators import EvalSpec, evaluate_continuously
from experiments.cifar10 import inputs, options, reports

FLAGS = flags.FLAGS


# Flags of training and export.
UNUSED = (
  "train_steps",
  "learning_rate",
  "save_checkpoints_steps",
  "log_frequency",
  "export_dir",
  "overwrite_config",
)


def run(config):
  """Evaluates; returns the results of the last evaluation, or None.

  Raises:
    ValueError: there is no model_dir.
  """
  if config.model_dir is None:
    raise ValueError(
      "evaluate needs the model_dir of a training, but none was given; add "
      "--model_dir=..."
    )
  settings = options.run_config(config)
  estimator = options.estimator_of(config, settings)
  if config.run_once and estimator.latest_checkpoint() is None:
    print(f"No checkpoint file found in {config.model_dir}")
    return None
  splits = inputs.load(config, [inputs.EVALUATED[config.eval_data]])
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
  with options.mistakes_in_one_line():
    results = run(options.config_from_flags(FLAGS, UNUSED))
  return 0 if results else 1


if __name__ == "__main__":
  options.define_flags()
  app.run(main)

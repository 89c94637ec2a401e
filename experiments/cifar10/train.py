"""Trains on CIFAR-10 and leaves the evaluation to another process.

    python -m experiments.cifar10.train --data_dir=~/data/cifar10 \\
      --model_dir=~/cifar10
    python -m experiments.cifar10.evaluate --data_dir=~/data/cifar10 \\
      --model_dir=~/cifar10

It goes on from the newest checkpoint in model_dir, where the tutorial's program
emptied the folder first. With --self_test it trains on invented images; main.py
checks that they are learned.
"""

from absl import app, flags

from experiments.cifar10 import inputs, options, reports

FLAGS = flags.FLAGS
MAX_STEPS = 1_000_000
# Flags of evaluation and export.
UNUSED = (
  "eval_data",
  "num_examples",
  "eval_interval_secs",
  "run_once",
  "use_averages",
  "export_dir",
)


def run(config):
  """Trains up to train_steps; returns the Estimator."""
  settings = options.run_config(config)
  splits = inputs.load(config, ["train"])
  estimator = options.estimator_of(config, settings, splits.train)
  return estimator.train(
    inputs.train_input_fn(splits, config),
    hooks=[reports.TrainingReport(config.log_frequency)],
    max_steps=config.train_steps,
  )


def main(argv):
  del argv
  with options.mistakes_in_one_line():
    run(options.config_from_flags(FLAGS, UNUSED, train_steps=MAX_STEPS))


if __name__ == "__main__":
  options.define_flags()
  app.run(main)

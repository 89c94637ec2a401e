"""LSTM language models on the Penn Treebank, after the TensorFlow tutorial.

    python -m experiments.ptb.main --data_dir=~/data/ptb --model_dir=/tmp/ptb

Expect a test perplexity of about 114 after 13 epochs of --model=small, in 36
minutes on two busy cores; published is 115.9.
"""

import json
import math

from absl import app, flags

from estimators import training_lock
from experiments.ptb import inputs, options, serving, vocabulary
from experiments.ptb.model import EpochSchedule
from experiments.ptb.reports import EpochReport

FLAGS = flags.FLAGS
SAMPLE_WORDS = 50  # Of the text that TensorBoard shows.
# How far a self test may be above the perplexity that is in its text.
SELF_TEST_RATIO = 1.02
define_flags = options.define_flags
config_from_flags = options.config_from_flags


def run(config):
  """Trains epoch after epoch, evaluates after each, and tests at the end.

  Returns:
    Dictionary: seconds (of training), steps, epochs, train_perplexity and
    valid_perplexity of the last epoch, test_perplexity, words_per_sec (of
    training; left out when there was nothing to train), in a self test the
    perplexity that is in the text, true_perplexity, and with an export_dir the
    path of the export.
  """
  settings = options.run_config(config)
  corpus, entropy = inputs.load(config)
  # All of them before training: a text may be too short.
  input_fns = inputs.input_fns(corpus, config)
  steps_per_epoch = inputs.steps_per_epoch(corpus, config)
  estimator = options.estimator_of(
    config, settings, corpus, steps_per_epoch, sample_words=SAMPLE_WORDS
  )
  report = EpochReport(steps_per_epoch, config.batch_size * config.num_steps)
  with training_lock.kept(estimator):
    vocabulary.write(settings.model_dir, corpus.vocabulary)
    metrics = _train(config, estimator, input_fns, report)
  tester = options.estimator_of(
    config, settings, corpus, steps_per_epoch, batch_size=1
  )
  tested = tester.evaluate(input_fns["test"], name="test")
  metrics["test_perplexity"] = tested["perplexity"]
  print(f"Test Perplexity: {metrics['test_perplexity']:.3f}", flush=True)
  if report.words:
    metrics["words_per_sec"] = round(report.words / report.seconds, 1)
  metrics["seconds"] = round(report.seconds, 2)
  if entropy is not None:
    metrics["true_perplexity"] = math.exp(entropy)
  if config.export_dir:
    metrics["export"] = serving.export_model(estimator, config.export_dir)
  print(f"Saving model to {settings.model_dir}.", flush=True)
  return metrics


def _train(config, estimator, input_fns, report):
  """Trains and validates; returns the metrics of both."""
  steps_per_epoch = estimator.params["steps_per_epoch"]
  last_step = config.num_epochs * steps_per_epoch
  if config.train_steps:
    last_step = min(last_step, config.train_steps)
  first = _epoch_under_way(estimator, steps_per_epoch)
  rate = EpochSchedule(estimator.params)
  for epoch in range(first, max(first + 1, -(-last_step // steps_per_epoch))):
    start, name = epoch * steps_per_epoch, f"Epoch: {epoch + 1}"
    print(f"{name} Learning rate: {float(rate(start)):.3f}", flush=True)
    estimator.train(
      input_fns["train"],
      hooks=[report],
      max_steps=min(start + steps_per_epoch, last_step),
    )
    trained = _train_perplexity(estimator)
    print(f"{name} Train Perplexity: {trained:.3f}", flush=True)
    results = estimator.evaluate(input_fns["valid"])
    valid = results["perplexity"]
    print(f"{name} Valid Perplexity: {valid:.3f}", flush=True)
  return {
    "steps": results["global_step"],
    "epochs": round(results["global_step"] / steps_per_epoch, 3),
    "train_perplexity": trained,
    "valid_perplexity": valid,
  }


def _epoch_under_way(estimator, steps_per_epoch):
  """Returns the epoch, from 0, of the last step of an earlier run.

  It may have ended before its evaluation, which is then done once more.
  """
  if estimator.latest_checkpoint() is None:
    return 0
  step = int(estimator.get_variable_value("global_step"))
  return max(step - 1, 0) // steps_per_epoch


def _train_perplexity(estimator):
  """Returns the perplexity of the epoch that the newest checkpoint is of."""
  cost, steps = (
    estimator.get_variable_value(f"training_carry/{name}")
    for name in ("cost", "steps")
  )
  return math.exp(cost / steps)


def main(argv):
  del argv
  with options.mistakes_in_one_line():
    config = config_from_flags(FLAGS)
    metrics = run(config)
  print(json.dumps(metrics), flush=True)
  return 0 if _is_learned(metrics) else 1


def _is_learned(metrics):
  """Whether a run was no self test, or one that came out well."""
  if "true_perplexity" not in metrics:
    return True
  return (
    metrics["test_perplexity"] < SELF_TEST_RATIO * metrics["true_perplexity"]
  )


if __name__ == "__main__":
  define_flags()
  app.run(main)

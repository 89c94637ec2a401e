"""word2vec of the TensorFlow tutorials: vectors of words, learned from a text.

    python -m experiments.word2vec.main --data_dir=~/word2vec --model_dir=/tmp/w

Expect more than a third of the analogies right after 15 epochs of text8, at
about a minute an epoch on two cores.
"""

import contextlib
import dataclasses
import json
import os
import tempfile

import tensorflow as tf
from absl import app, flags

from experiments import common_flags
from experiments.word2vec import (
  basic_reports,
  inputs,
  neighbours,
  picture,
  reports,
  serving,
  training,
  vectors,
)
from experiments.word2vec.config import PUBLISHED, Config, published
from experiments.word2vec.model import estimator_of
from input_pipelines import analogies, common

FLAGS = flags.FLAGS
SELF_TEST_SHARE = 0.9  # One in five would be so by chance.
NOT_SPECIFIED = """\
--train_data --eval_data and --save_path must be specified.
(Or --data_dir and --save_path, for text8 and questions-words.txt in data_dir.
Without --eval_data there is no evaluation; without --save_path nothing stays.)\
"""


def define_flags(values=FLAGS):
  """Defines the common flags, then those of word2vec; None: as published."""
  common_flags.define_common_flags(values)
  flags.adopt_module_key_flags(common_flags, values)  # for --help
  flags.DEFINE_alias("save_path", "model_dir", flag_values=values)
  for name, default, choices, text in (
    ("model", "optimized", list(PUBLISHED), "Which program."),
    (
      "kernel",
      None,
      ["sentences", "pairs"],
      "What optimized trains at once: sentences on several threads, or one "
      "pair after another, as published.",
    ),
  ):
    flags.DEFINE_enum(name, default, choices, text, flag_values=values)
  for name, text in {
    "train_data": "The text, words between white space; else text8 of "
    "data_dir.",
    "eval_data": "The analogies; else questions-words.txt of data_dir.",
  }.items():
    flags.DEFINE_string(name, None, text, flag_values=values)
  for name, lowest, text in (
    ("embedding_size", 1, "The length of a vector."),
    ("epochs_to_train", 1, "Passes over the text; not in basic."),
    ("num_neg_samples", 1, "Words that each word is contrasted with."),
    ("window_size", 1, "The most words between a word and its neighbour."),
    ("min_count", 0, "Words that occur less often are UNK; not in basic."),
    ("concurrent_steps", 1, "Threads, or parts of the text read in turn."),
    ("vocabulary_size", 2, "The most words of basic, with UNK."),
    ("num_skips", 1, "Neighbours that basic trains a word with."),
  ):
    flags.DEFINE_integer(
      name, None, text, lower_bound=lowest, flag_values=values
    )
  for name, lowest, text in (
    (
      "subsample",
      0,
      "Share of the text above which a word is thinned out; 0 for none. Not in "
      "basic.",
    ),
    ("statistics_interval", 0.01, "Seconds between lines of progress."),
    ("summary_interval", 0.01, "Seconds between summaries."),
    ("checkpoint_interval", 0.01, "Seconds between checkpoints."),
  ):
    flags.DEFINE_float(name, None, text, lower_bound=lowest, flag_values=values)
  flags.DEFINE_bool(
    "interactive",
    False,
    "Answer `nearby WORD...` and `analogy A B C` after training.",
    flag_values=values,
  )


def config_from_flags(values):
  """Returns the Config that parsed flags stand for."""
  given = common_flags.given_fields(values, Config)
  for name in given.keys() & {"train_data", "eval_data"}:
    given[name] = os.path.expanduser(given[name])
  return published(**given)


def run(config):
  """Trains, evaluates and, with an export_dir, exports.

  Returns:
    Dictionary: model; model_dir; epochs, steps, words_per_second and loss (of
    the last step) of the training; with questions accuracy and
    accuracy_by_section; of basic average_loss and the path of the picture; of a
    self test self_test_share; with an export_dir the paths of what is there.
    None in the workers of a cluster besides the chief, which only train.
  """
  with _with_text(config) as config:
    return finish(config, *prepare(config))


@contextlib.contextmanager
def _with_text(config):
  """Gives the config, that of a self test with an invented text."""
  if not config.self_test:
    yield config
    return
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "text")
    inputs.write_self_test_text(path)
    yield dataclasses.replace(
      config, train_data=path, eval_data=None, data_dir=None
    )


def prepare(config):
  """Reads the text.

  Returns:
    (`inputs.Text`, Estimator).

  Raises:
    ValueError, OSError: what the user gave cannot be.
  """
  common_flags.distribution(config)  # Before TensorFlow reads the text.
  try:
    text = inputs.load(config)
  except tf.errors.OpError as error:
    raise ValueError(common.plain_message(error)) from error
  _print_text(config, text)
  return text, estimator_of(config, text)


def finish(config, text, estimator):
  """Does what follows `prepare`; returns what `run` does."""
  meter, results = training.train(estimator, config, text)
  if not estimator.config.is_chief:
    return None
  metrics = {
    "model": config.model,
    "model_dir": estimator.model_dir,
    "epochs": round(training.words_done(estimator) / text.num_words, 3),
    "steps": int(estimator.get_variable_value("global_step")),
  }
  if meter.words:
    metrics["words_per_second"] = round(meter.words_per_second())
  loss = reports.kept_loss(estimator.model_dir, metrics["steps"])
  if loss is not None:
    metrics["loss"] = loss
  if results:
    metrics["accuracy"] = results["accuracy"]
    metrics["accuracy_by_section"] = {
      name: results[f"section/{name}"] for name in text.questions.section_names
    }
  metrics |= _results_of(config, estimator)
  if config.export_dir:
    metrics |= _export(config, estimator)
  if config.interactive:
    neighbours.prompt(neighbours.Nearest(*vectors.load(estimator.model_dir)))
  return metrics


def _print_text(config, text):
  if config.model != "basic":
    print(f"Data file: {text.path}")
    print(f"Vocab size: {len(text.words) - 1} + UNK")
    print(f"Words per epoch: {text.num_words}")
  if text.questions:
    print("\n".join(analogies.report(text.questions)))
  print(end="", flush=True)


def _results_of(config, estimator):
  """Returns what only some runs have to tell."""
  found = {}
  if config.model == "basic":
    found["average_loss"] = basic_reports.average_loss(estimator)
  if config.self_test:
    found["self_test_share"] = _share_of_topics(estimator)
  elif config.model == "basic":
    step = int(estimator.get_variable_value("global_step"))
    found["picture"] = picture.write_tsne(
      estimator.model_dir, *vectors.load(estimator.model_dir), step
    )
  return found


def _share_of_topics(estimator):
  """Returns the share of words with a nearest word of their own topic."""
  words, found = vectors.load(estimator.model_dir)
  nearest = neighbours.Nearest(words[1:], found[1:])  # without UNK
  right = [
    inputs.topic_of(nearest.nearby(word, 2)[1][0]) == inputs.topic_of(word)
    for word in words[1:]
  ]
  return sum(right) / len(right)


def _export(config, estimator):
  exports = {"export": serving.export_model(estimator, config.export_dir)}
  for name in ("vectors.txt", "vectors.bin"):
    path = os.path.join(config.export_dir, name)
    vectors.export(estimator.model_dir, path)
    exports[name] = path
    print(f"Vectors written to {path}", flush=True)
  return exports


def main(argv):
  del argv
  with common_flags.mistakes_in_one_line("word2vec"):
    config = config_from_flags(FLAGS)
    if not config.self_test and inputs.files(config)[0] is None:
      print(NOT_SPECIFIED)
      return 1
    metrics = run(config)
  if metrics is None:
    return 0
  print(json.dumps(metrics), flush=True)
  if config.self_test and metrics["self_test_share"] < SELF_TEST_SHARE:
    return 1
  return 0


if __name__ == "__main__":
  define_flags()
  app.run(main)

"""From the first step to the last: training in epochs, each one judged."""

import os

from estimators import config_file, training_lock
from experiments.word2vec import (
  basic_reports,
  inputs,
  projector,
  reports,
  vocabulary,
)
from input_pipelines import analogies


def prepare(estimator, text):
  """Writes into model_dir what names the rows of the vectors.

  Raises:
    ValueError: the model there was trained on another text, or otherwise.
  """
  counts = text.corpus.counts.numpy().tolist()
  path = os.path.join(estimator.model_dir, vocabulary.FILE)
  if estimator.latest_checkpoint():
    config_file.check(estimator)  # Other settings make another vocabulary.
    if vocabulary.read(path) != (text.words, counts):
      raise ValueError(
        f"the text must be that of {path}, which the model in "
        f"{estimator.model_dir} was trained on, but the words of {text.path} "
        "or their counts are others; give that text, or another model_dir."
      )
    return
  if not estimator.config.is_chief:
    return
  os.makedirs(estimator.model_dir, exist_ok=True)
  vocabulary.write(path, text.words, counts)
  projector.write_projector(estimator.model_dir, text.words, counts)


def train(estimator, config, text):
  """Prepares model_dir, trains to the end, and evaluates where it can.

  A run that was broken off goes on: within an epoch too, with the same bits
  where nothing is racy.

  Args:
    estimator: that of `model.estimator_of`.
    config: a Config.
    text: `inputs.Text`.

  Returns:
    (`reports.Meter` of the training, results of the last evaluation or None).

  Raises:
    ValueError: the model there was trained on another text, or otherwise.
  """
  meter = reports.Meter()
  with training_lock.kept(estimator):
    prepare(estimator, text)
    results = _train(estimator, config, text, meter)
  return meter, results


def _train(estimator, config, text, meter):
  hooks = [meter, reports.Summaries(config.summary_interval, meter)]
  if config.model == "basic":
    return _train_basic(estimator, config, text, hooks)
  hooks.append(
    reports.ProgressLine(config.statistics_interval, meter, text.num_words)
  )
  return _train_epochs(estimator, config, text, hooks)


def words_done(estimator):
  """Returns the words that the newest checkpoint was trained on."""
  if not estimator.latest_checkpoint():
    return 0
  return int(estimator.get_variable_value("words_processed"))


def _train_basic(estimator, config, text, hooks):
  pairs = inputs.basic_dataset(config, text)
  hooks[0].words_before = words_done(estimator)
  hooks += basic_reports.hooks(text.corpus, pairs, config.seed)
  is_chief = estimator.config.is_chief
  estimator.train(
    lambda: pairs,
    hooks if is_chief else [],
    max_steps=config.train_steps,
    saving_listeners=[reports.LossKeeper()],
  )
  return evaluate(estimator, text) if is_chief else None


def _train_epochs(estimator, config, text, hooks):
  total = config.epochs_to_train * text.num_words
  results = evaluated = None
  while True:
    done = words_done(estimator)
    if done > total:
      raise ValueError(
        f"the model in {estimator.model_dir} was trained for "
        f"{done / text.num_words:g} epochs already, more than "
        f"epochs_to_train={config.epochs_to_train}; ask for more, or name "
        "another model_dir."
      )
    is_last = done == total or _is_at(estimator, config.train_steps)
    is_due = is_last or done % text.num_words == 0
    if done and is_due and done != evaluated:
      results, evaluated = evaluate(estimator, text), done
    if is_last:
      return results
    hooks[0].words_before = done
    # It takes no step where the last one was that of a checkpoint, but its end
    # was not: then comes the same again.
    dataset = inputs.epoch_dataset(config, text, done // text.num_words)
    estimator.train(
      lambda d=dataset: d,
      hooks,
      max_steps=config.train_steps,
      saving_listeners=[reports.LossKeeper()],
    )


def _is_at(estimator, steps):
  """Whether the newest checkpoint is that of a step, or later."""
  if steps is None or not estimator.latest_checkpoint():
    return False
  return estimator.get_variable_value("global_step") >= steps


def evaluate(estimator, text):
  """Evaluates and prints the results, in all and by section.

  Returns:
    The dictionary of `Estimator.evaluate`, or None without questions.
  """
  if text.questions is None:
    return None
  results = estimator.evaluate(analogies.input_fn(text.questions))
  sections = text.questions.sections.tolist()
  lines = [("", results["accuracy"], len(sections))]
  for i, name in enumerate(text.questions.section_names):
    lines.append((f"  {name}", results[f"section/{name}"], sections.count(i)))
  for name, accuracy, count in lines:
    right = round(accuracy * count)
    title = f"{name}:" if name else "Eval"
    print(f"{title} {right:4d}/{count} accuracy = {100 * accuracy:4.1f}%")
  print(end="", flush=True)
  return results

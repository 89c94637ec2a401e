"""What word2vec_basic printed, as hooks.

Its loop counted steps from 0 and reported inside of the step; a hook is called
after it. The report of step 2000 thus comes when 2001 steps are done.
"""

import itertools

import tensorflow as tf

from estimators import Hook
from experiments.word2vec import basic

NUM_COMMON, NUM_WORDS, NUM_PAIRS = 5, 10, 8


def hooks(
  corpus,
  pairs,
  seed=0,
  report_steps=basic.REPORT_STEPS,
  nearest_steps=basic.NEAREST_STEPS,
):
  """Returns the hooks that print what word2vec_basic did.

  Args:
    corpus: the `Corpus` that is trained on.
    pairs: `tf.data.Dataset` of {"examples", "labels"}, the training input;
      some pairs of its first batch are printed.
    seed: int, that of `basic.loss_and_train_op`.
    report_steps: int, steps from one average loss to the next.
    nearest_steps: int, steps from one list of nearest words to the next.
  """
  return [
    CorpusReport(corpus, pairs),
    LossReport(report_steps),
    NearestReport(nearest_steps, corpus.words, seed),
  ]


def average_loss(estimator):
  """Returns the last average loss in nats that the newest checkpoint knows.

  Args:
    estimator: an Estimator that has trained with `basic.loss_and_train_op`.

  Raises:
    ValueError: there is no checkpoint, or it is of another model.
  """
  return float(estimator.get_variable_value("average_loss/reported"))


class CorpusReport(Hook):
  """Prints, as training begins, what it is trained on."""

  def __init__(self, corpus, pairs):
    self._corpus = corpus
    self._pairs = pairs

  def next_step(self, step):
    return None

  def begin(self, run):
    ids = self._corpus.ids[:NUM_WORDS].numpy().tolist()
    words = texts(self._corpus.words[:NUM_COMMON])
    counts = self._corpus.counts[:NUM_COMMON].numpy().tolist()
    print("Data size", len(self._corpus.ids))
    print("Most common words (+UNK)", list(zip(words, counts, strict=True)))
    print("Sample data", ids, self._texts(ids))
    for pair in self._some_pairs():
      example, label = self._texts(pair)
      print(pair[0], example, "->", pair[1], label)
    print("Initialized", flush=True)

  def _some_pairs(self):
    batch = next(iter(self._pairs))
    pairs = tf.stack([batch["examples"], batch["labels"]], axis=1)
    return itertools.islice(pairs.numpy().tolist(), NUM_PAIRS)

  def _texts(self, ids):
    return texts(tf.gather(self._corpus.words, ids))


class _Report(Hook):
  """Calls `report(run, step)` in every step that its cadence divides."""

  def __init__(self, every_steps):
    self._every_steps = every_steps

  def next_step(self, step):
    return -(-step // self._every_steps) * self._every_steps + 1

  def after_run(self, run):
    step = run.global_step - 1
    if step % self._every_steps == 0:
      self.report(run, step)


class LossReport(_Report):
  """Prints the average loss, and writes it as a summary."""

  tensors = {"average_loss": "average_loss"}

  def report(self, run, step):
    average = float(run.values["average_loss"])
    print("Average loss at step ", step, ": ", average, flush=True)
    with run.writer.as_default(step=step):
      tf.summary.scalar("average_loss", average)


class NearestReport(_Report):
  """Prints the nearest words of some common ones.

  Args:
    every_steps: int, steps from one time to the next.
    words: tf.string [V].
    seed: int, of the choice of words.
  """

  tensors = {"nearest": "nearest"}

  def __init__(self, every_steps, words, seed):
    super().__init__(every_steps)
    self._words = words
    self._shown = basic.shown_words(len(words), seed).numpy()

  def report(self, run, step):
    # Where a batch has as many pairs, those of several devices come joined.
    nearest = run.values["nearest"][: len(self._shown)]
    for word, found in zip(self._shown, nearest, strict=True):
      others = [other for other in found if other != word]
      name, *names = texts(
        tf.gather(self._words, [word, *others[: basic.NUM_NEAREST]])
      )
      print(f"Nearest to {name}: {', '.join(names)}", flush=True)


def texts(words):
  """Returns a tensor of words as a list of str."""
  return [word.decode() for word in words.numpy()]

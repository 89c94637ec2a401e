"""The text that a run trains on, and the questions that judge it."""

import os
import random
from typing import NamedTuple

import tensorflow as tf

from estimators.ops import word2vec as ops
from experiments.word2vec.config import reads_sentences
from input_pipelines import analogies, downloads, word2vec, word2vec_basic

TEXT, QUESTIONS = "text8", "questions-words.txt"
SHARD_WORDS = 1000  # A smaller part of a text is not worth reading apart.

# The invented text: words of a topic are among themselves.
_TOPICS, _TOPIC_WORDS, _RUNS, _RUN_WORDS = 5, 4, 400, 50


class Text(NamedTuple):
  """A text with its vocabulary, of V words.

  Attributes:
    path: str, its file.
    corpus: `ops.Corpus`.
    words: list of str, by id.
    num_words: int, N, the words of the text.
    questions: `analogies.Analogies`, or None.
  """

  path: str
  corpus: ops.Corpus
  words: list
  num_words: int
  questions: analogies.Analogies | None


def files(config):
  """Returns the paths of the text and of the questions; None: not given."""
  text, questions = config.train_data, config.eval_data
  if config.data_dir:
    text = text or os.path.join(config.data_dir, TEXT)
    questions = questions or os.path.join(config.data_dir, QUESTIONS)
  return text, questions


def load(config):
  """Returns the `Text` of a run.

  Raises:
    FileNotFoundError: a file is missing.
    ValueError: the questions are none, or no word is frequent enough.
    tf.errors.InvalidArgumentError: the text is too short, or not UTF-8.
  """
  text, questions = files(config)
  if config.data_dir and config.download:
    needed = {text, questions} - {config.train_data, config.eval_data}
    if not all(map(os.path.exists, needed)):
      downloads.download("word2vec", config.data_dir)
  if not os.path.isfile(text):
    raise FileNotFoundError(
      f"{text} must be the text to train on, but there is no such file; check "
      "the path, or fetch text8: python -m tools.download word2vec "
      f"--data_dir={os.path.dirname(text) or '.'}"
    )
  corpus = _corpus(text, config)
  words = [word.decode() for word in corpus.words.numpy()]
  if len(words) == 1:
    raise ValueError(
      f"{text} must have words that occur min_count={config.min_count} times, "
      "but has none; lower it, or give a longer text."
    )
  return Text(
    text,
    corpus,
    words,
    len(corpus.ids),
    analogies.read(questions, words) if questions else None,
  )


def _corpus(path, config):
  # On a CPU, where the ops are.
  with tf.device("cpu:0"):
    if config.model != "basic":
      return ops.load_corpus(path, config.min_count, config.window_size)
    corpus = ops.load_corpus(path, 1, config.window_size)
    return word2vec_basic.most_common(corpus, config.vocabulary_size)


def epoch_dataset(config, text, epoch):
  """Returns the dataset of an epoch of batched or optimized."""
  if reads_sentences(config):
    return word2vec.sentences(text.corpus.ids, epoch, config.batch_size)
  return word2vec.pairs(
    text.path,
    epoch,
    text.num_words,
    config.batch_size,
    num_shards=min(
      config.concurrent_steps, max(text.num_words // SHARD_WORDS, 1)
    ),
    window_size=config.window_size,
    min_count=config.min_count,
    subsample=config.subsample,
    seed=config.seed,
  )


def basic_dataset(config, text):
  """Returns the endless dataset of basic."""
  return word2vec_basic.batches(
    text.corpus.ids,
    config.batch_size,
    config.window_size,
    config.num_skips,
    config.seed,
  )


def write_self_test_text(path):
  """Writes a text in which the neighbours of each word are of its topic."""
  rng = random.Random(0)
  runs = []
  for _ in range(_RUNS):
    topic = rng.randrange(_TOPICS)
    runs += [
      f"topic{topic}_{rng.randrange(_TOPIC_WORDS)}" for _ in range(_RUN_WORDS)
    ]
  with open(path, "w") as stream:
    stream.write(" ".join(runs))


def topic_of(word):
  """Returns the topic of a word of the invented text."""
  return word.split("_")[0]

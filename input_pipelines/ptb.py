"""Texts for language models, as the Penn Treebank's: windows of words.

B is the size of a batch, T the words of a window, in each row of a batch.

A corpus is three files, `train.txt`, `valid.txt` and `test.txt`, each with a
prefix (`ptb.`). Words stand between white space, and the end of a line is the
word `<eos>`, also that of an empty line. The vocabulary is that of the training
text: ids count from 0, by falling frequency, then by the alphabet. Words of the
other texts that it lacks are left out, as published. (The published reader
joined `<eos>` to a last word that no space follows; here it is a word always.)

Batches cut a text into B rows of the same length, which are read side by side:
row r of a window goes on where row r of the window before has ended. What is
left over at the end is not read.

    features {"words": int32 [B, T], "is_first": bool [B], whether the rows
              begin here, so that no state may be carried over}
    labels   int32 [B, T], the word after each

Penn Treebank, as T. Mikolov prepared it for his RNNLM toolkit: 929,589, 73,760
and 82,430 words, of 10,000 kinds, <unk> among them. It is licensed by the
Linguistic Data Consortium.

Source: models/tutorials/rnn/ptb/reader.py of TensorFlow's models.
"""

import collections
import itertools
import math
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from input_pipelines import common, plain_files

END = "<eos>"
SPLITS = ("train", "valid", "test")
PREFIX = "ptb."
_BYTE_ORDER_MARK = "\ufeff"

# The invented text: each animal has its own sound, which is to be remembered.
_SOUNDS = {
  "bee": "hums",
  "cat": "purrs",
  "cow": "moos",
  "dog": "barks",
  "duck": "quacks",
  "horse": "neighs",
  "owl": "hoots",
  "wolf": "howls",
}
_ADJECTIVES = ("big", "old", "small", "young")
_ADVERBS = ("always", "never", "often", "seldom")


class Corpus(NamedTuple):
  """Texts with their vocabulary, of V words.

  Attributes:
    vocabulary: tuple of str, V words by id.
    train, valid, test: int32 [words], ids in 0..V-1; None if not asked for.
    dropped: {split: int}, the words that were left out of it.
  """

  vocabulary: tuple
  train: np.ndarray | None
  valid: np.ndarray | None
  test: np.ndarray | None
  dropped: dict


def path_of(data_dir, split, prefix=PREFIX):
  """Returns where the text of a split is."""
  return os.path.join(os.path.expanduser(data_dir), f"{prefix}{split}.txt")


def is_missing(data_dir, prefix=PREFIX):
  """Returns whether one of the three files is not there."""
  paths = (path_of(data_dir, split, prefix) for split in SPLITS)
  return not all(map(os.path.isfile, paths))


def read_words(path):
  """Yields the words of a file (str), `END` for the end of each line.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it has no words, or is not UTF-8.
  """
  if not os.path.exists(path):
    raise FileNotFoundError(
      f"{path} must be a text of a corpus, but there is no such file; check "
      "the folder and the prefix, or fetch the Penn Treebank: python -m "
      f"tools.download ptb --data_dir={os.path.dirname(path) or '.'}"
    )
  return itertools.chain.from_iterable(_lines(path))


def _lines(path):
  """Yields lists of words, one a line."""
  is_empty = True
  plain_files.check(path)
  with open(path, "rb") as stream:
    for number, line in enumerate(stream, 1):
      plain_files.check_no_nul(path, line, number)
      try:
        text = line.decode()
      except UnicodeDecodeError as error:
        raise ValueError(
          f"{path} must be UTF-8, but byte {error.start + 1} of line {number} "
          f"is {line[error.start]:#04x}; convert the file, or restore it."
        ) from error
      if number == 1:
        text = text.removeprefix(_BYTE_ORDER_MARK)
      words = text.split()
      is_empty = is_empty and not words
      yield [*words, END] if line.endswith(b"\n") else words
  if is_empty:
    raise ValueError(
      f"{path} must have words, but has none; restore the file, or give a text."
    )


def vocabulary(words):
  """Returns the kinds of words, by falling frequency, then by the alphabet.

  Args:
    words: iterable of str.

  Returns:
    list of str; a word's place is its id.
  """
  counts = collections.Counter(words)
  return sorted(counts, key=lambda word: (-counts[word], word))


def load(data_dir, prefix=PREFIX, names=SPLITS):
  """Reads a corpus; the Penn Treebank in about a third of a second.

  Args:
    data_dir: str, the folder of the three files.
    prefix: str, what their names begin with, before `train.txt`.
    names: the splits to read. The vocabulary is always that of `train`.

  Returns:
    Corpus.

  Raises:
    FileNotFoundError, ValueError: see `read_words`; or none of the words of a
      text is in the vocabulary.
  """
  paths = {name: path_of(data_dir, name, prefix) for name in SPLITS}
  words = vocabulary(read_words(paths["train"]))
  corpus = _corpus(words, {name: read_words(paths[name]) for name in names})
  for name in names:
    if not len(getattr(corpus, name)):
      raise ValueError(
        f"{paths[name]} must have words of {paths['train']}, whose vocabulary "
        f"has {len(words)}, but has none; give texts of one language."
      )
  return corpus


def _corpus(words, texts):
  """Returns the Corpus of a vocabulary and of {split: iterable of str}."""
  index = {word: number for number, word in enumerate(words)}
  ids, dropped = dict.fromkeys(SPLITS), {}
  for name, text in texts.items():
    # All of it is C: no Python for each word.
    found = np.fromiter(map(index.get, text, itertools.repeat(-1)), np.int32)
    ids[name] = found[found >= 0]
    dropped[name] = len(found) - len(ids[name])
  return Corpus(tuple(words), **ids, dropped=dropped)


def fake(num_words=20_000, seed=0):
  """Invents a corpus of 26 kinds of words, whose entropy is known.

  A sentence is `the big owl often hoots <eos>`: the adjective, the animal and
  the adverb are drawn, each as likely as the others; the sound is the animal's.
  Whoever knows all this loses exactly `entropy` a word on whole sentences, and
  who forgets the animal ln(8) / 6 more.

  Args:
    num_words: int, of the training text; the others have a tenth of it.
    seed: int.

  Returns:
    (Corpus, entropy): entropy is a float, nats per word.

  Raises:
    ValueError: num_words is not at least 600; the least text that has all words
      in all likelihood.
  """
  if num_words < 600:
    raise ValueError(
      f"num_words must be at least 600, to have all words; got {num_words}."
    )
  generator = np.random.default_rng(seed)
  texts = {
    "train": _sentences(generator, num_words),
    "valid": _sentences(generator, num_words // 10),
    "test": _sentences(generator, num_words // 10),
  }
  choices = len(_ADJECTIVES) * len(_SOUNDS) * len(_ADVERBS)
  return _corpus(vocabulary(texts["train"]), texts), math.log(choices) / 6


def _sentences(generator, num_words):
  """Returns a list of str: the words of drawn sentences."""
  num_sentences = -(-num_words // 6)

  def drawn(words):
    return np.array(words)[generator.integers(len(words), size=num_sentences)]

  animals = drawn(list(_SOUNDS))
  columns = [
    ["the"] * num_sentences,
    drawn(_ADJECTIVES),
    animals,
    drawn(_ADVERBS),
    [_SOUNDS[animal] for animal in animals],
    [END] * num_sentences,
  ]
  return np.stack(columns, axis=1).ravel()[:num_words].tolist()


def windows_per_epoch(num_tokens, batch_size, num_steps):
  """Returns how many windows of T words there are in each of B rows.

  The last word of a row is a label only.

  Args:
    num_tokens: int, the words of the text.
    batch_size: int, B.
    num_steps: int, T.

  Raises:
    ValueError: there is none, or an argument is not at least 1.
  """
  common.check_count("batch_size", batch_size)
  common.check_count("num_steps", num_steps)
  count = (num_tokens // batch_size - 1) // num_steps
  if count < 1:
    raise ValueError(
      f"a text must have at least batch_size * (num_steps + 1) = "
      f"{batch_size * (num_steps + 1)} words for a window; got {num_tokens}: "
      "epoch_size == 0, decrease batch_size or num_steps."
    )
  return count


def train_input_fn(ids, batch_size, num_steps):
  """Returns an input function for training: epoch after epoch, in order.

  Args:
    ids: int32 [words], the text.
    batch_size: int, B.
    num_steps: int, T.

  Returns:
    A function that returns an endless `tf.data.Dataset` of what the module's
    docstring says. Its iterators can be saved, and go on exactly.

  Raises:
    ValueError: see `windows_per_epoch`.
  """
  num_windows = windows_per_epoch(len(ids), batch_size, num_steps)

  def input_fn():
    rows = _rows(ids, batch_size)

    @common.no_autograph
    def window(number):
      place = tf.cast(number % num_windows, tf.int32)
      return _window(rows, place * num_steps, num_steps)

    cardinality = tf.data.experimental.assert_cardinality(
      tf.data.INFINITE_CARDINALITY
    )
    numbers = tf.data.Dataset.range(tf.int64.max)
    return _prefetched(numbers.map(window).apply(cardinality))

  return input_fn


def evaluation_input_fn(ids, batch_size, num_steps, window=None):
  """Returns an input function for one epoch.

  Its labels are those of `train_input_fn` with the same B and T. How they are
  cut into windows is another matter, as the state is carried: longer ones are
  faster.

  Args:
    ids: int32 [words], the text.
    batch_size: int, B.
    num_steps: int, T; decides what is left over at the end.
    window: int, the steps of a window; None for T. The last one may be
      shorter: then T is not static.

  Returns:
    A function that returns a `tf.data.Dataset`.

  Raises:
    ValueError: see `windows_per_epoch`.
  """
  steps = windows_per_epoch(len(ids), batch_size, num_steps) * num_steps
  window = num_steps if window is None else window
  common.check_count("window", window)
  length = min(window, steps)

  def input_fn():
    rows = _rows(ids, batch_size)

    @common.no_autograph
    def whole_or_last(number):
      start = tf.cast(number, tf.int32) * length
      if steps % length == 0:
        return _window(rows, start, length)
      return _window(rows, start, tf.minimum(length, steps - start))

    numbers = tf.data.Dataset.range(-(-steps // length))
    return _prefetched(numbers.map(whole_or_last))

  return input_fn


def _rows(ids, batch_size):
  """Returns int32 [B, words / B]."""
  length = len(ids) // batch_size
  rows = np.reshape(ids[: batch_size * length], [batch_size, length])
  with tf.device("cpu:0"):
    # A tensor from outside is handed to `map`, an array would be written into
    # its graph.
    return tf.convert_to_tensor(rows, tf.int32)


def _window(rows, start, length):
  """Returns (features, labels) of `length` steps, an int or a tensor."""
  batch_size = rows.shape[0]
  words = tf.slice(rows, [0, start], [batch_size, length])
  labels = tf.slice(rows, [0, start + 1], [batch_size, length])
  return {"words": words, "is_first": tf.fill([batch_size], start == 0)}, labels


def _prefetched(dataset):
  dataset = dataset.prefetch(common.PREFETCHED_BATCHES)
  return dataset.with_options(common.plain_options())

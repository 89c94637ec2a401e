"""vocab.txt: the words of a model, one a line, in the order of their ids."""

import os

import tensorflow as tf

from estimators import atomic_files, checkpoints, once

FILE = "vocab.txt"
UNKNOWN = "<unk>"


def path_in(model_dir):
  """Returns where a model's vocabulary is."""
  return os.path.join(model_dir, FILE)


def write(model_dir, words):
  """Writes the vocabulary into a model_dir, or compares it.

  Args:
    model_dir: str, a folder; made when it is missing.
    words: sequence of str.

  Raises:
    ValueError: there are checkpoints already, of other words.
  """
  path = path_in(model_dir)
  text = "".join(f"{word}\n" for word in words).encode()
  before = _read(model_dir)
  if before is None:
    os.makedirs(model_dir, exist_ok=True)
    with atomic_files.writing(path) as stream:
      stream.write(text)
  elif before != text:
    raise ValueError(
      f"{path} must be the vocabulary of the training text, which has "
      f"{len(words)} words, but is another: the model was trained on another "
      "text. Give another model_dir, or that text."
    )


def _read(model_dir):
  """Returns the vocabulary that binds, bytes; None before a checkpoint."""
  path = path_in(model_dir)
  if checkpoints.newest(model_dir) is None or not os.path.exists(path):
    return None
  with open(path, "rb") as stream:
    return stream.read()


@once
def vocabulary_tables(path):
  """Returns the tables of a vocab.txt: `ids` by word and `words` by id.

  What is not in it has the id -1.
  """
  line, text = (
    tf.lookup.TextFileIndex.LINE_NUMBER,
    (tf.lookup.TextFileIndex.WHOLE_LINE),
  )
  ids = tf.lookup.TextFileInitializer(path, tf.string, text, tf.int64, line)
  words = tf.lookup.TextFileInitializer(path, tf.int64, line, tf.string, text)
  return {
    "ids": tf.lookup.StaticHashTable(ids, -1),
    "words": tf.lookup.StaticHashTable(words, UNKNOWN),
  }


def ids_of(tables, words):
  """Returns the ids of words; `UNKNOWN` stands for those that are not there.

  Args:
    tables: what `vocabulary_tables` returns.
    words: string tensor.

  Returns:
    int32 tensor of the same shape. Computing it fails with
    `tf.errors.InvalidArgumentError` at an unknown word where the vocabulary
    has no `UNKNOWN`.
  """
  found = tables["ids"].lookup(words)
  found = tf.where(found < 0, tables["ids"].lookup(tf.constant(UNKNOWN)), found)
  is_lost = found < 0
  check = tf.debugging.Assert(
    tf.logical_not(tf.reduce_any(is_lost)),
    [
      f"words must be in the vocabulary, as it has no {UNKNOWN}, but these are "
      "not; leave them out:",
      tf.boolean_mask(words, is_lost),
    ],
  )
  with tf.control_dependencies([check]):
    return tf.cast(found, tf.int32)

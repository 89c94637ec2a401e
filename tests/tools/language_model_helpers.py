"""A small language model as a SavedModel, and the same in NumPy."""

import functools
import os
import pathlib

import numpy as np
import tensorflow as tf

from tests.estimators.helpers import new_folder

WORDS = ("the", "<unk>", "<eos>", "company", "said", "profit", "größer")
IDS = {word: number for number, word in enumerate(WORDS)}
UNITS = 3
_RANDOM = np.random.default_rng(1)
EMBEDDING = _RANDOM.normal(size=[len(WORDS), UNITS]).astype(np.float32)
RECURRENT = _RANDOM.normal(size=[UNITS, UNITS]).astype(np.float32)
SOFTMAX = 2 * _RANDOM.normal(size=[UNITS, len(WORDS)]).astype(np.float32)


class Model(tf.Module):
  """h = tanh(embedding + h recurrent); two layers' worth of equal states."""

  def __init__(self, words):
    super().__init__()
    path = os.path.join(new_folder(), "vocab.txt")
    pathlib.Path(path).write_text("".join(f"{word}\n" for word in words))
    self.vocabulary = tf.saved_model.Asset(path)
    line, text = tf.lookup.TextFileIndex.LINE_NUMBER, tf.lookup.TextFileIndex
    self.table = tf.lookup.StaticHashTable(
      tf.lookup.TextFileInitializer(
        path, tf.string, text.WHOLE_LINE, tf.int64, line
      ),
      -1,
    )

  @tf.function(autograph=False)
  def read(self, words, state):
    ids = self.table.lookup(words)
    with tf.control_dependencies([tf.debugging.assert_non_negative(ids)]):
      inputs = tf.gather(EMBEDDING, tf.transpose(ids))  # [T, B, H]
    states = tf.scan(
      lambda h, x: tf.tanh(x + h @ RECURRENT), inputs, state[:, 0, 0]
    )
    logits = tf.transpose(states, [1, 0, 2]) @ SOFTMAX  # [B, T, V]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=ids[:, 1:], logits=logits[:, :-1]
    )
    return {
      "logits": logits[:, -1],
      "log_probabilities": -losses,
      "state": tf.tile(states[-1][:, None, None], [1, 2, 1, 1]),
    }


@functools.cache
def shared_export(words=WORDS):
  """Returns the path of a SavedModel with a vocabulary; leave it as it is."""
  path = os.path.join(new_folder(), "export")
  model = Model(words)
  signature = model.read.get_concrete_function(
    words=tf.TensorSpec([None, None], tf.string, "words"),
    state=tf.TensorSpec([None, 2, 1, UNITS], tf.float32, "state"),
  )
  tf.saved_model.save(model, path, signatures=signature)
  return path


def bits_of(words, state=None):
  """Returns the surprisals of words after <eos>, and the state before the last.

  Args:
    words: list of str.
    state: (float [H], what was read last); None where a text begins.

  Returns:
    (float64 [words], state): the state is to go on with.
  """
  h, last = state or (np.zeros(UNITS), "<eos>")
  bits = []
  for word in words:
    h = np.tanh(EMBEDDING[IDS.get(last, 1)] + h @ RECURRENT)
    odds = np.exp(h @ SOFTMAX)
    bits.append(-np.log2(odds[IDS.get(word, 1)] / odds.sum()))
    last = word
  return np.array(bits), (h, last)

"""A language model as a SavedModel: words in, what may come next out.

B rows, T words, V words of the vocabulary, L layers, S states of a layer, H
units.

The signature `serving_default` takes `words`, string [B, T], and `state`,
float32 [B, L, S, H], zeros where a text begins. It returns `logits`, float32
[B, V], of the word after the last; `log_probabilities`, float32 [B, T - 1], in
nats, of each word after the first; and the `state` after the last word. The
asset `vocab.txt` has a word a line, in the order of the logits.
"""

import os

import tensorflow as tf

from experiments.ptb.vocabulary import UNKNOWN
from tools.predict_model import newest_export

_SIGNATURE = "serving_default"
_INPUTS = {"state", "words"}
_OUTPUTS = {"log_probabilities", "logits", "state"}


class LanguageModel:
  """A model that reads words by their ids.

  Args:
    export_dir: str, a SavedModel, or a folder of numbered ones: the newest.

  Attributes:
    words: list of V str, by id.
    ids: {word: id}.

  Raises:
    ValueError: there is no such SavedModel, or it is no language model.
  """

  def __init__(self, export_dir):
    self._path = newest_export(export_dir)
    self.words = _vocabulary(self._path)
    self.ids = {word: number for number, word in enumerate(self.words)}
    self._table = tf.constant(self.words)
    self._model = tf.saved_model.load(self._path)  # holds the variables
    self._function = _function(self._path, self._model)

  def ids_of(self, words):
    """Returns the ids of words, `<unk>` for those that it does not know.

    Args:
      words: list of str.

    Returns:
      list of int.

    Raises:
      ValueError: a word is unknown, and so is `<unk>`.
    """
    unknown = self.ids.get(UNKNOWN)
    found = [self.ids.get(word, unknown) for word in words]
    if None in found:
      raise ValueError(
        f"words must be in the vocabulary of {self._path}, which has no "
        f"{UNKNOWN} for others; got {words[found.index(None)]!r}. Leave it out."
      )
    return found

  def start(self, batch_size):
    """Returns the state before a text: zeros, float32 [B, L, S, H]."""
    spec = self._function.structured_input_signature[1]["state"]
    return tf.zeros([batch_size, *spec.shape[1:]])

  def read(self, ids, state):
    """Reads words on from a state.

    Args:
      ids: int32 [B, T].
      state: float32 [B, L, S, H].

    Returns:
      The outputs of the signature.
    """
    return self._function(words=tf.gather(self._table, ids), state=state)


def _vocabulary(path):
  """Returns the words of a SavedModel, by id."""
  file = os.path.join(path, "assets", "vocab.txt")
  if not os.path.isfile(file):
    raise ValueError(
      f"{path} must be a language model, with its vocabulary in {file}, but "
      "there is no such file; name what experiments.ptb exported."
    )
  with open(file, encoding="utf-8", newline="\n") as stream:
    return stream.read().removesuffix("\n").split("\n")


def _function(path, model):
  """Returns the signature, which must be that of a language model."""
  function = model.signatures.get(_SIGNATURE)
  if function is not None:
    inputs = set(function.structured_input_signature[1])
    if inputs == _INPUTS and _OUTPUTS <= set(function.structured_outputs):
      return function
  raise ValueError(
    f"{path} must have a signature {_SIGNATURE!r} that takes {sorted(_INPUTS)} "
    f"and returns {sorted(_OUTPUTS)}, but has {_shown(model.signatures)}; name "
    "what experiments.ptb exported."
  )


def _shown(signatures):
  return {
    name: (
      sorted(function.structured_input_signature[1]),
      sorted(function.structured_outputs),
    )
    for name, function in signatures.items()
  }

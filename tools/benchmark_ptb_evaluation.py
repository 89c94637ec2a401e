"""The evaluations of `python -m tools.benchmark ptb`.

All find the perplexity of a text in one row, word after word with the state
carried, as the published program does the test set; and all the same one, as
nothing but the size of the windows differs. `estimator` is the experiment with
its wide windows, `one_word` the experiment with windows of one word, which the
runner reads in a loop in the graph. `python_loop` calls from Python a traced
function of one word and the state, made of Keras's layers. Measured are words
per second, of whole calls: those of the Estimator restore a checkpoint.
"""

import math

import tensorflow as tf
from keras import layers

from input_pipelines import ptb
from tools.benchmark_programs import seconds_of

# Which are compared; see tools/benchmark.py.
RATIOS = {
  f"estimator_ptb_eval_words_over_{peer}_ptb_eval_words": True
  for peer in ("one_word", "python_loop")
}


class Evaluation:
  """`evaluate` of the experiment, for rows of one.

  Args:
    name: str, of the measurement.
    estimator: Estimator of the experiment's model, trained, with a batch_size
      of 1.
    ids: int32 [words].
    window: int, the steps of a window.

  Attributes:
    perplexity: float, what it found.
  """

  def __init__(self, name, estimator, ids, window):
    self._name, self._estimator = name, estimator
    self._input_fn = ptb.evaluation_input_fn(ids, 1, 1, window)
    self._num_words = len(ids) - 1
    self.measure()  # Traces it.

  def measure(self):
    seconds = seconds_of(self._evaluate)
    return {f"{self._name}_ptb_eval_words": self._num_words / seconds}

  def _evaluate(self):
    self.perplexity = self._estimator.evaluate(self._input_fn)["perplexity"]


class PythonLoop:
  """A call from Python for each word; arguments as for `Evaluation`."""

  def __init__(self, name, estimator, ids):
    self._name, self._ids = name, ids
    embedding, cells, softmax = _layers_of(estimator)
    self._zeros = [cell.get_initial_state(batch_size=1) for cell in cells]

    @tf.function
    def step(word, target, states):
      x, after = embedding(word), []
      for cell, state in zip(cells, states, strict=True):
        x, state = cell(x, state)
        after.append(state)
      losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        target, softmax(x)
      )
      return losses[0], after

    self._step = step
    self.measure()

  def measure(self):
    seconds = seconds_of(self._evaluate)
    return {f"{self._name}_ptb_eval_words": (len(self._ids) - 1) / seconds}

  def _evaluate(self):
    words = tf.constant(self._ids)[:, None]
    states, total = self._zeros, 0.0
    for i in range(len(self._ids) - 1):
      loss, states = self._step(words[i], words[i + 1], states)
      total += float(loss)
    self.perplexity = math.exp(total / (len(self._ids) - 1))


def _layers_of(estimator):
  """Returns Keras's (embedding, LSTM cells, softmax) with a model's weights."""

  def filled(layer, input_shape, name, *variables):
    layer.build(input_shape)
    layer.set_weights(
      [estimator.get_variable_value(f"{name}/{v}") for v in variables]
    )
    return layer

  params = estimator.params
  vocab_size, size = params["vocab_size"], params["hidden_size"]
  embedding = filled(
    layers.Embedding(vocab_size, size), [1], "network/embedding", "embeddings"
  )
  cells = [
    filled(
      layers.LSTMCell(size),
      [1, size],
      f"network/rnn/{i}/lstm_cell",
      "kernel",
      "recurrent_kernel",
      "bias",
    )
    for i in range(params["num_layers"])
  ]
  softmax = filled(
    layers.Dense(vocab_size), [1, size], "network/softmax", "kernel", "bias"
  )
  return embedding, cells, softmax


def programs(estimator, ids, num_slow_words, window):
  """Returns the programs.

  Args:
    estimator: as for `Evaluation`.
    ids: int32 [words], the text.
    num_slow_words: int, the words of it that the slow ones get.
    window: int, the steps of a wide window.
  """
  few = ids[: num_slow_words + 1]
  return [
    Evaluation("estimator", estimator, ids, window),
    Evaluation("one_word", estimator, few, 1),
    PythonLoop("python_loop", estimator, few),
  ]

"""Where a training step of `python -m tools.benchmark ptb` spends its time.

Each part of a step of the small model runs alone, one call after the other, as
milliseconds of a call: the window that the pipeline gives, and forward with all
gradients of the embedding, of both LSTM layers and of the softmax; clipping and
the optimizer's step on gradients that are there. A step under the runner may
take less than their sum, as parts of it run at the same time.
"""

import statistics

import numpy as np
import tensorflow as tf

from estimators import optimizers
from estimators.ops import language_model
from input_pipelines import ptb
from tools.benchmark_programs import seconds_of

WARMUP_CALLS = 5


class Part:
  """A function without arguments; measures the median call of so many."""

  def __init__(self, name, call, num_calls):
    self._name, self._call, self._num_calls = name, call, num_calls
    for _ in range(WARMUP_CALLS):
      call()

  def measure(self):
    seconds = [seconds_of(self._call) for _ in range(self._num_calls)]
    return {f"ptb_{self._name}_ms": 1000 * statistics.median(seconds)}


def parts(ids, sizes, num_calls):
  """Returns the programs.

  Args:
    ids: int32 [tokens].
    sizes: dictionary of int: batch_size, num_steps, hidden_size, vocab_size.
    num_calls: int, calls of a measurement.
  """
  words = tf.constant(ids[: sizes["batch_size"] * sizes["num_steps"]], tf.int32)
  calls = {
    "pipeline": _pipeline(ids, sizes),
    "embedding": _embedding(words, sizes),
    "lstm": _lstm(sizes),
    "softmax": _softmax(words, sizes),
    "optimizer": _optimizer(words, sizes),
  }
  return [Part(name, call, num_calls) for name, call in calls.items()]


def _pipeline(ids, sizes):
  input_fn = ptb.train_input_fn(ids, sizes["batch_size"], sizes["num_steps"])
  iterator = iter(input_fn())
  return lambda: next(iterator)


def _variable(*shape):
  random = np.random.default_rng(1)
  return tf.Variable(random.uniform(-0.1, 0.1, shape).astype(np.float32))


def _with_gradients(forward, *variables):
  """Returns the call that computes a loss and its gradients in a graph."""

  @tf.function
  def call():
    with tf.GradientTape() as tape:
      loss = tf.reduce_sum(forward(*variables))
    return loss, tape.gradient(loss, variables)

  return call


def _embedding(words, sizes):
  return _with_gradients(
    lambda table: tf.nn.embedding_lookup(table, words),
    _variable(sizes["vocab_size"], sizes["hidden_size"]),
  )


def _lstm(sizes):
  size, batch_size = sizes["hidden_size"], sizes["batch_size"]
  zeros = tf.zeros([batch_size, size])

  def forward(inputs, *weights):
    for layer in (weights[:3], weights[3:]):
      inputs, _, _ = language_model.lstm(inputs, *layer, zeros, zeros)
    return inputs

  inputs = _variable(sizes["num_steps"], batch_size, size)
  return _with_gradients(forward, inputs, *_layer(size), *_layer(size))


def _layer(size):
  """Returns kernel, recurrent kernel and bias."""
  return (
    _variable(size, 4 * size),
    _variable(size, 4 * size),
    _variable(4 * size),
  )


def _softmax(words, sizes):
  size, vocab_size = sizes["hidden_size"], sizes["vocab_size"]
  return _with_gradients(
    lambda *values: language_model.softmax_losses(*values, words),
    _variable(words.shape[0], size),
    _variable(size, vocab_size),
    _variable(vocab_size),
  )


def _optimizer(words, sizes):
  size, vocab_size = sizes["hidden_size"], sizes["vocab_size"]
  table = _variable(vocab_size, size)
  softmax = [_variable(size, vocab_size), _variable(vocab_size)]
  dense = [*_layer(size), *_layer(size), *softmax]
  # Too small to change the weights, whatever the number of calls.
  gradients = [tf.ones_like(variable) * 1e-12 for variable in dense]
  rows = tf.ones([words.shape[0], size]) * 1e-12
  sgd = optimizers.SGD(1.0)
  sgd.build([table, *dense])

  @tf.function
  def call():
    slices = tf.IndexedSlices(rows, words, tf.shape(table))
    slices = optimizers.ready(sgd, slices, table)
    norm = tf.linalg.global_norm([slices, *gradients])
    clipped = optimizers.clipped([slices, *gradients], norm, 5.0)
    sgd.apply(clipped, [table, *dense])
    return norm

  return call

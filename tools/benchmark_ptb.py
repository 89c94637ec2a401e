"""The training programs of `python -m tools.benchmark ptb`.

All train the small model of the experiment: 2 layers of 200 units, batches of
20 windows of 20 words, plain SGD, gradients clipped. `estimator_<backend>` is
the experiment with one of its ways to run an LSTM; `native` are the C++ ops.
`keras` is what one would write without the experiment, under the same runner:
Keras's layers, whose LSTM begins each window with zeros, TensorFlow's softmax
cross entropy and Keras's SGD. `torch` is PyTorch in a process of its own; see
torch_ptb_peer.py.

Measured are words per second of training that is under way. They do not depend
on the words: those of --data_dir, or random ones. benchmark_ptb_evaluation.py
and benchmark_ptb_parts.py have the rest.
"""

import os
import pathlib

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from estimators import Estimator, EstimatorSpec, minimize, once
from experiments.ptb import config as ptb_config
from experiments.ptb import inputs, model, recurrent
from input_pipelines import ptb
from tools import benchmark_ptb_evaluation, benchmark_ptb_parts
from tools.benchmark_programs import WARMUP_STEPS, SteadyRate, run_peer

VOCAB_SIZE = 10_000
RANDOM_WORDS = 100_000
# How each way to run an LSTM is asked for.
BACKENDS = {
  "native": {"rnn_backend": "native"},
  "keras": {"rnn_backend": "keras"},
  "unrolled": {"rnn_backend": "unrolled"},
  "unrolled_xla": {"rnn_backend": "unrolled_xla"},
  "block": {"cell": "block"},
}
# Which are compared; see tools/benchmark.py.
RATIOS = {
  f"estimator_native_ptb_words_over_{peer}_ptb_words": True
  for peer in ("torch", "keras", "estimator_block", "estimator_unrolled_xla")
} | benchmark_ptb_evaluation.RATIOS


@once
def keras_network(params):
  size = params["hidden_size"]
  return keras.Sequential(
    [
      keras.Input([params["num_steps"]]),
      layers.Embedding(params["vocab_size"], size),
      layers.LSTM(size, return_sequences=True),
      layers.LSTM(size, return_sequences=True),
      layers.Dense(params["vocab_size"]),
    ]
  )


@once
def sgd():
  return keras.optimizers.SGD(1.0)


def keras_model_fn(features, labels, mode, params):
  """Features are {"words": int32 [B, T]}, labels int32 [B, T]."""
  logits = keras_network(params)(features["words"], training=True)
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  loss = tf.reduce_sum(losses) / params["batch_size"]
  update = minimize(loss, sgd(), clip_norm=params["max_grad_norm"])
  return EstimatorSpec(mode, loss=loss, train_op=update)


class Training:
  """An Estimator; measures its words per second."""

  def __init__(self, name, estimator, ids, steps):
    self._name, self._steps = name, steps
    self.estimator = estimator
    batch_size = estimator.params["batch_size"]
    num_steps = estimator.params["num_steps"]
    self._words = batch_size * num_steps
    self._input_fn = ptb.train_input_fn(ids, batch_size, num_steps)
    self.measure(2 * WARMUP_STEPS)  # Traces it.

  def measure(self, steps=None):
    steps = steps or self._steps
    steady = SteadyRate(steps)
    self.estimator.train(self._input_fn, hooks=[steady], steps=steps)
    return {f"{self._name}_ptb_words": steady.rate * self._words}


class Torch:
  """PyTorch, in a process of another Python."""

  def __init__(self, python, data_dir, steps):
    self._python = python
    self._arguments = ["--model=small", f"--steps={steps}"]
    if data_dir:
      self._arguments.append(f"--data_dir={data_dir}")

  def measure(self):
    script = pathlib.Path(__file__).parent / "torch_ptb_peer.py"
    found = run_peer(self._python, script, self._arguments)
    return {"torch_ptb_words": found["words_per_second"]}


def texts(data_dir):
  """Returns (training ids, test ids, V) of a folder, or of random words."""
  if data_dir:
    corpus = ptb.load(data_dir, names=("train", "test"))
    return corpus.train, corpus.test, len(corpus.vocabulary)
  random = np.random.default_rng(1)
  ids = random.integers(VOCAB_SIZE, size=2 * RANDOM_WORDS, dtype=np.int32)
  return ids[:RANDOM_WORDS], ids[RANDOM_WORDS:], VOCAB_SIZE


def params_of(vocab_size, **changes):
  """Returns the params of the experiment's small model, with changes."""
  backend = changes.pop("rnn_backend", "auto")
  config = ptb_config.published("small", **changes)
  backend = recurrent.backend_of(config.cell, backend)
  # The rate is to stay the first one.
  return ptb_config.model_params(config, vocab_size, 10**6, backend)


def programs(steps, eval_words, data_dir, peer_python, model_dir):
  """Returns the programs.

  Args:
    steps: int, training steps of a measurement; more than `WARMUP_STEPS`.
    eval_words: int, the words that the slow evaluations read.
    data_dir: str, the folder of the Penn Treebank, or None for random words.
    peer_python: str, a Python that has PyTorch, or None.
    model_dir: str, a folder for the Estimators' checkpoints.
  """
  train, test, vocab_size = texts(data_dir)
  training = [
    Training(
      f"estimator_{name}",
      Estimator(
        model.model_fn,
        os.path.join(model_dir, name),
        params=params_of(vocab_size, **changes),
      ),
      train,
      steps,
    )
    for name, changes in BACKENDS.items()
  ]
  params = params_of(vocab_size)
  keras_dir = os.path.join(model_dir, "keras_model")
  peers = [
    Training(
      "keras", Estimator(keras_model_fn, keras_dir, params=params), train, steps
    )
  ]
  if peer_python:
    peers.append(Torch(peer_python, data_dir, steps))
  evaluating = Estimator(
    model.model_fn,
    training[0].estimator.model_dir,
    params=params | {"batch_size": 1},
  )
  return [
    *training,
    *peers,
    *benchmark_ptb_evaluation.programs(
      evaluating, test, eval_words, inputs.TEST_WINDOW
    ),
    *benchmark_ptb_parts.parts(train, params, steps),
  ]

"""A model of a few words, and what the tests of it share."""

import os

import numpy as np
import tensorflow as tf

from estimators import Estimator, RunConfig, checkpoints
from experiments.ptb import config, model
from tests.estimators import helpers
from tests.estimators.ops import numpy_lstm

VOCAB_SIZE = 7


def params(**changes):
  """Returns params: 2 layers of 3 units, windows of 4 words, 2 rows."""
  settings = config.published(
    "small", hidden_size=3, num_steps=4, batch_size=2, init_scale=0.5
  )
  return config.model_params(settings, VOCAB_SIZE, 5, "native") | changes


def estimator(model_dir=None, **changes):
  """Returns an Estimator of a tiny model."""
  settings = RunConfig(
    model_dir=model_dir or helpers.new_folder(),
    tf_random_seed=1,
    save_summary_steps=0,
    save_checkpoints_steps=1000,
  )
  return Estimator(model.model_fn, config=settings, params=params(**changes))


def text(num_words, seed=0):
  """Returns int32 [num_words]."""
  generator = np.random.default_rng(seed)
  return generator.integers(VOCAB_SIZE, size=num_words, dtype=np.int32)


def variables(trained, step=None):
  """Returns the values of an Estimator's checkpoint, by name.

  Args:
    trained: the Estimator.
    step: int, 0 for the initial values; None for the newest.
  """
  path = trained.latest_checkpoint()
  if step is not None:
    path = os.path.join(trained.model_dir, f"model.ckpt-{step}")
  return {
    name: checkpoints.value(path, name) for name in checkpoints.names(path)
  }


def word_losses(values, ids, targets):
  """The whole model in NumPy, from a zero state.

  Args:
    values: dictionary, from `variables`, of 2 layers of LSTM.
    ids, targets: int [T, B].

  Returns:
    float64 [T, B], -log p of the targets in nats.
  """
  x = values["network/embedding/embeddings"].astype(np.float64)[ids]
  for layer in range(2):
    cell = f"network/rnn/{layer}/lstm_cell"
    weights = [
      values[f"{cell}/{name}"]
      for name in ("kernel", "recurrent_kernel", "bias")
    ]
    zeros = np.zeros(x.shape[1:])
    x, _, _ = numpy_lstm.lstm(x, *weights, zeros, zeros)
  logits = x @ values["network/softmax/kernel"] + values["network/softmax/bias"]
  log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  return -np.take_along_axis(log_p, targets[..., None], -1)[..., 0]


def dataset_fn(words, targets):
  """Returns the input_fn of one window: int [B, T] each, again and again."""
  features = {
    "words": np.int32(words),
    "is_first": np.ones(len(words), bool),
  }
  return lambda: tf.data.Dataset.from_tensors(
    (features, np.int32(targets))
  ).repeat()

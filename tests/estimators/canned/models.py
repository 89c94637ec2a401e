"""Canned estimators whose weights are given, and what to call them with."""

import numpy as np
import tensorflow as tf

from estimators import RunConfig
from tests.estimators import named_checkpoints
from tests.estimators.helpers import new_folder


def folder_of(values):
  """Returns a folder with a checkpoint of given weights.

  Args:
    values: dictionary of name to what NumPy makes an array of.
  """
  folder = new_folder()
  named_checkpoints.write(folder, values)
  return folder


def given(make, values, *args, **kwargs):
  """Returns an Estimator that begins with given weights.

  Args:
    make: class of a canned estimator.
    values: as for `folder_of`.
    *args, **kwargs: the other arguments of the class.
  """
  kwargs = {"model_dir": new_folder(), **kwargs}
  return make(*args, warm_start_from=folder_of(values), **kwargs)


def input_of(features, labels=None, batch_size=None, repeat=False):
  """Returns an input function over arrays, in order, in batches."""
  arrays = features if labels is None else (features, labels)
  size = batch_size or int(next(iter(features.values())).shape[0])

  def input_fn():
    dataset = tf.data.Dataset.from_tensor_slices(arrays)
    return (dataset.repeat() if repeat else dataset).batch(size)

  return input_fn


def predicted(estimator, features, key="logits"):
  """Returns the predictions of all examples by one key, [B, ...]."""
  return np.stack([p[key] for p in estimator.predict(input_of(features))])


def config_of(**kwargs):
  """Returns a RunConfig with a seed, and with a folder of its own."""
  return RunConfig(new_folder(), tf_random_seed=1, **kwargs)


def weight_names(estimator):
  """Returns the names of what the model learned, without slots and states."""
  return [
    name
    for name in estimator.get_variable_names()
    if name.split("/")[0] not in ("global_step", "input_position")
    and "optimizer" not in name.split("/")[0]
  ]


def values_of(estimator):
  """Returns the variables in the newest checkpoint, by name."""
  return {
    name: estimator.get_variable_value(name)
    for name in estimator.get_variable_names()
  }


def sigmoid(x):
  return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def cross_entropy(logits, labels):
  """Returns the losses of one example each, in nats, of labels in [0, 1]."""
  logits = np.asarray(logits, np.float64)
  return np.logaddexp(0, logits) - np.asarray(labels) * logits


def softmax(logits):
  exponents = np.exp(np.asarray(logits, np.float64))
  return exponents / exponents.sum(-1, keepdims=True)

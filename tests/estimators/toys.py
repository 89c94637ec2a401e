"""Small models, inputs and hooks whose effects can be worked out by hand.

Letters: B examples of a batch.
"""

import keras
import numpy as np
import tensorflow as tf

from estimators import (
  EstimatorSpec,
  Hook,
  ModeKeys,
  distribution_strategy,
  minimize,
  once,
)

LEARNING_RATE = 0.01


@once
def line():
  return keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")


@once
def sgd():
  return keras.optimizers.SGD(LEARNING_RATE)


def line_fn(features, labels, mode):
  """A line through the origin, learned by plain gradient descent.

  Args:
    features: float32 [B].
    labels: float32 [B].
  """
  predicted = line()(features[:, None])[:, 0]
  if mode == ModeKeys.PREDICT:
    return EstimatorSpec(mode, predictions={"y": predicted, "x": features})
  tf.identity(features, name="x_tensor")
  loss = tf.reduce_mean(tf.square(predicted - labels))
  if mode == ModeKeys.TRAIN:
    return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, sgd()))
  error = tf.abs(predicted - labels)
  return EstimatorSpec(mode, loss=loss, eval_metric_ops={"error": error})


LINE = "line/kernel"


def line_steps(batches, w=0.0):
  """Returns the slope of `line_fn` after steps on the (x, y) of `batches`."""
  for x, y in batches:
    x, y = np.array(x, np.float32), np.array(y, np.float32)
    w -= LEARNING_RATE * np.mean(2 * (w * x - y) * x)
  return w


@once
def network():
  return keras.Sequential(
    [
      keras.layers.Dense(8, activation="relu"),
      keras.layers.BatchNormalization(),
      keras.layers.Dropout(0.5),
      keras.layers.Dense(3),
    ]
  )


@once
def adam():
  return keras.optimizers.Adam(0.01)


@once
def accuracy():
  return keras.metrics.SparseCategoricalAccuracy()


def network_fn(features, labels, mode):
  """A classifier with all kinds of state: of dropout, batch norm and Adam.

  Args:
    features: float32 [B, 4].
    labels: int32 [B], 0 to 2.
  """
  logits = network()(features, training=mode == ModeKeys.TRAIN)
  probabilities = tf.nn.softmax(logits, name="probabilities")
  if mode == ModeKeys.PREDICT:
    return EstimatorSpec(mode, predictions={"probabilities": probabilities})
  loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  )
  if mode == ModeKeys.TRAIN:
    return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, adam()))
  metric = accuracy()
  metric.update_state(labels, logits)
  return EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": metric})


def network_data(size=40):
  """Returns (features, labels) for `network_fn`, the same at each call."""
  random = np.random.RandomState(0)
  features = random.normal(size=[size, 4]).astype(np.float32)
  return features, features[:, :3].argmax(1).astype(np.int32)


def input_of(x, y=None, batch_size=1, repeat=False):
  """Returns an input function over [N, ...] arrays, in order."""
  x = np.asarray(x, np.float32)
  arrays = x if y is None else (x, np.asarray(y))

  def input_fn():
    dataset = tf.data.Dataset.from_tensor_slices(arrays)
    return (dataset.repeat() if repeat else dataset).batch(batch_size)

  return input_fn


def counted(model_fn):
  """Returns a model function, and the list of modes it was traced in."""
  modes = []

  def fn(features, labels, mode):
    modes.append(mode)
    return model_fn(features, labels, mode)

  return fn, modes


def two_replicas():
  """Returns the strategy of two logical CPUs.

  There must be but one in a process: TensorFlow tells the sums of two of them
  apart by number only, and both would begin to count at the same.
  """
  return distribution_strategy("mirrored")


class RecordingHook(Hook):
  """Appends what it is called for to a list: (name, method, step).

  Args:
    name: str.
    calls: the list; several hooks may share one.
    every: int, asks for the steps that are multiples of it.
    tensors: dictionary of tag to tensor.

  Attributes:
    values: the `run.values` of each `after_run`.
  """

  def __init__(self, name="hook", calls=None, every=1, tensors=None):
    self.calls = [] if calls is None else calls
    self.values = []
    self.tensors = tensors or {}
    self._name, self._every = name, every

  def begin(self, run):
    self.calls.append((self._name, "begin", run.step))

  def next_step(self, step):
    return step + self._every - step % self._every

  def after_run(self, run):
    self.calls.append((self._name, "after_run", run.step))
    self.values.append(run.values)

  def end(self, run):
    self.calls.append((self._name, "end", run.step))

  def steps(self):
    """Returns the steps of the calls of `after_run`."""
    return [step for _, method, step in self.calls if method == "after_run"]

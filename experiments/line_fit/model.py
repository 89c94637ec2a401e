"""A line through points: y = W x + b.

B is the size of the batch. Features are {"x": float32 [B]}, labels float32 [B].
"""

import numpy as np
import tensorflow as tf

from estimators import EstimatorSpec, ModeKeys, minimize, once
from estimators.optimizers import SGD

# The line that the points lie on, and how many there are.
SLOPE, INTERCEPT, NUM_POINTS = 0.1, 0.3, 100


def points(seed):
  """Returns x, at random in [0, 1), and y of the points, float32 [100] each."""
  x = np.random.default_rng(seed).random(NUM_POINTS, np.float32)
  return x, np.float32(SLOPE) * x + np.float32(INTERCEPT)


@once
def line(params):
  start = tf.random.stateless_uniform([1], [params["seed"], 0], -1, 1)
  return {"W": tf.Variable(start), "b": tf.Variable(tf.zeros([1]))}


@once
def optimizer(params):
  return SGD(params["learning_rate"])


def model_fn(features, labels, mode, params):
  """Returns the EstimatorSpec of a batch.

  Args:
    features: {"x": float32 [B]}.
    labels: float32 [B], the y of the points.
    mode: one of `ModeKeys`.
    params: dictionary with seed and learning_rate.

  Returns:
    A spec with the predictions {"y": float32 [B]}, and the mean square error as
    the loss. W and b are among the metrics of an evaluation.
  """
  both = line(params)
  y = both["W"] * features["x"] + both["b"]  # [B]
  if mode == ModeKeys.PREDICT:
    return EstimatorSpec(mode, predictions={"y": y})
  loss = tf.reduce_mean(tf.square(y - labels))
  if mode == ModeKeys.TRAIN:
    train_op = minimize(loss, optimizer(params))
    return EstimatorSpec(mode, loss=loss, train_op=train_op)
  # A metric has a value for each example.
  values = {name: tf.broadcast_to(v, tf.shape(y)) for name, v in both.items()}
  return EstimatorSpec(mode, loss=loss, eval_metric_ops=values)

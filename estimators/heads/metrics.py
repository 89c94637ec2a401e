"""The metrics of heads: built once per Estimator, updated with each batch."""

import keras
import tensorflow as tf

from estimators.objects import once


@once
def head_metrics(specs):
  """Returns the Keras metrics of a head, which live for the Estimator.

  They are told apart by what they are, not by the head: a head that holds a
  function made anew in each call of the model function equals no other.

  Args:
    specs: what `Head.metric_specs` returns.
  """
  return build(specs)


def build(specs):
  """Returns fresh metrics by key."""
  return {key: cls(name=key, **kwargs) for key, (cls, kwargs) in specs.items()}


class AccuracyBaseline(keras.metrics.Mean):
  """The accuracy of always giving the more frequent of two classes.

  It is updated with the labels, in [0, 1], and is max(mean, 1 - mean).
  """

  def result(self):
    mean = super().result()
    return keras.ops.maximum(mean, 1 - mean)


def flat(tensor):
  """Returns the values of a tensor, in one dimension."""
  return tf.reshape(tensor, [-1])


def flat_weights(weights, like):
  """Returns a weight for each value of a tensor, in one dimension, or None."""
  return None if weights is None else flat(weights * tf.ones_like(like))


def threshold_specs(thresholds):
  """Returns the metrics of binary decisions at thresholds, by key."""
  return {
    f"{kind}/positive_threshold_{threshold:g}": (cls, {argument: threshold})
    for threshold in thresholds
    for kind, cls, argument in _AT_THRESHOLD
  }


class _BinaryAccuracy(keras.metrics.Mean):
  """The share of decisions, probability > threshold, that equal the label."""

  def __init__(self, threshold, name):
    super().__init__(name=name)
    self._threshold = threshold

  def update_state(self, y_true, y_pred, sample_weight=None):
    decisions = tf.cast(y_pred > self._threshold, y_true.dtype)
    right = tf.cast(tf.equal(decisions, y_true), tf.float32)
    super().update_state(right, sample_weight)


_AT_THRESHOLD = (
  ("accuracy", _BinaryAccuracy, "threshold"),
  ("precision", keras.metrics.Precision, "thresholds"),
  ("recall", keras.metrics.Recall, "thresholds"),
)

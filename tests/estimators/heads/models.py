"""A model function around a head: logits = x * w, w zeros at first.

Letters: B examples of a batch, L logits.
"""

import keras
import numpy as np
import tensorflow as tf

from estimators import Estimator, RunConfig, once

LEARNING_RATE = 0.1


@once
def slopes(size):
  return keras.layers.Dense(
    size, use_bias=False, kernel_initializer="zeros", name="slopes"
  )


@once
def sgd():
  return keras.optimizers.SGD(LEARNING_RATE)


def model_fn_of(make_head, **spec_arguments):
  """Returns a model function; the head is made anew in each of its calls.

  Args:
    make_head: function that returns a head.
    **spec_arguments: further arguments of `create_estimator_spec`.
  """

  def model_fn(features, labels, mode):
    head = make_head()
    logits = slopes(head.logits_dimension)(features["x"])
    arguments = {"optimizer": sgd(), **spec_arguments}
    return head.create_estimator_spec(
      features, mode, logits, labels, **arguments
    )

  return model_fn


def input_of(features, labels=None, batch_size=None):
  """Returns an input function over arrays, in order, in batches."""
  arrays = features if labels is None else (features, labels)
  size = batch_size or len(features["x"])
  return lambda: tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def estimator_of(make_head, strategy=None, model_dir=None, **spec_arguments):
  config = RunConfig(train_distribute=strategy, eval_distribute=strategy)
  model_fn = model_fn_of(make_head, **spec_arguments)
  return Estimator(model_fn, model_dir, config)


def weights_of(estimator):
  """Returns the trained weights [1, L]."""
  return np.asarray(estimator.get_variable_value("slopes/kernel"))


def results(metrics):
  """Returns the values of metrics by key."""
  return {key: float(metric.result()) for key, metric in metrics.items()}

"""A model that is quickly trained, and whose weights say which step it is at.

It has the state that is easily lost: of dropout, of an optimizer with momentum,
of a shuffled input.
"""

import json
import os

import keras
import numpy as np
import tensorflow as tf

from estimators import (
  CheckpointSaverListener,
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  minimize,
  once,
)

COUNTER = "counter"
EXAMPLES = 64


@once
def counter(size):
  """A variable of which each element is the number of steps taken."""
  return tf.Variable(np.zeros([size], np.float32), trainable=False)


@once
def network():
  return keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(1)])


@once
def adam():
  return keras.optimizers.Adam(0.01)


def model_fn(features, labels, mode, params):
  """Learns the sum of four numbers, and counts.

  Args:
    features: float32 [examples, 4].
    labels: float32 [examples].
    mode: `ModeKeys`.
    params: dictionary with `size`, the elements of the counter.
  """
  count = counter(params["size"])
  predicted = network()(features, training=mode == ModeKeys.TRAIN)[:, 0]
  if mode == ModeKeys.PREDICT:
    return EstimatorSpec(mode, predictions={"sum": predicted})
  loss = tf.reduce_mean(tf.square(predicted - labels))
  if mode == ModeKeys.TRAIN:
    count.assign_add(tf.ones_like(count))
    return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, adam()))
  count = tf.fill(tf.shape(labels), count[0])
  return EstimatorSpec(mode, loss=loss, eval_metric_ops={COUNTER: count})


def input_fn():
  """Returns shuffled batches of 8, without end."""
  random = np.random.RandomState(0)
  features = random.normal(size=[EXAMPLES, 4]).astype(np.float32)
  dataset = tf.data.Dataset.from_tensor_slices((features, features.sum(axis=1)))
  return dataset.shuffle(EXAMPLES, seed=1).repeat().batch(8)


def estimator(model_dir, size=10, save_steps=1):
  """Returns the Estimator.

  Args:
    model_dir: str.
    size: int, the elements of the counter: what a checkpoint is large by.
    save_steps: int, steps from one checkpoint to the next.
  """
  config = RunConfig(
    tf_random_seed=1, save_checkpoints_steps=save_steps, save_summary_steps=1
  )
  return Estimator(
    model_fn, model_dir=model_dir, config=config, params={"size": size}
  )


class Saved(CheckpointSaverListener):
  """Writes the step of each checkpoint that was saved, at once."""

  def after_save(self, run, global_step):
    os.write(1, b"%d\n" % global_step)


def train(model_dir, max_steps, size=10, save_steps=1):
  """Trains and evaluates; prints the metrics in its last line."""
  model = estimator(model_dir, size, save_steps)
  model.train(input_fn, max_steps=max_steps, saving_listeners=[Saved()])
  results = model.evaluate(input_fn, steps=2)
  print(json.dumps({name: float(value) for name, value in results.items()}))

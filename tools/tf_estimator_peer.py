"""The part of benchmark.py that runs under TensorFlow 2.15: tf.estimator.

    /path/to/tf215/bin/python tools/tf_estimator_peer.py softmax|cnn STEPS

The same network, data, batches and optimizer as in benchmark.py, and the same
names of measurements, as one JSON object in the last line.
"""

import json
import sys
import tempfile
import time

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
layers = v1.layers
NUM_ROWS, BATCH_SIZE, LEARNING_RATE = 6000, 100, 0.001
WARMUP_STEPS = 20


def model_fn(features, labels, mode, params):
  training = mode == tf.estimator.ModeKeys.TRAIN
  hidden = features["x"]
  if params["model"] == "cnn":
    hidden = tf.reshape(hidden, [-1, 28, 28, 1])
    for filters in (32, 64):
      hidden = layers.conv2d(hidden, filters, 5, padding="same")
      hidden = layers.max_pooling2d(tf.nn.relu(hidden), 2, 2)
    hidden = layers.dense(layers.flatten(hidden), 1024, tf.nn.relu)
    hidden = layers.dropout(hidden, 0.4, training=training)
  logits = layers.dense(hidden, 10)
  classes = tf.argmax(logits, axis=1)
  if mode == tf.estimator.ModeKeys.PREDICT:
    predictions = {"classes": classes, "probabilities": tf.nn.softmax(logits)}
    return tf.estimator.EstimatorSpec(mode, predictions=predictions)
  loss = v1.losses.sparse_softmax_cross_entropy(labels, logits)
  if training:
    sgd = v1.train.GradientDescentOptimizer(LEARNING_RATE)
    train_op = sgd.minimize(loss, v1.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)
  metrics = {"accuracy": v1.metrics.accuracy(labels, classes)}
  return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


class SteadyRate(tf.estimator.SessionRunHook):
  """Steps per second after the first WARMUP_STEPS."""

  def __init__(self):
    self._steps = 0

  def after_run(self, run_context, run_values):
    self._steps += 1
    now = time.perf_counter()
    if self._steps == WARMUP_STEPS:
      self._start = now
    elif self._steps > WARMUP_STEPS:
      self.rate = (self._steps - WARMUP_STEPS) / (now - self._start)


def seconds_of(action):
  start = time.perf_counter()
  action()
  return time.perf_counter() - start


def main(model, steps):
  random = np.random.default_rng(1)
  images = random.random([NUM_ROWS, 784], dtype=np.float32)
  labels = random.integers(10, size=NUM_ROWS, dtype=np.int32)
  numpy_input_fn = v1.estimator.inputs.numpy_input_fn
  train_input_fn = numpy_input_fn(
    {"x": images}, labels, BATCH_SIZE, num_epochs=None, shuffle=True
  )
  eval_input_fn = numpy_input_fn(
    {"x": images}, labels, BATCH_SIZE, shuffle=False
  )
  one_input_fn = numpy_input_fn({"x": images[:1]}, batch_size=1, shuffle=False)

  with tempfile.TemporaryDirectory() as model_dir:
    estimator = tf.estimator.Estimator(
      model_fn, model_dir, params={"model": model}
    )
    steady = SteadyRate()
    train = seconds_of(
      lambda: estimator.train(train_input_fn, hooks=[steady], steps=steps)
    )
    estimator.evaluate(eval_input_fn)
    list(estimator.predict(one_input_fn))
    measured = {
      "tf_estimator_train": steady.rate,
      "tf_estimator_train_call": steps / train,
      "tf_estimator_evaluate_6000": seconds_of(
        lambda: estimator.evaluate(eval_input_fn)
      ),
      "tf_estimator_predict_1": seconds_of(
        lambda: list(estimator.predict(one_input_fn))
      ),
    }
  print(json.dumps(measured))


if __name__ == "__main__":
  main(sys.argv[1], int(sys.argv[2]))

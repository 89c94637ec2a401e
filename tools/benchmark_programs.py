"""The programs whose speed benchmark.py compares.

Each is built for a model ("softmax" or "cnn") and a number of steps, traces
what it needs while it is built, and has a method `measure` that returns
{name of the measurement: its value}.
"""

import json
import os
import pathlib
import subprocess
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from estimators import Estimator, EstimatorSpec, Hook, ModeKeys, minimize, once
from input_pipelines.arrays import numpy_input_fn

# Also in tf_estimator_peer.py.
NUM_ROWS, BATCH_SIZE, LEARNING_RATE = 6000, 100, 0.001
WARMUP_STEPS = 20


def make_network(model):
  """Softmax regression, or the network of the layers tutorial."""
  stack = [keras.Input([784])]
  if model == "cnn":
    stack.append(layers.Reshape([28, 28, 1]))
    for filters in (32, 64):
      stack.append(layers.Conv2D(filters, 5, padding="same", activation="relu"))
      stack.append(layers.MaxPool2D(2))
    stack += [layers.Flatten(), layers.Dense(1024, "relu"), layers.Dropout(0.4)]
  return keras.Sequential([*stack, layers.Dense(10)])


def make_data():
  """Returns invented images, float32 [6000, 784], and labels, int32 [6000]."""
  random = np.random.default_rng(1)
  images = random.random([NUM_ROWS, 784], dtype=np.float32)
  return images, random.integers(10, size=NUM_ROWS, dtype=np.int32)


def train_dataset():
  return numpy_input_fn(
    *make_data(), batch_size=BATCH_SIZE, num_epochs=None, shuffle=True
  )()


def mean_loss(labels, logits):
  return tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  )


@once
def network(params):
  return make_network(params["model"])


@once
def optimizer():
  return keras.optimizers.SGD(LEARNING_RATE)


def model_fn(features, labels, mode, params):
  """Features are {"x": float32 [B, 784]}, labels int32 [B]."""
  net = network(params)
  logits = net(features["x"], training=mode == ModeKeys.TRAIN)
  classes = tf.argmax(logits, axis=1, output_type=tf.int32)
  if mode == ModeKeys.PREDICT:
    predictions = {"classes": classes, "probabilities": tf.nn.softmax(logits)}
    return EstimatorSpec(mode, predictions=predictions)
  loss = mean_loss(labels, logits)
  if mode == ModeKeys.TRAIN:
    return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, optimizer()))
  correct = tf.cast(classes == labels, tf.float32)
  return EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": correct})


class SteadyRate(Hook):
  """Steps per second after the first WARMUP_STEPS of a call.

  It asks for two steps only: to look at each would slow the runner down.
  """

  def __init__(self, steps):
    self._steps = steps

  def begin(self, run):
    self._start = run.global_step + WARMUP_STEPS
    self._stop = run.global_step + self._steps

  def next_step(self, step):
    return self._start if step < self._start else max(self._stop, step + 1)

  def after_run(self, run):
    if run.global_step == self._start:
      self._start_time = time.perf_counter()
    elif run.global_step == self._stop:
      seconds = time.perf_counter() - self._start_time
      self.rate = (self._stop - self._start) / seconds


class OurEstimator:
  """The runner, used as by its users, with all its defaults."""

  def __init__(self, model, steps, model_dir):
    self._estimator = Estimator(model_fn, model_dir, params={"model": model})
    self._steps = steps
    images, labels = make_data()
    self._train_input_fn = numpy_input_fn(
      {"x": images}, labels, BATCH_SIZE, num_epochs=None, shuffle=True
    )
    self._eval_input_fn = numpy_input_fn(
      {"x": images}, labels, BATCH_SIZE, shuffle=False
    )
    self._one_input_fn = numpy_input_fn(
      {"x": images[:1]}, batch_size=1, shuffle=False
    )
    self.measure(2 * WARMUP_STEPS)  # traces everything

  def measure(self, steps=None):
    steps = steps or self._steps
    steady = SteadyRate(steps)
    train = seconds_of(
      lambda: self._estimator.train(
        self._train_input_fn, hooks=[steady], steps=steps
      )
    )
    return {
      "estimator_train": steady.rate,
      "estimator_train_call": steps / train,
      "estimator_evaluate_6000": seconds_of(
        lambda: self._estimator.evaluate(self._eval_input_fn)
      ),
      "estimator_predict_1": seconds_of(
        lambda: list(self._estimator.predict(self._one_input_fn))
      ),
    }


class InGraphLoop:
  """The fastest loop that one can write by hand: nothing but training."""

  def __init__(self, model, steps):
    net = make_network(model)
    sgd = keras.optimizers.SGD(LEARNING_RATE)
    sgd.build(net.trainable_variables)
    weights = [variable.value for variable in net.trainable_variables]
    iterator = iter(train_dataset())

    @tf.function
    def train(num_steps):
      loss = tf.constant(0.0)
      for _ in tf.range(num_steps):
        images, labels = next(iterator)
        with tf.GradientTape() as tape:
          loss = mean_loss(labels, net(images, training=True))
        sgd.apply(tape.gradient(loss, weights), net.trainable_variables)
      return loss

    self._train, self._steps = train, steps
    self._train(tf.constant(WARMUP_STEPS))

  def measure(self):
    seconds = seconds_of(lambda: self._train(tf.constant(self._steps)).numpy())
    return {"in_graph_loop_train": self._steps / seconds}


class KerasFit:
  """`Model.fit`, one step or several for each call of its train function."""

  def __init__(self, name, model, steps, steps_per_execution=1):
    self._name, self._steps = name, steps
    self._network = make_network(model)
    self._network.compile(
      keras.optimizers.SGD(LEARNING_RATE),
      keras.losses.SparseCategoricalCrossentropy(from_logits=True),
      steps_per_execution=steps_per_execution,
    )
    self._dataset = train_dataset()
    self._fit(steps_per_execution)

  def _fit(self, steps):
    self._network.fit(
      self._dataset, steps_per_epoch=steps, shuffle=False, verbose=0
    )

  def measure(self):
    seconds = seconds_of(lambda: self._fit(self._steps))
    return {f"{self._name}_train": self._steps / seconds}


class TfEstimator:
  """tf.estimator, in a process of another Python."""

  def __init__(self, python, model, steps):
    self._python, self._arguments = python, [model, str(steps)]

  def measure(self):
    script = pathlib.Path(__file__).parent / "tf_estimator_peer.py"
    return run_peer(self._python, script, self._arguments)


def run_peer(python, script, arguments, text=None):
  """Runs a script with another Python; returns what its last line says.

  Args:
    python: str, the program.
    script: path.
    arguments: list of str.
    text: str for its standard input, or None.
  """
  process = subprocess.run(
    [os.path.expanduser(python), str(script), *arguments],
    input=text,
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
  return json.loads(process.stdout.splitlines()[-1])


def seconds_of(action):
  start = time.perf_counter()
  action()
  return time.perf_counter() - start

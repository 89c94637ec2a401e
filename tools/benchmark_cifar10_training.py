"""The training programs of `python -m tools.benchmark cifar10`.

All train the network of the tutorial on invented images of CIFAR-10's size, in
batches of 128. `estimator` is the experiment, with weight decay, averages of
weights and losses, and summaries. `keras_fit` is what one would write with
Keras: its preprocessing layers in tf.data, over batches, TensorFlow's local
response normalisation, regularizers, and the optimizer's moving averages.
`keras_fit_ours` is our network and our pipeline under fit, with neither weight
decay nor averages nor summaries.
"""

import time

import keras
import tensorflow as tf
from keras import layers

from estimators import Estimator
from experiments.cifar10 import config as cifar10_config
from experiments.cifar10 import model
from input_pipelines import cifar10
from tools.benchmark_cifar10 import (
  BATCH_SIZE,
  NUM_IMAGES,
  keras_dataset,
  make_images,
)
from tools.benchmark_programs import WARMUP_STEPS, SteadyRate

# Which are compared; see tools/benchmark.py.
RATIOS = {
  "estimator_cifar10_images_over_keras_fit_cifar10_images": True,
  "estimator_cifar10_images_over_keras_fit_ours_cifar10_images": True,
}


def params():
  return cifar10_config.model_params(cifar10_config.Config(), NUM_IMAGES)


class OurEstimator:
  """The experiment's model function and pipeline, under the runner."""

  def __init__(self, steps, model_dir):
    self._estimator = Estimator(model.model_fn, model_dir, params=params())
    self._input_fn = cifar10.train_input_fn(*make_images(), BATCH_SIZE, seed=1)
    self._steps = steps
    self.measure(2 * WARMUP_STEPS)

  def measure(self, steps=None):
    steps = steps or self._steps
    steady = SteadyRate(steps)
    self._estimator.train(self._input_fn, hooks=[steady], steps=steps)
    return {"estimator_cifar10_images": steady.rate * BATCH_SIZE}


class KerasFit:
  """`Model.fit` of a network on a dataset, both given."""

  def __init__(self, name, network, dataset, steps, **averages):
    self._name, self._network, self._dataset = name, network, dataset
    self._steps = steps
    schedule = keras.optimizers.schedules.ExponentialDecay(
      0.1, params()["decay_steps"], 0.1, staircase=True
    )
    network.compile(
      keras.optimizers.SGD(schedule, **averages),
      keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    self._fit(WARMUP_STEPS)

  def _fit(self, steps):
    clock = _Clock()
    self._network.fit(
      self._dataset,
      steps_per_epoch=steps,
      shuffle=False,
      verbose=0,
      callbacks=[clock],
    )
    return clock

  def measure(self):
    clock = self._fit(self._steps)
    return {f"{self._name}_cifar10_images": clock.rate * BATCH_SIZE}


class _Clock(keras.callbacks.Callback):
  """Steps per second after the first ones of an epoch."""

  def on_train_batch_end(self, batch, logs=None):
    del logs
    if batch + 1 == WARMUP_STEPS:
      self._start = time.perf_counter()
    elif batch + 1 > WARMUP_STEPS:
      seconds = time.perf_counter() - self._start
      self.rate = (batch + 1 - WARMUP_STEPS) / seconds


def keras_network():
  """Returns the network as one would write it with Keras and TensorFlow."""

  def convolution(bias):
    return layers.Conv2D(
      64,
      5,
      padding="same",
      activation="relu",
      kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.05),
      bias_initializer=keras.initializers.Constant(bias),
    )

  def norm():
    return layers.Lambda(
      lambda x: tf.nn.local_response_normalization(x, 4, 1.0, 0.001 / 9, 0.75)
    )

  def dense(units):
    return layers.Dense(
      units,
      "relu",
      kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.04),
      bias_initializer=keras.initializers.Constant(0.1),
      kernel_regularizer=keras.regularizers.L2(0.002),
    )

  return keras.Sequential(
    [
      keras.Input([24, 24, 3]),
      convolution(0.0),
      layers.MaxPool2D(3, 2, "same"),
      norm(),
      convolution(0.1),
      norm(),
      layers.MaxPool2D(3, 2, "same"),
      layers.Flatten(),
      dense(384),
      dense(192),
      layers.Dense(10),
    ]
  )


def programs(steps, model_dir):
  """Returns the programs, each of which measures that many steps.

  Args:
    steps: int, more than `WARMUP_STEPS`.
    model_dir: str, a folder for the Estimator's checkpoints.
  """
  averages = {"use_ema": True, "ema_momentum": 0.9999}
  dataset = cifar10.train_input_fn(*make_images(), BATCH_SIZE, seed=1)()
  ours = dataset.map(lambda features, labels: (features["images"], labels))
  return [
    OurEstimator(steps, model_dir),
    KerasFit("keras_fit", keras_network(), keras_dataset(), steps, **averages),
    KerasFit("keras_fit_ours", model.build_network(params()), ours, steps),
  ]

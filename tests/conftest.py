"""Gives TensorFlow two logical CPUs, for the tests of strategies."""

import gc

import tensorflow as tf

# Tracing makes hundreds of thousands of objects, little of it garbage: to look
# for it as often as Python does by default takes a twentieth of the time.
gc.set_threshold(100_000, 20, 100)

# Must be done before TensorFlow starts, hence before any test of the process.
tf.config.set_logical_device_configuration(
  tf.config.list_physical_devices("CPU")[0],
  [tf.config.LogicalDeviceConfiguration()] * 2,
)

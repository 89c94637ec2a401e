"""Gives TensorFlow two logical CPUs, for the tests of strategies."""

import tensorflow as tf

# Must be done before TensorFlow starts, hence before any test of the process.
tf.config.set_logical_device_configuration(
  tf.config.list_physical_devices("CPU")[0],
  [tf.config.LogicalDeviceConfiguration()] * 2,
)

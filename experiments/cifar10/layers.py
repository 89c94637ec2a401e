"""Layers that Keras has not: local response normalisation and local filters.

B, H, W, C: batch, height, width, channels.
"""

import keras
import numpy as np
import tensorflow as tf


class LocalResponseNormalization(keras.layers.Layer):
  """Divides by a power of the squares of the channels nearby.

      y_c = x_c / (bias + alpha * sum of x_d^2 over |d - c| <= radius) ^ beta

  It is tf.nn.local_response_normalization as one matrix product with a band of
  ones, which takes a third of the time of that operation and its gradient on a
  CPU. Input and output are [B, H, W, C], or [B, C, H, W] with channels_first.

  Source: Krizhevsky et al. 2012, "ImageNet classification with deep
  convolutional neural networks", section 3.3.

  Args:
    depth_radius: int, channels to either side.
    bias, alpha, beta: floats, as above; those of CIFAR-10 by default.
    data_format: channels_last or channels_first.
  """

  def __init__(
    self,
    depth_radius=4,
    bias=1.0,
    alpha=0.001 / 9,
    beta=0.75,
    data_format="channels_last",
    **kwargs,
  ):
    super().__init__(**kwargs)
    self._radius, self._bias = depth_radius, bias
    self._alpha, self._beta = alpha, beta
    self._is_last = data_format == "channels_last"

  def build(self, input_shape):
    channels = np.arange(input_shape[-1 if self._is_last else 1])
    near = np.abs(channels[:, None] - channels) <= self._radius
    self._band = np.float32(near) * self._alpha

  def call(self, x):
    # bfloat16 has too few digits for a sum so near to 1.
    wide = tf.cast(x, tf.float32)
    squares = tf.square(wide)
    if self._is_last:
      flat = tf.reshape(squares, [-1, x.shape[-1]])
      sums = tf.reshape(tf.matmul(flat, self._band), tf.shape(x))
    else:
      sums = tf.einsum("bchw,cd->bdhw", squares, self._band)
    return tf.cast(wide * _power(self._bias + sums, -self._beta), x.dtype)


def _power(x, exponent):
  if exponent == -0.75:  # Square roots take a fraction of the time of powers.
    root = tf.math.rsqrt(x)
    return root * tf.sqrt(root)
  return x**exponent


class LocallyConnected2D(keras.layers.Layer):
  """A convolution whose every place has filters of its own.

  Stride 1, zeros around the image; input [B, H, W, C], output [B, H, W, K],
  kernel [H, W, k * k * C, K].

  Source: Krizhevsky's cuda-convnet, layers `local3` and `local4` of its
  CIFAR-10 networks.

  Args:
    filters: int, K.
    kernel_size: int, k.
    activation, kernel_initializer, bias_initializer: as for
      `keras.layers.Conv2D`.
  """

  def __init__(
    self,
    filters,
    kernel_size,
    activation=None,
    kernel_initializer="glorot_uniform",
    bias_initializer="zeros",
    **kwargs,
  ):
    super().__init__(**kwargs)
    self._filters, self._size = filters, kernel_size
    self._activation = keras.activations.get(activation)
    self._initializers = [
      keras.initializers.get(initializer)
      for initializer in (kernel_initializer, bias_initializer)
    ]

  def build(self, input_shape):
    _, height, width, channels = input_shape
    patch = self._size**2 * channels
    kernel, bias = self._initializers
    self.kernel = self.add_weight(
      name="kernel",
      shape=[height, width, patch, self._filters],
      initializer=kernel,
    )
    self.bias = self.add_weight(
      name="bias", shape=[height, width, self._filters], initializer=bias
    )

  def call(self, x):
    k = [1, self._size, self._size, 1]
    ones = [1, 1, 1, 1]
    patches = tf.image.extract_patches(x, k, ones, ones, "SAME")
    y = tf.einsum("bhwp,hwpk->bhwk", patches, tf.cast(self.kernel, x.dtype))
    return self._activation(y + tf.cast(self.bias, x.dtype))

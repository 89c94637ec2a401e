"""Random Fourier features: a kernel machine from a linear model.

Shapes: B batch, N inputs, D features.
"""

import math

import keras
import numpy as np
from keras import ops


class RandomFourierFeatureMapper(keras.layers.Layer):
  """Maps inputs to random features whose inner products are a Gaussian kernel.

  z(x) = sqrt(2 / D) cos(x W + b), with the entries of W normal with standard
  deviation 1 / stddev and those of b uniform in [0, 2 pi). For two inputs x, y

      E[z(x) . z(y)] = exp(-|x - y|^2 / (2 stddev^2)),

  and the error falls with 1 / sqrt(D). A linear model on z(x) is then close to
  a kernel machine on x, at the cost of a linear model. W and b are weights of
  the layer, so that a saved model has them, but they are never trained.

  Input shape: float [B, N]. Output shape: float [B, D], each at most
  sqrt(2 / D) in size.

  Args:
    output_dim: int, the number of features D; positive.
    stddev: float, the width of the kernel, in units of |x - y|; positive.
    seed: int, what W and b are drawn from.
    **kwargs: of `keras.layers.Layer`.

  Raises:
    ValueError: `output_dim` or `stddev` is not positive.

  Source: Rahimi and Recht 2007, "Random features for large-scale kernel
  machines", section 3. Arguments as in tf.contrib.kernel_methods, but for the
  number of inputs, which is seen at the first call.
  """

  def __init__(self, output_dim, stddev=1.0, seed=1, **kwargs):
    super().__init__(**kwargs)
    if output_dim <= 0 or stddev <= 0:
      raise ValueError(
        "a random Fourier mapper needs a positive number of features and a "
        f"positive width, but got output_dim={output_dim}, stddev={stddev}; "
        "for images in [0, 1] try output_dim=2000, stddev=5."
      )
    self.output_dim = output_dim
    self.stddev = stddev
    self.seed = seed

  def build(self, input_shape):
    # Drawn as tf.contrib did, which gives the same weights for a seed.
    state = np.random.RandomState(self.seed)
    omega_shape = [input_shape[-1], self.output_dim]
    omega = state.normal(scale=1 / self.stddev, size=omega_shape)
    bias = state.uniform(0, 2 * math.pi, [self.output_dim])
    self.omega = self._constant("omega", omega)
    self.bias = self._constant("bias", bias)

  def _constant(self, name, value):
    return self.add_weight(
      name=name, shape=value.shape, initializer=value, trainable=False
    )

  def call(self, inputs):
    phases = ops.matmul(inputs, self.omega) + self.bias  # [B, D]
    return math.sqrt(2 / self.output_dim) * ops.cos(phases)

  def compute_output_shape(self, input_shape):
    return (*input_shape[:-1], self.output_dim)

  def get_config(self):
    return super().get_config() | {
      "output_dim": self.output_dim,
      "stddev": self.stddev,
      "seed": self.seed,
    }

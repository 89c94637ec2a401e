"""The backends against NumPy, and against each other."""

from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from experiments.ptb import recurrent
from tests.estimators.ops import numpy_lstm

T, B, D, H = 4, 2, 3, 5


def layer_of(cell, dtype="float32"):
  """Returns a layer with weights, biases too, of its cell alone."""
  layer = recurrent.layer(cell, H, D, 0.5, dtype)
  generator = np.random.default_rng(1)
  for variable in weights_of(layer):
    variable.assign(generator.uniform(-0.5, 0.5, variable.shape))
  return layer


def weights_of(layer):
  return layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias


def inputs_of(cell):
  generator = np.random.default_rng(2)
  state = generator.normal(size=[recurrent.NUM_STATES[cell], B, H])
  return np.float32(generator.normal(size=[T, B, D])), np.float32(state)


def gru(inputs, kernel, recurrent_kernel, bias, h):
  """The GRU in NumPy, with the reset gate after the product."""
  outputs = []
  for x in inputs:
    xz, xr, xg = np.split(x @ kernel + bias[0], 3, axis=1)
    hz, hr, hg = np.split(h @ recurrent_kernel + bias[1], 3, axis=1)
    z, r = numpy_lstm.sigmoid(xz + hz), numpy_lstm.sigmoid(xr + hr)
    h = z * h + (1 - z) * np.tanh(xg + r * hg)
    outputs.append(h)
  return np.stack(outputs), h[None]


def in_numpy(cell):
  """Returns (outputs, state) of `layer_of` for `inputs_of`."""
  inputs, state = inputs_of(cell)
  weights = [variable.numpy() for variable in weights_of(layer_of(cell))]
  if cell == "gru":
    return gru(inputs, *weights, *state)
  outputs, h, c = numpy_lstm.lstm(inputs, *weights, *state)
  return outputs, np.stack([h, c])


def run(cell, backend, num_steps=T, dtype="float32"):
  """Returns outputs, state and the gradients of a function of both."""
  layer = layer_of(cell, dtype)
  inputs, state = map(tf.constant, inputs_of(cell))
  spec = tf.TensorSpec([num_steps, B, D], layer.compute_dtype)

  @tf.function(input_signature=[spec, tf.TensorSpec(state.shape)])
  def computed(inputs, state):
    variables = [variable.value for variable in weights_of(layer)]
    with tf.GradientTape() as tape:
      tape.watch([inputs, state])
      outputs, last = recurrent.run(layer, inputs, state, backend)
      value = tf.reduce_sum(tf.sin(tf.cast(outputs, tf.float32)))
      value += tf.reduce_sum(last**2)
    return outputs, last, *tape.gradient(value, [*variables, inputs, state])

  found = computed(tf.cast(inputs, layer.compute_dtype), state)
  return [tf.cast(value, tf.float32).numpy() for value in found]


class BackendsTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    ("lstm", ("native", "unrolled", "unrolled_xla")),
    ("block", ("block",)),
    ("gru", ("unrolled",)),
  )
  def test_all_compute_the_same(self, cell, backends):
    expected = run(cell, "keras")
    self.assertAllClose(expected[:2], in_numpy(cell), atol=1e-6)
    for backend in backends:
      with self.subTest(backend):
        self.assertAllClose(run(cell, backend), expected, atol=1e-5)

  def test_any_number_of_steps(self):
    for cell, backend in (
      ("lstm", "native"),
      ("lstm", "unrolled"),
      ("block", "block"),
    ):
      with self.subTest(backend):
        outputs, state = run(cell, backend, num_steps=None)[:2]
        self.assertAllClose((outputs, state), in_numpy(cell), atol=1e-6)

  def test_long_windows_are_not_unrolled(self):
    layer, state = layer_of("lstm"), tf.zeros([2, B, H])
    for num_steps, is_unrolled in ((100, True), (101, False)):
      traced = tf.function(
        lambda x: recurrent.run(layer, x, state, "unrolled")
      ).get_concrete_function(tf.TensorSpec([num_steps, B, D]))
      size = len(traced.graph.get_operations())
      self.assertEqual(size > 1000, is_unrolled)

  def test_bfloat16(self):
    found = run("lstm", "unrolled", dtype="mixed_bfloat16")
    expected = in_numpy("lstm")
    self.assertAllClose(found[:2], expected, atol=0.02)
    self.assertNotAllClose(found[:2], expected, atol=1e-5)

  def test_biases_begin_with_zeros(self):
    for cell in recurrent.NUM_STATES:
      layer = recurrent.layer(cell, H, D, 0.5, "float32")
      self.assertAllEqual(layer.cell.bias, np.zeros(layer.cell.bias.shape))
      self.assertLessEqual(np.abs(layer.cell.kernel).max(), 0.5)
      self.assertIsInstance(layer, keras.layers.RNN)


class BackendOfTest(parameterized.TestCase):
  @parameterized.parameters(
    ("lstm", "auto", False, "native"),
    ("lstm", "keras", True, "keras"),
    ("block", "auto", False, "block"),
  )
  def test_on_a_cpu(self, cell, choice, use_fp16, expected):
    found = recurrent.backend_of(cell, choice, use_fp16)
    self.assertEqual(found, expected)

  @parameterized.parameters("lstm", "gru")
  def test_on_a_gpu(self, cell):
    with mock.patch.object(
      tf.config, "list_physical_devices", return_value=["a GPU"]
    ) as devices:
      self.assertEqual(recurrent.backend_of(cell), "keras")
    devices.assert_called_once_with("GPU")

  @parameterized.parameters(
    ("gru", "native", False, "native is for --cell=lstm.*--cell=gru"),
    ("lstm", "native", True, "native is for .* float32.*use_fp16=True"),
    ("block", "keras", False, "rnn_backend must be auto, but is keras"),
    ("block", "auto", True, "needs float32, but came with --use_fp16; take"),
  )
  def test_what_cannot_be(self, cell, choice, use_fp16, message):
    with self.assertRaisesRegex(ValueError, message):
      recurrent.backend_of(cell, choice, use_fp16)


if __name__ == "__main__":
  tf.test.main()

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from experiments.alexnet import model, self_test

LINES = """\
conv1   [7, 56, 56, 64]
pool1   [7, 27, 27, 64]
conv2   [7, 27, 27, 192]
pool2   [7, 13, 13, 192]
conv3   [7, 13, 13, 384]
conv4   [7, 13, 13, 256]
conv5   [7, 13, 13, 256]
pool5   [7, 6, 6, 256]"""
PARAMETERS = {
  "conv1": 23_296,
  "conv2": 307_392,
  "conv3": 663_936,
  "conv4": 884_992,
  "conv5": 590_080,
}


def convolution(images, kernel, stride):
  """Returns what a convolution with padding SAME is, in NumPy."""
  size, width = images.shape[1], kernel.shape[0]
  out = -(-size // stride)
  pad = max((out - 1) * stride + width - size, 0)
  sides = (pad // 2, pad - pad // 2)  # The larger half comes last.
  images = np.pad(images, [(0, 0), sides, sides, (0, 0)])
  rows = [
    [
      np.tensordot(images[:, y : y + width, x : x + width], kernel, 3)
      for x in range(0, out * stride, stride)
    ]
    for y in range(0, out * stride, stride)
  ]
  return np.moveaxis(np.array(rows), 2, 0)


def largest(images):
  """Returns the maxima over 3x3 with stride 2 and padding VALID, in NumPy."""
  out = (images.shape[1] - 3) // 2 + 1
  parts = [
    images[:, y : y + 2 * out - 1 : 2, x : x + 2 * out - 1 : 2]
    for y in range(3)
    for x in range(3)
  ]
  return np.max(parts, 0)


class NetworkTest(parameterized.TestCase, tf.test.TestCase):
  def test_parameters_and_shapes(self):
    net = model.network()
    counts = {layer.name: layer.count_params() for layer in net.layers}
    self.assertEqual({k: v for k, v in counts.items() if v}, PARAMETERS)
    self.assertEqual(net.count_params(), 2_469_696)
    self.assertEqual("\n".join(model.activation_lines(net, 7)), LINES)
    self.assertEqual(net(model.random_images(1)).shape, [1, 6, 6, 256])

  def test_first_values(self):
    net = model.network()
    for layer in net.layers:
      if layer.count_params():
        kernel, bias = layer.get_weights()
        self.assertAllEqual(bias, np.zeros_like(bias))
        self.assertAllInRange(kernel, -0.2, 0.2)  # Two standard deviations.
        # A normal cut there has 0.88 of its standard deviation.
        self.assertAllClose(kernel.std(), 0.088, atol=0.001)
    images = model.random_images(2).numpy()
    self.assertAllClose(images.std(), 0.1, rtol=0.01)
    self.assertAllClose(images.mean(), 0, atol=0.001)
    again, other = model.network(), model.network(seed=2)
    self.assertAllEqual(again.get_weights()[0], net.get_weights()[0])
    self.assertNotAllEqual(other.get_weights()[0], net.get_weights()[0])

  def test_the_network_is_what_numpy_makes_of_its_layers(self):
    net = model.network(image_size=67, dtype="float64")
    images = model.random_images(2, image_size=67, dtype="float64")
    found = images.numpy()
    weights = iter(net.get_weights())
    for _, *settings in model.LAYERS:
      if settings:
        found = convolution(found, next(weights), settings[-1])
        found = np.maximum(found + next(weights), 0)
      else:
        found = largest(found)
    self.assertAllClose(net(images), found, 1e-10)
    objective = model.objective(net, images)
    self.assertAllClose(objective, (found**2).sum() / 2, 1e-10)

  def test_gradients(self):
    slope, difference = self_test.slopes()
    self.assertAllClose(slope, difference, 1e-6)
    net = model.network(image_size=64)
    found = model.gradients(net, model.random_images(1, image_size=64))
    self.assertEqual(
      [g.shape for g in found], [v.shape for v in net.trainable_variables]
    )

  def operations(self, function):
    """Returns the types of all operations that the outputs need."""
    traced = tf.function(function, autograph=False).get_concrete_function()
    waiting, found = [tensor.op for tensor in traced.outputs], {}
    while waiting:
      operation = waiting.pop()
      if operation.name not in found:
        found[operation.name] = operation.type
        waiting += [tensor.op for tensor in operation.inputs]
        waiting += operation.control_inputs
    return list(found.values())

  def test_forward_has_no_backward_operations(self):
    net = model.network(image_size=64)
    images = model.random_images(1, image_size=64)
    forward = self.operations(lambda: net(images))
    self.assertEqual(forward.count("Conv2D"), 5)
    self.assertEmpty([op for op in forward if "Backprop" in op or "Grad" in op])
    both = self.operations(lambda: model.gradients(net, images))
    self.assertEqual(both.count("Conv2D"), 5)
    self.assertEqual(both.count("Conv2DBackpropFilter"), 5)
    # The images need no gradient.
    self.assertEqual(both.count("Conv2DBackpropInput"), 4)

  def test_multiply_adds(self):
    net = model.network()
    found = model.multiply_adds(net)
    self.assertEqual(
      found,
      {
        "conv1": 56 * 56 * 64 * 11 * 11 * 3,
        "conv2": 27 * 27 * 192 * 5 * 5 * 64,
        "conv3": 13 * 13 * 384 * 3 * 3 * 192,
        "conv4": 13 * 13 * 256 * 3 * 3 * 384,
        "conv5": 13 * 13 * 256 * 3 * 3 * 256,
      },
    )
    self.assertAllClose(sum(found.values()), 658e6, rtol=0.001)
    forward, both = model.flops(net)
    self.assertEqual(forward, 2 * sum(found.values()))
    # Forward once; then five kernels and four inputs.
    self.assertEqual(both, forward + forward + forward - 2 * found["conv1"])


if __name__ == "__main__":
  tf.test.main()

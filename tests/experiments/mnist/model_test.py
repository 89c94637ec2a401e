import math

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator, Hook, RunConfig
from experiments.mnist import model
from experiments.mnist.config import model_params, published
from input_pipelines.arrays import numpy_input_fn


def network(name, **changes):
  return model.network.__wrapped__(params(name, **changes))


def params(name, **changes):
  return model_params(published(name, **changes), num_examples=55000)


def zeroed(net):
  """Returns the network with every weight and bias 0."""
  net.set_weights([np.zeros_like(weight) for weight in net.get_weights()])
  return net


class NetworkTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ("softmax", 7850),
    ("fully_connected", 104938),
    ("deep", 3274634),
    ("convolutional", 1663370),
    ("cnn", 3274634),
  )
  def test_trained_parameters(self, name, count):
    weights = network(name).trainable_variables
    self.assertEqual(sum(math.prod(w.shape) for w in weights), count)

  def test_softmax_starts_from_zero(self):
    for weight in network("softmax").get_weights():
      self.assertAllEqual(weight, np.zeros_like(weight))

  def test_softmax_is_linear(self):
    net = network("softmax")
    net.set_weights([np.full([784, 10], 0.5), np.arange(10)])
    images = np.zeros([2, 784], np.float32)
    images[1, :3] = 1
    self.assertAllClose(net(images), [np.arange(10), np.arange(10) + 1.5])

  def test_fully_connected_on_hand_set_weights(self):
    net = network("fully_connected", hidden1=2, hidden2=1)
    net.set_weights(
      [
        np.tile([[1, -1]], [784, 1]) / 784,
        np.array([1, 0.5]),
        np.array([[3], [5]]),
        np.array([-1]),
        np.arange(10)[np.newaxis],
        np.ones([10]),
      ]
    )
    # hidden1 relu(1 + 1), relu(0.5 - 1); hidden2 relu(3 * 2 + 5 * 0 - 1).
    self.assertAllClose(
      net(np.ones([1, 784])), [5 * np.arange(10) + 1], rtol=1e-5
    )

  def test_fully_connected_keeps_the_names_of_its_scopes(self):
    names = [layer.name for layer in network("fully_connected").layers]
    self.assertEqual(names, ["hidden1", "hidden2", "softmax_linear"])

  def test_initial_weights_are_scaled_with_the_inputs(self):
    hidden1, _, hidden2, *_ = network("fully_connected").get_weights()
    for weights, fan_in in ((hidden1, 784), (hidden2, 128)):
      # A normal cut at two standard deviations keeps 0.8796 of one.
      self.assertAllClose(weights.std() * fan_in**0.5, 0.88, atol=0.02)
      self.assertAllInRange(weights * fan_in**0.5, -2, 2)

  @parameterized.parameters("deep", "cnn")
  def test_convolutions_on_hand_set_weights(self, name):
    """The centre pixel's way through channel 0 of every layer."""
    net = zeroed(network(name))
    first, _, second, _, wide, _, last, bias = net.trainable_variables
    first.assign(one_at(first, [2, 2, 0, 0], 2.0))
    second.assign(one_at(second, [2, 2, 0, 0], 3.0))
    # After two poolings pixel (13, 17) is at (3, 4); channel 0 of 64.
    wide.assign(one_at(wide, [(3 * 7 + 4) * 64, 0], 5.0))
    last.assign(one_at(last, [0, 7], 7.0))
    bias.assign(np.full([10], 0.5))
    image = np.zeros([28, 28], np.float32)
    image[13, 17] = 0.5
    expected = np.full([1, 10], 0.5)
    expected[0, 7] += 0.5 * 2 * 3 * 5 * 7
    self.assertAllClose(net(image.reshape([1, 784])), expected)

  def test_convolutional_shifts_the_images_by_half(self):
    net = zeroed(network("convolutional"))
    first, _, second, _, wide, _, last, _ = net.trainable_variables
    first.assign(one_at(first, [2, 2, 0, 0], 1.0))
    second.assign(one_at(second, [2, 2, 0, 0], 1.0))
    wide.assign(one_at(wide, [0, 0], 1.0))
    last.assign(one_at(last, [0, 0], 1.0))
    images = np.repeat([[0.0], [0.5], [0.75], [1.0]], 784, axis=1)
    self.assertAllClose(net(images)[:, 0], [0, 0, 0.25, 0.5])

  def test_convolutional_penalizes_its_dense_layers_only(self):
    net = network("convolutional")
    dense = net.trainable_variables[4:]
    squares = sum(np.sum(np.square(weight)) for weight in dense)
    self.assertAllClose(sum(net.losses), 5e-4 * squares / 2, rtol=1e-4)

  @parameterized.parameters("softmax", "fully_connected", "deep", "cnn")
  def test_others_have_no_penalty(self, name):
    self.assertEmpty(network(name).losses)

  @parameterized.parameters("deep", "convolutional", "cnn")
  def test_only_training_drops(self, name):
    net = network(name)
    images = np.ones([1, 784], np.float32)
    same, again = net(images, training=False), net(images, training=False)
    self.assertAllEqual(same, again)
    self.assertNotAllClose(net(images, training=True), same)

  @parameterized.parameters(*model.NETWORKS)
  def test_half_precision_ends_in_float32(self, name):
    net = network(name, use_fp16=True)
    self.assertEqual(net(np.ones([1, 784], np.float32)).dtype, tf.float32)
    for layer in net.layers[:-1]:
      self.assertEqual(layer.compute_dtype, "bfloat16", layer.name)
    for weight in net.trainable_variables:
      self.assertEqual(weight.dtype, "float32")


def one_at(variable, index, value):
  """Returns zeros like the variable, with one value."""
  array = np.zeros(variable.shape, np.float32)
  array[tuple(index)] = value
  return array


class OptimizerTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ("softmax", keras.optimizers.SGD, 0.5),
    ("fully_connected", keras.optimizers.SGD, 0.01),
    ("deep", keras.optimizers.Adam, 1e-4),
    ("convolutional", keras.optimizers.SGD, 0.01),
    ("cnn", keras.optimizers.SGD, 0.001),
  )
  def test_published(self, name, cls, rate):
    optimizer = model.optimizer.__wrapped__(params(name))
    self.assertIsInstance(optimizer, cls)
    self.assertAllClose(optimizer.learning_rate, rate)

  def test_convolutional_decays_after_each_epoch(self):
    optimizer = model.optimizer.__wrapped__(params("convolutional"))
    self.assertEqual(optimizer.momentum, 0.9)
    # An epoch is 55,000 / 64 = 859.4 batches.
    for step, rate in ((859, 0.01), (860, 0.0095), (1719, 0.009025)):
      optimizer.iterations.assign(step)
      self.assertAllClose(optimizer.learning_rate, rate, rtol=1e-6)


class CannedTest(tf.test.TestCase, parameterized.TestCase):
  """linear and kernel, by one step on two images against NumPy."""

  def train_one_step(self, name, **changes):
    """Returns (estimator, images) after one step on the labels 3 and 5."""
    images = np.random.RandomState(0).rand(2, 784).astype(np.float32)
    config = published(name, **changes)
    estimator = model.estimator_of(config, RunConfig(), num_examples=2)
    labels = np.array([3, 5], np.int32)
    estimator.train(numpy_input_fn({"x": images}, labels, 2, shuffle=False))
    return estimator, images

  def after_one_step(self, features, rate, l2):
    """Returns what Ftrl makes of zero weights [N, 10] in its first step."""
    # The gradient of the mean cross entropy at equal probabilities.
    errors = (np.full([2, 10], 0.1) - np.eye(10)[[3, 5]]) / 2
    gradient = features.T @ errors
    return -gradient / (np.sqrt(0.1 + gradient**2) / rate + 2 * l2)

  @parameterized.parameters((0.2, 0.0), (5.0, 1.0))
  def test_linear(self, rate, l2):
    estimator, images = self.train_one_step("linear", learning_rate=rate, l2=l2)
    weights = estimator.get_variable_value("linear/linear_model/x/weights")
    self.assertAllClose(weights, self.after_one_step(images, rate, l2))
    bias = estimator.get_variable_value("linear/linear_model/bias_weights")
    expected = self.after_one_step(np.ones([2, 1]), rate, l2)[0]
    self.assertAllClose(bias, expected)

  def test_kernel(self):
    estimator, images = self.train_one_step("kernel", rffm_dim=50, seed=7)
    state = np.random.RandomState(7)
    omega = state.normal(scale=1 / 5, size=[784, 50])
    phases = images @ omega + state.uniform(0, 2 * math.pi, [50])
    features = math.sqrt(2 / 50) * np.cos(phases)
    weights = estimator.get_variable_value(
      "linear/linear_model/x_MAPPED_0/weights"
    )
    expected = self.after_one_step(features, 50, 0.001)
    self.assertAllClose(weights, expected, rtol=1e-4, atol=1e-4)

  @parameterized.parameters(("linear", 7850), ("kernel", 20010))
  def test_trained_parameters(self, name, count):
    estimator, _ = self.train_one_step(name)
    shapes = [
      estimator.get_variable_value(variable).shape
      for variable in estimator.get_variable_names()
      if variable.startswith("linear/")
    ]
    self.assertEqual(sum(math.prod(shape) for shape in shapes), count)


class Recorder(Hook):
  tensors = {"correct": "is_correct_without_dropout"}

  def __init__(self):
    self.accuracies = []

  def after_run(self, run):
    self.accuracies.append(run.values["correct"].mean())


class TrainingAccuracyTest(tf.test.TestCase):
  def test_is_that_of_the_batch_before_the_step_in_every_hundredth(self):
    images = np.random.RandomState(0).rand(8, 784).astype(np.float32)
    labels = np.arange(8, dtype=np.int32)
    batch = numpy_input_fn({"x": images}, labels, shuffle=False)
    estimator = Estimator(
      model.model_fn,
      self.get_temp_dir(),
      RunConfig(tf_random_seed=1),
      # All hidden units are dropped in training, and none here.
      params("deep", dropout_rate=0.999999, learning_rate=0.0),
    )
    recorder = Recorder()
    estimator.train(batch, hooks=[recorder])
    estimator.train(batch, hooks=[recorder])
    untouched = estimator.evaluate(batch)["accuracy"]
    self.assertAllClose(recorder.accuracies, [untouched, np.nan])


if __name__ == "__main__":
  tf.test.main()

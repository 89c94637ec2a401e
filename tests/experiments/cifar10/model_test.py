"""The network, its losses and its schedule, against the published facts."""

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator, Hook, RunConfig
from experiments.cifar10 import model
from experiments.cifar10.config import config_of, model_params
from tests.estimators import helpers


def params_of(num_examples=50_000, **given):
  return model_params(config_of(**given), num_examples)


def batch(size=4, seed=0):
  random = np.random.default_rng(seed)
  images = random.normal(size=[size, 24, 24, 3]).astype(np.float32)
  return {"images": images}, random.integers(0, 10, size).astype(np.int32)


class NetworkTest(parameterized.TestCase, tf.test.TestCase):
  def test_the_published_network(self):
    net = model.build_network(params_of())
    shapes = {
      w.path.split("/", 1)[-1] if w.path.startswith("sequential") else w.path: (
        w.shape
      )
      for w in net.weights
    }
    self.assertEqual(net.count_params(), 1_068_298)
    self.assertEqual(
      shapes,
      {
        "conv1/kernel": (5, 5, 3, 64),
        "conv1/bias": (64,),
        "conv2/kernel": (5, 5, 64, 64),
        "conv2/bias": (64,),
        "local3/kernel": (2304, 384),
        "local3/bias": (384,),
        "local4/kernel": (384, 192),
        "local4/bias": (192,),
        "softmax_linear/kernel": (192, 10),
        "softmax_linear/bias": (10,),
      },
    )
    deviations = {
      "conv1": 0.05,
      "conv2": 0.05,
      "local3": 0.04,
      "local4": 0.04,
      "softmax_linear": 1 / 192,
    }
    biases = {"conv1": 0, "softmax_linear": 0}
    for name, deviation in deviations.items():
      layer = net.get_layer(name)
      kernel = layer.kernel.numpy()
      # Of a normal that is cut at two deviations, 0.88 of one is left.
      self.assertAllClose(kernel.std(), 0.88 * deviation, 0.05)
      self.assertLessEqual(np.abs(kernel).max(), 2 * deviation)
      self.assertAllEqual(
        np.unique(layer.bias.numpy()), np.float32([biases.get(name, 0.1)])
      )

  def test_against_plain_operations(self):
    net = model.build_network(params_of())
    x = batch()[0]["images"]
    found = model.activations_of(net, x)["softmax_linear"]
    w = {layer.name: layer.get_weights() for layer in net.layers}

    def conv(x, name):
      return tf.nn.relu(tf.nn.conv2d(x, w[name][0], 1, "SAME") + w[name][1])

    def lrn(x):
      return tf.nn.local_response_normalization(x, 4, 1.0, 0.001 / 9, 0.75)

    def dense(x, name):
      return tf.matmul(x, w[name][0]) + w[name][1]

    x = lrn(tf.nn.max_pool2d(conv(x, "conv1"), 3, 2, "SAME"))
    x = tf.nn.max_pool2d(lrn(conv(x, "conv2")), 3, 2, "SAME")
    x = tf.nn.relu(dense(tf.reshape(x, [4, 2304]), "local3"))
    x = dense(tf.nn.relu(dense(x, "local4")), "softmax_linear")
    self.assertAllClose(found, x, 1e-4, 1e-4)

  def test_the_local_top(self):
    net = model.build_network(params_of(top="local"))
    self.assertEqual(net.get_layer("local3").kernel.shape, (6, 6, 576, 64))
    self.assertEqual(net.get_layer("local4").kernel.shape, (6, 6, 576, 32))
    logits = model.activations_of(net, batch()[0]["images"])["softmax_linear"]
    self.assertEqual(logits.shape, (4, 10))

  def test_both_orders_of_dimensions_give_the_same(self):
    images = batch()[0]["images"]
    last = model.build_network(params_of())
    first = model.build_network(params_of(data_format="channels_first"))
    first.set_weights(last.get_weights())
    name = "softmax_linear"
    self.assertAllClose(
      model.activations_of(first, images.transpose(0, 3, 1, 2))[name],
      model.activations_of(last, images)[name],
      1e-4,
      1e-4,
    )

  def test_half_precision_in_all_layers_but_the_last(self):
    net = model.build_network(params_of(use_fp16=True))
    activations = model.activations_of(net, batch()[0]["images"])
    self.assertEqual(activations.pop("softmax_linear").dtype, tf.float32)
    self.assertEqual({a.dtype for a in activations.values()}, {tf.bfloat16})

  def test_weight_losses(self):
    net = model.build_network(params_of())
    expected = {
      f"{name}/weight_loss": 0.004
      * np.sum(net.get_layer(name).kernel.numpy() ** 2)
      / 2
      for name in ("local3", "local4")
    }
    self.assertAllClose(model.weight_losses(net), expected, 1e-5)


class RatesHook(Hook):
  def begin(self, run):
    self.losses = []

  def after_run(self, run):
    self.losses.append(run.loss)


class ModelFnTest(tf.test.TestCase):
  def estimator(self, num_examples=50_000, **given):
    params = params_of(num_examples, **given)
    config = RunConfig(
      self.get_temp_dir(), tf_random_seed=1, save_summary_steps=1
    )
    return Estimator(model.model_fn, config=config, params=params)

  def test_a_training_run(self):
    # An epoch of one step and a third: the rate falls after 466 steps; and here
    # 350 * 4 / 400 = 3.5 -> after 3 steps.
    estimator = self.estimator(num_examples=4, batch_size=400)
    data = batch()
    hook = RatesHook()
    estimator.train(
      lambda: tf.data.Dataset.from_tensors(data).repeat(), [hook], steps=5
    )
    scalars = helpers.scalars(estimator.model_dir)
    rates = scalars["learning_rate"]
    self.assertAllClose(
      [rates[step] for step in range(5)], [0.1, 0.1, 0.1, 0.01, 0.01]
    )
    self.assertAllClose(hook.losses[0], 4.67, atol=0.1)  # as published
    raw = [scalars["total_loss (raw)"][step] for step in range(5)]
    self.assertAllClose(raw, hook.losses, 1e-5)
    parts = [
      scalars[f"{name} (raw)"][0]
      for name in ("cross_entropy", "local3/weight_loss", "local4/weight_loss")
    ]
    self.assertAllClose(sum(parts), raw[0], 1e-5)
    average, share = 0.0, 0.0
    for step, loss in enumerate(raw):
      average = 0.9 * average + 0.1 * loss
      share = 0.9 * share + 0.1
      self.assertAllClose(scalars["total_loss"][step], average / share, 1e-5)
    plugins = helpers.plugins(estimator.model_dir)
    self.assertEqual(plugins["images"], "images")
    for name in ("conv1", "conv2", "local3", "local4", "softmax_linear"):
      self.assertEqual(plugins[f"{name}/activations"], "histograms")
      self.assertEqual(plugins[f"{name}/sparsity"], "scalars")
      self.assertEqual(plugins[f"{name}/kernel"], "histograms")
      self.assertEqual(plugins[f"network/{name}/kernel/gradient"], "histograms")

  @pytest.mark.slow
  def test_a_step_in_half_precision_is_nearly_the_same(self):
    data = tf.data.Dataset.from_tensors(batch())
    losses = []
    for use_fp16 in (False, True):
      params = params_of(use_fp16=use_fp16)
      config = RunConfig(
        f"{self.get_temp_dir()}/{use_fp16}",
        tf_random_seed=1,
        save_summary_steps=0,
      )
      hook = RatesHook()
      estimator = Estimator(model.model_fn, config=config, params=params)
      estimator.train(data.repeat, [hook], steps=2)
      losses.append(hook.losses)
    self.assertAllClose(*losses, 0.01)
    self.assertNotEqual(*losses)

  def test_what_is_evaluated(self):
    features, labels = batch(8)
    averaged = self.estimator(num_examples=400, batch_size=8)
    data = tf.data.Dataset.from_tensors((features, labels))
    averaged.train(data.repeat, steps=3)
    plain = self.estimator(num_examples=400, batch_size=8, use_averages=False)
    value = averaged.get_variable_value
    for estimator, prefix in (
      (averaged, "averaged_network"),
      (plain, "network"),
    ):
      net = model.build_network(params_of())
      for layer in net.layers:
        for weight in layer.weights:
          weight.assign(value(f"{prefix}/{layer.name}/{weight.name}"))
      logits = model.activations_of(net, features["images"])["softmax_linear"]
      right = np.mean(np.argmax(logits, 1) == labels)
      results = estimator.evaluate(lambda: data)
      self.assertAllClose(results["Precision @ 1"], right)
      (row, *_) = estimator.predict(lambda: data)
      self.assertAllClose(row["probabilities"], tf.nn.softmax(logits)[0], 1e-4)
    self.assertNotAllClose(
      value("network/local4/bias"), value("averaged_network/local4/bias")
    )


if __name__ == "__main__":
  tf.test.main()

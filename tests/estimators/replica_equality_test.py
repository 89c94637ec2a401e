"""Two replicas take the step that one takes: with all that makes it hard.

Batch norm in sync and not, dropout, clipped gradients, weight decay, moving
averages; batches that do not split evenly, and one that is too small.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Dropout,
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  minimize,
  move_averages,
  once,
)
from estimators.checkpoint_reader import Reader
from tests.estimators import toys

L2, DECAY, MOMENTUM, RATE = 0.05, 0.9, 0.8, 0.05


def _network(synchronized):
  # No bias before batch norm, which takes it out again: its gradient would be
  # rounding errors, and Adam's step is of the same size for any gradient.
  return keras.Sequential(
    [
      keras.Input([4]),
      keras.layers.Dense(8, use_bias=False),
      keras.layers.BatchNormalization(
        momentum=MOMENTUM, synchronized=synchronized
      ),
      keras.layers.Activation("tanh"),
      Dropout(0.5),
      keras.layers.Dense(3),
    ]
  )


@once
def network(synchronized):
  return _network(synchronized)


@once
def averaged(synchronized):
  copy = _network(synchronized)
  copy.set_weights(network(synchronized).get_weights())
  copy.trainable = False
  return copy


@once
def optimizer(name, arguments):
  return getattr(keras.optimizers, name)(RATE, **arguments)


def model_fn(features, labels, mode, params):
  """A classifier with weight decay, whose averages are evaluated."""
  net = network(params["synchronized"])
  average = averaged(params["synchronized"])
  training = mode == ModeKeys.TRAIN
  logits = (net if training else average)(features, training=training)
  loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  )
  if not training:
    return EstimatorSpec(mode, loss=loss)
  kernel = net.layers[0].kernel
  loss += L2 * tf.nn.l2_loss(tf.convert_to_tensor(kernel))
  update = minimize(
    loss,
    optimizer(params["optimizer"], params.get("arguments", {})),
    clip_norm=params.get("clip_norm"),
  )
  return EstimatorSpec(
    mode, loss=loss, train_op=[update, move_averages(net, average, DECAY)]
  )


FEATURES, LABELS = toys.network_data(11)
# Batches of 5, which do not split evenly, and of 1: a replica has none then.
SIZES = (5, 5, 1)
INPUT = toys.input_of(FEATURES, LABELS, batch_size=5)
CLIP, WEIGHT_DECAY = 0.3, 0.1
DECAYED = {
  "optimizer": "AdamW",
  "arguments": {"weight_decay": WEIGHT_DECAY},
  "clip_norm": CLIP,
}


class ReplicaEqualityTest(parameterized.TestCase, tf.test.TestCase):
  def trained(self, params, replicas):
    """Returns the variables before and after training, and the average's loss.

    The first values are given too, since a test cannot know the random ones.
    """
    strategy = toys.two_replicas() if replicas == 2 else None
    config = RunConfig(
      f"{self.get_temp_dir()}/{self._testMethodName}/{replicas}",
      tf_random_seed=5,
      train_distribute=strategy,
      eval_distribute=strategy,
    )
    estimator = Estimator(model_fn, config=config, params=params)
    estimator.train(INPUT)
    values = []
    for step in (0, len(SIZES)):
      reader = Reader(f"{estimator.model_dir}/model.ckpt-{step}")
      values.append({name: reader.value(name) for name in reader.shapes})
    return *values, estimator.evaluate(INPUT)["loss"]

  def assert_close(self, found, expected):
    for name, value in expected.items():
      self.assertAllClose(found[name], value, 1e-5, 1e-5, msg=name)

  def test_two_equal_one_with_batch_norm_in_sync(self):
    self.check_batch_norm(DECAYED)

  @parameterized.parameters({}, {"arguments": {"global_clipnorm": CLIP}})
  @pytest.mark.slow
  def test_two_equal_one_with_batch_norm_and_adam(self, **params):
    self.check_batch_norm(params | {"optimizer": "Adam"})

  def check_batch_norm(self, params):
    params = params | {"synchronized": True}
    first, one, loss = self.trained(params, 1)
    first_of_two, two, loss_of_two = self.trained(params, 2)
    self.assert_close(first_of_two, first)
    self.assertEqual(set(two), set(one))
    self.assert_close(two, one)
    self.assertAllClose(loss_of_two, loss, 1e-5, 1e-5)

  @parameterized.parameters(True, False)
  def test_two_equal_a_second_implementation(self, synchronized):
    params = DECAYED | {"synchronized": synchronized}
    first, found, _ = self.trained(params, 2)
    expected = ByHand(first)
    norms = []
    for i, size in enumerate(SIZES):
      rows = slice(5 * i, 5 * i + size)
      parts = 1 if synchronized else 2
      norms.append(expected.step(FEATURES[rows], LABELS[rows], parts))
    self.assertGreater(max(norms), CLIP)
    self.assert_close(found, expected.values)

  def test_accumulated_gradients_are_for_one_replica(self):
    params = {
      "synchronized": True,
      "optimizer": "SGD",
      "arguments": {"gradient_accumulation_steps": 3},
    }
    self.trained(params, 1)
    with self.assertRaisesRegex(
      ValueError, "there are 2, and it accumulates 3"
    ):
      self.trained(params, 2)


class ByHand:
  """A second implementation of the training, without Keras, in float64.

  Args:
    values: dictionary of name to first value; those of the network are used.

  Attributes:
    values: the values of the network and of its averages, after each `step`.
  """

  def __init__(self, values):
    self._net = {
      name.removeprefix("network/"): value
      for name, value in values.items()
      if name.startswith("network/")
    }
    self._seed = self._net.pop("seed_generator/seed_generator_state")
    self._net = {name: np.float64(value) for name, value in self._net.items()}
    self._average = dict(self._net)
    self._trained = [name for name in self._net if "moving" not in name]
    self._m = {name: 0.0 for name in self._trained}
    self._v = dict(self._m)
    self._steps = 0

  @property
  def values(self):
    return {f"network/{name}": v for name, v in self._net.items()} | {
      f"averaged/{name}": v for name, v in self._average.items()
    }

  def step(self, x, labels, parts):
    """Takes a step; returns the norm of the gradient before it is clipped.

    Args:
      x: floating [B, 4].
      labels: int32 [B].
      parts: int, of how many parts of the batch each is normalised by itself.
    """
    gradients = self._gradients(x, labels, parts)
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients.values()))
    self._steps += 1
    t = self._steps
    for name, gradient in gradients.items():
      gradient = gradient * min(1, CLIP / norm)
      self._m[name] = 0.9 * self._m[name] + 0.1 * gradient
      self._v[name] = 0.999 * self._v[name] + 0.001 * gradient**2
      m, v = self._m[name] / (1 - 0.9**t), self._v[name] / (1 - 0.999**t)
      # Keras adds its epsilon to the root that is not corrected.
      epsilon = 1e-7 / np.sqrt(1 - 0.999**t)
      self._net[name] = self._net[name] * (1 - RATE * WEIGHT_DECAY) - (
        RATE * m / (np.sqrt(v) + epsilon)
      )
    for name, value in self._net.items():
      self._average[name] = DECAY * self._average[name] + (1 - DECAY) * value
    return norm

  def _gradients(self, x, labels, parts):
    net = {name: tf.constant(self._net[name]) for name in self._trained}
    size = len(x)
    # What Keras's dropout draws for the whole batch in this step.
    kept = tf.nn.experimental.stateless_dropout(
      tf.ones([size, 8]), 0.5, seed=self._seed + [0, self._steps]
    )
    kept = tf.cast(kept, tf.float64)
    with tf.GradientTape() as tape:
      tape.watch(net)
      hidden = np.float64(x) @ net["dense/kernel"]
      normal, means, variances = [], [], []
      for part in range(parts):
        own = hidden[size * part // parts : size * (part + 1) // parts]
        if len(own) == 0:
          continue
        means.append(tf.reduce_mean(own, 0))
        variances.append(tf.reduce_mean((own - means[-1]) ** 2, 0))
        normal.append((own - means[-1]) / tf.sqrt(variances[-1] + 1e-3))
      normal = tf.concat(normal, 0) * net["batch_normalization/gamma"]
      hidden = tf.tanh(normal + net["batch_normalization/beta"]) * kept
      logits = hidden @ net["dense_1/kernel"] + net["dense_1/bias"]
      chosen = tf.gather(tf.math.log_softmax(logits), labels, batch_dims=1)
      decay = L2 * tf.reduce_sum(net["dense/kernel"] ** 2) / 2
      loss = decay - tf.reduce_mean(chosen)
    for name, found in (("mean", means), ("variance", variances)):
      # Of parts of any size, the mean over the replicas.
      key = f"batch_normalization/moving_{name}"
      new = np.mean(found, 0)
      self._net[key] = MOMENTUM * self._net[key] + (1 - MOMENTUM) * new
    gradients = tape.gradient(loss, net)
    return {name: gradient.numpy() for name, gradient in gradients.items()}


if __name__ == "__main__":
  tf.test.main()

"""Moving averages of weights, and the histograms of gradients."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  minimize,
  move_averages,
  once,
)
from tests.estimators import helpers, toys


def _network():
  return keras.Sequential(
    [
      keras.Input([1]),
      keras.layers.Dense(
        1,
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(0.5),
        name="line",
      ),
    ]
  )


@once
def network():
  return _network()


@once
def averaged():
  copy = _network()
  copy.set_weights(network().get_weights())
  copy.trainable = False
  return copy


@once
def momentum():
  return keras.optimizers.SGD(0.1, momentum=0.5)


def line_fn(features, labels, mode, params):
  """y = w x; its average is what is evaluated."""
  net, average = network(), averaged()
  training = mode == ModeKeys.TRAIN
  y = (net if training else average)(features[:, None])
  loss = tf.reduce_mean((y[:, 0] - labels) ** 2)
  if not training:
    return EstimatorSpec(mode, loss=loss)
  update = minimize(loss, momentum(), summarize_gradients=True)
  move = move_averages(net, average, params["decay"], params["warm_up"])
  return EstimatorSpec(mode, loss=loss, train_op=[update, move])


X = np.float32([1, 2, 3, 1, 2, 0])
Y = np.float32([2, 3, 5, 1, 0, 4])
INPUT = toys.input_of(X, Y, batch_size=2)


def by_hand(warm_up, decay=0.9):
  """Returns w, its average, and the gradients of the three steps."""
  w, average, speed, gradients = 0.5, 0.5, 0.0, []
  for n in range(3):
    x, y = X[2 * n : 2 * n + 2], Y[2 * n : 2 * n + 2]
    gradients.append(np.mean(2 * x * (w * x - y)))
    speed = 0.5 * speed - 0.1 * gradients[-1]
    w += speed
    rate = min(decay, (1 + n) / (10 + n)) if warm_up else decay
    average = rate * average + (1 - rate) * w
  return w, average, gradients


class MovingAveragesTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.product(warm_up=[False, True], replicas=[1, 2])
  def test_by_hand(self, warm_up, replicas):
    strategy = toys.two_replicas() if replicas == 2 else None
    estimator = Estimator(
      line_fn,
      self.get_temp_dir(),
      RunConfig(save_summary_steps=2, train_distribute=strategy),
      {"decay": 0.9, "warm_up": warm_up},
    )
    estimator.train(INPUT, steps=2).train(INPUT)  # and resumed
    w, average, gradients = by_hand(warm_up)
    value = estimator.get_variable_value
    self.assertAllClose(value("network/line/kernel"), [[w]], 1e-5, 1e-5)
    self.assertAllClose(value("averaged/line/kernel"), [[average]], 1e-5, 1e-5)
    # It is what evaluation uses.
    loss = estimator.evaluate(INPUT)["loss"]
    self.assertAllClose(loss, np.mean((average * X - Y) ** 2), 1e-5, 1e-5)
    # The optimizer's slots are named after what is trained.
    names = estimator.get_variable_names()
    self.assertIn("momentum/network/line/kernel/momentum", names)
    self.assertNotIn("momentum/averaged/line/kernel/momentum", names)
    if replicas == 1:
      self.check_histograms(estimator.model_dir, gradients)

  def check_histograms(self, model_dir, gradients):
    events = helpers.events_of(model_dir).Tensors(
      "network/line/kernel/gradient"
    )
    self.assertEqual([event.step for event in events], [0, 2])
    for event in events:
      buckets = tf.make_ndarray(event.tensor_proto)  # [k, (left, right, count)]
      self.assertEqual(buckets[:, 2].sum(), 1)
      (bucket,) = buckets[buckets[:, 2] > 0]
      self.assertAllClose(bucket[:2].mean(), gradients[event.step], 1e-4, 1e-4)

  def test_what_does_not_fit(self):
    one = _network()
    with self.assertRaisesRegex(ValueError, "decay must be at least 0"):
      move_averages(one, one, 1.0)
    with self.assertRaisesRegex(
      ValueError, r"shapes are \[\] and \[\(1, 1\)\]"
    ):
      move_averages(one, [], 0.9)


if __name__ == "__main__":
  tf.test.main()

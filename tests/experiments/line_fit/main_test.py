import contextlib
import io
import json
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from experiments.line_fit import main, model
from experiments.line_fit.config import Config
from tests.estimators.helpers import new_folder


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


def run(config):
  """Returns the metrics, and the printed lines as (step, W, b)."""
  printed = io.StringIO()
  with contextlib.redirect_stdout(printed):
    metrics = main.run(config)
  lines = printed.getvalue().replace("[", "").replace("]", "").splitlines()
  return metrics, [[float(text) for text in line.split()] for line in lines]


def first_weight(seed):
  return float(tf.random.stateless_uniform([1], [seed, 0], -1, 1)[0])


def descend(x, y, w, steps, learning_rate=0.5):
  """Gradient descent on the mean square error, in NumPy; yields W and b."""
  b = 0.0
  for _ in range(steps):
    error = w * x + b - y
    w, b = (
      w - learning_rate * np.mean(2 * error * x),
      b - learning_rate * np.mean(2 * error),
    )
    yield w, b


class MainTest(tf.test.TestCase, parameterized.TestCase):
  def test_flags(self):
    self.assertEqual(parse(), Config())
    self.assertEqual(
      parse("--train_steps=5", "--learning_rate=0.1", "--seed=2"),
      Config(train_steps=5, learning_rate=0.1, seed=2),
    )
    with self.assertRaisesRegex(ValueError, "no use for --data_dir"):
      parse("--data_dir=/tmp")

  def test_points_lie_on_the_line(self):
    x, y = model.points(seed=1)
    self.assertEqual((x.shape, x.dtype), ((100,), np.float32))
    self.assertBetween(x.min(), 0, 0.1)
    self.assertBetween(x.max(), 0.9, 1)
    self.assertAllClose(y, 0.1 * x + 0.3)

  def test_the_line_is_found_and_each_20th_step_printed(self):
    export_dir = new_folder()
    metrics, lines = run(Config(export_dir=export_dir))
    self.assertEqual([line[0] for line in lines], [*range(0, 201, 20)])
    x, y = model.points(seed=1)
    path = [*descend(x, y, first_weight(seed=1), steps=201)]
    for step, w, b in lines:
      self.assertAllClose((w, b), path[int(step)], atol=1e-5)
    self.assertEqual(metrics["steps"], 201)
    self.assertAllClose((metrics["W"], metrics["b"]), (0.1, 0.3), atol=1e-4)
    self.assertLess(metrics["loss"], 1e-6)
    self.assertTrue(main.is_found(metrics))
    served = tf.saved_model.load(metrics["export"]).signatures
    y = served["serving_default"](x=tf.constant([0.0, 2.0]))["y"]
    self.assertAllClose(y, [0.3, 0.5], atol=1e-4)

  def test_a_second_run_goes_on(self):
    model_dir = new_folder()
    _, first = run(Config(train_steps=30, model_dir=model_dir))
    metrics, second = run(Config(train_steps=60, model_dir=model_dir))
    unbroken, lines = run(Config(train_steps=60))
    self.assertEqual(first + second, lines)
    self.assertEqual(metrics, unbroken)

  def test_two_devices_are_like_one(self):
    metrics, lines = run(
      Config(train_steps=21, distribution_strategy="mirrored")
    )
    path = [*descend(*model.points(1), first_weight(seed=1), steps=21)]
    self.assertAllClose(lines, [[0, *path[0]], [20, *path[20]]], atol=1e-5)
    self.assertAllClose((metrics["W"], metrics["b"]), path[20], atol=1e-5)

  @parameterized.parameters((0.1009, 0), (0.1011, 1), (float("nan"), 1))
  def test_the_self_test_fails_without_the_line(self, w, code):
    config, printed = Config(self_test=True), io.StringIO()
    metrics = {"W": w, "b": 0.3}
    with (
      mock.patch.object(main, "config_from_flags", lambda _: config),
      mock.patch.object(main, "run", lambda _: metrics),
      contextlib.redirect_stdout(printed),
    ):
      self.assertEqual(main.main([]), code)
    self.assertEqual(printed.getvalue(), json.dumps(metrics) + "\n")


if __name__ == "__main__":
  tf.test.main()

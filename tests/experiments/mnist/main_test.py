import contextlib
import io
import json
import os
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from estimators import Estimator
from experiments import common_flags
from experiments.mnist import inputs, main
from experiments.mnist.config import PUBLISHED, published
from input_pipelines import mnist


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


def eight_examples():
  """Returns splits of 8 images each: random pixels, labels 0 to 7."""
  images = np.random.RandomState(0).rand(8, 784).astype(np.float32)
  split = mnist.Split(images, np.arange(8, dtype=np.int32))
  return mnist.Splits(split, split, split)


class ConfigFromFlagsTest(tf.test.TestCase):
  def test_without_flags_it_is_the_cnn_as_published(self):
    self.assertEqual(parse(), published("cnn"))

  def test_flags_change_what_is_published(self):
    self.assertEqual(
      parse(
        "--model=kernel",
        "--rffm_stddev=4",
        "--rffm_dim=10",
        "--learning_rate=2",
        "--dataset=digits",
        "--nodownload",
      ),
      published(
        "kernel",
        rffm_stddev=4.0,
        rffm_dim=10,
        learning_rate=2.0,
        dataset="digits",
        download=False,
      ),
    )

  def test_the_self_test_has_settings_of_its_own(self):
    self.assertEqual(
      parse("--model=convolutional", "--self_test").train_steps, 4
    )


PRINTED = {
  "softmax": [r"[01][.\d]*$"],
  "fully_connected": ["Step 0: loss = ", "Test Data Eval:"],
  "deep": ["step 0, training accuracy ", "test accuracy "],
  "convolutional": ["Initialized!", "Validation error: ", "Test error: "],
  "cnn": [r"[01][.\d]*$"],
  "linear": [r"Elapsed time: [\d.]+ seconds"],
  "kernel": [r"Elapsed time: [\d.]+ seconds"],
}


class RunTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(*PUBLISHED)
  def test_two_steps_on_eight_examples(self, model):
    model_dir = self.get_temp_dir()
    metrics, printed = run_on_eight_examples(model, model_dir=model_dir)
    self.assertEqual(
      list(metrics),
      [
        "model",
        "seconds",
        "steps",
        "validation_accuracy",
        "validation_loss",
        "test_accuracy",
        "test_loss",
      ],
    )
    self.assertEqual((metrics["model"], metrics["steps"]), (model, 2))
    self.assertEqual(metrics["test_loss"], metrics["validation_loss"])
    json.dumps(metrics)
    for line in PRINTED[model]:
      self.assertRegex(printed, f"(?m)^{line}")
    found = os.listdir(model_dir)
    for name in ("checkpoint", "config.json", "eval_test", "eval_validation"):
      self.assertIn(name, found)

  def test_train_steps_count_those_of_earlier_runs(self):
    model_dir = self.get_temp_dir()
    run_on_eight_examples("softmax", model_dir=model_dir)
    metrics, _ = run_on_eight_examples(
      "softmax", model_dir=model_dir, train_steps=3
    )
    unbroken, _ = run_on_eight_examples("softmax", train_steps=3)
    self.assertEqual(metrics["steps"], 3)
    self.assertEqual(metrics["test_loss"], unbroken["test_loss"])

  def test_two_devices_are_like_one(self):
    self.check_two_devices("convolutional")

  @parameterized.parameters("softmax", "fully_connected")
  @pytest.mark.slow
  def test_two_devices_are_like_one_slowly(self, model):
    self.check_two_devices(model)

  def check_two_devices(self, model):
    one, _ = run_on_eight_examples(model, train_steps=3)
    two, _ = run_on_eight_examples(
      model, train_steps=3, distribution_strategy="mirrored"
    )
    self.assertEqual(two["steps"], 3)
    for name in ("test_loss", "test_accuracy", "validation_loss"):
      self.assertAllClose(two[name], one[name], rtol=1e-5, atol=1e-6)

  def test_workers_besides_the_chief_only_train(self):
    task = {
      "cluster": {"worker": ["a:1", "b:1"]},
      "task": {"type": "worker", "index": 1},
    }
    with (
      mock.patch.dict(os.environ, {"TF_CONFIG": json.dumps(task)}),
      # It would wait for the other one.
      mock.patch.object(
        common_flags, "distribution", return_value={"train_distribute": None}
      ),
      mock.patch.object(Estimator, "train") as train,
    ):
      metrics, printed = run_on_eight_examples(
        "fully_connected",
        model_dir=self.get_temp_dir(),
        distribution_strategy="multi_worker",
      )
    self.assertIsNone(metrics)
    self.assertEmpty(printed)
    self.assertEqual(train.call_args.kwargs["hooks"], [])
    with (
      mock.patch.object(main, "config_from_flags"),
      mock.patch.object(main, "run", return_value=None),
    ):
      self.assertEqual(main.main([]), 0)

  def test_the_export_classifies_raw_images(self):
    metrics, _ = run_on_eight_examples(
      "softmax", export_dir=self.get_temp_dir()
    )
    split = eight_examples().test
    serve = tf.saved_model.load(metrics["export"]).signatures["serving_default"]
    answers = serve(x=tf.constant(split.images))
    self.assertEqual(answers["probabilities"].shape, [8, 10])
    self.assertAllClose(
      np.mean(answers["classes"] == split.labels), metrics["test_accuracy"]
    )


def run_on_eight_examples(model, train_steps=2, **changes):
  """Returns (metrics, what was printed)."""
  config = published(
    model, train_steps=train_steps, batch_size=4, rffm_dim=16, **changes
  )
  with (
    mock.patch.object(inputs, "load", return_value=eight_examples()),
    contextlib.redirect_stdout(io.StringIO()) as out,
  ):
    return main.run(config), out.getvalue()


class MainTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters((True, 0.5, 1), (True, 1.0, 0), (False, 0.5, 0))
  def test_exit_code(self, self_test, accuracy, code):
    self.addCleanup(setattr, tf.get_logger(), "propagate", True)
    config = published("softmax", self_test=self_test)
    metrics = {"test_accuracy": accuracy}
    with (
      mock.patch.object(main, "config_from_flags", return_value=config),
      mock.patch.object(main, "run", return_value=metrics),
      contextlib.redirect_stdout(io.StringIO()) as out,
    ):
      self.assertEqual(main.main([]), code)
    self.assertEqual(json.loads(out.getvalue().splitlines()[-1]), metrics)

  def test_self_test_learns(self):
    self.check_self_test("softmax")

  @parameterized.parameters(*sorted(set(PUBLISHED) - {"softmax"}))
  @pytest.mark.slow
  def test_self_test_learns_slowly(self, model):
    self.check_self_test(model)

  def check_self_test(self, model):
    metrics = main.run(published(model, self_test=True))
    self.assertEqual(metrics["test_accuracy"], 1.0)


if __name__ == "__main__":
  tf.test.main()

import json
import os
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import flags
from absl.testing import parameterized

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


class RunTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(*PUBLISHED)
  def test_two_steps_on_eight_examples(self, model):
    model_dir = self.get_temp_dir()
    config = published(
      model, train_steps=2, batch_size=4, rffm_dim=16, model_dir=model_dir
    )
    with mock.patch.object(inputs, "load", return_value=eight_examples()):
      metrics = main.run(config)
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
    found = os.listdir(model_dir)
    for name in ("checkpoint", "config.json", "eval_test", "eval_validation"):
      self.assertIn(name, found)


if __name__ == "__main__":
  tf.test.main()

"""The three programs on small invented data, in this process."""

import contextlib
import io
import os
import re
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from estimators import trainer_watch
from experiments.cifar10 import evaluate, inputs, main, serving, train
from experiments.cifar10.config import Config, config_of
from input_pipelines import cifar10, images
from tests.estimators import helpers

STEP_LINE = (
  r": step (\d+), loss = \d+\.\d\d "
  r"\(\d+\.\d examples/sec; \d+\.\d{3} sec/batch\)$"
)


def parse(*args, **defaults):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values, **defaults)


class ConfigFromFlagsTest(tf.test.TestCase):
  def test_without_flags_it_is_as_published(self):
    self.assertEqual(parse(), Config())
    self.assertEqual(Config().train_steps, 100_000)
    self.assertEqual(Config().batch_size, 128)

  def test_the_tutorials_names(self):
    config = parse("--train_dir=a", "--max_steps=7", "--eval_data=train_eval")
    self.assertEqual(
      config, Config(model_dir="a", train_steps=7, eval_data="train_eval")
    )
    self.assertEqual(parse("--checkpoint_dir=b").model_dir, "b")

  def test_defaults_of_a_program(self):
    self.assertEqual(parse(train_steps=9).train_steps, 9)
    self.assertEqual(parse("--max_steps=7", train_steps=9).train_steps, 7)
    self.assertEqual(parse("--self_test").train_steps, 150)

  def test_the_data_set_names_its_folder(self):
    self.assertEqual(parse().data_dir, "~/data/cifar10")
    self.assertEqual(parse("--dataset=svhn").data_dir, "~/data/svhn")
    self.assertEqual(parse("--dataset=svhn", "--data_dir=a").data_dir, "a")

  def test_flags_that_a_program_does_not_use(self):
    for program in (train, evaluate):
      with self.assertRaisesRegex(ValueError, "no use for --export_dir;"):
        parse("--export_dir=a", "--batch_size=3", unused=program.UNUSED)
    self.assertEqual(parse("--batch_size=3", unused=train.UNUSED).batch_size, 3)


def write_records(folder):
  """Writes a data set of 20 invented images in each of its six files."""
  pictures, labels = cifar10.fake_separable(20)
  planes = pictures.transpose(0, 3, 1, 2).reshape(20, -1)
  records = np.concatenate([labels[:, None].astype(np.uint8), planes], 1)
  for name in (*cifar10.FILES["train"], *cifar10.FILES["test"]):
    records.tofile(os.path.join(folder, name))


def printed_by(function, *args):
  printed = io.StringIO()
  with contextlib.redirect_stdout(printed):
    result = function(*args)
  return result, printed.getvalue().splitlines()


class ProgramsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.data_dir = os.path.join(self.get_temp_dir(), "data")
    os.makedirs(self.data_dir, exist_ok=True)
    write_records(self.data_dir)

  def config(self, **given):
    settings = dict(
      data_dir=self.data_dir,
      model_dir=os.path.join(self.get_temp_dir(), "model"),
      batch_size=8,
      log_frequency=2,
      learning_rate=0.01,
    )
    return config_of(**(settings | given))

  def test_main(self):
    config = self.config(
      train_steps=5,
      save_checkpoints_steps=2,
      eval_interval_secs=0,
      export_dir=os.path.join(self.get_temp_dir(), "export"),
    )
    metrics, lines = printed_by(main.run, config)
    steps = [re.search(STEP_LINE, line) for line in lines]
    self.assertEqual([m[1] for m in steps if m], ["0", "2", "4"])
    # After 2, 4 and 5 steps.
    self.assertEqual(
      [": precision @ 1 = " in line for line in lines].count(True), 3
    )
    self.assertEqual(metrics["steps"], 5)
    for folder, key in (
      ("eval", "precision"),
      ("eval_without_averages", "precision_without_averages"),
    ):
      scalars = helpers.scalars(os.path.join(config.model_dir, folder))
      self.assertAllClose(scalars["Precision @ 1"][5], metrics[key])
    # Raw images go into the exported model, and come out as in prediction.
    pictures, labels = cifar10.read_records(
      os.path.join(self.data_dir, "test_batch.bin")
    )
    served = tf.saved_model.load(metrics["export"]).signatures["classify"](
      images=tf.constant(pictures)
    )
    right = np.mean(served["classes"].numpy() == labels)
    self.assertAllClose(right, metrics["precision"])

  @pytest.mark.slow
  def test_train_then_evaluate(self):
    config = self.config(train_steps=3, top="local")
    _, lines = printed_by(evaluate.run, self.config(run_once=True))
    self.assertEqual(lines, [f"No checkpoint file found in {config.model_dir}"])
    with self.assertRaisesRegex(ValueError, "add --model_dir"):
      evaluate.run(config_of())
    _, lines = printed_by(train.run, config)
    self.assertLen([x for x in lines if re.search(STEP_LINE, x)], 2)
    results, lines = printed_by(
      evaluate.run, self.config(top="local", run_once=True, num_examples=10)
    )
    self.assertEqual(results["global_step"], 3)
    self.assertRegex(lines[-1], r"precision @ 1 = \d\.\d{3}$")
    # Followed, it ends as the training has.
    config = self.config(top="local", eval_data="train_eval")
    with mock.patch.object(trainer_watch, "NEXT_TRAINING_SECS", 0):
      _, lines = printed_by(evaluate.run, config)
    self.assertLen([x for x in lines if "precision @ 1 = " in x], 1)


class InputsTest(tf.test.TestCase):
  def test_downloads_when_files_are_missing(self):
    config = config_of(data_dir=self.get_temp_dir(), dataset="svhn")
    with mock.patch.object(inputs.downloads, "download") as download:
      with self.assertRaisesRegex(ValueError, "train_32x32.mat"):
        inputs.load(config)
    download.assert_called_once_with("svhn", config.data_dir)

  def test_digits_are_not_mirrored(self):
    splits = inputs.load(config_of(self_test=True))
    for dataset, mirror in (("cifar10", True), ("svhn", False)):
      config = config_of(dataset=dataset, seed=4)
      with mock.patch.object(inputs.cifar10, "train_input_fn") as make:
        inputs.train_input_fn(splits, config)
      self.assertEqual(make.call_args.kwargs, {"mirror": mirror})
      self.assertEqual(make.call_args.args[2:], (128, 4))

  def test_what_is_evaluated(self):
    splits = inputs.load(config_of(self_test=True))
    for name, size in (("test", 128), ("train_eval", 512)):
      config = config_of(eval_data=name)
      dataset = inputs.evaluation_input_fn(splits, config)()
      self.assertEqual(sum(len(labels) for _, labels in dataset), size)
    config = config_of(num_examples=129)
    with self.assertRaisesRegex(ValueError, "at most the 128 images of test"):
      inputs.evaluation_input_fn(splits, config)
    # As many of each class, though the set be sorted by class.
    by_class = np.argsort(splits.test.labels, kind="stable")[:120]
    split = inputs.Split(
      splits.test.images[by_class], splits.test.labels[by_class]
    )
    config = config_of(num_examples=30)
    ((pictures, labels),) = inputs.evaluation_input_fn(
      inputs.Splits(test=split), config
    )()
    self.assertAllEqual(labels, split.labels[::4])
    self.assertAllClose(
      pictures["images"],
      images.standardize(split.images[::4, 4:28, 4:28]),
    )


class ServingTest(tf.test.TestCase):
  def test_features_of_raw_images(self):
    with tf.Graph().as_default():
      receiver = serving.receiver_fn()
      picture = cifar10.fake_separable(2)[0]
      with tf.compat.v1.Session() as session:
        (tensor,) = receiver.receiver_tensors.values()
        found = session.run(receiver.features["images"], {tensor: picture})
    middle = images.standardize(picture[:, 4:28, 4:28])
    self.assertAllClose(found, middle)


if __name__ == "__main__":
  tf.test.main()

from unittest import mock

import numpy as np
import tensorflow as tf

from experiments.mnist import inputs
from experiments.mnist.config import published
from input_pipelines import downloads, mnist


class InputsTest(tf.test.TestCase):
  def test_self_test_set(self):
    splits = inputs.load(published("deep", self_test=True))
    sizes = [len(s) for s in (splits.train, splits.validation, splits.test)]
    self.assertEqual(sizes, [256, 64, 64])
    self.assertAllEqual(splits.test.labels[:3], [0, 1, 0])
    self.assertAllEqual(splits.test.images[:3, 783], [0, 1, 0])

  def test_missing_files_are_downloaded(self):
    data_dir = self.get_temp_dir()
    with mock.patch.object(downloads, "download") as download:
      with self.assertRaises(FileNotFoundError):
        inputs.load(published("deep", data_dir=data_dir))
    download.assert_called_once_with("mnist", data_dir)

  def test_nothing_is_downloaded_when_told_so_or_not_needed(self):
    data_dir = self.get_temp_dir()
    with mock.patch.object(downloads, "download") as download:
      with self.assertRaises(FileNotFoundError):
        inputs.load(published("deep", data_dir=data_dir, download=False))
      inputs.load(published("deep", data_dir=data_dir, dataset="fake"))
    download.assert_not_called()

  def test_training_visits_every_image_in_each_epoch(self):
    batches = training_labels(seed=1)
    self.assertEqual(sorted(np.concatenate(batches[:2])), list(range(8)))
    self.assertEqual(sorted(np.concatenate(batches[2:])), list(range(8)))
    self.assertNotAllEqual(batches[:2], batches[2:])

  def test_the_seed_decides_the_order(self):
    self.assertAllEqual(training_labels(seed=1), training_labels(seed=1))
    self.assertNotAllEqual(training_labels(seed=1), training_labels(seed=2))

  def test_evaluation_sees_every_image_once_in_order(self):
    batches = list(inputs.evaluation_input_fn(numbered())())
    features, labels = batches[0]
    self.assertLen(batches, 1)
    self.assertAllEqual(labels, range(8))
    self.assertAllEqual(features["x"][:, 783], range(8))


def numbered():
  """Returns a Split of 8 images, each filled with its label."""
  labels = np.arange(8, dtype=np.int32)
  images = np.repeat(labels[:, np.newaxis], 784, axis=1).astype(np.float32)
  return mnist.Split(images, labels)


def training_labels(seed):
  """Returns the labels of two epochs, in four batches of 4."""
  config = published("deep", batch_size=4, seed=seed)
  batches = inputs.train_input_fn(numbered(), config)().take(4)
  return [labels.numpy() for _, labels in batches]


if __name__ == "__main__":
  tf.test.main()

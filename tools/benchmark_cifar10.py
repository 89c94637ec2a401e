"""The input pipelines of `python -m tools.benchmark cifar10`.

All shuffle the same invented images of CIFAR-10's size for ever and distort
them as the tutorial does: crop, flip, brightness, contrast, standardisation, in
batches of 128. `estimator` is `cifar10.train_input_fn`. `keras_batch` puts
Keras's preprocessing layers into tf.data's map over batches, where RandomCrop
takes one place for a whole batch; `keras_image` over images, where each has its
own, as in the tutorial. Keras clips values to 0..255 after brightness and
contrast.

Measured are images per second with nothing else to do, and the milliseconds of
processor time that a batch takes, on all cores together, which are what a
training step loses to its input.
"""

import itertools
import time

import keras
import tensorflow as tf
from keras import layers

from input_pipelines import cifar10

BATCH_SIZE = 128
NUM_IMAGES = 10_000
WARMUP_BATCHES = 20
# Which are compared; see tools/benchmark.py.
RATIOS = {
  f"estimator_pipeline_{what}_over_{peer}_pipeline_{what}": more_is_faster
  for peer in ("keras_batch", "keras_image")
  for what, more_is_faster in (("images", True), ("cpu", False))
}


class Pipeline:
  """Batches taken from a dataset, as fast as they come."""

  def __init__(self, name, dataset, num_batches):
    self._name, self._num_batches = name, num_batches
    self._iterator = iter(dataset)
    self._take(WARMUP_BATCHES)

  def _take(self, count):
    for _ in itertools.islice(self._iterator, count):
      pass

  def measure(self):
    # What was made while other programs ran does not count.
    self._take(WARMUP_BATCHES)
    start, start_cpu = time.perf_counter(), time.process_time()
    self._take(self._num_batches)
    seconds = time.perf_counter() - start
    cpu = time.process_time() - start_cpu
    return {
      f"{self._name}_pipeline_images": self._num_batches * BATCH_SIZE / seconds,
      f"{self._name}_pipeline_cpu": 1000 * cpu / self._num_batches,
    }


def make_images():
  """Returns invented images, uint8 [10000, 32, 32, 3], and labels."""
  return cifar10.fake_separable(NUM_IMAGES)


def keras_distortions():
  """Returns a function of images, [32, 32, 3] or a batch of them, distorted.

  Keras has no layer that standardises image by image; TensorFlow has.
  """
  size = cifar10.CROP_SIZE
  # Contrast by 0.2 to 1.8.
  stack = keras.Sequential(
    [
      layers.RandomCrop(size, size),
      layers.RandomFlip("horizontal"),
      layers.RandomBrightness(63 / 255, value_range=(0, 255)),
      layers.RandomContrast(0.8, value_range=(0, 255)),
    ]
  )

  def distort(images):
    distorted = stack(tf.cast(images, tf.float32), training=True)
    return tf.image.per_image_standardization(distorted)

  return distort


def keras_dataset(by_image=False):
  """Returns batches that Keras's layers distort, whole or image by image."""
  distort = keras_distortions()
  dataset = tf.data.Dataset.from_tensor_slices(make_images())
  dataset = dataset.shuffle(NUM_IMAGES).repeat()

  def distorted(images, labels):
    return distort(images), labels

  if by_image:
    dataset = dataset.map(distorted, tf.data.AUTOTUNE).batch(BATCH_SIZE, True)
  else:
    dataset = dataset.batch(BATCH_SIZE, True).map(distorted, tf.data.AUTOTUNE)
  return dataset.prefetch(tf.data.AUTOTUNE)


def pipelines(num_batches):
  """Returns the programs, of which each measure takes that many batches."""
  ours = cifar10.train_input_fn(*make_images(), BATCH_SIZE, seed=1)()
  return [
    Pipeline("estimator", ours, num_batches),
    Pipeline("keras_batch", keras_dataset(), num_batches),
    Pipeline("keras_image", keras_dataset(by_image=True), num_batches),
  ]

"""Tests of the CIFAR-10 benchmark: that all distort alike, and what it says."""

from unittest import mock

import numpy as np
import tensorflow as tf

from tools import benchmark, benchmark_cifar10


@mock.patch.multiple(
  benchmark_cifar10, BATCH_SIZE=32, NUM_IMAGES=64, WARMUP_BATCHES=2
)
class BenchmarkCifar10Test(tf.test.TestCase):
  def test_measures_what_the_ratios_need(self):
    programs = benchmark_cifar10.pipelines(num_batches=3)
    measured = benchmark.measure_in_turn(programs, rounds=1)
    names = [
      f"{program}_pipeline_{what}"
      for program in ("estimator", "keras_batch", "keras_image")
      for what in ("images", "cpu")
    ]
    self.assertEqual(names, list(measured))
    lines = benchmark.report(measured)
    self.assertEqual(
      ["images/s", "ms"] * 3 + ["x"] * 4, [line.split()[-1] for line in lines]
    )
    self.assertEqual(
      list(benchmark_cifar10.RATIOS), [line.split()[0] for line in lines[6:]]
    )

  def test_each_measures_the_batches_that_it_takes(self):
    batches = iter(range(1000))
    program = benchmark_cifar10.Pipeline("a", batches, 50)
    self.assertEqual(2, next(batches))
    measured = program.measure()
    self.assertEqual(3 + 2 + 50, next(batches))
    self.assertEqual(["a_pipeline_images", "a_pipeline_cpu"], list(measured))
    self.assertGreater(measured["a_pipeline_images"], 0)

  def test_the_peers_distort_as_well(self):
    for by_image in (False, True):
      images, labels = next(iter(benchmark_cifar10.keras_dataset(by_image)))
      self.assertEqual((32, 24, 24, 3), images.shape)
      self.assertEqual(tf.float32, images.dtype)
      self.assertEqual((32,), labels.shape)
      self.assertAllClose(
        np.zeros(32), np.mean(images, axis=(1, 2, 3)), atol=1e-4
      )
      self.assertAllClose(np.ones(32), np.std(images, axis=(1, 2, 3)), 1e-3)

  def test_keras_flips_and_crops(self):
    # Brighter from left to right, and from top to bottom.
    image = 60 + np.add.outer(np.arange(32), 2 * np.arange(32))
    images = np.tile(image[np.newaxis, :, :, np.newaxis], [64, 1, 1, 3])
    distort = benchmark_cifar10.keras_distortions()
    distorted = distort(images.astype(np.uint8))
    rising = np.asarray(distorted[:, 5, -1, 0] > distorted[:, 5, 0, 0])
    self.assertBetween(rising.sum(), 10, 54)


if __name__ == "__main__":
  tf.test.main()

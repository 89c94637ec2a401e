"""Tests of strategies by name."""

import json
import os
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from estimators import distribution_strategy
from estimators.cluster import VARIABLE
from estimators.distribute import is_multi_worker
from tests.estimators import toys

WORKERS = {"worker": ["w:1", "w:2"]}


def task(cluster, task_type):
  text = json.dumps(
    {"cluster": cluster, "task": {"type": task_type, "index": 0}}
  )
  return mock.patch.dict(os.environ, {VARIABLE: text})


class DistributionStrategyTest(tf.test.TestCase, parameterized.TestCase):
  def test_off(self):
    self.assertIsNone(distribution_strategy("off"))
    self.assertIsNone(distribution_strategy("off", num_gpus=8))

  def test_one_device(self):
    strategy = distribution_strategy("one_device")
    self.assertIsInstance(strategy, tf.distribute.OneDeviceStrategy)
    self.assertEqual(strategy.num_replicas_in_sync, 1)
    self.assertFalse(is_multi_worker(strategy))

  def test_mirrored_has_all_logical_cpus(self):
    strategy = distribution_strategy("mirrored")
    self.assertIsInstance(strategy, tf.distribute.MirroredStrategy)
    self.assertEqual(strategy.num_replicas_in_sync, 2)
    self.assertIs(strategy, toys.two_replicas())

  def test_devices(self):
    gpus = [tf.config.PhysicalDevice(f"gpu{i}", "GPU") for i in range(3)]
    with (
      mock.patch.object(tf.config, "list_physical_devices", lambda _: gpus),
      mock.patch.object(tf.distribute, "MirroredStrategy", list),
      mock.patch.object(tf.distribute, "OneDeviceStrategy", str),
    ):
      make = distribution_strategy.__wrapped__  # It keeps what it has made.
      self.assertEqual(make("mirrored"), ["GPU:0", "GPU:1", "GPU:2"])
      self.assertEqual(make("mirrored", 2), ["GPU:0", "GPU:1"])
      self.assertLen(make("mirrored", 0), 2)
      self.assertIn("CPU:0", make("mirrored", 0)[0])
      self.assertEqual(make("one_device"), "GPU:0")
      self.assertEqual(make("one_device", 0), "CPU:0")
      with self.assertRaisesRegex(ValueError, "0 to 3.*but is 4"):
        make("mirrored", 4)

  @parameterized.parameters("one_device", "mirrored", "multi_worker")
  def test_more_gpus_than_there_are(self, name):
    with self.assertRaisesRegex(ValueError, "must be 0 to 0.*but is 1"):
      distribution_strategy(name, num_gpus=1)

  def test_unknown(self):
    with self.assertRaisesRegex(ValueError, "off, one_device.*but is 'tpu'"):
      distribution_strategy("tpu")


class MultiWorkerTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.make = distribution_strategy.__wrapped__

  def test_an_evaluator_has_none(self):
    with task(WORKERS, "evaluator"):
      self.assertIsNone(self.make("multi_worker"))

  def test_it_needs_a_cluster_of_workers(self):
    with self.assertRaisesRegex(ValueError, r"needs.*TF_CONFIG.*jobs \[\]"):
      self.make("multi_worker")
    for cluster in ({"master": ["m:1"]}, WORKERS | {"ps": ["p:1"]}):
      with (
        task(cluster, min(cluster)),
        self.assertRaisesRegex(ValueError, f"has the jobs .*{min(cluster)}"),
      ):
        self.make("multi_worker")

  def test_tensorflow_has_started(self):
    tf.zeros([])
    with (
      task(WORKERS, "worker"),
      self.assertRaisesRegex(RuntimeError, "at the beginning of the program"),
    ):
      self.make("multi_worker")


if __name__ == "__main__":
  tf.test.main()

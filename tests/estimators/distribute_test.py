"""Tests of strategies by name."""

import json
import os
import subprocess
import sys
from unittest import mock

import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import distribute, distribution_strategy
from estimators.cluster import VARIABLE
from estimators.distribute import is_multi_worker
from tests.estimators import toys

WORKERS = {"worker": ["w:1", "w:2"]}


def task(cluster, task_type):
  text = json.dumps(
    {"cluster": cluster, "task": {"type": task_type, "index": 0}}
  )
  return mock.patch.dict(os.environ, {VARIABLE: text})


def forgetful():
  """Within this context no strategy is kept for later calls."""
  make = distribute._strategy.__wrapped__
  return mock.patch.object(distribute, "_strategy", make)


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
    for same in ({"num_gpus": None}, {"num_gpus": 0}):
      self.assertIs(strategy, distribution_strategy("mirrored", **same))
    self.assertIs(strategy, distribution_strategy("mirrored", None))

  def test_devices(self):
    gpus = [tf.config.PhysicalDevice(f"gpu{i}", "GPU") for i in range(3)]
    with (
      mock.patch.object(tf.config, "list_physical_devices", lambda _: gpus),
      mock.patch.object(tf.distribute, "MirroredStrategy", list),
      mock.patch.object(tf.distribute, "OneDeviceStrategy", str),
      forgetful(),
    ):
      self.assertEqual(
        distribution_strategy("mirrored"), ["GPU:0", "GPU:1", "GPU:2"]
      )
      self.assertEqual(distribution_strategy("mirrored", 2), ["GPU:0", "GPU:1"])
      self.assertLen(distribution_strategy("mirrored", 0), 2)
      self.assertIn("CPU:0", distribution_strategy("mirrored", 0)[0])
      self.assertEqual(distribution_strategy("one_device"), "GPU:0")
      self.assertEqual(distribution_strategy("one_device", 0), "CPU:0")
      with self.assertRaisesRegex(ValueError, "0 to 3.*but is 4"):
        distribution_strategy("mirrored", 4)

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
    self.enter_context(forgetful())

  def test_an_evaluator_has_none(self):
    with task(WORKERS, "evaluator"):
      self.assertIsNone(distribution_strategy("multi_worker"))

  def test_it_needs_a_cluster_of_workers(self):
    with self.assertRaisesRegex(ValueError, r"needs.*TF_CONFIG.*jobs \[\]"):
      distribution_strategy("multi_worker")
    for cluster in ({"master": ["m:1"]}, WORKERS | {"ps": ["p:1"]}):
      with (
        task(cluster, min(cluster)),
        self.assertRaisesRegex(ValueError, f"has the jobs .*{min(cluster)}"),
      ):
        distribution_strategy("multi_worker")

  @pytest.mark.slow
  def test_a_worker_that_goes_before_tensorflow_connects(self):
    # PyDLL holds Python's lock, as TensorFlow does when it waits.
    code = """
import ctypes
import tensorflow as tf
from estimators import distribute, rendezvous
rendezvous.wait_for_all = lambda own, others: None
distribute._CONNECT_SECS = 0.5
tf.distribute.MultiWorkerMirroredStrategy = lambda: ctypes.PyDLL(None).sleep(60)
distribute.distribution_strategy("multi_worker")
"""
    with task(WORKERS, "worker"):
      result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=50,
      )
    self.assertEqual(result.returncode, 1, msg=result.stderr)
    self.assertIn("connects to the workers ['w:2']. If one", result.stderr)
    self.assertIn("in 0.5 seconds; then start all", result.stderr)
    self.assertIn("Timeout (0:00:00.500000)!", result.stderr)

  def test_tensorflow_has_started(self):
    tf.zeros([])
    with (
      task(WORKERS, "worker"),
      self.assertRaisesRegex(RuntimeError, "at the beginning of the program"),
    ):
      distribution_strategy("multi_worker")


if __name__ == "__main__":
  tf.test.main()

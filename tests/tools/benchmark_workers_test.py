"""Tests of the benchmark's workers, with small programs in their place."""

import os
import sys
import time
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from tools.benchmark_workers import Workers

# More than a pipe holds.
_PRINTS = """
import os
print("." * 100_000)
for step, seconds in ((1, 9), (2, 9), (3, 0.25), (4, 0.75)):
  print(f"step {step}, loss = 1.0 (1 examples/sec; {seconds} sec/batch)")
print(len(os.sched_getaffinity(0)), "core")
"""
_FAILS = """
import json, os, sys, time
if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0:
  time.sleep(300)
sys.exit("no memory")
"""


class BenchmarkWorkersTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    if len(os.sched_getaffinity(0)) < 2:
      self.skipTest("needs two cores")

  def workers(self, program, number=2):
    command = [sys.executable, "-S", "-c", program]
    self.enter_context(
      mock.patch.object(Workers, "_command", lambda *_: command)
    )
    return Workers(number, 10)

  @parameterized.parameters(1, 2)
  def test_measures(self, number):
    # 128 images in the mean of the last two lines, half a second.
    self.assertEqual(
      {f"workers_{number}_per_core_images": 256.0},
      self.workers(_PRINTS, number).measure(),
    )

  def test_one_that_fails_ends_the_others(self):
    begin = time.monotonic()
    with self.assertRaisesRegex(RuntimeError, "worker 1 failed.*\nno memory"):
      self.workers(_FAILS).measure()
    self.assertLess(time.monotonic() - begin, 60)

  def test_each_has_one_of_the_cores_that_are_free(self):
    last = max(os.sched_getaffinity(0))
    with mock.patch.object(os, "sched_getaffinity", lambda _: {last}):
      alone = self.workers(
        "import os, sys; sys.exit(f'on {os.sched_getaffinity(0)}')", 1
      )
      with self.assertRaisesRegex(RuntimeError, f"on {{{last}}}"):
        alone.measure()
      with self.assertRaisesRegex(
        ValueError, rf"2 workers need.*cores \[{last}\] alone"
      ):
        Workers(2, 10)


if __name__ == "__main__":
  tf.test.main()

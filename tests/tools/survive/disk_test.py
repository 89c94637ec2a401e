"""A short form of the trial by a full disk, and tests of its parts."""

import os
import tempfile
import time
from unittest import mock

import tensorflow as tf
from absl.testing import absltest

from tools.survive import damage, disk, toy, traces


class DiskTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = self.enterContext(tempfile.TemporaryDirectory())
    logger = tf.get_logger()
    self.addCleanup(logger.setLevel, logger.level)
    logger.setLevel("ERROR")

  def test_a_file_that_may_not_grow(self):
    size = 100_000  # elements, so that a checkpoint has 400 KB
    toy.estimator(self.folder, size).train(toy.input_fn, max_steps=2)
    with disk.limit(100_000), self.assertRaisesRegex(OSError, disk._FULL):
      toy.estimator(self.folder, size).train(toy.input_fn, max_steps=4)
    self.assertEqual(damage.restored(self.folder), 2)
    self.assertFalse(damage.is_unfinished(self.folder))
    toy.estimator(self.folder, size).train(toy.input_fn, max_steps=3)
    self.assertEqual(damage.restored(self.folder), 3)

  def test_a_clock_that_goes_back(self):
    seen, now = [], time.time()

    def train(model_dir, max_steps):
      for step in range(1, max_steps + 1):
        seen.append(time.time() - now)
        open(os.path.join(model_dir, f"model.ckpt-{step}.index"), "w").close()

    with mock.patch.object(toy, "train", train):
      disk.with_clock(1000.0, until=2, model_dir=self.folder, max_steps=3)
    self.assertEqual([round(value, -3) for value in seen], [1000, 1000, 0])
    self.assertLess(time.time() - now, 1000)

  def test_what_went_wrong_is_told(self):
    outcome = disk._outcome("disk", "clear error", time.monotonic(), ["lost"])
    self.assertEqual((outcome.got, outcome.passed), ("lost", False))
    outcome = disk._outcome("disk", "clear error", time.monotonic(), [])
    self.assertEqual((outcome.got, outcome.passed), ("clear error", True))

  def test_where_no_disk_may_be_mounted(self):
    with mock.patch.object(disk, "_mount", return_value=1):
      for trial in (disk.full_disk, disk.read_only_disk):
        folder = os.path.join(self.folder, trial.__name__)
        outcome = trial(None, folder, None)
        self.assertFalse(outcome.passed)
        self.assertStartsWith(outcome.got, "not tried: no tmpfs")

  def test_a_loss_and_a_difference_are_noticed(self):
    run = mock.Mock()
    run.step.return_value = 1
    wanted, got = traces.Trace(9, {}, {}, {}), traces.Trace(8, {}, {}, {})
    with mock.patch.object(traces, "trace", lambda *_: got):
      found = disk._goes_on(run, wanted)
    self.assertEqual(
      found, ["step 1 was left of 3", "last step 8 instead of 9"]
    )


if __name__ == "__main__":
  absltest.main()

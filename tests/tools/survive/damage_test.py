"""Tests of the trial by damaged checkpoints, and a short form of it."""

import os
import pathlib
import shutil
import tempfile
from unittest import mock

import tensorflow as tf
from absl.testing import absltest

from tools.survive import damage


class DamageTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    cls.source = os.path.join(folder, "source")
    cls.files = damage.damaged_files(cls.source)

  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.whole = os.path.join(folder, "whole")
    shutil.copytree(self.source, self.whole)
    self.enterContext(mock.patch.object(damage, "_TRAINED", 60))
    logger = tf.get_logger()
    self.addCleanup(logger.setLevel, logger.level)
    logger.setLevel("ERROR")

  def test_damaged_checkpoints_are_passed_over(self):
    cut = damage.truncations(10, self.whole, self.files)
    flipped = damage.flips(20, self.whole, self.files)
    # All of a cut checkpoint's own files; the list of them names none then,
    # and the newest is found without it.
    self.assertEqual(
      cut.got,
      "40 restored, 30 of them from the checkpoint before; 0 wrong, 0 lost",
    )
    self.assertTrue(cut.passed)
    self.assertTrue(flipped.passed, msg=flipped.got)
    self.assertStartsWith(flipped.got, "20 restored, ")

  def test_a_damaged_list_loses_nothing(self):
    found = damage.list_flips(1 / 200, self.whole)
    self.assertTrue(found.passed, msg=found.got)
    self.assertIn(" 0 of them from the checkpoint before", found.got)
    self.assertEqual(found.name, "listed: flipped one bit of 200 of the list")

  def test_wrong_values_are_noticed(self):
    for path in pathlib.Path(self.whole).glob("model.ckpt-5*"):
      target = str(path).replace("ckpt-5", "ckpt-6")
      os.replace(path, target)  # The names say another step than the values.
    sums = pathlib.Path(self.whole, "model.ckpt-6.sha256")
    sums.write_text(sums.read_text().replace("ckpt-5", "ckpt-6"))
    count = damage.Count()
    count.add("names", self.whole, 6)
    (problem,) = count.problems
    self.assertRegex(problem, r"wrong \(names\): of step 6 \[5\.\] was")
    self.assertFalse(count.outcome("", 0.0).passed)


class CountTest(absltest.TestCase):
  def test_one_may_be_lost_but_not_two(self):
    count = damage.Count()
    for step in (6, 5, 4):
      count.add("cut", "folder", 6, lambda path, step=step: step)
    self.assertEqual(count.problems, ["lost (cut): step 4 of 6 was used"])
    count.add("list", "folder", 6, lambda path: 5, most_lost=0)
    self.assertEqual(count.problems[1:], ["lost (list): step 5 of 6 was used"])
    self.assertEqual(count.tried, 4)
    count.problems.pop()
    count.used_earlier -= 1
    self.assertEqual(count.used_earlier, 2)
    self.assertIn("0 wrong, 1 lost", count.outcome("", 0.0).got)

  def test_an_error_is_a_loss(self):
    count = damage.Count()

    def restore(path):
      raise ValueError(f"nothing in {path}")

    count.add("cut", "folder", 6, restore)
    self.assertRegex(count.problems[0], "^lost .*nothing in folder")

  def test_a_save_under_way(self):
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    names = [f"model.ckpt-3{end}" for end in damage._FILES]
    for name in (*names, "checkpoint"):
      (folder / name).touch()
    self.assertFalse(damage.is_unfinished(folder))
    (folder / names[-1]).unlink()  # Not sealed as yet.
    self.assertTrue(damage.is_unfinished(folder))
    (folder / names[-1]).touch()
    (folder / "model.ckpt-4_temp").mkdir()
    self.assertTrue(damage.is_unfinished(folder))


if __name__ == "__main__":
  absltest.main()

import glob
import os
import re
import resource
import shutil
import subprocess
import time
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import RunConfig, checkpoint_files, checkpoints
from estimators.checkpoints import Saver
from estimators.input_position import InputPosition, has_ended
from tests.estimators.helpers import new_folder


def saver_in(folder, variable, keep=5):
  return Saver(
    folder,
    RunConfig(keep_checkpoint_max=keep),
    {"value": variable},
    InputPosition(tf.data.Dataset.range(9)),
  )


def saved(steps, keep=5, size=3):
  """Returns a folder with checkpoints: `value` is full of the step."""
  folder, variable = new_folder(), tf.Variable(np.zeros(size))
  saver = saver_in(folder, variable, keep)
  for step in steps:
    variable.assign(np.full(size, float(step)))
    saver.save(step)
  return folder


def path_of(folder, step):
  return os.path.join(folder, f"model.ckpt-{step}")


def value_of(path):
  return checkpoints.value(path, "value")[0]


def change(file, function):
  with open(file, "rb") as stream:
    content = stream.read()
  with open(file, "wb") as stream:
    stream.write(function(content))


def flipped(content, bit):
  content = bytearray(content)
  content[bit // 8] ^= 1 << bit % 8
  return bytes(content)


class SealedTest(parameterized.TestCase, tf.test.TestCase):
  def test_sums_are_those_of_sha256sum(self):
    folder = saved([7])
    done = subprocess.run(
      ["sha256sum", "--check", "--strict", "model.ckpt-7.sha256"],
      cwd=folder,
      capture_output=True,
      text=True,
      check=True,
    )
    self.assertCountEqual(
      done.stdout.split("\n")[:-1],
      ["model.ckpt-7.data-00000-of-00001: OK", "model.ckpt-7.index: OK"],
    )

  def test_all_is_on_the_disk_before_the_list_names_it(self):
    folder, order = new_folder(), []

    def sync(path):
      named = os.path.exists(os.path.join(folder, "checkpoint"))
      order.append((os.path.basename(path), named))

    saver = saver_in(folder, tf.Variable([1.0]))
    with mock.patch.object(checkpoint_files.atomic_files, "sync", sync):
      saver.save(3)
    self.assertEqual(
      order,
      [
        ("model.ckpt-3.data-00000-of-00001", False),
        ("model.ckpt-3.index", False),
        (os.path.basename(folder), False),  # The checksums' name.
        ("checkpoint", True),
        (os.path.basename(folder), True),
      ],
    )

  def test_sums_go_with_their_checkpoint(self):
    folder = saved(range(0, 70, 10), keep=2)
    self.assertCountEqual(
      glob.glob("*.sha256", root_dir=folder),
      ["model.ckpt-50.sha256", "model.ckpt-60.sha256"],
    )


class DamageTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters("data-00000-of-00001", "index", "sha256")
  def test_the_one_before_a_damaged_one_is_used(self, ending):
    folder = saved([1, 2, 3])
    file = f"{path_of(folder, 3)}.{ending}"
    with open(file, "rb") as stream:
      whole = stream.read()
    rng = np.random.default_rng(0)
    size = len(whole)
    broken = [whole[: size * i // 10] for i in range(10)]
    broken += [flipped(whole, bit) for bit in rng.integers(8 * size, size=20)]
    for content in broken:
      change(file, lambda _, content=content: content)
      self.assertEqual(checkpoints.newest(folder), path_of(folder, 2))
    change(file, lambda _: whole)
    self.assertEqual(checkpoints.newest(folder), path_of(folder, 3))
    self.assertEqual(value_of(path_of(folder, 3)), 3)

  def test_it_is_told_once_and_refused_by_name(self):
    folder = saved([1, 2])
    index = path_of(folder, 2) + ".index"
    change(index, lambda content: content[:-1])
    with self.assertLogs("tensorflow", "WARNING") as logs:
      for _ in range(3):
        checkpoints.newest(folder)
    self.assertLen(logs.output, 1)
    self.assertIn(f"{index} is not what its checksum says", logs.output[0])
    with self.assertRaisesRegex(ValueError, "-2 is cut or damaged.*earlier"):
      checkpoints.value(path_of(folder, 2), "value")

  def test_all_are_damaged(self):
    folder = saved([1, 2])
    for step in (1, 2):
      change(path_of(folder, step) + ".index", lambda _: b"")
    with self.assertRaisesRegex(ValueError, "all checkpoints .* are damaged"):
      checkpoints.newest(folder)

  def test_a_missing_part(self):
    folder = saved([1, 2, 3])
    os.remove(path_of(folder, 3) + ".data-00000-of-00001")
    os.remove(path_of(folder, 2) + ".index")
    self.assertEqual(checkpoints.newest(folder), path_of(folder, 1))

  def test_without_checksums_it_is_whole_until_tensorflow_finds_out(self):
    folder = saved([1, 2])
    os.remove(path_of(folder, 2) + ".sha256")
    self.assertEqual(checkpoints.newest(folder), path_of(folder, 2))
    data = path_of(folder, 2) + ".data-00000-of-00001"
    change(data, lambda content: flipped(content, 8 * 8))
    with self.assertRaisesRegex(ValueError, "cut or damaged"):
      checkpoints.value(path_of(folder, 2), "value")


class ListTest(tf.test.TestCase):
  def test_a_damaged_list(self):
    folder = saved([9, 10, 11])
    file = os.path.join(folder, "checkpoint")
    with open(file, "rb") as stream:
      whole = stream.read()
    size = len(whole)
    broken = [whole[: size * i // 20] for i in range(20)]
    broken += [flipped(whole, bit) for bit in range(0, 8 * size, 7)]
    for content in [*broken, b"\xff\0"]:
      change(file, lambda _, content=content: content)
      self.assertEqual(checkpoints.newest(folder), path_of(folder, 11))

  def test_a_first_line_that_names_an_earlier_one_is_told(self):
    folder = saved([1, 2, 3])
    file = os.path.join(folder, "checkpoint")
    change(file, lambda c: c.replace(b"ckpt-3", b"ckpt-2", 1))
    with self.assertLogs("tensorflow", "WARNING") as logs:
      self.assertEqual(checkpoints.newest(folder), path_of(folder, 3))
    self.assertRegex(
      logs.output[0], "names .*-2, but .*-3, is used; to go back"
    )
    checkpoint_files.remove(path_of(folder, 3))
    self.assertEqual(checkpoints.newest(folder), path_of(folder, 2))

  def test_without_it(self):
    folder = saved([9, 10])
    os.remove(os.path.join(folder, "checkpoint"))
    self.assertEqual(checkpoints.newest(folder), path_of(folder, 10))
    for step in (9, 10):
      os.remove(path_of(folder, step) + ".sha256")
    self.assertEqual(checkpoints.newest(folder), path_of(folder, 10))

  def test_a_kill_before_it_names_the_newest(self):
    folder = saved([1, 2])
    file = os.path.join(folder, "checkpoint")
    with open(file, "rb") as stream:
      before = stream.read()
    variable = tf.Variable(np.full(3, 3.0))
    saver_in(folder, variable).save(3)
    change(file, lambda _: before)
    self.assertEqual(checkpoints.newest(folder), path_of(folder, 3))
    # From now on it is one of those that go in their turn.
    saver_in(folder, variable, keep=2).save(4)
    self.assertEqual(
      checkpoint_files.listed(folder), (path_of(folder, 3), path_of(folder, 4))
    )

  def test_what_is_kept_for_good_is_not_listed_again(self):
    folder = saved([1, 2])
    with mock.patch("time.time", return_value=time.time() + 2 * 3600):
      config = RunConfig(keep_checkpoint_max=1, keep_checkpoint_every_n_hours=1)
      position = InputPosition(tf.data.Dataset.range(9))
      variable = {"value": tf.Variable([5.0])}
      saver = Saver(folder, config, variable, position)
      saver.save(5)
      saver.save(6)
    kept = checkpoint_files.is_there(path_of(folder, 5))
    self.assertTrue(kept)
    change(path_of(folder, 6) + ".index", lambda _: b"")
    self.assertEqual(checkpoints.newest(folder), path_of(folder, 5))

  def test_one_that_is_removed_while_it_is_read(self):
    folder = saved([1, 2])
    whole = checkpoint_files.damage

    def damage(path):
      if path == path_of(folder, 2):
        for step in (1, 2):
          checkpoint_files.remove(path_of(folder, step))
        saver_in(folder, tf.Variable(np.full(3, 3.0))).save(3)
        return "it is not what its checksum says"
      return whole(path)

    with mock.patch.object(checkpoint_files, "damage", damage):
      self.assertEqual(checkpoints.newest(folder), path_of(folder, 3))

  def test_the_newest_that_comes_after_its_name(self):
    folder = new_folder()
    path = path_of(folder, 7)
    with open(os.path.join(folder, "checkpoint"), "w") as file:
      file.write(f'model_checkpoint_path: "{path}"\n')
    self.assertIsNone(checkpoints.newest(folder))
    for suffix in (".index", ".data-00000-of-00001"):
      with open(path + suffix, "w"):
        pass
    self.assertEqual(checkpoints.newest(folder), path)


class EndTest(tf.test.TestCase):
  def test_the_end_of_the_input_leaves_the_checkpoint_as_it_is(self):
    folder = saved([1])
    path = path_of(folder, 1)
    with open(path + ".index", "rb") as stream:
      before = stream.read()
    position = InputPosition(tf.data.Dataset.range(9))
    saver = Saver(folder, RunConfig(), {"value": tf.Variable([1.0])}, position)
    self.assertFalse(has_ended(path))
    saver.note_end(1)
    self.assertTrue(has_ended(path))
    with open(path + ".index", "rb") as stream:
      self.assertEqual(stream.read(), before)
    again = InputPosition(tf.data.Dataset.range(9))
    again.restore(path)
    self.assertFalse(again.restored)
    saver.save(1)  # Another one of the same step has not ended.
    self.assertFalse(has_ended(path))


class ClearTest(tf.test.TestCase):
  def test_what_a_crash_leaves_goes(self):
    folder = saved([1, 2])
    before = sorted(os.listdir(folder))
    os.mkdir(os.path.join(folder, "model.ckpt-3_temp"))
    for name in (
      "model.ckpt-3_temp/part-00000-of-00001.data-00000-of-00001",
      "model.ckpt-4.data-00000-of-00001",
      "model.ckpt-5.sha256",
      "model.ckpt-6.sha256.tmp",
      "model.ckpt-7.ended",
      "model.ckpt-8.index",
      "model.ckpt-8.data-00000-of-00001",
      "config.json.tmp",
      "checkpoint.tmp123",
    ):
      with open(os.path.join(folder, name), "w"):
        pass
    saver_in(folder, tf.Variable([1.0]))
    self.assertEqual(sorted(os.listdir(folder)), before)

  def test_the_list_is_mended(self):
    folder = saved([1, 2, 3])
    change(path_of(folder, 3) + ".index", lambda _: b"")
    saver = saver_in(folder, tf.Variable([4.0]), keep=2)
    state = tf.train.get_checkpoint_state(folder)
    self.assertEqual(state.model_checkpoint_path, path_of(folder, 2))
    saver.save(4)
    state = tf.train.get_checkpoint_state(folder)
    self.assertEqual(
      state.all_model_checkpoint_paths, [path_of(folder, 2), path_of(folder, 4)]
    )

  def test_the_clock_has_gone_back(self):
    folder = saved([1, 2])
    with mock.patch("time.time", return_value=time.time() - 86400):
      saver = saver_in(folder, tf.Variable([3.0]), keep=2)
      for step in (3, 4):
        saver.save(step)
        self.assertEqual(checkpoints.newest(folder), path_of(folder, step))
    self.assertLen(glob.glob(path_of(folder, "*.index")), 2)
    saver_in(folder, tf.Variable([5.0]), keep=2).save(5)
    self.assertEqual(
      tf.train.get_checkpoint_state(folder).all_model_checkpoint_paths,
      [path_of(folder, 4), path_of(folder, 5)],
    )


class FullDiskTest(tf.test.TestCase):
  def test_a_clear_error_and_the_earlier_ones_are_whole(self):
    # A quota on the size of files: the save fails as on a full disk.
    folder, variable = new_folder(), tf.Variable(np.zeros(100_000))
    saver = saver_in(folder, variable)
    saver.save(1)
    before = sorted(os.listdir(folder))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
      variable.assign(np.ones(100_000))
      with self.assertRaisesRegex(
        OSError,
        f"checkpoint of step 2 must be .* Make room .*{re.escape(folder)}.*-1",
      ):
        saver.save(2)
    finally:
      resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    self.assertEqual(sorted(os.listdir(folder)), before)
    self.assertEqual(checkpoints.newest(folder), path_of(folder, 1))
    saver.save(2)
    self.assertEqual(value_of(path_of(folder, 2)), 1)

  def test_a_folder_that_is_gone(self):
    folder = saved([1])
    saver = saver_in(folder, tf.Variable([1.0]))
    shutil.rmtree(folder)
    with open(folder, "w"), self.assertRaisesRegex(OSError, "step 2 must be"):
      saver.save(2)


if __name__ == "__main__":
  tf.test.main()

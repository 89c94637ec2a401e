import os
from unittest import mock

import tensorflow as tf

from input_pipelines import plain_files


class PlainFilesTest(tf.test.TestCase):
  def path(self, name):
    return os.path.join(self.get_temp_dir(), name)

  def test_reads_a_file(self):
    path = self.path("file")
    with open(path, "wb") as stream:
      stream.write(b"a\0b")
    self.assertEqual(b"a\0b", plain_files.read(path))

  def test_what_is_no_file(self):
    os.mkfifo(self.path("pipe"))
    os.symlink("/dev/zero", self.path("device"))
    for path, what in (
      (self.path("pipe"), "a pipe"),
      (self.path("device"), "a device"),
      (self.get_temp_dir(), "a folder"),
    ):
      with self.subTest(what):
        with self.assertRaisesRegex(ValueError, f"{path} .* got {what}"):
          plain_files.read(path)
    with self.assertRaisesRegex(FileNotFoundError, self.path("missing")):
      plain_files.read(self.path("missing"))

  def test_larger_than_the_memory(self):
    path = self.path("large")
    with open(path, "wb") as stream:
      stream.truncate(1001)
    with mock.patch.object(plain_files, "memory_bytes", return_value=1000):
      with self.assertRaisesRegex(
        ValueError, f"{path} must fit .* 1000 bytes; its content has 1001"
      ):
        plain_files.read(path)

  def test_memory(self):
    with open("/proc/meminfo") as stream:
      total = int(stream.readline().split()[1]) * 1024
    self.assertBetween(plain_files.memory_bytes(), 2**20, total)

  def test_nul(self):
    plain_files.check_no_nul("a.txt", b"words\n", 3)
    with self.assertRaisesRegex(ValueError, "a.txt .* byte 2 of line 3 is NUL"):
      plain_files.check_no_nul("a.txt", b"a\0b", 3)


if __name__ == "__main__":
  tf.test.main()

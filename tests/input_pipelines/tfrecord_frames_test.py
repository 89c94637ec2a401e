import gzip
import os
import struct

import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import tfrecord, tfrecord_frames

_SPEC = {"a": tf.io.VarLenFeature(tf.int64)}


def _claim(length):
  packed = struct.pack("<Q", length)
  return packed + tfrecord_frames.masked_crc32c(packed) + b"abc"


class FramesTest(parameterized.TestCase, tf.test.TestCase):
  def write(self, content, name="a.tfrecord"):
    path = os.path.join(self.get_temp_dir(), name)
    with open(path, "wb") as stream:
      stream.write(content)
    return path

  def records(self, sizes):
    path = os.path.join(self.get_temp_dir(), "written")
    with tf.io.TFRecordWriter(path) as writer:
      for size in sizes:
        writer.write(bytes(size))
    with open(path, "rb") as stream:
      return stream.read()

  def test_checksum_is_that_of_the_published_example(self):
    crc = 0xE3069283  # of nine digits
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
    self.assertEqual(
      struct.pack("<I", masked), tfrecord_frames.masked_crc32c(b"123456789")
    )

  def test_a_hole_is_not_walked_through(self):
    path = self.write(self.records([5, 0]))
    size = 1 << 42
    os.truncate(path, size)
    tfrecord_frames.check_lengths(path, "", size)

  @parameterized.product(
    length=(53, 1 << 40, 1 << 60, 2**64 - 1), compressed=(False, True)
  )
  def test_a_claim_of_more_than_there_is(self, length, compressed):
    content = self.records([5, 0]) + _claim(length)
    if compressed:
      content = gzip.compress(content)
    path = self.write(content, "a.gz" if compressed else "a.tfrecord")
    with self.assertRaisesRegex(
      ValueError, f"{path}, record 3 at byte 37 .* claims {length} bytes"
    ):
      tfrecord.tfrecord_input_fn(path, _SPEC, shuffle=False)

  def test_whole_files_of_many_chunks_pass(self):
    sizes = [1 << 20, 3, (1 << 20) - 16 * 3 - 6, 0, 3 << 20, 7]
    content = self.records(sizes)
    plain = self.write(content)
    zipped = self.write(gzip.compress(content, 1), "a.gz")
    tfrecord_frames.check_lengths(plain, "", len(content))
    tfrecord_frames.check_lengths(zipped, "GZIP", len(content))
    headers = tfrecord_frames._headers(zipped, "GZIP", len(content))
    found = [int.from_bytes(header[:8], "little") for _, header in headers]
    self.assertEqual(sizes, found)

  def test_other_damage_is_left_to_tensorflow(self):
    content = bytearray(self.records([5, 5]))
    content[21 + 7] = 0x10  # a length of 2^60, with a wrong checksum
    path = self.write(content)
    tfrecord_frames.check_lengths(path, "", len(content))


if __name__ == "__main__":
  tf.test.main()

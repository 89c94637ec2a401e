import os
import struct
import tracemalloc
import zlib

import numpy as np
import scipy.io
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import mat_files


class MatFilesTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.path = os.path.join(self.get_temp_dir(), "a.mat")

  def write(self, content):
    with open(self.path, "wb") as stream:
      stream.write(content)

  def content(self):
    with open(self.path, "rb") as stream:
      return stream.read()

  @parameterized.parameters(True, False)
  def test_reads_what_scipy_writes(self, compressed):
    random = np.random.default_rng(0)
    written = {
      "X": random.integers(0, 256, [5, 4, 3, 2], dtype=np.uint8),
      "y": random.integers(0, 9, [7, 1], dtype=np.uint8),
      "a": random.normal(size=[2, 3]),
      "b": random.normal(size=[1, 3]).astype(np.float32),
      "a_long_name_of_many_letters": np.array([[-(2**40)]]),
      "none": np.zeros([0, 3]),
    } | {
      kind: np.array([[-3, 2], [5, 7]]).astype(kind)
      for kind in ("int8", "int16", "int32", "uint16", "uint32", "uint64")
    }
    others = {"text": "words", "pairs": {"u": 1}, "complex": np.array([[1j]])}
    scipy.io.savemat(self.path, written | others, do_compression=compressed)

    arrays = mat_files.read(self.path)

    self.assertCountEqual(written, arrays)
    for name, array in written.items():
      self.assertEqual(array.dtype, arrays[name].dtype)
      self.assertAllEqual(array, arrays[name])

  def test_a_bomb_is_not_unpacked(self):
    # 64 MB of zeros where 8 bytes are claimed, and the other way about.
    header = b" " * 124 + b"\0\1IM"
    for claimed, size in ((8, 1 << 26), (1 << 31, 8)):
      data = zlib.compress(struct.pack("<II", 14, claimed) + bytes(size))
      self.write(header + struct.pack("<II", 15, len(data)) + data)
      with self.subTest(claimed):
        tracemalloc.start()
        with self.assertRaisesRegex(ValueError, f"{self.path} .* is cut"):
          mat_files.read(self.path)
        self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)
        tracemalloc.stop()

  def test_doubles_stored_as_bytes(self):
    # As MATLAB itself writes whole numbers, by hand.
    def element(kind, data):
      return (
        struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)
      )

    matrix = (
      element(6, struct.pack("<II", 6, 0))
      + element(5, struct.pack("<ii", 3, 1))
      + struct.pack("<HH4s", 1, 1, b"y")
      + struct.pack("<HH4s", 2, 3, bytes([1, 10, 3]))
    )
    self.write(b" " * 124 + b"\0\1IM" + element(14, matrix))
    expected = scipy.io.loadmat(self.path)["y"]
    (array,) = mat_files.read(self.path).values()
    self.assertAllEqual([[1.0], [10.0], [3.0]], array)
    self.assertAllEqual(expected.astype(np.float64), array)
    self.assertEqual(np.float64, array.dtype)

  def test_big_endian(self):
    matrix = b"".join(
      struct.pack(">II", kind, len(data)) + data
      for kind, data in (
        (6, struct.pack(">II", 12, 0)),
        (5, struct.pack(">ii", 1, 2)),
        (1, b"numbers "[:8]),
        (5, struct.pack(">ii", -7, 70_000)),
      )
    )
    tag = struct.pack(">II", 14, len(matrix))
    self.write(b" " * 124 + b"\1\0MI" + tag + matrix)
    self.assertAllEqual([[-7, 70_000]], mat_files.read(self.path)["numbers "])

  @parameterized.parameters(True, False)
  def test_every_cut_is_an_error(self, compressed):
    arrays = {"X": np.arange(12).reshape(3, 4), "y": np.array([[2.5]])}
    scipy.io.savemat(self.path, arrays, do_compression=compressed)
    whole = self.content()
    ends = {128}  # a file may hold no array, or the first alone
    ends.add(136 + struct.unpack_from("<I", whole, 132)[0])
    for size in range(len(whole)):
      self.write(whole[:size])
      if size in ends:
        self.assertLess(len(mat_files.read(self.path)), 2)
        continue
      with self.assertRaisesRegex(
        ValueError, f"{self.path} must be a whole MATLAB 5 file; got {size} "
      ):
        mat_files.read(self.path)

  def test_damage_is_an_error_or_goes_unseen(self):
    # scipy.io.loadmat ends the process at some of these.
    arrays = {"X": np.arange(12).reshape(3, 4), "y": np.array([[2.5]])}
    scipy.io.savemat(self.path, arrays)
    whole = self.content()
    random = np.random.default_rng(0)
    for _ in range(1000):
      damaged = bytearray(whole)
      damaged[random.integers(124, len(whole))] = random.integers(256)
      self.write(damaged)
      try:
        mat_files.read(self.path)
      except ValueError as error:
        self.assertStartsWith(str(error), self.path)

  def test_other_files(self):
    self.write(b" " * 124 + b"\0\2IM" + b"\x89HDF")
    with self.assertRaisesRegex(ValueError, "header ends in.*as version 5"):
      mat_files.read(self.path)
    self.write(b"")
    with self.assertRaisesRegex(ValueError, "got 0 bytes.*the file is empty"):
      mat_files.read(self.path)
    with self.assertRaises(FileNotFoundError):
      mat_files.read(self.path + "t")


if __name__ == "__main__":
  tf.test.main()

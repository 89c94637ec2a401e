import gzip
import os
import pathlib
import random
import zlib

import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import files

_CONTENT = random.Random(0).randbytes(3000)


class FilesTest(tf.test.TestCase, parameterized.TestCase):
  def write(self, name, content=b"x"):
    path = os.path.join(self.get_temp_dir(), name)
    with open(path, "wb") as stream:
      stream.write(content)
    return path

  def test_matches_are_sorted_and_there_once(self):
    b, a, c = (self.write(name) for name in ("b.csv", "a.csv", "c.txt"))
    pattern = os.path.join(self.get_temp_dir(), "*.csv")
    self.assertEqual([a, b], files.match(pattern))
    self.assertEqual([a, b, c], files.match([c, b, pattern]))
    self.assertEqual([a], files.match(pathlib.Path(a)))

  def test_a_name_with_brackets_is_a_name(self):
    path = self.write("a[1].csv")
    self.assertEqual([path], files.match(path))

  def test_refuses_patterns(self):
    with self.assertRaisesRegex(ValueError, "'/nowhere/a\\*' matches none"):
      files.match("/nowhere/a*")
    with self.assertRaisesRegex(ValueError, "matches none.*'folder/\\*'"):
      files.match(self.get_temp_dir())
    with self.assertRaisesRegex(ValueError, "got an empty list"):
      files.match([])
    with self.assertRaisesRegex(TypeError, "file_pattern must be.*got 3"):
      files.match(3)
    path = self.write("nothing", b"")
    with self.assertRaisesRegex(ValueError, f"{path} must have data"):
      files.match(path)

  def test_compression(self):
    self.assertEqual("GZIP", files.compression_of("a.csv.gz", None))
    self.assertEqual("ZLIB", files.compression_of("a.zlib", None))
    self.assertEqual("", files.compression_of("a.gz.csv", None))
    self.assertEqual("", files.compression_of("a.gz", ""))
    self.assertEqual("ZLIB", files.compression_of("a", "ZLIB"))
    with self.assertRaisesRegex(ValueError, "compression must be.*'bz2'"):
      files.compression_of("a", "bz2")

  def test_content(self):
    for name, content, compression in (
      ("a", _CONTENT, ""),
      ("a.gz", gzip.compress(_CONTENT), "GZIP"),
      ("a.zlib", zlib.compress(_CONTENT), "ZLIB"),
    ):
      path = self.write(name, content)
      self.assertEqual(3000, files.content_size(path, compression))
      chunks = files.content_chunks(path, compression)
      self.assertEqual(_CONTENT, b"".join(chunks))
    path = self.write("two.gz", gzip.compress(b"one") + gzip.compress(b"two"))
    self.assertEqual(6, files.content_size(path, "GZIP"))

  @parameterized.parameters(
    ("GZIP", gzip.compress(_CONTENT)), ("ZLIB", zlib.compress(_CONTENT))
  )
  def test_no_cut_or_flip_goes_unseen(self, compression, whole):
    damaged = [whole[:size] for size in (1, 9, 1000, len(whole) - 1)]
    damaged += [whole + b"x", b"a,b\n1,2\n"]
    # The last part holds the checksum, and of gzip the size of the content.
    for position in (0, 1, 1000, len(whole) - 1, len(whole) - 2):
      flipped = bytearray(whole)
      flipped[position] ^= 1
      damaged.append(flipped)
    for content in damaged:
      path = self.write("damaged", content)
      with self.assertRaisesRegex(
        ValueError, f"{path} must be a whole {compression.lower()} file"
      ):
        files.content_size(path, compression)

  def test_nothing_in_a_compressed_file(self):
    path = self.write("a.gz", gzip.compress(b""))
    with self.assertRaisesRegex(ValueError, f"{path} must have data"):
      files.content_size(path, "GZIP")


if __name__ == "__main__":
  tf.test.main()

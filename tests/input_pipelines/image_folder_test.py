import os
import struct
import zlib

import numpy as np
import tensorflow as tf

from input_pipelines import image_folder


class ImageFolderTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = os.path.join(
      self.get_temp_dir(), self.id().rsplit(".", maxsplit=1)[-1]
    )
    os.makedirs(self.folder)

  def write(self, name, content):
    path = os.path.join(self.folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    tf.io.write_file(path, content)
    return path

  def write_image(self, name, picture):
    encode = tf.io.encode_jpeg
    if name.lower().endswith(".png"):
      encode = tf.io.encode_png
    return self.write(name, encode(picture))

  def load(self):
    return image_folder.load(self.folder, (4, 6, 3))

  def test_reads_jpeg_and_png_of_sorted_classes(self):
    random = np.random.default_rng(0)
    exact = random.integers(0, 256, [4, 6, 3], dtype=np.uint8)
    self.write_image("b/2.png", exact)
    self.write_image("b/1.JPG", np.full([4, 6, 3], 90, np.uint8))
    self.write_image("a/x.jpeg", np.full([4, 6, 3], 30, np.uint8))
    self.write_image("c/grey.png", exact[..., :1])
    self.write("b/.hidden", "text")

    images, labels, names = self.load()

    self.assertEqual(["a", "b", "c"], names)
    self.assertAllEqual([0, 1, 1, 2], labels)
    self.assertEqual(np.int32, labels.dtype)
    self.assertEqual(np.uint8, images.dtype)
    self.assertAllClose(np.full([4, 6, 3], 30), images[0], atol=1)
    self.assertAllClose(np.full([4, 6, 3], 90), images[1], atol=1)
    self.assertAllEqual(exact, images[2])
    self.assertAllEqual(np.tile(exact[..., :1], [1, 1, 3]), images[3])

  def test_order_holds_over_many_files(self):
    for number in range(1103):
      picture = np.full([4, 6, 3], number % 256, np.uint8)
      self.write_image(f"{number % 2}/{number:04}.png", picture)
    images, labels, _ = self.load()
    self.assertAllEqual([0] * 552 + [1] * 551, labels)
    expected = [*range(0, 1103, 2), *range(1, 1103, 2)]
    self.assertAllEqual(np.mod(expected, 256), images[:, 2, 3, 1])

  def test_a_corrupt_file_is_named(self):
    for number in range(700):
      self.write_image(f"a/{number:04}.png", np.zeros([4, 6, 3], np.uint8))
    whole = tf.io.encode_jpeg(np.zeros([4, 6, 3], np.uint8)).numpy()
    for name, content in (
      ("a/0612.jpg", whole[: len(whole) // 2]),
      ("a/0613a.jpg", b""),
      ("a/0613b.png", b"no image"),
    ):
      path = self.write(name, content)
      with self.subTest(name):
        with self.assertRaisesRegex(
          ValueError,
          f"{path} must be a whole JPEG or PNG file; decoding fails",
        ) as caught:
          self.load()
        self.assertNotRegex(str(caught.exception), r"function_node|\[Op:")
      os.remove(path)
    self.assertLen(self.load()[1], 700)

  def test_a_claim_of_many_pixels(self):
    # A PNG of 100,000 x 100,000 in less than 1 kB; without the check of its
    # size 20,000 x 20,000 would take 1.2 GB.
    self.write_image("a/1.png", np.zeros([4, 6, 3], np.uint8))
    with open(os.path.join(self.folder, "a/1.png"), "rb") as stream:
      content = bytearray(stream.read())
    content[16:24] = struct.pack(">II", 20_000, 20_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path = self.write("a/2.png", bytes(content))
    with self.assertRaisesRegex(
      ValueError, rf"{path} .* \(4, 6\); got \(20000, 20000\)"
    ):
      self.load()

  def test_what_is_neither_jpeg_nor_png(self):
    path = self.write("a/1.png", b"GIF89a" + bytes(100))
    with self.assertRaisesRegex(ValueError, f"{path} must be a whole JPEG or"):
      self.load()

  def test_damaged_files_are_left_out_if_asked(self):
    for number in range(600):
      picture = np.full([4, 6, 3], number % 256, np.uint8)
      self.write_image(f"{number % 2}/{number:04}.png", picture)
    first = self.write("0/0001.png", b"no image")
    self.write("1/0502.png", b"")
    os.mkfifo(os.path.join(self.folder, "1/0504.png"))
    with self.assertWarnsRegex(
      UserWarning, f"left out 3 of 603 images; the first: {first} must be"
    ):
      images, labels, _ = image_folder.load(
        self.folder, (4, 6, 3), on_bad_row="skip"
      )
    self.assertAllEqual([0] * 300 + [1] * 300, labels)
    expected = [*range(0, 600, 2), *range(1, 600, 2)]
    self.assertAllEqual(np.mod(expected, 256), images[:, 2, 3, 1])

  def test_a_class_of_damaged_files_alone(self):
    self.write_image("a/1.png", np.zeros([4, 6, 3], np.uint8))
    path = self.write("b/1.png", b"")
    with self.assertRaisesRegex(
      ValueError, f"all those of 'b' are damaged. The first: {path}"
    ):
      image_folder.load(self.folder, (4, 6, 3), on_bad_row="skip")

  def test_a_wrong_size_is_named(self):
    self.write_image("a/1.png", np.zeros([4, 6, 3], np.uint8))
    path = self.write_image("a/2.png", np.zeros([6, 4, 3], np.uint8))
    with self.assertRaisesRegex(
      ValueError, rf"{path} must have .* \(4, 6\); got \(6, 4\)"
    ):
      self.load()

  def test_a_name_that_is_not_utf8_is_shown(self):
    self.write_image("a/1.png", np.zeros([4, 6, 3], np.uint8))
    folder = os.fsencode(os.path.join(self.folder, "a"))
    os.link(os.path.join(folder, b"1.png"), os.path.join(folder, b"2\xff.png"))
    with self.assertRaisesRegex(
      ValueError, r"UTF-8.*got '.*/a/2\\udcff.png'. Rename"
    ):
      self.load()

  def test_no_images(self):
    with self.assertRaisesRegex(ValueError, f"{self.folder} has none"):
      self.load()
    os.makedirs(os.path.join(self.folder, "a"))
    with self.assertRaisesRegex(ValueError, f"{self.folder}/a is empty"):
      self.load()
    path = self.write("a/notes.txt", "text")
    with self.assertRaisesRegex(ValueError, rf"end in.*'.jpg'.*got {path}"):
      self.load()
    with self.assertRaisesRegex(ValueError, "/no/folder is none"):
      image_folder.load("/no/folder", (4, 6, 3))


if __name__ == "__main__":
  tf.test.main()

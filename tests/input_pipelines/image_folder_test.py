import os

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
          ValueError, f"{path} must be a whole JPEG or PNG file; decoding fails"
        ) as caught:
          self.load()
        self.assertNotRegex(str(caught.exception), r"function_node|\[Op:")
      os.remove(path)
    self.assertLen(self.load()[1], 700)

  def test_a_wrong_size_is_named(self):
    self.write_image("a/1.png", np.zeros([4, 6, 3], np.uint8))
    path = self.write_image("a/2.png", np.zeros([6, 4, 3], np.uint8))
    with self.assertRaisesRegex(
      ValueError, rf"{path} must have .*\(4, 6, 3\); got \(6, 4, 3\)"
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

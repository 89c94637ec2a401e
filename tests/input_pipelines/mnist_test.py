import gzip
import os
import struct
import tracemalloc

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import mnist

_IMAGES = np.arange(2 * 3 * 2, dtype=np.uint8).reshape(2, 3, 2)


def _write(path, content):
  with open(path, "wb") as stream:
    stream.write(content)
  return path


def _header(*numbers):
  return struct.pack(f">{len(numbers)}I", *numbers)


class _TestCase(tf.test.TestCase, parameterized.TestCase):
  def path(self, name):
    return os.path.join(self.get_temp_dir(), self.id().split(".")[-1] + name)


class IdxTest(_TestCase):
  @parameterized.parameters("images", "images.gz")
  def test_images_come_back(self, name):
    mnist.write_images(self.path(name), _IMAGES)
    read = mnist.read_images(self.path(name))
    self.assertAllEqual(_IMAGES, read)
    self.assertEqual(np.uint8, read.dtype)

  def test_labels_come_back(self):
    labels = np.array([3, 9, 0], np.uint8)
    mnist.write_labels(self.path("labels.gz"), labels)
    self.assertAllEqual(labels, mnist.read_labels(self.path("labels.gz")))

  def test_bytes_are_those_of_the_format(self):
    path = self.path("images")
    mnist.write_images(path, _IMAGES)
    with open(path, "rb") as stream:
      self.assertEqual(
        b"\0\0\x08\x03\0\0\0\x02\0\0\0\x03\0\0\0\x02" + bytes(range(12)),
        stream.read(),
      )
    mnist.write_labels(path, np.array([7], np.uint8))
    with open(path, "rb") as stream:
      self.assertEqual(b"\0\0\x08\x01\0\0\0\x01\x07", stream.read())

  @parameterized.named_parameters(
    ("magic", _header(2049, 1, 1, 1) + b"a", "Invalid magic number 2049 in"),
    ("header", _header(2051, 1, 1), "header of 16 bytes; got 12"),
    ("empty", b"", "header of 16 bytes; got 0"),
    ("short", _header(2051, 2, 2, 2) + b"1234567", "need 24 bytes; got 23"),
    ("long", _header(2051, 1, 2, 2) + b"12345", "need 20 bytes; it has more"),
    ("no_rows", _header(2051, 1, 0, 2), "must have rows and columns"),
    (
      "huge",
      _header(2051, 2**32 - 1, 2**16, 2**16) + b"1",
      r"need 18446744069414584336 bytes, more than",
    ),
  )
  def test_damaged_images(self, content, message):
    path = _write(self.path("images"), content)
    with self.assertRaisesRegex(ValueError, message) as caught:
      mnist.read_images(path)
    self.assertIn(path, str(caught.exception))
    self.assertIn("Delete it and download it again", str(caught.exception))
    self.assertIn(
      f"mnist --data_dir={self.get_temp_dir()}", str(caught.exception)
    )

  def test_damaged_labels(self):
    path = _write(self.path("labels"), _header(2051, 1) + b"\1")
    with self.assertRaisesRegex(
      ValueError, f"Invalid magic number 2051 in MNIST label file: {path}"
    ):
      mnist.read_labels(path)
    _write(path, _header(2049, 2) + b"\1\x0a")
    with self.assertRaisesRegex(ValueError, f"{path}.*0..9; got 10"):
      mnist.read_labels(path)

  @parameterized.named_parameters(
    ("cut", lambda content: content[:-12]),
    ("no_gzip", lambda content: b"<html>" + content),
    ("checksum", lambda content: content[:-8] + b"\0\0\0\0" + content[-4:]),
    ("inside", lambda content: content[:12] + b"\xff" * 9 + content[21:]),
    ("nothing", lambda content: content[:4]),
  )
  def test_damaged_gzip(self, damage):
    content = gzip.compress(_header(2051, *_IMAGES.shape) + _IMAGES.tobytes())
    path = _write(self.path("images.gz"), damage(content))
    with self.assertRaisesRegex(
      ValueError, f"{path} must be a whole gzip file.*Delete it"
    ):
      mnist.read_images(path)

  def test_missing_file(self):
    with self.assertRaisesRegex(
      FileNotFoundError,
      "/nowhere/a.gz is missing.*tools.download mnist --data_dir=/nowhere",
    ):
      mnist.read_images("/nowhere/a.gz")

  def test_writers_refuse(self):
    path = self.path("refused")
    with self.assertRaisesRegex(ValueError, "uint8 with 3 dim.*float32"):
      mnist.write_images(path, np.zeros([1, 2, 2], np.float32))
    with self.assertRaisesRegex(ValueError, r"uint8 with 3 dim.*\(2, 2\)"):
      mnist.write_images(path, np.zeros([2, 2], np.uint8))
    with self.assertRaisesRegex(ValueError, "rows and columns"):
      mnist.write_images(path, np.zeros([2, 0, 2], np.uint8))
    with self.assertRaisesRegex(ValueError, "uint8 with 1 dim.*int64"):
      mnist.write_labels(path, np.zeros([2], np.int64))
    with self.assertRaisesRegex(ValueError, "0..9; got 10"):
      mnist.write_labels(path, np.array([10], np.uint8))
    self.assertFalse(os.path.exists(path))

  def test_a_bomb_is_not_unpacked(self):
    # 64 MB of zeros behind two labels.
    content = gzip.compress(_header(2049, 2) + bytes(1 << 26))
    path = _write(self.path("labels.gz"), content)
    tracemalloc.start()
    with self.assertRaisesRegex(ValueError, f"{path}.* 10 bytes; it has more"):
      mnist.read_labels(path)
    self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)
    tracemalloc.stop()

  def test_a_size_that_the_file_cannot_hold(self):
    content = gzip.compress(_header(2049, 1 << 30) + bytes(100))
    path = _write(self.path("labels.gz"), content)
    with self.assertRaisesRegex(ValueError, f"{path}.* more than it can hold"):
      mnist.read_labels(path)

  def test_a_file_of_nothing(self):
    path = _write(self.path("labels"), _header(2049, 0))
    with self.assertRaisesRegex(ValueError, f"{path}: .* at least one label"):
      mnist.read_labels(path)


class LoadTest(_TestCase):
  def setUp(self):
    super().setUp()
    self.data_dir = self.path("data")
    os.makedirs(self.data_dir, exist_ok=True)
    pixels = np.zeros([6, 28, 28], np.uint8)
    pixels[:, 0, 1] = [0, 51, 102, 153, 204, 255]
    self.write(mnist.TRAIN_IMAGES, mnist.write_images, pixels)
    self.write(mnist.TEST_IMAGES, mnist.write_images, pixels[4:])
    labels = np.array([5, 0, 4, 1, 9, 2], np.uint8)
    self.write(mnist.TRAIN_LABELS, mnist.write_labels, labels)
    self.write(mnist.TEST_LABELS, mnist.write_labels, labels[:2])

  def write(self, name, writer, array):
    writer(os.path.join(self.data_dir, name), array)

  def load(self, **kwargs):
    return mnist.load(self.data_dir, **kwargs)

  def test_the_first_training_images_are_for_validation(self):
    splits = self.load(validation_size=2)
    self.assertAllEqual([5, 0], splits.validation.labels)
    self.assertAllEqual([4, 1, 9, 2], splits.train.labels)
    self.assertAllEqual([5, 0], splits.test.labels)
    self.assertAllClose([0, 0.2], splits.validation.images[:, 1])
    self.assertAllClose([0.4, 0.6, 0.8, 1], splits.train.images[:, 1])
    self.assertAllClose([0.8, 1], splits.test.images[:, 1])
    self.assertEqual((4, 784), splits.train.images.shape)
    self.assertEqual(np.float32, splits.train.images.dtype)
    self.assertEqual(np.int32, splits.train.labels.dtype)
    self.assertLessEqual(splits.test.images.max(), 1)

  def test_validation_must_leave_images(self):
    self.assertLen(self.load(validation_size=5).train, 1)
    with self.assertRaisesRegex(ValueError, "0..5; got 6"):
      self.load(validation_size=6)

  def test_counts_must_agree(self):
    self.write(mnist.TEST_LABELS, mnist.write_labels, np.zeros(3, np.uint8))
    with self.assertRaisesRegex(ValueError, "t10k.*2 images, 3 labels"):
      self.load(validation_size=2)

  def test_images_must_have_the_size(self):
    images = np.zeros([2, 28, 27], np.uint8)
    self.write(mnist.TEST_IMAGES, mnist.write_images, images)
    with self.assertRaisesRegex(ValueError, r"28x28; got \(28, 27\)"):
      self.load(validation_size=2)

  def test_missing_files(self):
    self.assertEqual([], mnist.missing_files(self.data_dir))
    path = os.path.join(self.data_dir, mnist.TEST_LABELS)
    os.remove(path)
    self.assertEqual([path], mnist.missing_files(self.data_dir))
    with self.assertRaisesRegex(FileNotFoundError, f"{path} is missing"):
      self.load(validation_size=2)

  def test_refuses_other_arguments(self):
    with self.assertRaisesRegex(ValueError, "dataset must be.*'letters'"):
      mnist.load(dataset="letters")
    with self.assertRaisesRegex(ValueError, "data_dir must name.*None"):
      mnist.load()


class StandInsTest(tf.test.TestCase):
  def test_digits(self):
    splits = mnist.load(dataset="digits")
    sizes = [len(s) for s in (splits.train, splits.validation, splits.test)]
    self.assertEqual([1297, 200, 300], sizes)
    from sklearn import datasets

    digits = datasets.load_digits()
    ours = np.concatenate(
      [
        np.column_stack(
          [
            s.images.reshape(-1, 28, 28)[:, 2:26:3, 2:26:3].reshape(-1, 64)
            * 16,
            s.labels,
          ]
        )
        for s in (splits.train, splits.validation, splits.test)
      ]
    )
    # Each of scikit-learn's digits is there once, pixel for pixel.
    theirs = np.column_stack([digits.data, digits.target])
    self.assertAllEqual(sorted(ours.tolist()), sorted(theirs.tolist()))
    image = splits.test.images[0].reshape(28, 28)
    self.assertAllEqual(np.zeros([2, 28]), image[:2])
    self.assertAllEqual(np.zeros([28, 2]), image[:, 26:])
    self.assertAllEqual(image[2:5, 11:14], np.full([3, 3], image[3, 12]))
    self.assertEqual(1, splits.train.images.max())
    self.assertEqual(np.int32, splits.test.labels.dtype)
    self.assertEqual(np.float32, splits.test.images.dtype)

  def test_digits_are_split_alike_each_time(self):
    first, second = (mnist.load(dataset="digits") for _ in range(2))
    self.assertAllEqual(first.test.labels, second.test.labels)
    self.assertAllEqual(first.train.images, second.train.images)

  def test_fake(self):
    splits = mnist.load(dataset="fake")
    for split in (splits.train, splits.validation, splits.test):
      self.assertAllEqual(np.ones([10_000, 784]), split.images)
      self.assertAllEqual(np.zeros([10_000]), split.labels)

  def test_fake_separable(self):
    split = mnist.fake_separable(3)
    self.assertAllEqual([0, 1, 0], split.labels)
    self.assertAllEqual([[0.0] * 784, [1.0] * 784, [0.0] * 784], split.images)
    self.assertEqual(np.float32, split.images.dtype)
    self.assertEqual(np.int32, split.labels.dtype)


class RealDataTest(tf.test.TestCase):
  def test_published_files(self):
    data_dir = os.path.join(os.environ.get("TEST_DATA_DIR", ""), "mnist")
    if not os.path.exists(os.path.join(data_dir, mnist.TRAIN_IMAGES)):
      self.skipTest("needs the MNIST files in $TEST_DATA_DIR/mnist")
    splits = mnist.load(data_dir)
    sizes = [len(s) for s in (splits.train, splits.validation, splits.test)]
    self.assertEqual([55_000, 5_000, 10_000], sizes)
    # Well-known beginnings of the two files, and the mean of all pixels.
    self.assertAllEqual([5, 0, 4, 1, 9], splits.validation.labels[:5])
    self.assertAllEqual([7, 2, 1, 0, 4], splits.test.labels[:5])
    images = [splits.train.images, splits.validation.images]
    self.assertAllClose(0.1307, np.concatenate(images).mean(), atol=5e-5)


if __name__ == "__main__":
  tf.test.main()

import os

import numpy as np
import scipy.io
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import cifar10, svhn


class SvhnTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.data_dir = os.path.join(
      self.get_temp_dir(), self.id().rsplit(".", maxsplit=1)[-1]
    )
    os.makedirs(self.data_dir)
    random = np.random.default_rng(0)
    self.x = random.integers(0, 256, [32, 32, 3, 4], dtype=np.uint8)
    self.y = np.array([[1], [10], [9], [3]], np.uint8)

  def write(self, name, **arrays):
    path = os.path.join(self.data_dir, name)
    scipy.io.savemat(path, arrays, do_compression=True)
    return path

  def test_loads_what_the_input_functions_take(self):
    self.assertTrue(svhn.is_missing(self.data_dir))
    self.write("train_32x32.mat", X=self.x, y=self.y)
    self.assertTrue(svhn.is_missing(self.data_dir))
    self.write("test_32x32.mat", X=self.x[..., :1], y=[[2.0]])
    self.assertFalse(svhn.is_missing(self.data_dir))

    images, labels = svhn.load(self.data_dir, "train")

    self.assertAllEqual([1, 0, 9, 3], labels)
    self.assertEqual(np.int32, labels.dtype)
    self.assertEqual(np.uint8, images.dtype)
    for number in range(4):
      self.assertAllEqual(self.x[..., number], images[number])
    input_fn = cifar10.train_input_fn(images, labels, 2)
    self.assertEqual(2, len(next(iter(input_fn()))[1]))
    self.assertAllEqual([2], svhn.load(self.data_dir, "test")[1])

  def test_missing(self):
    with self.assertRaisesRegex(
      ValueError, "Failed to find file: .*/test_32x32.mat.*tools.download svhn"
    ):
      svhn.load(self.data_dir, "test")
    path = os.path.join(self.data_dir, "train_32x32.mat")
    with self.assertRaisesRegex(ValueError, f"{path}. Fetch it: python -m"):
      svhn.load(self.data_dir, "train")
    os.mkdir(path)
    with self.assertRaisesRegex(ValueError, f"{path} must be.*got a folder"):
      svhn.load(self.data_dir, "train")
    with self.assertRaisesRegex(ValueError, "split must be.*'extra'"):
      svhn.load(self.data_dir, "extra")

  def test_refuses_a_damaged_file(self):
    path = self.write("train_32x32.mat", X=self.x, y=self.y)
    with open(path, "r+b") as stream:
      stream.truncate(5000)
    with self.assertRaisesRegex(
      ValueError, f"{path} must be a whole.*got 5000.*tools.download svhn"
    ):
      svhn.load(self.data_dir, "train")

  @parameterized.named_parameters(
    ("names", {"x": np.zeros([32, 32, 3, 4], np.uint8)}, r"lacks \['X'\]"),
    ("floats", {"X": np.zeros([32, 32, 3, 4])}, "X must be uint8.*float64"),
    (
      "other_order",
      {"X": np.zeros([4, 32, 32, 3], np.uint8)},
      r"X must be.*got uint8 \(4, 32, 32, 3\)",
    ),
    ("one_image", {"X": np.zeros([32, 32, 3], np.uint8)}, "X must be uint8"),
    ("rows", {"y": [[1.0], [2.0]]}, r"\[N, 1\].*got \(2, 1\) for X \(32"),
    ("flat", {"y": [[1, 2, 3, 4]]}, r"\[N, 1\].*got \(1, 4\)"),
    ("label_0", {"y": [[1], [0], [3], [4]]}, "in 1..10.*got 0 in row 1"),
    ("label_half", {"y": [[1], [2], [3], [4.5]]}, "got 4.5 in row 3"),
    (
      "none",
      {"X": np.zeros([32, 32, 3, 0], np.uint8), "y": np.zeros([0, 1])},
      r"at least 1; got \(0, 1\)",
    ),
  )
  def test_refuses(self, changed, message):
    arrays = {"X": self.x, "y": self.y} | changed
    if "x" in changed:
      del arrays["X"]
    path = self.write("train_32x32.mat", **arrays)
    with self.assertRaisesRegex(ValueError, f"{path}: .*{message}"):
      svhn.load(self.data_dir, "train")


if __name__ == "__main__":
  tf.test.main()

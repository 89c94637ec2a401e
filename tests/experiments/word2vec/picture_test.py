import builtins
import contextlib
import io
import os
from unittest import mock

import matplotlib.image
import numpy as np
import tensorflow as tf

from experiments.word2vec import picture
from tests.estimators.helpers import events_of, new_folder, plugins


def groups(sizes, dim=5, noise=0.02, seed=1):
  """Returns vectors around one direction per group, of any length."""
  rng = np.random.default_rng(seed)
  directions = np.repeat(np.eye(len(sizes), dim), sizes, axis=0)
  vectors = directions + noise * rng.standard_normal([sum(sizes), dim])
  return (vectors * rng.uniform(0.1, 10, [sum(sizes), 1])).astype(np.float32)


class PictureTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Fewer steps, as there are few words.
    steps = mock.patch.object(picture, "MAX_STEPS", 500)
    cls.enterClassContext(steps)

  def test_the_picture_and_the_image_of_tensorboard(self):
    folder, words = new_folder(), ["UNK", "a$b$", "c_d", *map(str, range(27))]
    path = picture.write_tsne(folder, words, groups([10, 10, 10]), step=7)
    self.assertEqual(path, os.path.join(folder, "tsne.png"))
    self.assertNotIn(".tmp", str(os.listdir(folder)))
    pixels = matplotlib.image.imread(path)
    self.assertEqual(pixels.shape, (1800, 1800, 4))
    # Dots are matplotlib's first blue, labels black.
    blue = np.all(np.abs(pixels[:, :, :3] - [31 / 255, 119 / 255, 180 / 255])
                  < 0.02, axis=2)  # fmt: skip
    # A dot has about 45 pixels; neighbours lie over each other.
    self.assertBetween(blue.sum(), 30 * 8, 30 * 60)
    self.assertGreater((pixels[:, :, :3].max(axis=2) < 0.1).sum(), 1000)

    self.assertEqual(plugins(folder), {"tsne": "images"})
    (event,) = events_of(folder).Tensors("tsne")
    self.assertEqual(event.step, 7)
    width, height, png = tf.make_ndarray(event.tensor_proto)
    self.assertEqual((width, height), (b"1800", b"1800"))
    self.assertAllClose(tf.io.decode_png(png), 255 * pixels[:, :, :3], atol=0.5)

  def test_words_of_one_direction_are_together(self):
    points = picture._points(groups([20, 20, 20]))
    labels = np.repeat(np.arange(3), 20)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    same = labels[:, None] == labels
    self.assertLess(distances[same].max(), distances[~same].min())

  def test_the_points_are_the_same_again(self):
    vectors = groups([6, 6])
    self.assertAllEqual(picture._points(vectors), picture._points(vectors))

  def test_only_the_first_words_are_shown(self):
    shown = []

    def figure(words, points):
      shown.append((list(words), points))
      return mock.Mock(
        savefig=lambda path, format: matplotlib.image.imsave(
          path, np.zeros([2, 2]), format=format
        )
      )

    with (
      mock.patch.object(picture, "NUM_WORDS", 12),
      mock.patch.object(picture, "_figure", figure),
    ):
      picture.write_tsne(new_folder(), "a" * 40, groups([20, 20]), step=0)
    ((words, points),) = shown
    self.assertEqual(words, ["a"] * 12)
    self.assertEqual(points.shape, (12, 2))

  def test_labels_are_taken_literally(self):
    words = ["$x^2$", "a_b", "\\frac{"]
    figure = picture._figure(words, np.zeros([3, 2]))
    figure.canvas.draw()
    texts = figure.axes[0].texts
    self.assertEqual([text.get_text() for text in texts], words)
    self.assertFalse(any(text.get_parse_math() for text in texts))

  def test_what_is_missing_is_asked_for(self):
    load = builtins.__import__

    def without_sklearn(name, *args, **kwargs):
      if name.startswith("sklearn"):
        raise ImportError("No module named 'sklearn'")
      return load(name, *args, **kwargs)

    folder, out = new_folder(), io.StringIO()
    with (
      mock.patch.object(builtins, "__import__", without_sklearn),
      contextlib.redirect_stdout(out),
    ):
      path = picture.write_tsne(folder, "ab", groups([1, 1]), step=0)
    self.assertIsNone(path)
    self.assertIn("Please install scikit-learn and matplotlib", out.getvalue())
    self.assertEmpty(os.listdir(folder))


if __name__ == "__main__":
  tf.test.main()

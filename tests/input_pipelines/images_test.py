import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import images

_SEED = (7, 11)


def _pictures(shape=(5, 12, 10, 3), seed=0):
  return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _numpy_standardize(picture):
  deviation = max(picture.std(), 1 / np.sqrt(picture.size))
  return (picture - picture.mean()) / deviation


def _numpy_contrast(picture, factor):
  mean = picture.mean((0, 1))
  return (picture - mean) * factor + mean


class PiecesTest(tf.test.TestCase, parameterized.TestCase):
  def test_crop(self):
    pictures = _pictures((2, 6, 5, 3))
    cropped = images.crop(pictures, [0, 2], [1, 0], 4)
    self.assertAllEqual(pictures[0, 0:4, 1:5], cropped[0])
    self.assertAllEqual(pictures[1, 2:6, 0:4], cropped[1])
    self.assertEqual(tf.uint8, cropped.dtype)

  @parameterized.parameters((32, 32, 24), (5, 9, 1), (1, 1, 1), (301, 203, 97))
  def test_crops_at_every_place(self, height, width, size):
    pictures = np.arange(height * width, dtype=np.float32)
    pictures = pictures.reshape(1, height, width, 1)
    tops, lefts = np.mgrid[0 : height - size + 1, 0 : width - size + 1]
    places = np.stack([tops.flatten(), lefts.flatten()], 1)
    places = places[:: max(1, len(places) // 100)]
    places = np.append(places, [[height - size, width - size]], 0)
    for flipped in (False, True):
      cropped = images.crop_rows(
        tf.constant(pictures),
        np.zeros(len(places)),
        *places.T,
        [flipped] * len(places),
        size,
      )
      for (top, left), got in zip(places, cropped.numpy(), strict=True):
        expected = pictures[0, top : top + size, left : left + size]
        expected = expected[:, ::-1] if flipped else expected
        self.assertTrue(np.array_equal(expected, got))

  def test_crop_of_all(self):
    pictures = _pictures((2, 4, 4, 1))
    self.assertAllEqual(pictures, images.random_crop(pictures, 4, _SEED))

  def test_random_crop_takes_every_place_equally(self):
    # One value tells the place: row * 10 + column.
    pictures = np.arange(4)[:, np.newaxis] * 10 + np.arange(3)
    pictures = np.tile(pictures[np.newaxis, :, :, np.newaxis], [6000, 1, 1, 1])
    corners = images.random_crop(pictures, 2, _SEED)[:, 0, 0, 0].numpy()
    places, counts = np.unique(corners, return_counts=True)
    self.assertAllEqual([0, 1, 10, 11, 20, 21], places)
    # Binomial(6000, 1/6) has a standard deviation of 29.
    self.assertAllInRange(counts, 850, 1150)

  def test_central_crop(self):
    pictures = _pictures((2, 7, 6, 3))
    cropped = images.central_crop(tf.constant(pictures), 4)
    self.assertAllEqual(pictures[:, 1:5, 1:5], cropped)
    self.assertAllEqual(
      tf.image.resize_with_crop_or_pad(pictures, 4, 4), cropped
    )

  def test_crops_must_fit(self):
    pictures = tf.zeros([1, 4, 6, 3])
    for size in (0, 5):
      with self.assertRaisesRegex(ValueError, f"1..4, as .*4x6; got {size}"):
        images.random_crop(pictures, size, _SEED)
      with self.assertRaisesRegex(ValueError, f"1..4, as .*4x6; got {size}"):
        images.central_crop(pictures, size)

  def test_flip(self):
    pictures = _pictures()
    flipped = images.flip(pictures, [True, False, False, True, False])
    for number in (0, 3):
      self.assertAllEqual(pictures[number, :, ::-1], flipped[number])
    for number in (1, 2, 4):
      self.assertAllEqual(pictures[number], flipped[number])

  def test_random_flip_mirrors_half(self):
    pictures = np.tile(np.reshape([0, 1], [1, 1, 2, 1]), [4000, 1, 1, 1])
    flipped = images.random_flip(pictures, _SEED)
    self.assertAllInRange(np.sum(flipped[:, 0, 0, 0]), 1850, 2150)

  def test_brightness(self):
    pictures = _pictures((2, 2, 2, 3))
    brighter = images.adjust_brightness(pictures, [-63.0, 12.5])
    self.assertAllClose(pictures[0] - np.float32(63), brighter[0])
    self.assertAllClose(pictures[1] + np.float32(12.5), brighter[1])

  def test_random_brightness(self):
    deltas = images.random_brightness(np.zeros([4000, 1, 1, 1]), 63, _SEED)
    self.assertAllInRange(deltas, -63, 63)
    # Uniform: a deviation of 63 / sqrt(3) = 36.4, of the mean 0.58.
    self.assertAllClose(0, np.mean(deltas), atol=2.5)
    self.assertAllClose(36.4, np.std(deltas), atol=1)

  def test_contrast(self):
    pictures = _pictures()
    factors = np.array([0.2, 0.7, 1, 1.3, 1.8], np.float32)
    adjusted = images.adjust_contrast(pictures, factors)
    for picture, factor, got in zip(pictures, factors, adjusted, strict=True):
      self.assertAllClose(_numpy_contrast(picture, factor), got, atol=1e-3)
      self.assertAllClose(
        tf.image.adjust_contrast(picture.astype(np.float32), factor), got, 1e-3
      )

  def test_random_contrast(self):
    pictures = np.tile(np.reshape([-1.0, 1.0], [1, 1, 2, 1]), [4000, 1, 1, 1])
    factors = images.random_contrast(pictures, 0.2, 1.8, _SEED)[:, 0, 1, 0]
    self.assertAllInRange(factors, 0.2, 1.8)
    self.assertAllClose(1, np.mean(factors), atol=0.03)

  def test_standardize(self):
    pictures = _pictures()
    pictures[0] = 9  # plain
    pictures[1] = 200
    pictures[1, 0, 0, 0] = 201  # nearly plain
    standard = images.standardize(pictures)
    self.assertAllEqual(np.zeros([12, 10, 3]), standard[0])
    for picture, got in zip(pictures, standard, strict=True):
      self.assertAllClose(_numpy_standardize(picture), got, atol=1e-4)
      self.assertAllClose(
        tf.image.per_image_standardization(picture), got, atol=1e-4
      )


class DistortTest(tf.test.TestCase):
  def test_equals_the_steps_of_the_tutorial_by_numpy(self):
    pictures = _pictures((40, 32, 32, 3))
    pictures[3] = 77  # plain
    pictures[4] = (250, 3, 9)  # plain in each channel
    pictures[5] //= 100
    pictures[6] = 200 + pictures[6] // 200
    numbers = np.array([3, 4, 5, 6, *range(10, 38), 39, 39, 0])
    draws = images.draw_distortions(len(numbers), (32, 32, 3), 24, _SEED)
    deltas = np.random.default_rng(5).uniform(-63, 63, len(numbers))

    distorted = images.distort(tf.constant(pictures), numbers, draws, 24)

    self.assertEqual((len(numbers), 24, 24, 3), distorted.shape)
    self.assertEqual(tf.float32, distorted.dtype)
    draws = [draw.numpy() for draw in draws]
    for i, (top, left, flipped, factor) in enumerate(zip(*draws, strict=True)):
      picture = pictures[numbers[i]].astype(np.float64)
      picture = picture[top : top + 24, left : left + 24]
      picture = picture[:, ::-1] if flipped else picture
      picture = _numpy_contrast(picture + deltas[i], factor)
      self.assertAllClose(
        _numpy_standardize(picture), distorted[i], rtol=0, atol=1e-4
      )

  def test_equals_the_pieces(self):
    pictures = _pictures((9, 11, 8, 3))
    draws = images.draw_distortions(9, (11, 8, 3), 6, _SEED)
    tops, lefts, flipped, factors = draws
    expected = images.crop(pictures, tops, lefts, 6)
    expected = images.flip(expected, flipped)
    expected = images.random_brightness(expected, 63, _SEED)
    expected = images.adjust_contrast(expected, factors)
    self.assertAllClose(
      images.standardize(expected),
      images.distort(tf.constant(pictures), np.arange(9), draws, 6),
      rtol=0,
      atol=1e-4,
    )

  def test_draws(self):
    tops, lefts, flipped, factors = (
      draw.numpy()
      for draw in images.draw_distortions(5000, (32, 30, 3), 24, _SEED)
    )
    self.assertAllEqual(np.arange(9), np.unique(tops))
    self.assertAllEqual(np.arange(7), np.unique(lefts))
    self.assertAllInRange(np.mean(flipped), 0.47, 0.53)
    self.assertAllInRange(factors, 0.2, 1.8)
    self.assertAllClose(1, factors.mean(), atol=0.03)
    # Each is drawn for itself.
    between = np.corrcoef([tops, lefts, flipped, factors])
    self.assertAllClose(np.eye(4), between, atol=0.06)

  def test_draws_without_flips_are_else_the_same(self):
    first = images.draw_distortions(50, (32, 32, 3), 24, _SEED)
    second = images.draw_distortions(50, (32, 32, 3), 24, _SEED, mirror=False)
    self.assertAllEqual([False] * 50, second[2])
    for number in (0, 1, 3):
      self.assertAllEqual(first[number], second[number])

  def test_a_seed_fixes_the_draws(self):
    def draws(*seed):
      draw = images.draw_distortions(20, (32, 32, 3), 24, seed)
      return np.stack([np.asarray(d, np.float32) for d in draw])

    self.assertAllEqual(draws(1, 2), draws(1, 2))
    self.assertNotAllEqual(draws(1, 2), draws(1, 3))
    self.assertNotAllEqual(draws(1, 2), draws(2, 2))


if __name__ == "__main__":
  tf.test.main()

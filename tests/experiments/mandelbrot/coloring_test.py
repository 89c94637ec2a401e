import numpy as np
from absl.testing import absltest

from experiments.mandelbrot import coloring


def published(a, largest):
  """The function of the page, but for the picture that it shows."""
  a_cyclic = (6.28 * a / 20.0).reshape([*a.shape, 1])
  img = np.concatenate(
    [
      10 + 20 * np.cos(a_cyclic),
      30 + 50 * np.sin(a_cyclic),
      155 - 80 * np.cos(a_cyclic),
    ],
    2,
  )
  img[a == largest] = 0
  return np.uint8(np.clip(img, 0, 255))


class ColoringTest(absltest.TestCase):
  def test_by_hand(self):
    # Angles 0, nearly a quarter and nearly three quarters of a turn, where
    # green is 30 - 50, which is cut off; the last is the largest.
    counts = np.float32([[0, 5, 15, 200]])
    pixels = coloring.picture(counts, 200, "published")
    self.assertEqual(pixels.dtype, np.uint8)
    self.assertEqual(
      pixels.tolist(), [[[30, 30, 75], [10, 79, 154], [9, 0, 155], [0, 0, 0]]]
    )

  def test_it_is_the_published_one(self):
    counts = np.float32(np.arange(201).reshape(3, 67))
    np.testing.assert_array_equal(
      coloring.picture(counts, 200, "published"), published(counts, 200)
    )

  def test_who_is_black(self):
    counts = np.float32([[3, 7]])
    self.assertEqual(coloring.picture(counts, 9, "published")[0, 1].sum(), 0)
    self.assertGreater(coloring.picture(counts, 9, "smooth")[0, 1].sum(), 0)
    self.assertEqual(coloring.picture(counts, 7, "smooth")[0, 1].sum(), 0)


if __name__ == "__main__":
  absltest.main()

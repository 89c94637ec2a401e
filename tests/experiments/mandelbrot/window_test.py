import numpy as np
from absl.testing import absltest, parameterized

from experiments.mandelbrot import simulate
from experiments.mandelbrot.window import Window

PUBLISHED = Window((-0.5, 0.0), 3.0, 600, 520)
SEAHORSES = (-0.7436438870371587, 0.13182590420531197)


def seahorses(width):
  return Window(SEAHORSES, width, 100, 80)


class CoordinatesTest(parameterized.TestCase):
  def test_the_published_window_is_the_published_grid(self):
    expected_y, expected_x = np.mgrid[-1.3:1.3:0.005, -2:1:0.005]
    x, y = PUBLISHED.coordinates("float32")
    np.testing.assert_array_equal(x, np.float32(expected_x[0]))
    np.testing.assert_array_equal(y, np.float32(expected_y[:, 0]))
    self.assertEqual((x.dtype, y.dtype), (np.float32, np.float32))

  def test_by_hand(self):
    x, y = Window((1.0, -1.0), 2.0, 4, 3).coordinates("float64")
    self.assertEqual(x.tolist(), [0, 0.5, 1, 1.5])
    self.assertEqual(y.tolist(), [-1.75, -1.25, -0.75])

  def test_deep_windows_keep_their_digits(self):
    # 8.9 units in the last place, 2**-53 below 1, from pixel to pixel.
    window = seahorses(1e-13)
    x, _ = window.coordinates("float64")
    steps = np.diff(x) / 2.0**-53
    self.assertBetween(steps.min(), 8, 9)
    self.assertBetween(steps.max(), 9, 10)
    self.assertAlmostEqual(np.mean(steps), 1e-15 * 2**53, delta=0.02)


class PrecisionTest(parameterized.TestCase):
  @parameterized.parameters(
    (3, "float32"), (0.1, "float32"), (0.02, "float64"), (1e-10, "float64")
  )
  def test_float64_where_it_is_needed(self, width, expected):
    self.assertEqual(PUBLISHED.precision(), "float32")
    self.assertEqual(seahorses(width).precision(), expected)

  def test_where_it_says_float32_the_picture_is_nearly_that_of_float64(self):
    window = seahorses(0.1)
    self.assertEqual(window.precision(), "float32")
    self.assertEqual(seahorses(0.097).precision(), "float64")
    counts = [
      simulate.escape_counts(*window.coordinates(precision), 300)
      for precision in ("float32", "float64")
    ]
    self.assertLess((counts[0] != counts[1]).mean(), 0.02)

  def test_warning(self):
    self.assertIsNone(PUBLISHED.warning("float32"))
    self.assertIsNone(seahorses(1e-13).warning("float64"))
    self.assertRegex(
      seahorses(1e-14).warning("float64"),
      "should be 8 units .* float64 apart, but at a width of 1e-14 are 0.9, "
      ".* take a width of 8.9e-14 or more at this --size and --center.$",
    )
    self.assertRegex(
      seahorses(1e-6).warning("float32"), "4.8e-05 .* or --precision=float64.$"
    )
    # Where float64 lacks digits as well, it is not advised.
    self.assertRegex(seahorses(1e-14).warning("float32"), "and --center.$")

  def test_near_zero_there_are_digits_to_the_end(self):
    for width, fine in ((1e-300, True), (1e-322, False), (5e-324, False)):
      window = Window((0.0, 0.0), width, 100, 80)
      self.assertEqual(window.precision(), "float64")
      self.assertEqual(window.warning("float64") is None, fine)

  def test_the_width_that_a_warning_names_is_enough(self):
    width = 100 * 8 * 2.0**-53
    self.assertIsNone(seahorses(width).warning("float64"))
    self.assertIsNotNone(seahorses(width * 0.999).warning("float64"))


class BoundsTest(parameterized.TestCase):
  @parameterized.parameters(
    ((99.0, 0.0), 3.0), ((0.0, -99.5), 3.0), ((float("nan"), 0.0), 3.0),
    ((0.0, float("inf")), 3.0), ((0.0, 0.0), 201.0),
  )  # fmt: skip
  def test_out_of_bounds(self, center, width):
    with self.assertRaisesRegex(
      ValueError, "--center, --size and --width .* 100"
    ):
      Window(center, width, 100, 100)


if __name__ == "__main__":
  absltest.main()

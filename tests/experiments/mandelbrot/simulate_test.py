import fractions
import math
import os
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from experiments.mandelbrot import simulate
from experiments.mandelbrot.self_test import numpy_counts

# Half of it is sea, with both known parts of the set and hairs between them.
X = np.linspace(-1.6, 0.6, 53)
Y = np.linspace(-0.7, 1.1, 37)


class CountsTest(tf.test.TestCase, parameterized.TestCase):
  def test_the_published_picture_is_numpys(self):
    # As the page has it.
    y, x = np.mgrid[-1.3:1.3:0.005, -2:1:0.005].astype(np.float32)
    x, y = x[0], y[:, 0]
    counts = simulate.escape_counts(x, y, 200)
    self.assertEqual(counts.dtype, np.float32)
    self.assertAllEqual(counts, numpy_counts(x, y, 200))
    self.assertEqual(counts.shape, (520, 600))
    self.assertEqual((counts == 200).sum(), 61115)
    self.assertAllClose(counts.sum(dtype=float), 13373370, rtol=1e-4)

  @parameterized.parameters(1, 15, 16, 17, 63, 199, 200, 201, 1000, 1001)
  def test_any_number_of_steps(self, max_steps):
    counts = simulate.escape_counts(X, Y, max_steps)
    expected = numpy_counts(X, Y, max_steps)
    self.assertEqual(expected.max(), max_steps)
    self.assertAllEqual(counts, expected)

  @parameterized.parameters((1, 1), (3, 1), (1, 3), (80, 77))
  def test_any_size(self, columns, rows):
    x, y = np.linspace(-1.5, 0.5, columns), np.linspace(0.1, 1, rows)
    counts = simulate.escape_counts(x, y, 30)
    self.assertAllEqual(counts, numpy_counts(x, y, 30))

  def test_by_hand(self):
    # 1: 2, 5. -2: 2, 2, ... 0.5: 0.75, 1.06, 1.63, 3.15, 10.4.
    x = np.float32([1, -2, 0.5, 9])
    counts = simulate.escape_counts(x, np.float32([0]), 100)
    self.assertAllEqual(counts, [[1, 100, 4, 0]])

  def test_when_all_have_escaped_or_none(self):
    far, near = np.linspace(1, 2, 5), np.linspace(-0.2, 0.2, 5)
    self.assertLess(simulate.escape_counts(far, far, 1000).max(), 3)
    self.assertAllEqual(
      simulate.escape_counts(near, near, 1000), np.full([5, 5], 1000)
    )

  def test_another_window_or_number_of_steps_is_not_traced_again(self):
    functions = (
      simulate._first_counts,
      simulate._chunk_counts,
      simulate._tile_counts,
    )
    x, y = np.linspace(-0.75, -0.735, 200), np.linspace(0.1, 0.13, 190)
    # There is more than one number of chunks.
    simulate.escape_counts(x, y, 50)
    simulate.escape_counts(x + 0.5, y + 0.4, 50)
    before = [f.experimental_get_tracing_count() for f in functions]
    for far, max_steps in ((0, 300), (0.02, 50), (0.1, 41), (0.2, 200)):
      simulate.escape_counts(x + far, y, max_steps)
    self.assertEqual(
      before, [f.experimental_get_tracing_count() for f in functions]
    )

  @parameterized.parameters(("float32", 1, 4), ("float64", 5, 5))
  def test_many_points_that_stay_long(self, dtype, cores, per_call):
    # Most of 38,000 points are live after the first steps.
    x = np.linspace(-0.75, -0.735, 200, dtype=dtype)
    y = np.linspace(0.1, 0.13, 190, dtype=dtype)
    wraps = simulate._chunk_counts
    with (
      mock.patch.object(simulate, "_STEPS_PER_CALL", 4 * 40 * 2048),
      mock.patch.object(os, "cpu_count", return_value=cores),
      mock.patch.object(simulate, "_chunk_counts", wraps=wraps) as calls,
    ):
      counts = simulate.escape_counts(x, y, 40)
    live = (numpy_counts(x, y, 16) == 16) & ~simulate.surely_inside(
      x, y[:, np.newaxis]
    )
    num_chunks = math.ceil(live.sum() / 2048)
    self.assertGreater(num_chunks, 2 * per_call)
    self.assertEqual(calls.call_count, math.ceil(num_chunks / per_call))
    self.assertAllEqual(counts, numpy_counts(x, y, 40))


def exactly_inside(x, y):
  """Whether points are in the cardioid or the disc, without any rounding."""
  found = []
  for a, b in zip(x.tolist(), y.tolist(), strict=True):
    a, b = fractions.Fraction(a), fractions.Fraction(b)
    q = (a - fractions.Fraction(1, 4)) ** 2 + b * b
    cardioid = 4 * q * (q + a - fractions.Fraction(1, 4)) <= b * b
    found.append(cardioid or 16 * ((a + 1) ** 2 + b * b) <= 1)
  return np.array(found)


class SurelyInsideTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters("float32", "float64")
  def test_those_stay(self, dtype):
    # Fine about the edges of both parts: where they touch, and the cusp.
    for left, right in ((-1.3, -0.7), (-0.78, -0.72), (0.2, 0.3)):
      x = np.linspace(left, right, 40, dtype=dtype)
      y = np.linspace(0, right - left, 40, dtype=dtype)
      inside = simulate.surely_inside(x, y[:, np.newaxis])
      counts = numpy_counts(x, y, 2000)
      self.assertBetween(inside.mean(), 0.05, 0.95)
      self.assertAllEqual(counts[inside], np.full(inside.sum(), 2000))

  @parameterized.product(
    dtype=("float32", "float64"), part=("cardioid", "disc")
  )
  def test_nobody_at_the_edge_is_taken_by_rounding(self, dtype, part):
    # Down to the points where both parts touch and where the cusp is.
    angles = np.concatenate(
      [np.linspace(0.01, 3.13, 1000), np.geomspace(1e-6, 1, 500)]
    )
    angles = np.concatenate([angles, math.pi - angles])
    turns = np.exp(1j * angles)
    c = turns / 2 - turns**2 / 4 if part == "cardioid" else turns / 4 - 1
    x, y = c.real.astype(dtype), c.imag.astype(dtype)
    # Who is rounded to the outside is there by less than can be computed.
    inside = exactly_inside(x, y)
    self.assertBetween(inside.mean(), 0.2, 0.8)
    self.assertFalse(np.any(simulate.surely_inside(x, y) & ~inside))
    # A thousandth further in, they are found.
    middle = 0 if part == "cardioid" else -1
    c = middle + 0.999 * (c[:1000] - middle)
    x, y = c.real.astype(dtype), c.imag.astype(dtype)
    self.assertGreater(simulate.surely_inside(x, y).mean(), 0.95)

  def test_between_both_parts(self):
    # Such points escape after about pi / y steps, in float32 only the first:
    # the second stays, but for the rounding of its z.
    for y, dtype in ((3e-3, "float32"), (3e-3, "float64"), (2.4e-4, "float64")):
      point = np.array([[-0.75], [y]], dtype)
      self.assertFalse(simulate.surely_inside(*point).item())
      counts = simulate.escape_counts(*point, 20000).item()
      self.assertAlmostEqual(counts, math.pi / y, delta=5)
    point = np.float32([[-0.75], [2.4e-4]])
    self.assertFalse(simulate.surely_inside(*point).item())

  def test_they_are_nearly_all_of_the_two_parts(self):
    # Areas 3/8 pi and pi/16; the whole set has 1.5066.
    x, y = np.linspace(-2, 1, 1500), np.linspace(-1.25, 1.25, 1250)
    share = simulate.surely_inside(x, y[:, np.newaxis]).mean()
    self.assertAllClose(share * 7.5, math.pi * 7 / 16, rtol=2e-3)


class SmoothTest(tf.test.TestCase, parameterized.TestCase):
  def test_by_hand(self):
    # 1: 2, 5, 26, 677: beyond 4 after one step within, beyond 256 after three.
    one, zero = np.float64([1]), np.float64([0])
    for radius, count, z in ((4, 1, 5), (25, 2, 26), (256, 3, 677)):
      value = simulate.escape_counts(one, zero, 50, smooth=True, radius=radius)
      self.assertAllClose(
        value, [[count - math.log2(math.log(z) / math.log(4))]], rtol=1e-6
      )

  def test_the_radius_is_256(self):
    # 3.75, 15.6, 243.7, 59387.1: the third is within 256, and beyond less.
    z = 243.6914**2 + 1.5
    value = simulate.escape_counts(
      np.float64([1.5]), np.float64([0]), 50, smooth=True
    )
    expected = 3 - math.log2(math.log(z) / math.log(4))
    self.assertAllClose(value, [[expected]], rtol=0, atol=5e-7)

  @parameterized.parameters(10, 203)
  def test_who_leaves_later_has_not_left(self, max_steps):
    # The next few steps are taken as well; they must not lower the value.
    smooth = simulate.escape_counts(X, Y, max_steps, smooth=True)
    whole = simulate.escape_counts(X, Y, max_steps, radius=256)
    self.assertAllEqual(smooth == max_steps, whole == max_steps)
    later = simulate.escape_counts(X, Y, max_steps + 3, radius=256)
    self.assertNotEmpty(later[(later > max_steps) & (later < max_steps + 3)])

  def test_it_hardly_depends_on_the_radius(self):
    large, larger = (
      simulate.escape_counts(X, Y, 400, smooth=True, radius=radius)
      for radius in (128, 256)
    )
    escaped = (larger < 400) & (large < 400)
    self.assertGreater(escaped.sum(), 500)
    self.assertAllClose(large[escaped], larger[escaped], atol=1e-3)

  def test_for_the_published_radius_it_ends_at_the_count(self):
    counts = simulate.escape_counts(X, Y, 400)
    smooth = simulate.escape_counts(X, Y, 400, smooth=True, radius=4)
    escaped = counts < 400
    less = counts[escaped] - smooth[escaped]
    # |z| is 4 at least, and at most 16 + |c|.
    self.assertAllGreaterEqual(less, 0)
    self.assertAllLess(less, math.log2(math.log(18) / math.log(4)))
    self.assertAllEqual(smooth[~escaped], counts[~escaped])

  def test_between_neighbours_there_is_no_edge(self):
    x, y = np.linspace(0.5, 1.5, 4000), np.float64([0.3])
    smooth = simulate.escape_counts(x, y, 50, smooth=True)
    counts = simulate.escape_counts(x, y, 50)
    self.assertEqual(np.abs(np.diff(counts)).max(), 1)
    self.assertLess(np.abs(np.diff(smooth)).max(), 0.02)


if __name__ == "__main__":
  tf.test.main()

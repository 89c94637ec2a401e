import math
import re

import numpy as np
from absl.testing import absltest, parameterized

from experiments.pde import simulate, stability

SHAPE = (6, 5)


def matrix_of(function, num_arrays):
  """Returns the matrix of a linear function of arrays of SHAPE, float64."""
  size = num_arrays * math.prod(SHAPE)
  columns = []
  for unit in np.eye(size):
    found = function(*unit.reshape([num_arrays, *SHAPE]))
    columns.append(np.ravel(found))
  return np.stack(columns, axis=1)


def wave_numbers():
  """Returns k of all waves of a pond of SHAPE, by the formula."""
  rows, columns = (
    np.cos(np.pi * np.arange(1, size + 1) / (size + 1)) for size in SHAPE
  )
  return np.ravel(8 - 2 * np.multiply.outer(1 + rows, 1 + columns))


class WavesTest(parameterized.TestCase):
  def test_the_stencil_is_symmetric_and_its_eigenvalues_are_those(self):
    matrix = matrix_of(simulate.laplace, 1)
    np.testing.assert_array_equal(matrix, matrix.T)
    found = np.linalg.eigvalsh(matrix)
    np.testing.assert_allclose(found, np.sort(-wave_numbers()), atol=1e-12)
    self.assertLess(found.max(), 0)

  @parameterized.product(
    scheme=stability.SCHEMES,
    settings=[(0.03, 0.04), (0.5, 0.0), (0.68, 0.3), (0.8, 0.1), (0.4, 6.0)],
  )
  def test_growth_is_that_of_the_matrix_of_a_step(self, scheme, settings):
    matrix = matrix_of(lambda u, ut: simulate.step(u, ut, *settings, scheme), 2)
    radius = np.abs(np.linalg.eigvals(matrix)).max()
    waves = [
      stability.wave_growth(k, *settings, scheme) for k in wave_numbers()
    ]
    np.testing.assert_allclose(radius, max(waves), rtol=1e-6)
    # That of all ponds is not less, and here little more.
    found = stability.growth(*settings, scheme)
    self.assertBetween(found, radius - 1e-6, 1.05 * max(radius, 1))

  @parameterized.product(
    scheme=stability.SCHEMES,
    eps=[0.001, 0.03, 0.4, 0.69, 0.75, 2.0],
    damping=[0, 0.04, 1, 3, 6, 20],
  )
  def test_no_wave_between_grows_more(self, scheme, eps, damping):
    waves = [
      stability.wave_growth(k, eps, damping, scheme)
      for k in np.linspace(0, 8, 161)
    ]
    found = stability.growth(eps, damping, scheme)
    np.testing.assert_allclose(max(waves), found, rtol=1e-6)
    self.assertGreaterEqual(found, 1)

  def test_of_the_tutorial(self):
    # sqrt(1 - 0.03 * 0.04 + 0.03^2 * 8) = sqrt(1.006)
    found = stability.growth(0.03, 0.04, "euler")
    self.assertAlmostEqual(found, math.sqrt(1.006))
    self.assertBetween(found**1000, 19.9, 19.92)


class LargestEpsTest(parameterized.TestCase):
  def test_by_hand(self):
    # 4 / (0 + sqrt(32)), and 4 / (2 + sqrt(4 + 32)).
    for damping, stable in ((0, math.sqrt(0.5)), (2, 0.5)):
      found = stability.stable_eps(damping, "semi_implicit")
      self.assertAlmostEqual(found, stable)
      found = stability.largest_eps(damping, 9, "semi_implicit")
      self.assertAlmostEqual(found, 0.75 * stable)
    # damping / 8, and 2 / damping once that is less.
    for damping, stable in ((0, 0), (0.04, 0.005), (8, 0.25)):
      found = stability.stable_eps(damping, "euler")
      self.assertAlmostEqual(found, stable)

  @parameterized.parameters(0, 0.04, 1, 3, 20)
  def test_energy_of_semi_implicit_is_bounded_up_to_it(self, damping):
    # By the smaller eigenvalue of the modified energy's matrix for ut and s.
    eps = stability.largest_eps(damping, 9, "semi_implicit")
    smallest = []
    for k in np.linspace(0, 8, 81):
      mixed = -eps * math.sqrt(k) / 2
      matrix = [[1 - eps * damping / 2, mixed], [mixed, 1]]
      smallest.append(np.linalg.eigvalsh(matrix)[0])
    self.assertAlmostEqual(smallest[-1], 1 / stability.MAX_ENERGY)
    self.assertEqual(min(smallest), smallest[-1])

  @parameterized.parameters(0, 0.04, 1, 3)
  def test_semi_implicit_grows_above_it_alone(self, damping):
    stable = stability.stable_eps(damping, "semi_implicit")
    grown = stability.growth(stable * 0.9999, damping, "semi_implicit")
    self.assertAlmostEqual(grown, 1, places=9)
    grown = stability.growth(stable * 1.01, damping, "semi_implicit")
    self.assertGreater(grown, 1.01)

  @parameterized.product(damping=[0, 0.04, 1], num_steps=[100, 1000, 50_000])
  def test_euler_grows_a_hundred_times(self, damping, num_steps):
    largest = stability.largest_eps(damping, num_steps, "euler")
    grown = stability.growth(largest, damping, "euler") ** num_steps
    np.testing.assert_allclose(grown, 100, rtol=1e-6)

  def test_euler_with_much_damping(self):
    largest = stability.largest_eps(20, 1000, "euler")
    self.assertAlmostEqual(largest, 0.1)
    self.assertAlmostEqual(stability.growth(largest, 20, "euler"), 1)
    self.assertGreater(stability.growth(1.01 * largest, 20, "euler"), 1.01)


class CheckTest(parameterized.TestCase):
  @parameterized.parameters(
    (0.03, 0.04, 1000, "euler"),
    (0.03658, 0.04, 1000, "euler"),
    (0.5263, 0.04, 1000, "semi_implicit"),
    (1e-37, 0.04, 1000, "euler"),
    (1e-6, 1e6, 1000, "semi_implicit"),
    (1e-6, 1e6, 1000, "euler"),
    (0.005, 0.04, 10**9, "euler"),
    (0.1, 0, 10, "euler"),
  )
  def test_allowed(self, *settings):
    stability.check(*settings)

  @parameterized.parameters(0.0367, 0.5, math.inf)
  def test_eps_of_euler(self, eps):
    with self.assertRaisesRegex(
      ValueError,
      r"^--eps must be at most 0.03658 for --scheme=euler and --damping=0.04 "
      rf"and --num_steps=1000, .* waves grow too much, but is {eps}; .* for "
      r"ever up to 0.005\), or --scheme=semi_implicit, which may have up to "
      r"0.5263.$",
    ):
      stability.check(eps, 0.04, 1000, "euler")

  @parameterized.parameters(0.527, 0.703, math.inf)
  def test_eps_of_semi_implicit(self, eps):
    with self.assertRaisesRegex(
      ValueError,
      "^--eps must be at most 0.5263 for --scheme=semi_implicit and "
      "--damping=0.04, since with a longer one energy may rise to more than 4 "
      f"times the start's, but is {eps}; give one that is not longer.$",
    ):
      stability.check(eps, 0.04, 1000, "semi_implicit")

  @parameterized.product(
    scheme=stability.SCHEMES, eps=[0.0, -0.03, math.nan, -math.inf, 1e-320]
  )
  def test_eps_that_is_none(self, scheme, eps):
    with self.assertRaisesRegex(
      ValueError,
      f"^--eps must be a number above 0, at least .* 1.175e-38, but is {eps}; ",
    ):
      stability.check(eps, 0.04, 1000, scheme)

  @parameterized.parameters(-0.1, math.nan, math.inf, 1e300, 1000001.0)
  def test_damping(self, damping):
    with self.assertRaisesRegex(
      ValueError,
      "^--damping must be between 0 and 1000000, but is "
      f"{re.escape(str(damping))}; give",
    ):
      stability.check(0.03, damping, 1000, "semi_implicit")


if __name__ == "__main__":
  absltest.main()

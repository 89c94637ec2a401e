from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from experiments.pde import simulate, stability
from experiments.pde.stability import SCHEMES

STENCIL = np.array([[0.5, 1, 0.5], [1, -6, 1], [0.5, 1, 0.5]])


def numpy_laplace(u):
  """Returns the sum of the stencil's nine shifted fields."""
  padded = np.pad(u, 1)
  height, width = u.shape
  return sum(
    STENCIL[row, column] * padded[row : row + height, column : column + width]
    for row in range(3)
    for column in range(3)
  )


def numpy_run(u, ut, eps, damping, num_steps, scheme):
  for _ in range(num_steps):
    old_ut, ut = ut, ut + eps * (numpy_laplace(u) - damping * ut)
    u = u + eps * (old_ut if scheme == "euler" else ut)
  return u, ut


def some_state(shape=(7, 9), dtype=np.float64):
  random = np.random.default_rng(0)
  return random.normal(size=[2, *shape]).astype(dtype)


def wave(rows, columns, size=20):
  """Returns (a wave of that many half waves, its k)."""
  p, q = (np.pi * count / (size + 1) for count in (rows, columns))
  cells = np.arange(1, size + 1)
  k = 8 - 2 * (1 + np.cos(p)) * (1 + np.cos(q))
  return np.multiply.outer(np.sin(p * cells), np.sin(q * cells)), k


class LaplaceTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters("float32", "float64")
  def test_of_a_drop(self, dtype):
    found = simulate.laplace(np.pad(np.ones([1, 1], dtype), [[2, 2], [2, 3]]))
    self.assertEqual(found.dtype, dtype)
    self.assertAllEqual(found, np.pad(STENCIL, [[1, 1], [1, 2]]))

  def test_at_the_border(self):
    found = simulate.laplace([[0.0, 0, 0], [0, 0, 2]])
    self.assertAllEqual(found, [[0, 1, 2], [0, 2, -12]])
    self.assertAllEqual(simulate.laplace([[3.0]]), [[-18]])

  def test_of_water_of_one_height(self):
    # 0 inside; outside it is lower, by 3 cells at a side and 5 in a corner.
    found = simulate.laplace(tf.ones([4, 5]))
    expected = np.full([4, 5], -2.0)
    expected[1:-1, 1:-1] = 0
    expected[[0, 0, -1, -1], [0, -1, 0, -1]] = -3.5
    self.assertAllEqual(found, expected)

  def test_is_the_sum_of_neighbours(self):
    u, _ = some_state()
    self.assertAllClose(simulate.laplace(u), numpy_laplace(u), 1e-12, 1e-12)


class StepTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(("euler", 2.0), ("semi_implicit", 0.375))
  def test_by_hand(self, scheme, height):
    # ut = 2 + 0.5 (-6 - 0.25 * 2); u = 1 + 0.5 * 2, or 1 + 0.5 * -1.25.
    one = tf.ones([1, 1])
    u, ut = simulate.step(one, 2 * one, 0.5, 0.25, scheme)
    self.assertAllEqual((u, ut), ([[height]], [[-1.25]]))

  @parameterized.product(
    scheme=SCHEMES, dtype=[np.float32, np.float64], num_steps=[0, 1, 25]
  )
  def test_run_is_numpys_loop(self, scheme, dtype, num_steps):
    state = some_state(dtype=dtype)
    found = simulate.run(*state, 0.1, 0.3, num_steps, scheme)
    expected = numpy_run(*state, 0.1, 0.3, num_steps, scheme)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for array, value in zip(found, expected, strict=True):
      self.assertEqual(array.dtype, dtype)
      self.assertAllClose(array, value, tolerance, tolerance)

  @parameterized.parameters(*SCHEMES)
  def test_still_water_stays_still(self, scheme):
    zeros = tf.zeros([6, 4])
    found = simulate.run(zeros, zeros, 0.03, 0.04, 100, scheme)
    self.assertAllEqual(found, (zeros, zeros))

  def test_other_numbers_are_not_compiled_anew(self):
    traces = []
    for eps, damping, num_steps in ((0.1, 0.2, 3), (0.2, 0.1, 4), (0.1, 0, 5)):
      simulate.run(*some_state([3, 11]), eps, damping, num_steps)
      traces.append(simulate._run.experimental_get_tracing_count())
    self.assertLen(set(traces), 1)

  def test_a_pond_is_the_same_from_all_sides(self):
    u, ut = some_state([8, 8])
    found = simulate.run(u, ut, 0.1, 0.1, 15)
    turned = simulate.run(np.rot90(u), np.rot90(ut), 0.1, 0.1, 15)
    mirrored = simulate.run(u.T, ut.T, 0.1, 0.1, 15)
    for array, after_turn, after_mirror in zip(
      found, turned, mirrored, strict=True
    ):
      self.assertAllClose(np.rot90(array), after_turn, 1e-12, 1e-12)
      self.assertAllClose(np.transpose(array), after_mirror, 1e-12, 1e-12)

  @parameterized.parameters(
    (10, 4, [0, 4, 8, 10]), (6, 3, [0, 3, 6]), (2, 9, [0, 2])
  )
  def test_history(self, num_steps, frame_every, steps):
    start = simulate.drops(6, 3, seed=0)
    found = list(
      simulate.history(start, 0.1, 0.2, num_steps, frame_every, "semi_implicit")
    )
    self.assertEqual([done for done, _, _ in found], steps)
    for done, u, ut in found:
      state = simulate.run(start, 0 * start, 0.1, 0.2, done, "semi_implicit")
      self.assertAllClose((u, ut), state, 1e-6, 1e-6)

  def test_history_in_short_calls(self):
    # Ctrl-C waits for a call: 3 steps at most, and 100 // 36 of a larger pond.
    start = simulate.drops(6, 3, seed=0)
    for most, cells, calls in (
      (3, 1000, [3, 3, 1, 3]),
      (3, 100, [2, 2, 2, 1, 2, 1]),
      (3, 9, [1] * 10),
    ):
      with (
        mock.patch.object(simulate, "_STEPS_A_CALL", most),
        mock.patch.object(simulate, "_CELLS_A_CALL", cells),
        mock.patch.object(simulate, "run", wraps=simulate.run) as run,
      ):
        *_, (done, *state) = simulate.history(start, 0.1, 0.2, 10, 7)
      self.assertEqual([call.args[4] for call in run.call_args_list], calls)
      self.assertEqual(done, 10)
      expected = simulate.run(start, 0 * start, 0.1, 0.2, 10)
      self.assertAllClose(state, expected, 1e-6, 1e-6)

  @parameterized.parameters((500, 1000), (1000, 536), (8192, 8))
  def test_steps_of_a_call(self, size, most):
    u = np.broadcast_to(np.float32(0), [size, size])
    with (
      mock.patch.object(simulate, "run", return_value=(None, None)) as run,
      mock.patch.object(tf, "zeros_like"),
    ):
      list(simulate.history(u, 0.1, 0.2, most + 1, 3 * 10**9))
    self.assertEqual([call.args[4] for call in run.call_args_list], [most, 1])


class DropsTest(tf.test.TestCase):
  def test_drops(self):
    u = simulate.drops(50, 30, seed=1)
    self.assertEqual((u.shape, u.dtype), ((50, 50), np.float32))
    hit = u[u > 0]
    self.assertBetween(len(hit), 25, 30)
    self.assertBetween(hit.max(), 0.8, 1)
    self.assertBetween(hit.min(), 0, 0.2)
    rows, columns = np.nonzero(u)
    for places in (rows, columns):
      self.assertBetween(places.min(), 0, 10)
      self.assertBetween(places.max(), 40, 49)

  def test_seeds(self):
    u = simulate.drops(9, 5, seed=1)
    self.assertAllEqual(u, simulate.drops(9, 5, seed=1))
    self.assertNotAllEqual(u, simulate.drops(9, 5, seed=2))

  def test_few(self):
    self.assertAllEqual(simulate.drops(3, 0, seed=1), np.zeros([3, 3]))
    self.assertBetween(simulate.drops(1, 4, seed=1), 0, 1)


class EnergyTest(tf.test.TestCase, parameterized.TestCase):
  def test_by_hand(self):
    # (3^2 + 6 * 2^2) / 2, in float64 though the state is float32.
    found = simulate.energy(tf.constant([[2.0]]), tf.constant([[3.0]]))
    self.assertEqual(found.dtype, tf.float64)
    self.assertAllEqual(found, 16.5)
    # A drop of 1 deep inside and water that stands: 6 / 2.
    drop = np.pad([[1.0]], 3)
    self.assertAllEqual(simulate.energy(drop, 0 * drop), 3)

  def test_its_rate_is_the_damping(self):
    u, ut = some_state()
    eps = 1e-6
    after = simulate.energy(*simulate.step(u, ut, eps, 0.3))
    rate = (after - simulate.energy(u, ut)) / eps
    self.assertAllClose(rate, -0.3 * np.sum(ut**2), rtol=1e-3)

  @parameterized.parameters((1, 1), (20, 20), (20, 3))
  def test_euler_without_damping_adds_to_each_wave(self, rows, columns):
    u, k = wave(rows, columns)
    ut = 0.7 * u
    after = simulate.energy(*simulate.run(u, ut, 0.1, 0.0, 10))
    growth = after / simulate.energy(u, ut)
    self.assertAllClose(growth, (1 + 0.1**2 * k) ** 10, rtol=1e-10)

  @parameterized.parameters((0, 0.75), (0.04, 0.04), (0.04, 0.95), (3, 0.5))
  def test_modified_energy_in_each_step(self, damping, share):
    eps = share * stability.stable_eps(damping, "semi_implicit")
    u = simulate.drops(20, 5, seed=1).astype(np.float64)
    ut = np.zeros_like(u)
    start = simulate.energy(u, ut)
    before = simulate.modified_energy(u, ut, eps, damping)
    self.assertAllClose(before, start, rtol=1e-12)
    for _ in range(60):
      u, new_ut = simulate.step(u, ut, eps, damping, "semi_implicit")
      after = simulate.modified_energy(u, new_ut, eps, damping)
      lost = eps * damping * np.sum((ut + new_ut) ** 2) / 4
      self.assertAllClose(before - after, lost, rtol=1e-9, atol=1e-11 * start)
      self.assertGreater(after, 0)
      # What the energy may be on the way; at rest both are the same.
      self.assertLess(simulate.energy(u, new_ut), start / (1 - share))
      before, ut = after, new_ut

  @parameterized.parameters(0.04, 0.75)
  def test_of_the_shortest_wave_it_rises_as_far_as_it_may(self, share):
    u, k = wave(20, 20)
    eps = share * stability.stable_eps(0, "semi_implicit")
    states = simulate.history(u, eps, 0, 60, 1, "semi_implicit")
    energies = [simulate.energy(*state) for _, *state in states]
    limit = 1 / (1 - eps * np.sqrt(k) / 2)
    self.assertBetween(max(energies) / energies[0], 0.97 * limit, limit)

  def energies(self, scheme, eps, num_steps, damping=0.04):
    start = simulate.drops(30, 5, seed=1).astype(np.float64)
    states = simulate.history(
      start, eps, damping, num_steps, num_steps // 20, scheme
    )
    return np.array([simulate.energy(u, ut) for _, u, ut in states])

  def test_damping_makes_it_fall(self):
    # In each 250 steps; from one step to the next it may rise a little.
    found = self.energies("semi_implicit", 0.03, 5000)
    self.assertAllInRange(np.diff(found), -np.inf, 0)
    # As much as damping takes from waves that swing: e^(-damping * time).
    self.assertAllClose(found[-1] / found[0], np.exp(-0.04 * 150), rtol=0.1)

  def test_without_damping_it_stays(self):
    found = self.energies("semi_implicit", 0.03, 5000, damping=0)
    self.assertAllClose(found / found[0], np.ones(21), rtol=0.05)

  def test_of_euler_it_falls_as_long_as_no_wave_grows(self):
    # The shortest then keep theirs, all others lose some.
    found = self.energies("euler", 0.04 / 8, 20_000)
    self.assertBetween(found[-1] / found[0], 0.5, 0.8)
    found = self.energies("euler", 0.04 / 16, 20_000)
    self.assertBetween(found[-1] / found[0], 0.2, 0.5)
    # The tutorial's step is longer: the shortest waves grow.
    found = self.energies("euler", 0.03, 1000)
    self.assertBetween(found[-1] / found[0], 100, 400)


if __name__ == "__main__":
  tf.test.main()

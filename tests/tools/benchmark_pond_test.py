"""Tests of the pond's benchmark: that both do the same, and what it says."""

import statistics
from unittest import mock

import numpy as np
from absl.testing import absltest

from experiments.pde.config import Config
from tools import benchmark, benchmark_pond, memory_bandwidth

SMALL = Config(size=20, num_drops=4, num_steps=30)


class BenchmarkPondTest(absltest.TestCase):
  def test_both_make_the_same_waves(self):
    ours, numpys, _ = benchmark_pond.programs(SMALL)
    numpys.run()
    self.assertGreater(np.ptp(ours.heights), 0.1)
    np.testing.assert_allclose(ours.heights, numpys.heights, atol=1e-5)
    # A second run starts anew.
    before = numpys.heights
    ours.run()
    numpys.run()
    np.testing.assert_array_equal(before, numpys.heights)
    np.testing.assert_allclose(ours.heights, before, atol=1e-5)

  def test_they_do_what_the_tutorial_does(self):
    with mock.patch.object(benchmark_pond.Pond, "run"):
      pond, *_ = benchmark_pond.programs()
    self.assertEqual(pond._start.shape, (500, 500))
    self.assertEqual(pond._config, Config())

  def test_measures_what_the_ratios_need(self):
    with mock.patch.object(
      memory_bandwidth, "copy_bytes_per_second", return_value=1e9
    ):
      measured = benchmark.measure_in_turn(
        benchmark_pond.programs(SMALL), rounds=3
      )
    self.assertEqual(
      list(measured),
      ["pond_run", "pond_step", "numpy_pond_run", "pond_step_bound"],
    )
    # 400 cells of 16 bytes.
    self.assertEqual(measured["pond_step_bound"], [6.4e-6] * 3)
    np.testing.assert_allclose(
      measured["pond_step"], np.divide(measured["pond_run"], 30)
    )
    with mock.patch.object(benchmark, "RATIOS", benchmark_pond.RATIOS):
      *_, faster, share = benchmark.report(measured)
    name, value, unit = share.split()
    self.assertEqual((name, unit), ("pond_step_over_pond_step_bound", "x"))
    self.assertAlmostEqual(
      float(value), 6.4e-6 / statistics.median(measured["pond_step"]), places=3
    )
    self.assertStartsWith(faster, "pond_run_over_numpy_pond_run ")


if __name__ == "__main__":
  absltest.main()

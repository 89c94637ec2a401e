from unittest import mock

import numpy as np
from absl.testing import absltest

from experiments.mandelbrot.config import Config
from tools import benchmark, benchmark_mandelbrot, memory_bandwidth

CONFIG = Config(size=(30, 26), max_steps=50)


class BenchmarkMandelbrotTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    # A million bytes a second.
    self.enterContext(
      mock.patch.object(
        memory_bandwidth, "copy_bytes_per_second", return_value=1e6
      )
    )

  def test_measures_what_the_ratios_need(self):
    programs = benchmark_mandelbrot.programs(CONFIG)
    measured = benchmark.measure_in_turn(programs, rounds=2)
    self.assertEqual(
      list(measured),
      [
        "mandelbrot_picture",
        "mandelbrot_step",
        "numpy_mandelbrot_picture",
        "mandelbrot_step_bound",
      ],
    )
    for name in benchmark_mandelbrot.RATIOS:
      self.assertContainsSubset(name.split("_over_"), measured)
    np.testing.assert_allclose(
      measured["mandelbrot_step"], np.divide(measured["mandelbrot_picture"], 50)
    )
    # 780 points of 32 bytes.
    self.assertEqual(measured["mandelbrot_step_bound"], [0.02496] * 2)

  def test_without_a_config_it_is_the_published_picture(self):
    with mock.patch.object(benchmark_mandelbrot.simulate, "escape_counts"):
      *_, bound = benchmark_mandelbrot.programs()
    self.assertEqual(bound.measure(), {"mandelbrot_step_bound": 9.984})

  def test_both_give_the_same_counts(self):
    ours, numpys, _ = benchmark_mandelbrot.programs(CONFIG)
    np.testing.assert_array_equal(ours.counts(), numpys.counts())
    self.assertEqual(ours.counts().shape, (26, 30))

  def test_the_median_of_the_runs_counts(self):
    # Runs take 1, 2, 9, 4 and 3 seconds.
    clock = mock.Mock(side_effect=[0, 1, 0, 2, 0, 9, 0, 4, 0, 3])
    runs = mock.Mock()
    with mock.patch.object(benchmark_mandelbrot.time, "perf_counter", clock):
      self.assertEqual(benchmark_mandelbrot._seconds(runs), 3)
    self.assertEqual(runs.call_count, 5)


if __name__ == "__main__":
  absltest.main()

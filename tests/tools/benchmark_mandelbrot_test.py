import dataclasses
from unittest import mock

import numpy as np
from absl.testing import absltest

from experiments.mandelbrot import simulate
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
        "mandelbrot_live_step",
        "numpy_mandelbrot_picture",
        "mandelbrot_picture_bound",
        "mandelbrot_live_step_bound",
      ],
    )
    for name in benchmark_mandelbrot.RATIOS:
      self.assertContainsSubset(name.split("_over_"), measured)
    # 780 points; 32 bytes a step.
    steps = programs[2].counts().sum()
    for name, expected in (("picture", steps * 32e-6), ("live_step", 0.02496)):
      np.testing.assert_allclose(
        measured[f"mandelbrot_{name}_bound"], [expected] * 2
      )

  def test_the_ratios_say_how_many_times_faster_ours_is(self):
    lines = benchmark.report(
      {
        "mandelbrot_picture": [2.0],
        "mandelbrot_live_step": [0.5],
        "numpy_mandelbrot_picture": [20.0],
        "mandelbrot_picture_bound": [3.0],
        "mandelbrot_live_step_bound": [0.2],
      }
    )
    self.assertEqual(
      lines[5:],
      [
        "mandelbrot_picture_over_numpy_mandelbrot_picture 10 x",
        "mandelbrot_picture_over_mandelbrot_picture_bound 1.5 x",
        "mandelbrot_live_step_over_mandelbrot_live_step_bound 0.4 x",
      ],
    )

  def test_without_a_config_it_is_the_published_picture(self):
    counts = np.full([520, 600], 200, np.float32)
    with mock.patch.object(
      benchmark_mandelbrot.simulate, "escape_counts", return_value=counts
    ):
      *_, bounds = benchmark_mandelbrot.programs()
    self.assertEqual(
      bounds.measure(),
      {
        "mandelbrot_picture_bound": 200 * 9.984,
        "mandelbrot_live_step_bound": 9.984,
      },
    )

  def test_both_give_the_same_counts(self):
    ours, _, numpys, _ = benchmark_mandelbrot.programs(CONFIG)
    np.testing.assert_array_equal(ours.counts(), numpys.counts())
    self.assertEqual(ours.counts().shape, (26, 30))

  def test_all_points_of_the_live_window_take_all_steps(self):
    live = benchmark_mandelbrot.Live(CONFIG)
    np.testing.assert_array_equal(live.counts(), np.full([26, 30], 50))
    config = dataclasses.replace(CONFIG, **benchmark_mandelbrot.LIVE)
    x, y = config.window(config.width).coordinates("float32")
    self.assertFalse(simulate.surely_inside(x, y[:, np.newaxis]).any())
    # Runs of 5 seconds are of 50 steps.
    with mock.patch.object(benchmark_mandelbrot, "_seconds", return_value=5):
      self.assertEqual(live.measure(), {"mandelbrot_live_step": 0.1})

  def test_the_median_of_the_runs_counts(self):
    # Runs take 1, 2, 9, 4 and 3 seconds.
    clock = mock.Mock(side_effect=[0, 1, 0, 2, 0, 9, 0, 4, 0, 3])
    runs = mock.Mock()
    with mock.patch.object(benchmark_mandelbrot.time, "perf_counter", clock):
      self.assertEqual(benchmark_mandelbrot._seconds(runs), 3)
    self.assertEqual(runs.call_count, 5)


if __name__ == "__main__":
  absltest.main()

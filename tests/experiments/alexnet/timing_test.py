import contextlib
import io
import statistics

import tensorflow as tf

from experiments.alexnet import timing

DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+"


class Clock:
  """Says that a run has taken as long as it was told."""

  def __init__(self, durations):
    self._durations = iter(durations)
    self._now = 0.0
    self.runs = 0

  def run(self):
    self._now += next(self._durations)
    self.runs += 1

  def __call__(self):
    return self._now


def timed(durations):
  """Returns the Timing of the durations after the burn-in, and the lines."""
  clock = Clock([100.0] * timing.BURN_IN + durations)
  printed = io.StringIO()
  with contextlib.redirect_stdout(printed):
    found = timing.time_run(clock.run, "Forward", len(durations), clock)
  assert clock.runs == timing.BURN_IN + len(durations)
  return found, printed.getvalue().splitlines()


class TimeRunTest(tf.test.TestCase):
  def test_lines(self):
    durations = [0.25 + 0.0625 * (i % 4) for i in range(24)]
    found, lines = timed(durations)
    expected = [
      rf"^{DATE}: step 0, duration = 0.250$",
      rf"^{DATE}: step 10, duration = 0.375$",
      rf"^{DATE}: step 20, duration = 0.250$",
      rf"^{DATE}: Forward across 24 steps, 0.344 \+/- 0.070 sec / batch$",
    ]
    self.assertLen(lines, len(expected))
    for line, pattern in zip(lines, expected, strict=True):
      self.assertRegex(line, pattern)
    self.assertAllClose(found.mean, statistics.fmean(durations))
    mean_of_squares = statistics.fmean(d**2 for d in durations)
    self.assertAllClose(found.sd, (mean_of_squares - found.mean**2) ** 0.5)

  def test_one_duration_again_and_again(self):
    found, lines = timed([0.5] * 100)
    self.assertEqual(found, timing.Timing(0.5, 0.0))
    self.assertLen(lines, 11)
    self.assertEndsWith(lines[-1], "100 steps, 0.500 +/- 0.000 sec / batch")

  def test_a_single_batch(self):
    self.assertEqual(timed([0.5])[0], timing.Timing(0.5, 0.0))


class TracedTest(tf.test.TestCase):
  def test_it_is_traced_once_and_run_each_time(self):
    traces = []
    count = tf.Variable(0)

    def function():
      traces.append(1)
      return count.assign_add(1)

    run = timing.traced(function)
    for _ in range(3):
      run()
    self.assertLen(traces, 1)
    self.assertEqual(count, 3)

  def test_a_matrix_product_is_timed(self):
    self.assertBetween(timing.matmul_gflops(256), 0.01, 1e6)


if __name__ == "__main__":
  tf.test.main()

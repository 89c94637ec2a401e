"""The picture of experiments/mandelbrot, beside NumPy and what memory allows.

Both compute the counts of the published 600x520 points and 200 steps. NumPy
does what the tutorial does: all points in complex64, all steps. Ours gives the
same counts, but leaves out what need not be computed. Compiling does not count.

A published step reads z, c and the counts and writes z and the counts, 32 bytes
a point; its bound is the time in which the machine copies as many in large
arrays (see memory_bandwidth.py). Ours may be below that: on the average a 200th
of the picture's time, it moves few points, and those stay in a cache.
"""

import statistics
import time

from experiments.mandelbrot import self_test, simulate
from experiments.mandelbrot.config import Config
from tools import memory_bandwidth

RUNS = 5
# z and c are complex64, the counts float32.
BYTES_PER_POINT = (8 + 8 + 4) + (8 + 4)
# Which are compared; see tools/benchmark.py.
RATIOS = {
  "mandelbrot_picture_over_numpy_mandelbrot_picture": False,
  "mandelbrot_step_over_mandelbrot_step_bound": False,
}


class Picture:
  """The counts of a window, and the mean of its steps."""

  def __init__(self, config):
    self._points = _points(config)
    self._max_steps = config.max_steps
    self.counts()

  def counts(self):
    return simulate.escape_counts(*self._points, self._max_steps)

  def measure(self):
    seconds = _seconds(self.counts)
    return {
      "mandelbrot_picture": seconds,
      "mandelbrot_step": seconds / self._max_steps,
    }


class NumpyPicture:
  """The same by NumPy."""

  def __init__(self, config):
    self._points = _points(config)
    self._max_steps = config.max_steps

  def counts(self):
    return self_test.numpy_counts(*self._points, self._max_steps)

  def measure(self):
    return {"numpy_mandelbrot_picture": _seconds(self.counts)}


class Bound:
  """What a step takes when memory is all that it waits for."""

  def __init__(self, config):
    columns, rows = config.size
    self._bytes = BYTES_PER_POINT * columns * rows

  def measure(self):
    bandwidth = memory_bandwidth.copy_bytes_per_second()
    return {"mandelbrot_step_bound": self._bytes / bandwidth}


def _points(config):
  return config.window(config.width).coordinates("float32")


def _seconds(function):
  """Returns the median of what some runs take."""
  seconds = []
  for _ in range(RUNS):
    start = time.perf_counter()
    function()
    seconds.append(time.perf_counter() - start)
  return statistics.median(seconds)


def programs(config=None):
  """Returns the programs.

  Args:
    config: Config; the published picture's when None.
  """
  config = config or Config()
  return [Picture(config), NumpyPicture(config), Bound(config)]

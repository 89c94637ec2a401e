"""The picture of experiments/mandelbrot, beside NumPy and what memory allows.

Both compute the counts of the published 600x520 points and 200 steps. NumPy
does what the tutorial does: all points in complex64, all steps. Ours gives the
same counts, but leaves out what need not be computed. Compiling does not count.

A published step reads z, c and the counts and writes z and the counts, 32 bytes
a point. The bounds are the times in which the machine copies as many bytes in
large arrays (see memory_bandwidth.py):

  mandelbrot_picture_bound: those of all steps for which a point of the picture
    stays within 4, the sum of its counts;
  mandelbrot_live_step_bound: those of one step of all points of a window inside
    the set, in neither of the parts that are known to stay. There nothing is
    left out; mandelbrot_live_step is its time divided by its steps.

Ours may be faster than both, since a tile's z stays in registers or in a cache;
and the picture is, since of the points in the known parts no step is taken.
"""

import dataclasses
import statistics
import time

from experiments.mandelbrot import self_test, simulate
from experiments.mandelbrot.config import Config
from tools import memory_bandwidth

RUNS = 5
# z and c are complex64, the counts float32.
BYTES_PER_STEP = (8 + 8 + 4) + (8 + 4)
# Inside the set, where z comes round in three steps.
LIVE = {"center": (-0.1226, 0.7449), "width": 0.05}
# Which are compared; see tools/benchmark.py.
RATIOS = {
  "mandelbrot_picture_over_numpy_mandelbrot_picture": False,
  "mandelbrot_picture_over_mandelbrot_picture_bound": False,
  "mandelbrot_live_step_over_mandelbrot_live_step_bound": False,
}


class Picture:
  """The counts of a window."""

  def __init__(self, config):
    self._points = _points(config)
    self._max_steps = config.max_steps
    self.counts()

  def counts(self):
    return simulate.escape_counts(*self._points, self._max_steps)

  def measure(self):
    return {"mandelbrot_picture": _seconds(self.counts)}


class Live(Picture):
  """As many points that take all steps, and the mean of the steps."""

  def __init__(self, config):
    super().__init__(dataclasses.replace(config, **LIVE))

  def measure(self):
    seconds = _seconds(self.counts)
    return {"mandelbrot_live_step": seconds / self._max_steps}


class NumpyPicture:
  """The picture by NumPy."""

  def __init__(self, config):
    self._points = _points(config)
    self._max_steps = config.max_steps

  def counts(self):
    return self_test.numpy_counts(*self._points, self._max_steps)

  def measure(self):
    return {"numpy_mandelbrot_picture": _seconds(self.counts)}


class Bounds:
  """What both take when memory is all that they wait for."""

  def __init__(self, counts):
    self._points = counts.size
    self._steps = float(counts.sum(dtype=float))

  def measure(self):
    steps_per_second = memory_bandwidth.copy_bytes_per_second() / BYTES_PER_STEP
    return {
      "mandelbrot_picture_bound": self._steps / steps_per_second,
      "mandelbrot_live_step_bound": self._points / steps_per_second,
    }


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
  picture = Picture(config)
  return [
    picture,
    Live(config),
    NumpyPicture(config),
    Bounds(picture.counts()),
  ]

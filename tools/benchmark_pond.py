"""The pond of experiments/pde, beside NumPy and beside what memory allows.

Both do the tutorial's 1,000 steps on 500x500 cells of float32: ours in one
compiled loop, NumPy in a Python loop with scipy.ndimage.convolve, in place
where it can. Compiling does not count.

A step reads and writes height and speed at least once, 16 bytes a cell; its
bound is the time in which the machine copies as many in large arrays (see
memory_bandwidth.py). As these four megabytes may stay in a cache, a step could
be faster than that.
"""

import time

import numpy as np
import scipy.ndimage

from experiments.pde import simulate
from experiments.pde.config import Config
from tools import memory_bandwidth

BYTES_PER_CELL = 16
STENCIL = np.array([[0.5, 1, 0.5], [1, -6, 1], [0.5, 1, 0.5]], np.float32)
# Which are compared; see tools/benchmark.py.
RATIOS = {
  "pond_run_over_numpy_pond_run": False,
  "pond_step_over_pond_step_bound": False,
}


class Pond:
  """A run of the tutorial's pond, and the mean of its steps."""

  def __init__(self, config):
    self._config = config
    self._start = simulate.drops(config.size, config.num_drops, config.seed)
    self.heights = None
    self.run()

  def run(self):
    """Simulates; `heights` then has those at the end, NumPy."""
    config = self._config
    u, _ = simulate.run(
      self._start,
      np.zeros_like(self._start),
      config.eps,
      config.damping,
      config.num_steps,
      config.scheme,
    )
    self.heights = np.asarray(u)

  def measure(self):
    seconds = _seconds(self.run)
    return {
      "pond_run": seconds,
      "pond_step": seconds / self._config.num_steps,
    }


class NumpyPond:
  """The same by NumPy."""

  def __init__(self, config):
    self._config = config
    self._start = simulate.drops(config.size, config.num_drops, config.seed)
    self.heights = None

  def run(self):
    """As `Pond.run`."""
    u, ut = self._start.copy(), np.zeros_like(self._start)
    change = np.empty_like(u)
    eps, damping = (
      np.float32(self._config.eps),
      np.float32(self._config.damping),
    )
    for _ in range(self._config.num_steps):
      scipy.ndimage.convolve(u, STENCIL, output=change, mode="constant")
      change -= damping * ut
      u += eps * ut
      ut += eps * change
    self.heights = u

  def measure(self):
    return {"numpy_pond_run": _seconds(self.run)}


class Bound:
  """What a step takes when memory is all that it waits for."""

  def __init__(self, config):
    self._bytes = BYTES_PER_CELL * config.size**2

  def measure(self):
    bandwidth = memory_bandwidth.copy_bytes_per_second()
    return {"pond_step_bound": self._bytes / bandwidth}


def _seconds(function):
  start = time.perf_counter()
  function()
  return time.perf_counter() - start


def programs(config=None):
  """Returns the programs.

  Args:
    config: Config of the scheme euler; the tutorial's when None.
  """
  config = config or Config()
  return [Pond(config), NumpyPond(config), Bound(config)]

"""Times a function as the tutorial did, and a matrix product for comparison."""

import dataclasses
import datetime
import statistics
import time

import tensorflow as tf

BURN_IN = 10
# Neither so small that calls count, nor so large that it takes long.
MATMUL_SIZE = 2048
_MATMUL_BURN_IN, _MATMUL_RUNS = 2, 8


@dataclasses.dataclass(frozen=True)
class Timing:
  """What `time_run` found.

  Attributes:
    mean: seconds of a run.
    sd: the standard deviation of it, that of the runs themselves (not n - 1).
  """

  mean: float
  sd: float


def traced(function):
  """Returns a function without arguments, traced, that waits for its devices.

  A GPU has only been told what to do when a call returns.
  """
  concrete = tf.function(function, autograph=False).get_concrete_function()

  def run():
    concrete()
    tf.test.experimental.sync_devices()

  return run


def time_run(run, info, num_batches, clock=time.perf_counter):
  """Calls a function 10 times, then times it; prints the tutorial's lines.

  Args:
    run: function without arguments.
    info: str, what is timed.
    num_batches: int, how many calls are timed.
    clock: function that returns seconds; tests give their own.

  Returns:
    `Timing`.
  """
  durations = []
  for i in range(BURN_IN + num_batches):
    start = clock()
    run()
    duration = clock() - start
    if i < BURN_IN:
      continue
    durations.append(duration)
    if i % 10 == 0:
      _print(f"step {i - BURN_IN}, duration = {duration:.3f}")
  timing = Timing(statistics.fmean(durations), statistics.pstdev(durations))
  _print(
    f"{info} across {num_batches} steps, "
    f"{timing.mean:.3f} +/- {timing.sd:.3f} sec / batch"
  )
  return timing


def matmul_gflops(size=MATMUL_SIZE):
  """Returns the GFLOP/s of a float32 product of square matrices, the best."""
  a, b = (
    tf.Variable(tf.random.stateless_normal([size, size], [0, seed]))
    for seed in range(2)
  )
  run = traced(lambda: tf.matmul(a, b))
  for _ in range(_MATMUL_BURN_IN):
    run()
  seconds = []
  for _ in range(_MATMUL_RUNS):
    start = time.perf_counter()
    run()
    seconds.append(time.perf_counter() - start)
  return 2 * size**3 / min(seconds) / 1e9


def _print(text):
  print(f"{datetime.datetime.now()}: {text}", flush=True)

"""How fast this machine copies memory: what bounds a program that moves much.

    python -m tools.memory_bandwidth

An array too large for any cache is copied by NumPy, once by one thread and once
by as many as there are processors, several times. The best counts, since a
bound must not be too low. Bytes that are read and bytes that are written are
counted, as STREAM does for its copy.
"""

import concurrent.futures
import os
import time

import numpy as np
from absl import app

RUNS = 8


def copy_bytes_per_second(num_bytes=2**28, clock=time.perf_counter):
  """Returns the bytes that are read and written in a second, a float.

  Args:
    num_bytes: int, size of the array. There are two of them.
    clock: function that returns seconds; tests give their own.
  """
  source, target = np.ones([2, num_bytes], np.uint8)
  best = min(
    _seconds(source, target, num_threads, clock)
    for num_threads in {1, os.cpu_count()}
  )
  return 2 * num_bytes / best


def copy(source, target, pool, num_parts):
  """Copies an array in parts, each by a thread of the pool."""
  parts = zip(
    np.array_split(target, num_parts),
    np.array_split(source, num_parts),
    strict=True,
  )
  list(pool.map(lambda part: np.copyto(*part), parts))


def _seconds(source, target, num_threads, clock):
  """Returns what the fastest of some copies took."""
  seconds = []
  with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
    for _ in range(RUNS):
      start = clock()
      copy(source, target, pool, num_threads)
      seconds.append(clock() - start)
  return min(seconds)


def main(argv):
  del argv
  print(f"{copy_bytes_per_second() / 1e9:.3g} GB/s")


if __name__ == "__main__":
  app.run(main)

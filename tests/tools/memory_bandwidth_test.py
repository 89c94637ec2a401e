import concurrent.futures
import contextlib
import io
import itertools
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from tools import memory_bandwidth


class MemoryBandwidthTest(parameterized.TestCase):
  @parameterized.parameters(1, 2, 3, 7)
  def test_all_is_copied(self, num_parts):
    source = np.arange(101)
    target = np.zeros_like(source)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
      memory_bandwidth.copy(source, target, pool, num_parts)
    np.testing.assert_array_equal(target, np.arange(101))

  def test_the_fastest_counts(self):
    # Copies of 9, 8, 7... seconds, and one of half a second among them.
    durations = [9, 8, 7, 0.5, *[6] * 100]
    ends = itertools.accumulate(durations)
    times = itertools.chain.from_iterable(
      (end - seconds, end) for end, seconds in zip(ends, durations, strict=True)
    )
    found = memory_bandwidth.copy_bytes_per_second(1000, lambda: next(times))
    self.assertEqual(found, 2 * 1000 / 0.5)

  def test_one_thread_and_all(self):
    with mock.patch.object(memory_bandwidth.os, "cpu_count", return_value=3):
      with mock.patch.object(
        memory_bandwidth, "copy", side_effect=memory_bandwidth.copy
      ) as copy:
        found = memory_bandwidth.copy_bytes_per_second(1000)
    self.assertGreater(found, 0)
    parts = [call.args[3] for call in copy.call_args_list]
    self.assertCountEqual(parts, [1] * 8 + [3] * 8)
    source, target = copy.call_args.args[:2]
    self.assertEqual((source.nbytes, target.nbytes), (1000, 1000))
    self.assertFalse(np.shares_memory(source, target))

  def test_prints_it(self):
    with (
      mock.patch.object(
        memory_bandwidth, "copy_bytes_per_second", return_value=23.456e9
      ),
      contextlib.redirect_stdout(io.StringIO()) as out,
    ):
      memory_bandwidth.main([])
    self.assertEqual(out.getvalue(), "23.5 GB/s\n")


if __name__ == "__main__":
  absltest.main()

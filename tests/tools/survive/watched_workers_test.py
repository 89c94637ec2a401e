import functools
import unittest

from tests.tools.survive import toy_work
from tools.survive import watched_workers


class WatchedTest(unittest.TestCase):
  def test_goes_on_behind_a_hang_and_a_crash(self):
    work = functools.partial(toy_work.work, 2, 4)
    found = list(watched_workers.watched(work, range(6), hang_secs=0.5))
    self.assertEqual(
      [
        (0, "done", "0"),
        (1, "done", "10"),
        (2, "hangs", "no answer in 0.5 s"),
        (3, "done", "30"),
        (4, "crashes", "ended with -6"),
        (5, "done", "50"),
      ],
      found,
    )

  def test_memory_is_limited(self):
    work = functools.partial(toy_work.take_memory)
    found = list(watched_workers.watched(work, [1000, 1 << 32]))
    self.assertEqual(["taken", "refused"], [kind for _, kind, _ in found])


if __name__ == "__main__":
  unittest.main()

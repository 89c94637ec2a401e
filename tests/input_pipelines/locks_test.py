"""Tests of a lock that several processes wait for."""

import contextlib
import io
import os
import threading
import time
from unittest import mock

import tensorflow as tf

from input_pipelines import locks


class LocksTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    folder = os.path.join(self.get_temp_dir(), self.id())
    os.makedirs(folder)
    self.path = os.path.join(folder, "a.lock")
    self.output = io.StringIO()
    for name, secs in (("POLL", 0.01), ("TOUCH", 0.05), ("GONE", 0.5)):
      self.enter_context(mock.patch.object(locks, f"{name}_SECS", secs))
    self.enter_context(contextlib.redirect_stdout(self.output))

  def test_one_at_a_time(self):
    inside, most = [], []

    def work():
      with locks.held(self.path):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)
        inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
    self.assertEqual(most, [1] * 4)
    self.assertFalse(os.path.exists(self.path))
    self.assertIn(
      f"Waiting for process {os.getpid()} on ", self.output.getvalue()
    )

  def test_a_holder_that_works_for_long_keeps_it(self):
    times = []

    def wait():
      with locks.held(self.path):
        times.append(time.monotonic())

    with locks.held(self.path):
      thread = threading.Thread(target=wait)
      thread.start()
      time.sleep(1.2)
      end = time.monotonic()
    thread.join()
    self.assertGreaterEqual(times[0], end)
    self.assertNotIn("gone", self.output.getvalue())

  def test_that_of_a_killed_one_is_taken_over(self):
    with open(self.path, "w") as file:
      file.write("process 7 on h")
    with locks.held(self.path):
      self.assertIn(
        f"process 7 on h is gone: taking over {self.path}",
        self.output.getvalue(),
      )
    self.assertFalse(os.path.exists(self.path))

  def test_it_goes_with_an_error(self):
    with self.assertRaises(ZeroDivisionError):
      with locks.held(self.path):
        raise ZeroDivisionError
    self.assertFalse(os.path.exists(self.path))

  def test_nothing_is_written_where_one_may_not(self):
    with mock.patch.object(os, "access", return_value=False):
      with locks.held(self.path):
        self.assertFalse(os.path.exists(self.path))


if __name__ == "__main__":
  tf.test.main()

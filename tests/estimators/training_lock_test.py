"""Tests of the lock of a model_dir."""

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from unittest import mock

import numpy as np
import tensorflow as tf

from estimators import Estimator, Hook, ModelDirInUseError, training_lock
from estimators.training_lock import FILE, held, kept
from tests.estimators import toys
from tests.estimators.helpers import new_folder

FIVE = toys.input_of(np.ones(5), np.ones(5, np.float32))
# Holds a lock as `training_lock` does, without the seconds of TensorFlow.
HOLDER = """
import fcntl, json, os, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
json.dump({"pid": os.getpid(), "host": "there", "start": "once"}, file)
file.flush()
print(flush=True)
sys.stdin.read()
"""


def line(folder):
  return Estimator(toys.line_fn, folder)


class Calls(Hook):
  """Calls a function after each step."""

  def __init__(self, function):
    self._function = function

  def after_run(self, run):
    self._function()


class LockTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = new_folder()
    self.path = os.path.join(self.folder, FILE)

  def holder(self):
    """Starts a process that holds the lock, and returns it."""
    process = subprocess.Popen(
      [sys.executable, "-S", "-c", HOLDER, self.path],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
    )
    self.addCleanup(process.communicate)
    self.addCleanup(process.kill)
    process.stdout.readline()
    return process

  def test_the_second_process_is_refused_until_the_first_is_gone(self):
    process = self.holder()
    with self.assertRaisesRegex(
      ModelDirInUseError,
      f"{self.folder} process {process.pid} on there .since once. trains",
    ):
      line(self.folder).train(FIVE)
    # Nothing was written, and what was there is as it was.
    self.assertEqual(os.listdir(self.folder), [FILE])
    with open(self.path) as file:
      self.assertEqual(json.load(file)["pid"], process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with self.assertLogs("tensorflow", "INFO") as logs:
      estimator = line(self.folder).train(FIVE)
    self.assertRegex(
      "\n".join(logs.output), f"taken over: process {process.pid} on there"
    )
    self.assertEqual(estimator.get_variable_value("global_step"), 5)
    self.assertNotIn(FILE, os.listdir(self.folder))
    # What is done needs no lock, nor does what does not train.
    self.holder()
    estimator.train(FIVE, max_steps=5)
    self.assertEqual(estimator.evaluate(FIVE)["global_step"], 5)

  def test_two_of_one_process(self):
    def train_beside():
      with self.assertRaisesRegex(ModelDirInUseError, str(os.getpid())):
        line(self.folder).train(FIVE)

    calls = mock.Mock(side_effect=train_beside)
    estimator = line(self.folder).train(FIVE, [Calls(calls)])
    self.assertEqual(calls.call_count, 5)
    # Kept, it stays from one call to the next, but not for two at once.
    with kept(estimator):
      estimator.train(FIVE, [Calls(calls)])
      estimator.train(FIVE)
      self.assertIn(FILE, os.listdir(self.folder))
    self.assertEqual(calls.call_count, 10)
    self.assertNotIn(FILE, os.listdir(self.folder))

  def test_an_error_lets_go(self):
    estimator = line(self.folder)
    for _ in range(2):
      for lock in (held(self.folder), kept(estimator)):
        with self.assertRaises(ZeroDivisionError), lock:
          self.assertEqual(os.listdir(self.folder), [FILE])
          raise ZeroDivisionError
    self.assertEmpty(os.listdir(self.folder))

  def test_a_child_process_holds_nothing(self):
    with held(self.folder):
      child = os.fork()
      if not child:
        links = [f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd")]
        is_held = self.path in map(os.path.realpath, links)
        for lock in list(training_lock._locks):
          lock.close()
        os._exit(is_held or not os.path.exists(self.path))
      self.assertEqual(os.waitpid(child, 0)[1], 0)
      with self.assertRaises(ModelDirInUseError):
        training_lock._Lock(self.folder)

  def test_a_child_of_one_that_has_ended(self):
    with subprocess.Popen(["true"]) as process:
      pass
    holder = {"pid": process.pid, "host": socket.gethostname()}
    with open(self.path, "w") as file:
      json.dump(holder | {"start": "once"}, file)
      file.flush()
      fcntl.flock(file, fcntl.LOCK_EX)
      with self.assertRaisesRegex(
        ModelDirInUseError, f"process {process.pid} .*once. has ended without"
      ):
        training_lock._Lock(self.folder)

  def test_who_writes_nothing_holds_nothing(self):
    worker = mock.Mock(writes=False, model_dir=self.folder)
    with kept(worker), kept(worker):
      self.assertEmpty(os.listdir(self.folder))

  def test_a_file_that_its_holder_has_just_removed_is_no_lock(self):
    flock, stats = training_lock.fcntl.flock, []

    def late(descriptor, operation):
      if not stats:
        os.remove(self.path)
      stats.append(os.fstat(descriptor).st_ino)
      flock(descriptor, operation)

    with mock.patch.object(training_lock.fcntl, "flock", late):
      with held(self.folder):
        self.assertEqual(os.stat(self.path).st_ino, stats[1])

  def test_a_folder_that_cannot_be_written(self):
    file = os.path.join(self.folder, "file")
    with open(file, "w"):
      pass
    for folder in (file, os.path.join(file, "below"), "/proc/none"):
      with self.assertRaisesRegex(
        OSError, f"^model_dir must be a folder that .* but {folder} is not .*;"
      ):
        with held(folder):
          pass
    for folder in (file, os.path.join(file, "below")):
      with self.assertRaisesRegex(
        NotADirectoryError, f"^it must be a folder that .* but {folder} is not"
      ):
        training_lock.check_writable(folder, "it")
    with mock.patch.object(
      training_lock.os, "pwrite", side_effect=OSError(errno.ENOSPC, "is full")
    ):
      with self.assertRaisesRegex(OSError, "is not .is full.; see to"):
        line(self.folder).train(FIVE)

  def test_a_folder_of_others(self):
    if os.geteuid() == 0:
      self.skipTest("root may write everywhere")
    os.chmod(self.folder, 0o500)
    self.addCleanup(os.chmod, self.folder, 0o700)
    with self.assertRaisesRegex(PermissionError, "Permission denied.; see to"):
      line(self.folder).train(FIVE)

  def test_what_is_checked_stays_empty(self):
    for names in ((), ("a", "b")):
      training_lock.check_writable(os.path.join(self.folder, *names), "it")
    self.assertEmpty(os.listdir(self.folder))
    with mock.patch.object(training_lock.os, "access", return_value=False):
      with self.assertRaisesRegex(
        PermissionError, f"{self.folder} may not be written.; see to its perm"
      ):
        training_lock.check_writable(os.path.join(self.folder, "a"), "it")


class NoLocksTest(tf.test.TestCase):
  """File systems that know no locks."""

  def setUp(self):
    super().setUp()
    self.folder = new_folder()
    for target, value in {
      "fcntl.flock": mock.Mock(side_effect=OSError(errno.ENOLCK, "no locks")),
      "_WATCH_SECS": 0.2,
    }.items():
      patch = mock.patch(f"estimators.training_lock.{target}", value)
      patch.start()
      self.addCleanup(patch.stop)

  def write_status(self, state, beat):
    values = {"state": state, "step": 3, "saved": [], "host": "h", "pid": 7}
    path = os.path.join(self.folder, training_lock.training_status.FILE)
    with open(path, "w") as file:
      json.dump(values | {"beat": beat}, file)

  def test_a_status_that_changes_refuses(self):
    self.write_status("running", 1)
    slept = mock.Mock(side_effect=lambda _: self.write_status("running", 2))
    with mock.patch.object(training_lock.time, "sleep", slept):
      with self.assertRaisesRegex(ModelDirInUseError, "process 7 on h trains"):
        with held(self.folder):
          pass

  def test_another_one_warns(self):
    for state in ("running", "finished", None):
      if state:
        self.write_status(state, 1)
      with self.assertLogs("tensorflow", "WARNING") as logs:
        with held(self.folder):
          pass
      self.assertRegex(logs.output[0], "knows no locks .*no locks")


if __name__ == "__main__":
  tf.test.main()

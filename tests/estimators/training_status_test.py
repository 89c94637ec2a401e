"""Tests of the file that says whether training is under way."""

import json
import os
import time
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator, Hook, RunConfig
from estimators.training_status import FILE, NUM_SAVED, Follower, Status
from tests.estimators import toys
from tests.estimators.helpers import new_folder

FIVE = toys.input_of(np.ones(5), np.ones(5, np.float32))


class At(Hook):
  """Calls a function after a step."""

  def __init__(self, step, action):
    self._step, self._action = step, action

  def next_step(self, step):
    return self._step if step < self._step else None

  def after_run(self, run):
    if run.step == self._step:
      self._action()


class Run:
  """As much of a `TrainingRun` as a status tells of."""

  def __init__(self, is_chief=True):
    self.output_dir = new_folder()
    self.global_step, self.saved_steps = 3, [0]
    self.estimator = mock.Mock()
    self.estimator.writes = is_chief


def read(model_dir):
  with open(os.path.join(model_dir, FILE)) as file:
    return json.load(file)


def until(condition):
  """Waits until something holds; fails after some seconds."""
  end = time.monotonic() + 20
  while not condition():
    assert time.monotonic() < end
    time.sleep(0.01)


class StatusTest(tf.test.TestCase, parameterized.TestCase):
  def train(self, step, action):
    self.estimator = Estimator(
      toys.line_fn, new_folder(), RunConfig(save_checkpoints_steps=2)
    )
    self.estimator.train(FIVE, hooks=[At(step, action)])

  def status(self):
    return read(self.estimator.model_dir)

  def test_while_it_runs_and_when_it_has_finished(self):
    found = []
    self.train(3, lambda: found.append(self.status()))
    self.assertEqual(found[0]["state"], "running")
    self.assertEqual(found[0]["pid"], os.getpid())
    status = self.status()
    self.assertEqual(
      (status["state"], status["step"], status["saved"]),
      ("finished", 5, [0, 2, 4, 5]),
    )
    self.estimator.train(FIVE, steps=1)
    status = self.status()
    self.assertEqual((status["step"], status["saved"]), (6, [6]))
    self.assertNotIn(".tmp", str(os.listdir(self.estimator.model_dir)))

  @parameterized.parameters(
    (ZeroDivisionError, "failed", "ZeroDivisionError"),
    (KeyboardInterrupt, "stopped", None),
    (SystemExit, "stopped", None),
  )
  def test_when_it_breaks_off(self, error, state, name):
    def breaks():
      raise error

    with self.assertRaises(error):
      self.train(3, breaks)
    status = self.status()
    self.assertEqual((status["state"], status["step"]), (state, 3))
    self.assertEqual(status.get("error"), name)

  def test_it_is_refreshed(self):
    run = Run()
    status = Status(run, refresh_secs=0.01)
    run.global_step = 4
    until(lambda: read(run.output_dir)["step"] == 4)
    beat = read(run.output_dir)["beat"]
    until(lambda: read(run.output_dir)["beat"] > beat)
    status.end()
    status.end(ValueError())  # It has ended already.
    last = read(run.output_dir)
    self.assertEqual(last["state"], "finished")
    time.sleep(0.05)
    self.assertEqual(read(run.output_dir), last)

  def test_of_many_checkpoints_the_last_ones(self):
    run = Run()
    run.saved_steps = [*range(1000)]
    Status(run).end()
    saved = read(run.output_dir)["saved"]
    self.assertEqual(saved, [*range(1000 - NUM_SAVED, 1000)])

  def test_the_chief_alone_writes(self):
    run = Run(is_chief=False)
    Status(run, refresh_secs=0.01).end()
    self.assertEmpty(os.listdir(run.output_dir))

  def test_a_file_that_cannot_be_written(self):
    run = Run()
    os.rmdir(run.output_dir)
    with self.assertLogs("tensorflow", "WARNING") as logs:
      Status(run).end()
    self.assertIn("cannot be written", str(logs.output))


class FollowerTest(tf.test.TestCase):
  def test_changes_by_its_own_clock(self):
    run, now = Run(), [100.0]
    follower = Follower(run.output_dir, lambda: now[0])
    self.assertIsNone(follower.look())
    now[0] = 130.0
    self.assertEqual((follower.quiet_secs, follower.has_changed), (30, False))
    status = Status(run)
    self.assertEqual(follower.look(), "running")
    self.assertEqual((follower.quiet_secs, follower.has_changed), (0, True))
    now[0] = 150.0
    follower.look()
    self.assertEqual(follower.quiet_secs, 20)
    status.end()
    self.assertEqual(follower.look(), "finished")
    self.assertEqual(follower.quiet_secs, 0)

  def test_what_cannot_be_read_is_no_change(self):
    run = Run()
    Status(run).end()
    follower = Follower(run.output_dir)
    path = os.path.join(run.output_dir, FILE)
    for text in ("", "null", '{"state": "running"}'):
      with open(path, "w") as file:
        file.write(text)
      self.assertEmpty(Follower(run.output_dir).status)
      follower.look()
    with mock.patch("builtins.open", side_effect=OSError):
      follower.look()
    self.assertEqual(follower.status["state"], "finished")
    self.assertFalse(follower.has_changed)

  def test_what_was_there_before_is_no_change(self):
    run = Run()
    Status(run).end()
    follower = Follower(run.output_dir)
    self.assertEqual(follower.look(), "finished")
    self.assertFalse(follower.has_changed)


if __name__ == "__main__":
  tf.test.main()

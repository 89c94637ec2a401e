"""A program that is stopped, and a second one in its model_dir."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from estimators import checkpoints, training_status
from tests.estimators.helpers import new_folder

LIMIT_SECS = 120
ARGS = (
  "-m",
  "experiments.mnist.main",
  "--model=softmax",
  "--dataset=digits",
  "--train_steps=100000000",
)


class SignalsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.model_dir = new_folder()
    self.args = [*ARGS, f"--model_dir={self.model_dir}"]

  def start(self):
    process = subprocess.Popen(
      [sys.executable, *self.args],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
    )
    self.addCleanup(process.kill)
    return process

  def wait_for_steps(self, process):
    """Waits until a process has taken steps; returns how many."""
    end = time.monotonic() + LIMIT_SECS
    path = os.path.join(self.model_dir, training_status.FILE)
    while time.monotonic() < end:
      self.assertIsNone(process.poll(), msg="it has ended")
      if os.path.exists(path):
        with open(path) as file:
          status = json.load(file)
        # Its first status has the step that it goes on from.
        if status["pid"] == process.pid and status["beat"] > 1:
          return status["step"]
      time.sleep(0.05)
    self.fail("it takes no steps")

  def step(self):
    path = checkpoints.newest(self.model_dir)
    return -1 if path is None else checkpoints.step_of(path)

  @pytest.mark.slow
  def test_stopped_twice_and_a_second_one(self):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
      before = self.step()
      process = self.start()
      step = self.wait_for_steps(process)
      self.assertGreater(step, before)
      if number == signal.SIGINT:
        other = self.start()
        errors = other.communicate(timeout=LIMIT_SECS)[1]
        self.assertEqual(other.returncode, 1, msg=errors)
        self.assertIn(f"process {process.pid} on", errors.splitlines()[-1])
        self.assertStartsWith(errors.splitlines()[-1], "mnist: one training")
        self.assertNotIn("Traceback", errors)
      process.send_signal(number)
      errors = process.communicate(timeout=LIMIT_SECS)[1]
      self.assertEqual(process.returncode, code, msg=errors)
      self.assertNotIn("Traceback", errors)
      self.assertGreaterEqual(self.step(), step)
      self.assertIn(
        f"Stopped by {number.name} after step {self.step()}. Start the same "
        f"command again to go on from the newest checkpoint, "
        f"{self.model_dir}/model.ckpt-{self.step()}: "
        f"python {' '.join(self.args)}",
        errors,
      )
    self.assertNotIn("train.lock", os.listdir(self.model_dir))


if __name__ == "__main__":
  tf.test.main()

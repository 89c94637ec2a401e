"""A trainer and an evaluator, each in a process of its own."""

import json
import os
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from estimators import checkpoints
from tests.estimators.helpers import events_of, new_folder, slope_after
from tests.estimators.multi_worker_test import free_ports

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
LIMIT_SECS = 240
# A cluster of one trains by itself; nobody connects to the address.
ALONE = {"chief": ["127.0.0.1:1"]}


def until(condition):
  """Waits until a function returns something true, and returns that."""
  give_up = time.monotonic() + LIMIT_SECS
  while not (found := condition()):
    assert time.monotonic() < give_up, "it took too long"
    time.sleep(0.02)
  return found


@pytest.mark.slow
class EvaluatorTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.model_dir = new_folder()
    self.cluster = ALONE

  def start(self, task_type, max_steps, index=0):
    task = {"type": task_type, "index": index}
    config = {"cluster": self.cluster, "task": task}
    process = subprocess.Popen(
      [
        sys.executable,
        "-m",
        "tests.estimators.evaluator_program",
        self.model_dir,
        str(max_steps),
      ],
      cwd=ROOT,
      env=os.environ
      | {
        "TF_CONFIG": json.dumps(config),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
      },
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    self.addCleanup(process.stdout.close)
    self.addCleanup(process.wait)
    self.addCleanup(process.kill)
    return process

  def done(self):
    """Returns the last step that was evaluated and exported, or -1."""
    path = os.path.join(self.model_dir, "eval", "progress.json")
    if not os.path.exists(path):
      return -1
    with open(path) as file:
      progress = json.load(file)
    return progress["step"] if progress["is_exported"] else -1

  def ended(self, process, code=0):
    """Waits for the end of a process; returns what it printed."""
    output, _ = process.communicate(timeout=LIMIT_SECS)
    self.assertEqual(process.returncode, code, msg=output[-4000:])
    return output

  def test_both_are_killed_and_started_again(self):
    trainer = self.start("chief", 10_000)
    evaluator = self.start("evaluator", 10_000)
    until(lambda: self.done() >= 20)
    evaluator.kill()
    evaluator.communicate()
    before = self.done()
    evaluator = self.start("evaluator", 10_000)
    # It goes on, also with what the trainer saves from now on.
    until(lambda: self.done() > before)
    newest = checkpoints.step_of(checkpoints.newest(self.model_dir))
    until(lambda: self.done() >= newest + 20)
    trainer.kill()
    trainer.communicate()
    self.assertRegex(self.ended(evaluator), r"no sign of life for \d+ seconds")
    last = self.done()
    trainer = self.start("chief", last + 15)
    evaluator = self.start("evaluator", last + 15)
    self.assertIn("RESULTS None", self.ended(trainer))
    self.assertIn(f"'global_step': {last + 15}", self.ended(evaluator))
    self.check_events(last + 15)
    self.assertLen(
      os.listdir(os.path.join(self.model_dir, "export", "final")), 1
    )

  def test_a_worker_of_two_is_killed(self):
    def start(max_steps):
      addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
      self.cluster = {"worker": addresses}
      return [
        self.start("worker", max_steps, 0),
        self.start("worker", max_steps, 1),
        self.start("evaluator", max_steps),
      ]

    chief, worker, evaluator = start(10_000)
    until(lambda: self.done() >= 20)
    worker.kill()
    chief.communicate(timeout=60)  # It does not hang.
    self.assertNotEqual(chief.returncode, 0)
    self.assertIn("Exiting evaluation", self.ended(evaluator))
    last = self.done() + 15
    chief, worker, evaluator = start(last)
    for process in (chief, worker):
      self.assertIn("RESULTS None", self.ended(process))
    self.assertIn(f"'global_step': {last}", self.ended(evaluator))
    self.check_events(last)

  def check_events(self, last):
    """Checks that each checkpoint was evaluated once, with its own values."""
    events = events_of(os.path.join(self.model_dir, "eval")).Tensors("error")
    steps = [event.step for event in events]
    self.assertEqual(steps, [*range(0, last, 10), last])
    for event in events:
      error = float(tf.make_ndarray(event.tensor_proto))
      self.assertAllClose(error, 1 - slope_after(event.step))


if __name__ == "__main__":
  tf.test.main()

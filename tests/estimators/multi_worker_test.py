"""Real worker processes on the loopback address."""

import glob
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import checkpoints
from tests.estimators import worker_program

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
LIMIT_SECS = 240
# From the end of one worker to that of the other.
NOTICED_WITHIN_SECS = 60


def free_ports(number):
  sockets = [socket.socket() for _ in range(number)]
  try:
    for one in sockets:
      one.bind(("127.0.0.1", 0))
    return [one.getsockname()[1] for one in sockets]
  finally:
    for one in sockets:
      one.close()


def tf_config(ports, index, has_chief):
  """Returns the TF_CONFIG of a worker."""
  addresses = [f"127.0.0.1:{port}" for port in ports]
  if not has_chief:
    cluster = {"worker": addresses}
    task = {"type": "worker", "index": index}
  else:
    cluster = {"chief": addresses[:1], "worker": addresses[1:]}
    task = {"type": "worker" if index else "chief", "index": max(index - 1, 0)}
  return json.dumps({"cluster": cluster, "task": task})


class Workers:
  """Processes that run jobs of `worker_program`; killed when left.

  Args:
    jobs: list of dictionaries, the arguments of `worker_program.train`.
    number: int, how many workers.
    num_cpus: int, logical CPUs of each.
    has_chief: bool, whether the first is of the job chief.
  """

  def __init__(self, jobs, number=2, num_cpus=1, has_chief=False):
    ports = free_ports(number)
    self.processes, self._outputs = [], []
    for index in range(number):
      environment = dict(
        os.environ,
        TF_CPP_MIN_LOG_LEVEL="3",
        CUDA_VISIBLE_DEVICES="",
        NUM_CPUS=str(num_cpus),
        TF_CONFIG=tf_config(ports, index, has_chief),
      )
      # No pipe: one that is full would stop its process.
      self._outputs.append(tempfile.TemporaryFile("w+"))
      self.processes.append(
        subprocess.Popen(
          [
            sys.executable,
            "-m",
            "tests.estimators.worker_program",
            str(index),
            json.dumps(jobs),
          ],
          cwd=ROOT,
          env=environment,
          stdout=self._outputs[-1],
          stderr=subprocess.STDOUT,
          text=True,
        )
      )

  def __enter__(self):
    return self

  def __exit__(self, *exception):
    for process, output in zip(self.processes, self._outputs, strict=True):
      process.kill()
      process.wait()
      output.close()

  def ended(self):
    """Waits for the ends; returns the list of (exit code, output)."""
    give_up = time.monotonic() + LIMIT_SECS
    results = []
    for index, process in enumerate(self.processes):
      process.wait(give_up - time.monotonic())
      results.append((process.returncode, self.output(index)))
    return results

  def output(self, index):
    """Returns what a process has written so far."""
    self._outputs[index].seek(0)
    return self._outputs[index].read()


def run(*jobs):
  with Workers(list(jobs)) as workers:
    return workers.ended()


class MultiWorkerTest(parameterized.TestCase, tf.test.TestCase):
  def folder(self, name):
    return os.path.join(self.get_temp_dir(), name)

  def job(self, name, **arguments):
    return {"model_dir": self.folder(name), "max_steps": 6, **arguments}

  def assert_ended(self, results, *codes):
    for (code, output), wanted in zip(results, codes, strict=True):
      self.assertEqual(code, wanted, msg=output[-4000:])

  def values(self, name):
    path = checkpoints.newest(self.folder(name))
    return {
      key: checkpoints.value(path, key) for key in checkpoints.names(path)
    }

  def train_here(self, *jobs):
    """Runs jobs in this process, which is alone."""
    for job in jobs:
      worker_program.train(0, **job)

  def assert_close(self, one, other, but="none"):
    one, other = self.values(one), self.values(other)
    self.assertEqual(one.keys(), other.keys())
    for key, value in one.items():
      if key.startswith(but):
        continue
      np.testing.assert_allclose(value, other[key], 1e-5, 1e-5, err_msg=key)

  def assert_same_bits(self, one, other):
    one, other = self.values(one), self.values(other)
    self.assertEqual(one.keys(), other.keys())
    for key, value in one.items():
      self.assertEqual(value.tobytes(), other[key].tobytes(), msg=key)

  def names(self, pattern):
    return sorted(map(os.path.basename, glob.glob(self.folder(pattern))))

  def test_two_workers_are_like_one_and_the_chief_writes(self):
    def jobs(suffix):
      return [
        self.job("whole" + suffix, input_fn="whole"),
        self.job("halves" + suffix, input_fn="halves", evaluate=True),
      ]

    with Workers(jobs("2")) as workers:
      self.train_here(*jobs(""))
      results = workers.ended()
    self.assert_ended(results, 0, 0)
    self.assert_close("whole", "whole2")
    self.assert_close("halves", "halves2")
    # Both evaluate to the same, and the chief alone writes.
    lines = [output.split("RESULTS ")[-1] for _, output in results]
    self.assertEqual(json.loads(lines[0]), json.loads(lines[1]))
    for folder in ("halves2", "halves2/eval_test"):
      self.assertLen(self.names(folder + "/events*"), 1)
    steps = (0, 2, 4, 6)
    self.assertEqual(
      self.names("halves2/workers/1/*.index"),
      [f"position-{step}.index" for step in steps],
    )
    self.assertEqual(self.names("halves2/workers/*"), ["1"])
    self.assertEqual(
      self.names("halves2/*.index"),
      [f"model.ckpt-{step}.index" for step in steps],
    )

  @pytest.mark.slow
  def test_parts_of_any_size_and_inputs_that_end(self):
    def jobs(suffix):
      return [
        {"model_dir": self.folder(name + suffix), "input_fn": name}
        for name in ("uneven", "ending")
      ]

    with Workers(jobs("2")) as workers:
      self.train_here(*jobs(""))
      self.assert_ended(workers.ended(), 0, 0)
    self.assertEqual(self.values("uneven2")["global_step"], 3)
    self.assertEqual(self.values("ending2")["global_step"], 14)
    # The metric counts the row that stands in for none.
    self.assert_close("uneven", "uneven2", but="accuracy")
    self.assert_close("ending", "ending2")

  @pytest.mark.slow
  def test_two_devices_of_each_worker_of_a_cluster_with_a_chief(self):
    def jobs(suffix):
      return [
        self.job(name + suffix, input_fn=name) for name in ("whole", "halves")
      ]

    with Workers(jobs("4"), num_cpus=2, has_chief=True) as workers:
      self.train_here(*jobs(""))
      self.assert_ended(workers.ended(), 0, 0)
    self.assert_close("whole", "whole4")
    self.assert_close("halves", "halves4")

  @parameterized.parameters(
    ("kill", 0, (-signal.SIGKILL, 1), 4),
    ("kill", 1, (1, -signal.SIGKILL), 4),
    ("fail", 1, (1, 1), 4),
    ("term", 1, (143, 143), 5),
    ("term", 0, (143, 143), 5),
    ("term_within", 0, (143, 143), 5),
  )
  @pytest.mark.slow
  def test_an_end_of_one_worker(self, event, index, codes, saved):
    name = f"{event}{index}"
    job = {"model_dir": self.folder(name), "input_fn": "shuffled", "every": 4}
    unbroken = {**job, "model_dir": self.folder(name + "_unbroken")}
    with (
      Workers([{**job, "events": [(index, 5, event)]}]) as workers,
      Workers([{**unbroken, "max_steps": 9}]) as others,
    ):
      workers.processes[index].wait(LIMIT_SECS)
      workers.processes[1 - index].wait(NOTICED_WITHIN_SECS)
      results = workers.ended()
      self.assert_ended(others.ended(), 0, 0)
    self.assert_ended(results, *codes)
    other = results[1 - index][1]
    if not event.startswith("term"):
      self.assertIn("WorkerLostError: all 2 workers were needed", other)
      self.assertIn(
        f"newest checkpoint, {self.folder(name)}/model.ckpt-4", other
      )
    self.assertEqual(self.values(name)["global_step"], saved)
    if event == "kill":
      # As if the kill had come before the worker wrote its position.
      for path in glob.glob(self.folder(name + "/workers/1/position-4.*")):
        os.remove(path)
    self.assert_ended(run({**job, "max_steps": 9}), 0, 0)
    self.assert_same_bits(name, name + "_unbroken")

  @pytest.mark.slow
  def test_other_settings_of_one_worker_are_refused_in_all(self):
    job = self.job("seeds", input_fn="whole")
    self.assert_ended(run({**job, "max_steps": 2}), 0, 0)
    results = run({**job, "max_steps": 4, "seeds": (7, 8)})
    self.assert_ended(results, 1, 1)
    self.assertIn("WorkerLostError: all 2 workers", results[0][1])
    self.assertIn("tf_random_seed=8 (it began with 7)", results[1][1])
    self.assertEqual(self.values("seeds")["global_step"], 2)

  @pytest.mark.slow
  def test_a_stop_that_one_worker_asks_for(self):
    job = {"model_dir": self.folder("stop"), "input_fn": "whole"}
    self.assert_ended(run({**job, "events": [(1, 5, "stop")]}), 0, 0)
    self.assertEqual(self.values("stop")["global_step"], 5)

  @pytest.mark.slow
  def test_a_cluster_of_one_worker(self):
    # Ended before it trains, and then left alone.
    job = self.job("one", input_fn="halves", evaluate=True)
    with Workers([{**job, "ends": True}], number=1) as workers:
      self.assert_ended(workers.ended(), -signal.SIGTERM)
    with Workers([job], number=1) as workers:
      self.train_here({**job, "model_dir": self.folder("0")})
      self.assert_ended(workers.ended(), 0)
    self.assert_close("one", "0")

  @parameterized.parameters("freeze", "stay")
  @pytest.mark.slow
  def test_a_worker_whose_process_lives_on(self, event):
    job = {"model_dir": self.folder(event), "input_fn": "whole"}
    with Workers([{**job, "events": [(1, 5, event)]}]) as workers:
      workers.processes[0].wait(LIMIT_SECS)
      output = workers.output(0)
      self.assertEqual(workers.processes[0].returncode, 1, msg=output[-4000:])
    self.assertIn("WorkerLostError", output)


if __name__ == "__main__":
  tf.test.main()

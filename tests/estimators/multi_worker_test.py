"""Real worker processes on the loopback address."""

import glob
import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf

from estimators import checkpoints

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
LIMIT_SECS = 240


def free_ports(number):
  sockets = [socket.socket() for _ in range(number)]
  try:
    for one in sockets:
      one.bind(("127.0.0.1", 0))
    return [one.getsockname()[1] for one in sockets]
  finally:
    for one in sockets:
      one.close()


class Workers:
  """Processes that run jobs of `worker_program`; killed when left.

  Args:
    jobs: list of dictionaries, the arguments of `worker_program.train`.
    number: int, how many workers; 0 for a process without a cluster.
    absent: set of int, the workers that are not started.
    num_cpus: int, logical CPUs of each.
  """

  def __init__(self, jobs, number=2, absent=(), num_cpus=1):
    ports = free_ports(number)
    self._outputs = {}
    self.processes = []
    for index in range(max(number, 1)):
      if index in absent:
        continue
      environment = dict(
        os.environ,
        TF_CPP_MIN_LOG_LEVEL="3",
        CUDA_VISIBLE_DEVICES="",
        NUM_CPUS=str(num_cpus),
      )
      environment.pop("TF_CONFIG", None)
      if number:
        environment["TF_CONFIG"] = json.dumps(
          {
            "cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]},
            "task": {"type": "worker", "index": index},
          }
        )
      self.processes.append(
        subprocess.Popen(
          [
            sys.executable,
            "-m",
            "tests.estimators.worker_program",
            json.dumps(jobs),
          ],
          cwd=ROOT,
          env=environment,
          stdout=subprocess.PIPE,
          stderr=subprocess.STDOUT,
          text=True,
        )
      )

  def __enter__(self):
    return self

  def __exit__(self, *exception):
    for process in self.processes:
      process.kill()
      process.wait()

  def ended(self):
    """Waits for the ends; returns the list of (exit code, output)."""
    give_up = time.monotonic() + LIMIT_SECS
    results = []
    for process in self.processes:
      output, _ = process.communicate(timeout=give_up - time.monotonic())
      results.append((process.returncode, output))
    return results


def run(*jobs, **kwargs):
  with Workers(list(jobs), **kwargs) as workers:
    return workers.ended()


class MultiWorkerTest(tf.test.TestCase):
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

  def assert_close(self, one, other):
    one, other = self.values(one), self.values(other)
    self.assertEqual(one.keys(), other.keys())
    for key, value in one.items():
      np.testing.assert_allclose(value, other[key], 1e-5, 1e-5, err_msg=key)

  def assert_same_bits(self, one, other):
    one, other = self.values(one), self.values(other)
    self.assertEqual(one.keys(), other.keys())
    for key, value in one.items():
      self.assertEqual(value.tobytes(), other[key].tobytes(), msg=key)

  def test_two_workers_are_like_one_and_the_chief_writes(self):
    def jobs(suffix):
      return [
        self.job("whole" + suffix, input_fn="whole"),
        self.job("halves" + suffix, input_fn="halves", evaluate=True),
      ]

    with Workers(jobs(""), number=0) as alone, Workers(jobs("2")) as workers:
      self.assert_ended(alone.ended(), 0)
      results = workers.ended()
    self.assert_ended(results, 0, 0)
    self.assert_close("whole", "whole2")
    self.assert_close("halves", "halves2")
    # Both evaluate to the same, and the chief alone writes.
    lines = [output.split("RESULTS ")[-1] for _, output in results]
    self.assertEqual(json.loads(lines[0]), json.loads(lines[1]))
    self.assertEqual(
      sorted(map(os.path.basename, glob.glob(self.folder("halves2/*")))),
      sorted(
        [
          *(
            os.path.basename(p) for p in glob.glob(self.folder("halves/*.ind*"))
          ),
          *(
            os.path.basename(p) for p in glob.glob(self.folder("halves/*.dat*"))
          ),
          "checkpoint",
          "config.json",
          "eval_test",
          "training_status.json",
          "workers",
          *(
            os.path.basename(p)
            for p in glob.glob(self.folder("halves2/events*"))
          ),
        ]
      ),
    )
    self.assertLen(glob.glob(self.folder("halves2/events*")), 1)
    self.assertLen(glob.glob(self.folder("halves2/eval_test/events*")), 1)
    self.assertEqual(
      sorted(glob.glob(self.folder("halves2/workers/*/*.index"))),
      [
        self.folder(f"halves2/workers/1/position-{i}.index")
        for i in (0, 2, 4, 6)
      ],
    )


if __name__ == "__main__":
  tf.test.main()

"""Worker processes of `python -m tools.benchmark cifar10`.

One process alone, and a cluster of two on this machine; each is bound to a core
of its own and trains experiments.cifar10 on invented images. The batch is that
of all workers together: 128 for one, 256 for two, so that each has as much to
do. `*_per_core_images` are images per second divided by the workers.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

from tools.make_results import ROOT

# Which are compared; see tools/benchmark.py.
RATIOS = {"workers_2_per_core_images_over_workers_1_per_core_images": True}

BATCH_SIZE = 128  # of a worker
LINES = 10  # that a run prints; the first ones are of the start
_POLL_SECS = 0.1
_LINE = re.compile(r"step (\d+), loss = .* ([\d.]+) sec/batch\)$")


class Workers:
  """A cluster of a number of workers, each on a core of its own.

  Raises:
    ValueError: this process may use fewer cores than there are workers.
  """

  def __init__(self, number, steps):
    self._cores = sorted(os.sched_getaffinity(0))[:number]
    if len(self._cores) < number:
      raise ValueError(
        f"{number} workers need a core each; this process may use the cores "
        f"{self._cores} alone. Measure on a machine with more, or let taskset "
        "give it more."
      )
    self._number, self._every = number, max(1, steps // LINES)
    self._steps = self._every * LINES + 1

  def measure(self):
    """Returns the images per second and core.

    Raises:
      RuntimeError: a worker failed.
    """
    with tempfile.TemporaryDirectory() as folder:
      # To files: a full pipe that nobody reads would stop a worker, and with
      # it the others.
      logs = [
        pathlib.Path(folder, f"worker_{index}.txt")
        for index in range(self._number)
      ]
      ports = _free_ports(self._number)
      processes = []
      try:
        for index, log in enumerate(logs):
          processes.append(
            self._start(os.path.join(folder, "model"), ports, index, log)
          )
        failed = _wait(processes)
      finally:
        for process in processes:
          process.kill()
          process.wait()
      outputs = [log.read_text() for log in logs]
    if failed is not None:
      raise RuntimeError(
        f"worker {failed} failed; it printed:\n{outputs[failed]}"
      )
    rate = BATCH_SIZE / _seconds_per_step(outputs[0])
    return {f"workers_{self._number}_per_core_images": rate}

  def _command(self, model_dir):
    command = [
      sys.executable,
      "-m",
      "experiments.cifar10.train",
      "--self_test",
      f"--batch_size={BATCH_SIZE * self._number}",
      f"--train_steps={self._steps}",
      f"--log_frequency={self._every}",
      f"--model_dir={model_dir}",
    ]
    if self._number > 1:
      command.append("--distribution_strategy=multi_worker")
    return command

  def _start(self, model_dir, ports, index, log):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if self._number > 1:
      hosts = [f"localhost:{port}" for port in ports]
      environment["TF_CONFIG"] = json.dumps(
        {
          "cluster": {"worker": hosts},
          "task": {"type": "worker", "index": index},
        }
      )
    with log.open("wb") as output:
      return subprocess.Popen(
        self._command(model_dir),
        cwd=ROOT,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: os.sched_setaffinity(0, {self._cores[index]}),
      )


def _wait(processes):
  """Waits for the end of all, or for the first that fails.

  Returns:
    int, the number of the one that failed; or None.
  """
  while True:
    codes = [process.poll() for process in processes]
    for index, code in enumerate(codes):
      if code:
        return index
    if None not in codes:
      return None
    time.sleep(_POLL_SECS)


def _free_ports(number):
  """Returns ports that nobody listens on just now."""
  sockets = [socket.socket() for _ in range(number)]
  for one in sockets:
    one.bind(("localhost", 0))
  ports = [one.getsockname()[1] for one in sockets]
  for one in sockets:
    one.close()
  return ports


def _seconds_per_step(output):
  """Returns the mean of the lines that a worker printed, but for the start's.

  Args:
    output: str, what `experiments.cifar10.train` printed.
  """
  found = [_LINE.search(line) for line in output.splitlines()]
  seconds = [float(match[2]) for match in found if match][2:]
  if not seconds:
    raise RuntimeError(f"a worker printed no speed:\n{output}")
  return sum(seconds) / len(seconds)

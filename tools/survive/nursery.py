"""A process that has imported TensorFlow, and has a child for each job.

To start Python and import TensorFlow takes seconds; a child that begins behind
that takes none. TensorFlow has no threads before it first computes something,
so that a fork is safe up to then.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback

from tools.survive.processes import ROOT


class Nursery:
  """Starts children; they end with it.

  with Nursery() as nursery:
    child = nursery.start("tools.survive.toy", "train", {...}, out, err)
  """

  def __enter__(self):
    self._process = subprocess.Popen(
      [sys.executable, "-m", "tools.survive.nursery"],
      cwd=ROOT,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    # Or else its imports would be a part of the first child's time.
    self._process.stdout.readline()
    return self

  def __exit__(self, *error):
    self._process.stdin.close()
    self._process.wait()
    self._process.stdout.close()

  def start(self, module, function, arguments, out, err):
    """Calls a function in a child; returns the `Child`.

    Args:
      module, function: str.
      arguments: dictionary, of what JSON can hold.
      out, err: str, files for what it prints (appended to the second).
    """
    return Child(
      self, self.ask(call=[module, function, arguments], out=out, err=err)
    )

  def starter(self, module, function, arguments):
    """Returns what starts a child, for `processes.Life`."""
    return lambda out, err: self.start(module, function, arguments, out, err)

  def ask(self, **request):
    self._process.stdin.write(json.dumps(request) + "\n")
    self._process.stdin.flush()
    return json.loads(self._process.stdout.readline())


class Child:
  """A process of a nursery, as far as `subprocess.Popen` is needed.

  Attributes:
    pid: int.
    returncode: int or None, negative when it was killed.
  """

  def __init__(self, nursery, pid):
    self._nursery = nursery
    self.pid = pid
    self.returncode = None

  def poll(self):
    if self.returncode is None:
      self.returncode = self._nursery.ask(poll=self.pid)
    return self.returncode

  def wait(self):
    while self.poll() is None:
      time.sleep(0.002)
    return self.returncode

  def kill(self):
    # It is not yet waited for, so that the number is still its own.
    os.kill(self.pid, signal.SIGKILL)


def _fork(call, out, err):
  """Calls a function in a child; returns its process's number."""
  pid = os.fork()
  if pid:
    return pid
  status = 1
  try:
    for path, descriptor, mode in (
      (os.devnull, 0, os.O_RDONLY),
      (out, 1, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
      (err, 2, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
      os.dup2(os.open(path, mode, 0o644), descriptor)
    module, function, arguments = call
    getattr(importlib.import_module(module), function)(**arguments)
    status = 0
  except BaseException:
    traceback.print_exc()
  finally:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _poll(pid):
  """Returns how a child has ended, as `subprocess` counts; None if not yet."""
  ended, status = os.waitpid(pid, os.WNOHANG)
  return os.waitstatus_to_exitcode(status) if ended else None


def main():
  importlib.import_module("tools.survive.toy")  # And all that it needs.
  print("ready", flush=True)
  children = set()
  for line in sys.stdin:
    request = json.loads(line)
    if "poll" in request:
      answer = _poll(request["poll"])
      if answer is not None:
        children.discard(request["poll"])
    else:
      answer = _fork(**request)
      children.add(answer)
    print(json.dumps(answer), flush=True)
  for pid in children:
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
  main()

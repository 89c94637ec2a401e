"""Processes that read damaged files, and the one that watches over them.

A worker that does not answer in time is a hang, and one that ends a crash; both
are counted for the piece of work it was at, and another goes on behind it.
"""

import faulthandler
import multiprocessing
import os
import resource

HANG_SECS = 10.0
_START_SECS = 120.0  # A server of workers imports TensorFlow.
# Addresses that a worker may take for a file of 1 kB, more than at its start.
# The threads of a pipeline reserve more than 1 GB of them, and use some MB.
_MORE_BYTES = 3 << 30
# TensorFlow keeps what it made of each pipeline, and gets slower: after so many
# pieces of work there is a new worker.
_OF_ONE_WORKER = 400
HANG, CRASH = "hangs", "crashes"


def watched(work, numbers, hang_secs=HANG_SECS):
  """Yields (number, kind, message) of pieces of work done by workers.

  Args:
    work: functools.partial of a function of a module, of a number that returns
      (kind, message).
    numbers: iterable of int.
    hang_secs: float, how long one may take.
  """
  numbers = list(numbers)
  context = multiprocessing.get_context("forkserver")
  # Imports once for all workers what takes seconds.
  context.set_forkserver_preload([__name__, work.func.__module__])
  while numbers:
    here, there = context.Pipe()
    last = len(numbers) - _OF_ONE_WORKER  # that are left when it has done
    worker = context.Process(
      target=_work, args=(there, work, numbers[:_OF_ONE_WORKER])
    )
    worker.start()
    there.close()
    patience = _START_SECS
    try:
      while len(numbers) > max(last, 0):
        if not here.poll(patience):
          yield numbers.pop(0), HANG, f"no answer in {patience} s"
          break
        answer = here.recv()
        patience = hang_secs
        if answer is not None:
          yield numbers.pop(0), *answer
    except (EOFError, ConnectionResetError):
      worker.join()
      yield numbers.pop(0), CRASH, f"ended with {worker.exitcode}"
    finally:
      worker.kill()
      worker.join()
      here.close()


def _work(pipe, work, numbers):
  # Libraries tell there, for each file, what they think of it.
  null = os.open(os.devnull, os.O_WRONLY)
  os.dup2(null, 1)
  os.dup2(null, 2)
  faulthandler.enable()
  _limit_memory()
  pipe.send(None)  # It is there.
  for number in numbers:
    pipe.send(work(number))


def _limit_memory():
  with open("/proc/self/statm") as stream:
    pages = int(stream.read().split()[0])
  size = pages * os.sysconf("SC_PAGE_SIZE") + _MORE_BYTES
  resource.setrlimit(resource.RLIMIT_AS, (size, size))

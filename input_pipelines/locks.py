"""A file that lets one process at a time work in a folder that many share."""

import contextlib
import os
import socket
import threading
import time

POLL_SECS = 0.5
# The holder touches the file so often,
TOUCH_SECS = 5.0
# and counts as gone when it has not done so for so long.
GONE_SECS = 60.0


@contextlib.contextmanager
def held(path):
  """Waits for a lock, and holds it inside of a `with`.

  It is a file that is there as long as it is held, and says by whom. A thread
  touches it all the while, so that the others can tell a holder that was
  killed, by their own clocks; then one of them takes it over. (Two that do so
  in the same instant may both go on.)

  Nothing is locked in a folder that cannot be written: there is nothing to do
  in it but to look.

  Args:
    path: str, a file that does not exist, in a folder that does.
  """
  if not os.access(os.path.dirname(path), os.W_OK):
    yield
    return
  _take(path)
  released = threading.Event()
  thread = threading.Thread(
    target=_touch, args=(path, released), name="lock", daemon=True
  )
  thread.start()
  try:
    yield
  finally:
    released.set()
    thread.join()
    with contextlib.suppress(FileNotFoundError):
      os.remove(path)


def _take(path):
  """Makes the file, as soon as nobody else holds it."""
  seen, since = None, time.monotonic()
  while not _make(path):
    stamp = _stamp(path)
    if seen is None and stamp:
      print(f"Waiting for {_holder(path)}, which holds {path}.", flush=True)
    if stamp != seen:
      seen, since = stamp or seen, time.monotonic()
    elif time.monotonic() - since >= GONE_SECS:
      print(f"{_holder(path)} is gone: taking over {path}.", flush=True)
      with contextlib.suppress(FileNotFoundError):
        os.remove(path)
      continue
    time.sleep(POLL_SECS)


def _make(path):
  try:
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
  except FileExistsError:
    return False
  with os.fdopen(file, "w") as stream:
    stream.write(f"process {os.getpid()} on {socket.gethostname()}")
  return True


def _stamp(path):
  """Returns what changes whenever the file is touched; None without it."""
  try:
    status = os.stat(path)
  except FileNotFoundError:
    return None
  return status.st_ino, status.st_mtime_ns


def _holder(path):
  try:
    with open(path) as file:
      return file.read() or "another process"
  except FileNotFoundError:
    return "another process"


def _touch(path, released):
  while not released.wait(TOUCH_SECS):
    with contextlib.suppress(OSError):
      os.utime(path)

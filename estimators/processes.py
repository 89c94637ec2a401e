"""Other processes of this machine."""

import os


def is_alive(pid):
  """Whether there is a process with a number.

  Args:
    pid: int, of this machine.
  """
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return False
  except PermissionError:
    pass
  return True

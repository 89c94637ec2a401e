"""Looks at files before they are read: what they are, and whether they fit.

A pipe or a device could be read for ever, and what is larger than the memory
would end the process without a word. Both are errors here that name the file.
"""

import functools
import os
import stat

_KINDS = (
  (stat.S_ISDIR, "a folder"),
  (stat.S_ISFIFO, "a pipe"),
  (stat.S_ISSOCK, "a socket"),
)
# Where Linux says how much a container may have, versions 2 and 1.
_LIMITS = (
  "/sys/fs/cgroup/memory.max",
  "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def read(path):
  """Returns the bytes of a file.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is a folder, a pipe or a device, or larger than the memory.
  """
  check(path)
  with open(path, "rb") as stream:
    return stream.read()


def check(path):
  """Raises as `read` does, without reading."""
  status = os.stat(path)
  if not stat.S_ISREG(status.st_mode):
    kind = next((k for is_a, k in _KINDS if is_a(status.st_mode)), "a device")
    raise ValueError(
      f"{path} must be a file; got {kind}. Move it away, or name a file."
    )
  check_size(path, status.st_size)


def check_size(path, size):
  """Raises ValueError if a file's content is larger than the memory.

  Args:
    path: str.
    size: int, bytes of the content.
  """
  if size > memory_bytes():
    raise ValueError(
      f"{path} must fit into the memory, which has {memory_bytes()} bytes; its "
      f"content has {size}. Split it, or fetch it again if it should be less."
    )


@functools.cache
def memory_bytes():
  """Returns how much memory this machine, or container, has."""
  found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
  for path in _LIMITS:
    if os.path.exists(path):
      with open(path) as stream:
        limit = stream.read().strip()
      found += [int(limit)] if limit.isdigit() else []  # or it says "max"
  return min(found)


def check_no_nul(path, line, number):
  """Raises ValueError if a line of text has a NUL, as UTF-16 has.

  Args:
    path: str.
    line: bytes.
    number: int, from 1.
  """
  place = line.find(b"\0")
  if place >= 0:
    raise ValueError(
      f"{path} must be text in UTF-8, but byte {place + 1} of line {number} is "
      "NUL; convert the file (UTF-16 has such bytes), or restore it."
    )

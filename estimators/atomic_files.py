"""Files that a crash, or another process that reads, finds whole.

They are written under a temporary name, put on the disk and then renamed: what
is there is the old content or the new one, never a part.
"""

import contextlib
import json
import os

TEMPORARY = ".tmp"


@contextlib.contextmanager
def writing(path):
  """Gives a stream of bytes whose content is at `path` once all is written.

  An error on the way leaves what was there before, and nothing else.

  Args:
    path: str or path. The same with `.tmp-<pid>` at its end is written first,
      so that two processes do not mix what they write.

  Raises:
    OSError: it cannot be written.
  """
  path = os.fspath(path)
  temporary = f"{path}{TEMPORARY}-{os.getpid()}"
  try:
    with open(temporary, "wb") as stream:
      yield stream
      # Or else a crash of the machine could leave the name without content.
      stream.flush()
      os.fsync(stream.fileno())
    os.replace(temporary, path)
  except BaseException:
    with contextlib.suppress(OSError):
      os.remove(temporary)
    raise
  sync(os.path.dirname(path) or ".")


def write_json(path, values, default=None):
  """Writes a JSON file.

  Args:
    path: str or path.
    values: what to write.
    default: as for `json.dumps`.

  Raises:
    OSError: it cannot be written.
  """
  text = json.dumps(values, indent=2, default=default) + "\n"
  with writing(path) as stream:
    stream.write(text.encode())


def parsed(text, fields):
  """Returns a text's dictionary, or None unless it is one with these fields.

  Args:
    text: str.
    fields: names that must be in it.
  """
  try:
    values = json.loads(text)
  except ValueError:
    return None
  is_whole = isinstance(values, dict) and set(fields) <= set(values)
  return values if is_whole else None


def sync(path):
  """Puts a file, or the names in a folder, on the disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)

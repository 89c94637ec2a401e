"""Small JSON files that a crash, or another process that reads, finds whole."""

import json
import os


def write(path, values, default=None):
  """Writes a file in one go: it is the old one or the new one, never a part.

  Args:
    path: str. `path + ".tmp"` is written first.
    values: what to write.
    default: as for `json.dump`.

  Raises:
    OSError: it cannot be written.
  """
  with open(path + ".tmp", "w") as file:
    json.dump(values, file, indent=2, default=default)
    # Or else a crash of the machine could leave the new name without content.
    file.flush()
    os.fsync(file.fileno())
  os.replace(path + ".tmp", path)


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

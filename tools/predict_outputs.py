"""Predictions as JSON lines or CSV, on standard output or in a file.

Outputs are dictionaries of name to array [B, ...], one for each batch of B.
"""

import contextlib
import csv
import json
import os
import sys

import numpy as np


@contextlib.contextmanager
def opened(path):
  """Opens a file to write, or standard output for "".

  A file is there when all of it is, and not at all after an error.
  """
  settings = {"encoding": "utf-8", "newline": ""}
  if not path:
    with open(sys.stdout.fileno(), "w", closefd=False, **settings) as stream:
      yield stream
    return
  path = os.path.realpath(os.path.expanduser(path))
  if os.path.exists(path) and not os.path.isfile(path):  # such as a pipe
    with open(path, "w", **settings) as stream:
      yield stream
    return
  if not os.path.isdir(os.path.dirname(path)):
    raise ValueError(
      f"--output must lie in a folder that is there, but {path} does not; "
      "make the folder."
    )
  temporary = f"{path}.temp-{os.getpid()}"
  try:
    with open(temporary, "w", **settings) as stream:
      yield stream
    os.replace(temporary, path)
  except BaseException:
    with contextlib.suppress(FileNotFoundError):
      os.remove(temporary)
    raise


class JsonLines:
  """Writes an object for each row; arrays are lists.

  JSON has no numbers for them: NaN and infinity are "NaN", "Infinity" and
  "-Infinity", as in Protocol Buffers' JSON.
  """

  def __init__(self, stream):
    self._stream = stream

  def write(self, outputs):
    lists = [_finite(plain(name, a)).tolist() for name, a in outputs.items()]
    for values in zip(*lists, strict=True):
      row = dict(zip(outputs, values, strict=True))
      line = json.dumps(row, ensure_ascii=False, allow_nan=False)
      self._stream.write(line + "\n")


class Csv:
  """Writes a header and a line for each row.

  A row's array of several values is in columns name_0, name_1, ..., in
  row-major order.
  """

  def __init__(self, stream):
    self._writer = csv.writer(stream, lineterminator="\n")
    self._header = None

  def write(self, outputs):
    header, columns = [], []
    for name, array in outputs.items():
      flat = plain(name, array).reshape(len(array), -1)
      width = flat.shape[1]
      header += [name] if width == 1 else [f"{name}_{i}" for i in range(width)]
      columns += flat.T.tolist()
    if self._header is None:
      self._header = header
      self._writer.writerow(header)
    elif header != self._header:
      raise ValueError(
        "the rows of a CSV file must have the same number of values, but the "
        f"outputs fill {header} after {self._header}; write JSON lines."
      )
    self._writer.writerows(zip(*columns, strict=True))


def writer(stream, path):
  """Returns what writes to a stream, in the format that the path ends in."""
  return (Csv if path.lower().endswith(".csv") else JsonLines)(stream)


def plain(name, array):
  """Returns an array whose `tolist` has what one wants to read.

  Bytes are text, with \\x.. for what is not UTF-8; a float32 such as 0.1 has
  as few digits as tell it from its neighbours.
  """
  if array.dtype.kind == "O":
    texts = [value.decode("utf-8", "backslashreplace") for value in array.flat]
    return np.array(texts, object).reshape(array.shape)
  if array.dtype.name in ("bfloat16", "float16"):
    array = array.astype(np.float32)
  if array.dtype == np.float32:
    return array.astype(str).astype(np.float64)
  if array.dtype.kind not in "biuf":
    raise ValueError(
      f"outputs must be numbers, text or bool, but {name} is {array.dtype}; "
      "name the others with --keys."
    )
  return array


def _finite(array):
  """Returns an array with words for NaN and infinity."""
  if array.dtype.kind != "f" or np.isfinite(array).all():
    return array
  words = array.astype(object)
  words[np.isnan(array)] = "NaN"
  words[np.isposinf(array)] = "Infinity"
  words[np.isneginf(array)] = "-Infinity"
  return words

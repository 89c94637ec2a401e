"""Arrays of numbers in MATLAB 5 files (.mat).

The format is that of MathWorks' "MAT-File Format", level 5: a header of 128
bytes, then elements of a type, a size and data, which may be compressed. It is
read here as scipy.io.loadmat crashes the process on some damaged files.
"""

import struct
import zlib

import numpy as np

from input_pipelines import plain_files

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_MOST_PADDING = 7
# How data is stored, by an element's type, and what it stands for, by the class
# of its array: MATLAB stores whole numbers in fewer bytes than their class has.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4",
           9: "f8", 12: "i8", 13: "u8"}  # fmt: skip
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4",
            13: "u4", 14: "i8", 15: "u8"}  # fmt: skip
_COMPLEX = 0x0800


def read(path):
  """Reads the arrays of real numbers in a file; whatever else is passed over.

  Args:
    path: str.

  Returns:
    dictionary of name to array, of two dimensions or more.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is damaged, or no MATLAB 5 file.
  """
  content = memoryview(plain_files.read(path))
  try:
    order = _byte_order(content)
    arrays = {}
    for kind, data in _elements(content[_HEADER_BYTES:], order):
      if kind == _COMPRESSED:
        ((kind, data),) = _elements(_decompressed(path, data, order), order)
      if kind == _MATRIX:
        arrays |= _array(data, order)
  except (ValueError, zlib.error) as error:
    raise ValueError(
      f"{path} must be a whole MATLAB 5 file; got {len(content)} bytes that "
      f"fail with: {error}. Save it as version 5."
    ) from error
  return arrays


def _decompressed(path, data, order):
  """Returns the bytes of a compressed element.

  No more than its size says are made of it, so that it cannot fill the memory.
  """
  stream = zlib.decompressobj()
  start = stream.decompress(data, 8)
  if len(start) < 8:
    raise ValueError("a compressed element is cut")
  _, size = struct.unpack(order + "II", start)
  plain_files.check_size(path, size)
  # What follows is too much by a byte at most, which is no element.
  rest = stream.decompress(stream.unconsumed_tail, size + _MOST_PADDING + 1)
  if not stream.eof:
    # (Where all came, the checksum still has to be read.)
    rest += stream.decompress(stream.unconsumed_tail, 1)
  if not stream.eof:
    raise ValueError("a compressed element is cut, or larger than it says")
  return memoryview(start + rest)


def _byte_order(content):
  """Returns "<" or ">" from the version 1.0 at the end of the header."""
  if not content:
    raise ValueError("the file is empty")
  order = {b"\0\1IM": "<", b"\1\0MI": ">"}.get(bytes(content[124:128]))
  if order is None:
    raise ValueError(f"its header ends in {bytes(content[124:128])}")
  return order


def _elements(content, order):
  """Yields the type and the data of each element."""
  start = 0
  while start < len(content):
    if start + 8 > len(content):
      raise ValueError(f"the element at byte {start} is cut")
    kind, size = struct.unpack_from(order + "II", content, start)
    begin = start + 8
    padding = 0 if kind == _COMPRESSED else -size % 8
    if kind >> 16:  # a small one: type and size share four bytes
      kind, size, begin = kind & 0xFFFF, kind >> 16, start + 4
      padding = 4 - size
    if begin + size > len(content) or padding < 0:
      raise ValueError(f"the element at byte {start} of {size} bytes is cut")
    yield kind, content[begin : begin + size]
    start = begin + size + padding


def _array(matrix, order):
  """Returns {name: array} of a matrix, or {} if it is not of real numbers."""
  parts = list(_elements(matrix, order))
  if len(parts) < 4 or len(parts[0][1]) < 4:
    return {}
  (_, flags), (_, sizes), (_, name), (stored, data) = parts[:4]
  (flags,) = struct.unpack_from(order + "I", flags)
  if flags & 0xFF not in _CLASSES or flags & _COMPLEX:
    return {}
  if stored not in _STORED:
    raise ValueError(f"there is no type {stored} of numbers")
  shape = np.frombuffer(sizes, order + "i4").tolist()
  values = np.frombuffer(data, order + _STORED[stored])
  if min(shape, default=-1) < 0 or len(values) != np.prod(shape, dtype=object):
    raise ValueError(f"an array of sizes {shape} has {len(values)} values")
  values = values.astype(_CLASSES[flags & 0xFF], copy=False)
  return {bytes(name).decode("latin-1"): values.reshape(shape, order="F")}

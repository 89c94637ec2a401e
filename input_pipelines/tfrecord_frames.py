"""How records stand in TFRecord files, and whether their lengths can be true.

A record is its length, uint64; a checksum of that, uint32; the data; a checksum
of these, uint32. All are little-endian, and the checksums are CRC-32C, masked.

TensorFlow believes a length whose checksum is right, and makes room for so many
bytes before it reads them: one that claims 2^60 ends the process.
"""

import contextlib
import os
import struct

import tensorflow as tf

from input_pipelines import files

_HEADER_BYTES = 12
_CHECKSUM_BYTES = 4
_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits from the lowest on
_MASK = 0xA282EAD8


def check_lengths(path, compression, size):
  """Raises ValueError if a record claims to be longer than the whole content.

  Only what TensorFlow would believe counts: other damage it tells by itself.
  Looks at the length of each record.

  Args:
    path: str.
    compression: "", "GZIP" or "ZLIB".
    size: int, bytes of the content.
  """
  found = false_claim(path, compression, size)
  if found:
    raise ValueError(found[1])


def false_claim(path, compression, size):
  """Returns which record claims to be longer than the whole content, or None.

  Args:
    path, compression, size: see `check_lengths`.

  Returns:
    int, its number, from 0; and str, what is wrong.
  """
  for number, (place, header) in enumerate(_headers(path, compression, size)):
    (length,) = struct.unpack_from("<Q", header)
    if length > size and _is_believed(header):
      return number, (
        f"{path}, record {number + 1} at byte {place} must end within its file "
        f"of {size} bytes, but claims {length} bytes of data; the file is "
        "damaged. Fetch or make it again."
      )
  return None


def end_of_record(path, place, size):
  """Returns the byte behind the record at `place` of a file; int, or None.

  None if its length is damaged, or if it ends behind the file.

  Args:
    path: str, of a file that is not compressed.
    place: int, the record's first byte.
    size: int, bytes of the file.
  """
  with contextlib.ExitStack() as stack:
    header = _reader(path, "", stack)(place)
  if len(header) < _HEADER_BYTES or not _is_believed(header):
    return None
  (length,) = struct.unpack_from("<Q", header)
  end = place + _HEADER_BYTES + length + _CHECKSUM_BYTES
  return end if end <= size else None


def _is_believed(header):
  """Returns whether the checksum of a length is right; header: 12 bytes."""
  return masked_crc32c(header[:8]) == header[8:]


def masked_crc32c(data):
  """Returns the checksum of bytes as it stands in a file: 4 bytes."""
  crc = 0xFFFFFFFF
  for byte in data:
    crc ^= byte
    for _ in range(8):
      crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
  crc ^= 0xFFFFFFFF
  return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF)


def _headers(path, compression, size):
  """Yields (place, 12 bytes) of records, up to one that ends behind `size`.

  Zeros end them too.
  """
  with contextlib.ExitStack() as stack:
    read = _reader(path, compression, stack)
    place = 0
    while place + _HEADER_BYTES <= size:
      header = read(place)
      # Zeros are no header; a hole in a file has no end of them.
      if len(header) < _HEADER_BYTES or not any(header):
        return
      yield place, header
      (length,) = struct.unpack_from("<Q", header)
      place += _HEADER_BYTES + length + _CHECKSUM_BYTES


def _reader(path, compression, stack):
  """Returns a function of rising places that gives the 12 bytes there.

  Args:
    path: str.
    compression: "", "GZIP" or "ZLIB".
    stack: contextlib.ExitStack that closes the file.
  """
  if not compression:
    # (GFile takes ten times as long, and is for what is not on this machine.)
    is_local = os.path.exists(path)
    stream = open(path, "rb") if is_local else tf.io.gfile.GFile(path, "rb")

    stack.enter_context(stream)

    def read(place):
      stream.seek(place)
      return stream.read(_HEADER_BYTES)

    return read
  chunks = files.content_chunks(path, compression)
  start, content = 0, b""

  def read_compressed(place):
    nonlocal start, content
    while place + _HEADER_BYTES > start + len(content):
      chunk = next(chunks, None)
      if chunk is None:
        return b""
      # What comes before the place is not wanted any more.
      kept = content[max(place - start, 0) :]
      start = max(start, min(place, start + len(content)))
      content = kept + chunk
    return content[place - start : place - start + _HEADER_BYTES]

  return read_compressed

"""What bytes of binary formats hold, read a second time and in another way.

Each function takes the content of a file and returns what its pipeline must
make of it. It raises `Damaged` where that must be an error.
"""

import io
import math
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

_CRC32C = []
for _byte in range(256):
  for _ in range(8):
    _byte = _byte >> 1 ^ (0x82F63B78 if _byte & 1 else 0)
  _CRC32C.append(_byte)


class Damaged(Exception):
  """The bytes are none of the format."""


def demand(condition):
  """Raises Damaged unless the condition holds."""
  if not condition:
    raise Damaged


def idx(content, magic, num_dimensions, most):
  """An idx file of bytes up to `most`, at least one."""
  demand(len(content) >= 4 + 4 * num_dimensions)
  found, *sizes = struct.unpack_from(f">{1 + num_dimensions}I", content)
  data = content[4 + 4 * num_dimensions :]
  demand(
    found == magic and min(sizes) > 0 and max(sizes[1:], default=1) < 2**16
  )
  demand(math.prod(sizes) == len(data) and max(data) <= most)
  return np.array(list(data), np.uint8).reshape(sizes)


def gunzipped(content):
  """The content of a gzip file (RFC 1952), perhaps of several members."""
  demand(content)
  found = b""
  while content:
    start = _end_of_gzip_header(content)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
      data = inflate.decompress(content[start:])
    except zlib.error as error:
      raise Damaged from error
    tail = inflate.unused_data
    demand(inflate.eof and len(tail) >= 8)
    demand(struct.unpack_from("<II", tail) == (zlib.crc32(data), len(data)))
    found += data
    content = tail[8:].lstrip(b"\0")
  return found


def _end_of_gzip_header(content):
  demand(len(content) >= 10 and content[:3] == b"\x1f\x8b\x08")
  flags, at = content[3], 10
  if flags & 4:
    demand(len(content) >= at + 2)
    at += 2 + int.from_bytes(content[at : at + 2], "little")
  for flag in (8, 16):
    if flags & flag:
      end = content.find(b"\0", at)
      demand(end >= 0)
      at = end + 1
  at += 2 if flags & 2 else 0
  demand(at <= len(content))
  return at


def cifar10(content):
  """Records of a label and three planes of 32x32."""
  demand(content and len(content) % 3073 == 0)
  images, labels = [], []
  for start in range(0, len(content), 3073):
    label, planes = content[start], content[start + 1 : start + 3073]
    demand(label < 10)
    labels.append(label)
    colours = zip(planes[:1024], planes[1024:2048], planes[2048:], strict=True)
    images.append(np.array(list(colours), np.uint8).reshape(32, 32, 3))
  return np.stack(images), np.array(labels, np.int32)


def svhn(content):
  """X and y of a MATLAB 5 file, as images and digits."""
  demand(len(content) >= 128)
  order = {b"\0\1IM": "<", b"\1\0MI": ">"}.get(content[124:128])
  demand(order)
  arrays = {}
  for kind, data in _mat_elements(content[128:], order):
    if kind == 15:
      inflate = zlib.decompressobj()
      try:
        data = inflate.decompress(data)
      except zlib.error as error:
        raise Damaged from error
      demand(inflate.eof)
      elements = _mat_elements(data, order)
      demand(len(elements) == 1)
      kind, data = elements[0]
    if kind == 14:
      arrays |= _mat_array(_mat_elements(data, order), order)
  demand({"X", "y"} <= arrays.keys())
  (x_kind, x), (_, y) = arrays["X"], arrays["y"]
  demand(x_kind == 9 and x.ndim == 4 and x.shape[:3] == (32, 32, 3))
  demand(y.shape == (x.shape[3], 1) and y.size)
  demand(all(label in range(1, 11) for label in y.ravel().tolist()))
  images = [x[..., i].astype(np.uint8) for i in range(x.shape[3])]
  return np.stack(images), np.array([int(v) % 10 for v in y[:, 0]], np.int32)


def _mat_elements(content, order):
  found, at = [], 0
  while at < len(content):
    demand(at + 8 <= len(content))
    first, size = struct.unpack_from(order + "2I", content, at)
    if first >= 1 << 16:
      kind, size, begin, end = first & 0xFFFF, first >> 16, at + 4, at + 8
      demand(size <= 4)
    else:
      kind, begin, end = first, at + 8, at + 8 + size
      if kind != 15:
        end += (8 - size % 8) % 8
    demand(begin + size <= len(content))
    found.append((kind, content[begin : begin + size]))
    at = end
  return found


def _mat_array(parts, order):
  """Returns {name: (class, float64 or int array)} of a matrix of numbers."""
  if len(parts) < 4 or len(parts[0][1]) < 4:
    return {}
  (flags,) = struct.unpack_from(order + "I", parts[0][1])
  if flags & 0xFF not in range(6, 16) or flags & 0x800:
    return {}
  code = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d",
          12: "q", 13: "Q"}.get(parts[3][0])  # fmt: skip
  demand(code and len(parts[1][1]) % 4 == 0)
  sizes = struct.unpack(f"{order}{len(parts[1][1]) // 4}i", parts[1][1])
  width = struct.calcsize(code)
  data = parts[3][1]
  demand(sizes and min(sizes) >= 0 and len(data) % width == 0)
  demand(math.prod(sizes) == len(data) // width)
  values = struct.unpack(f"{order}{len(data) // width}{code}", data)
  array = np.array(values).reshape(sizes[::-1]).T
  return {parts[2][1].decode("latin-1"): (flags & 0xFF, array)}


def image(content, kind, shape):
  """A JPEG or PNG of a shape; uint8."""
  try:
    with Image.open(io.BytesIO(content), formats=[kind]) as picture:
      demand(picture.size == (shape[1], shape[0]))
      return np.asarray(picture.convert("RGB"))
  except (OSError, ValueError, SyntaxError, EOFError, TypeError) as error:
    raise Damaged from error


def jpeg(content, shape):
  """A JPEG as TensorFlow decodes it: fast, and so not quite as others do.

  A damaged table makes much of that little. So it is TensorFlow's exact way
  that must agree with the other reader, and the fast way is what is returned.
  """
  try:
    wanted = image(content, "JPEG", shape)
  except Damaged:
    # Pillow refuses damage in what stands before the first table, and is no
    # part of the picture; libjpeg passes over it.
    tables = content[content.find(b"\xff\xdb") :]
    wanted = image(b"\xff\xd8" + tables, "JPEG", shape)
  try:
    exact = tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE")
    fast = tf.io.decode_jpeg(content, 3)
  except (tf.errors.OpError, UnicodeDecodeError):
    return wanted  # It is for the reader to take or to refuse.
  is_right = np.array_equal(exact.numpy(), wanted)
  return fast.numpy() if is_right else wanted


def frames(content):
  """The records of a TFRecord file: list of bytes, None for a damaged one.

  A length that is damaged ends the list with None.
  """
  found, at = [], 0
  while at < len(content):
    length = content[at : at + 8]
    if content[at + 8 : at + 12] != masked_crc32c(length):
      return [*found, None]
    end = at + 12 + int.from_bytes(length, "little")
    if end + 4 > len(content):
      return [*found, None]
    record = content[at + 12 : end]
    right = content[end : end + 4] == masked_crc32c(record)
    found.append(record if right else None)
    at = end + 4
  return found


def framed(record):
  """A record as it stands in a TFRecord file."""
  length = struct.pack("<Q", len(record))
  return length + masked_crc32c(length) + record + masked_crc32c(record)


def masked_crc32c(data):
  """The checksum of TFRecord files, 4 bytes."""
  crc = 0xFFFFFFFF
  for byte in data:
    crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 0xFF]
  crc ^= 0xFFFFFFFF
  masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
  return struct.pack("<I", masked)

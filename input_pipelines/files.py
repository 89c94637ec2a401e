"""Finding data files, and making sure that compressed ones are whole.

TensorFlow reads a gzip or zlib file that was cut as if it ended there, without
an error. So compressed files are decompressed once, before they are used, at
some 500 MB of content a second.
"""

import gzip
import os
import zlib

import tensorflow as tf

COMPRESSIONS = ("", "GZIP", "ZLIB")
_BY_ENDING = {".gz": "GZIP", ".zlib": "ZLIB"}
_CHUNK_BYTES = 1 << 20


def match(file_pattern):
  """Returns the files that a pattern stands for, sorted.

  Args:
    file_pattern: str or path, such as "data/train-*.csv"; or a non-empty list
      of them.

  Returns:
    list of str, each path once.

  Raises:
    TypeError: it is neither.
    ValueError: a pattern matches no file, or a file has no bytes.
  """
  if isinstance(file_pattern, (str, os.PathLike)):
    file_pattern = [file_pattern]
  if not isinstance(file_pattern, (list, tuple)):
    raise TypeError(
      "file_pattern must be a path, a pattern such as 'data/*.csv' or a list "
      f"of them; got {file_pattern!r}."
    )
  if not file_pattern:
    raise ValueError(
      "file_pattern must have at least one pattern; got an empty list. Check "
      "how the list was made."
    )
  paths = set()
  for pattern in file_pattern:
    pattern = os.path.expanduser(pattern)
    # A name may hold brackets: what is there is not a pattern.
    found = [pattern]
    if not tf.io.gfile.exists(pattern):
      found = tf.io.gfile.glob(pattern)
    found = [path for path in found if not tf.io.gfile.isdir(path)]
    if not found:
      raise ValueError(
        f"file_pattern must match at least one file; {pattern!r} matches "
        "none. Check the path; a folder needs a pattern such as 'folder/*'."
      )
    paths.update(found)
  for path in paths:
    if not tf.io.gfile.stat(path).length:
      raise ValueError(
        f"{path} must have data; got an empty file. Delete it or make it again."
      )
  return sorted(paths)


def compression_of(path, compression):
  """Returns how a file is compressed: "", "GZIP" or "ZLIB".

  Args:
    path: str.
    compression: one of these, or None, which goes by the ending of `path`:
      .gz, .zlib, or another.

  Raises:
    ValueError: compression is something else.
  """
  if compression is None:
    return _BY_ENDING.get(os.path.splitext(path)[1].lower(), "")
  if compression not in COMPRESSIONS:
    raise ValueError(
      f"compression must be one of {COMPRESSIONS}, or None (by the ending of "
      f"the file's name); got {compression!r}."
    )
  return compression


def content_size(path, compression):
  """Returns the bytes of a file's content; of a compressed one, reads it.

  Args:
    path: str.
    compression: "", "GZIP" or "ZLIB".

  Raises:
    ValueError: the compressed file is cut, damaged, or holds nothing.
  """
  if not compression:
    return tf.io.gfile.stat(path).length
  size = sum(len(chunk) for chunk in content_chunks(path, compression))
  if not size:
    raise ValueError(
      f"{path} must have data; got nothing in it. Delete it or make it again."
    )
  return size


def content_chunks(path, compression):
  """Yields the content of a file in pieces (bytes).

  Raises:
    ValueError: the compressed file is cut or damaged.
  """
  with tf.io.gfile.GFile(path, "rb") as stream:
    try:
      if compression == "GZIP":
        with gzip.GzipFile(fileobj=stream) as content:
          yield from iter(lambda: content.read(_CHUNK_BYTES), b"")
      elif compression == "ZLIB":
        yield from _zlib_chunks(stream)
      else:
        yield from iter(lambda: stream.read(_CHUNK_BYTES), b"")
    except (OSError, EOFError, zlib.error) as error:
      raise ValueError(
        f"{path} must be a whole {compression.lower()} file; reading it fails "
        f"with: {error}. Make or fetch it again, or pass another compression."
      ) from error


def _zlib_chunks(stream):
  decompress = zlib.decompressobj()
  while data := stream.read(_CHUNK_BYTES):
    yield decompress.decompress(data)
  yield decompress.flush()
  if not decompress.eof or decompress.unused_data:
    raise EOFError(
      "the stream "
      + ("goes on after its end" if decompress.eof else "ends too early")
    )

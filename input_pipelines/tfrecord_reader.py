"""Datasets of the records of TFRecord files, in chunks that know their place.

A record that is damaged, or no tf.train.Example, is an error that names file
and record.
"""

import functools
import zlib

import tensorflow as tf
from google.protobuf import message

from input_pipelines import common

# Records that are read and checked at once.
CHUNK_RECORDS = 128
# Bytes around a record: its length, and checksums of the length and of it.
FRAME_BYTES = 16
# A record's place is that of its file times this, plus that within the file.
_MAX_RECORDS = 1 << 40
# Bytes that show whether a file is compressed, and what zlib calls the forms.
_START_BYTES = 4096
_WINDOW_BITS = {"GZIP": 16 + zlib.MAX_WBITS, "ZLIB": zlib.MAX_WBITS}
_BUFFER_BYTES = 1 << 18
# What no record has: to parse it is to look at the record's outer form alone.
_NO_FEATURE = {"\0 none": tf.io.VarLenFeature(tf.int64)}


def records_from(path, compression, start):
  """Returns a dataset of the records of a file: string [].

  Args:
    path: str, or string [].
    compression: "", "GZIP" or "ZLIB", or string [].
    start: int, or int64 [], the byte at which the first of them begins.
  """

  @common.no_autograph
  def read(start):
    # tf.data.TFRecordDataset always starts at 0.
    variant = tf.raw_ops.TFRecordDatasetV2(
      filenames=tf.reshape(path, [1]),
      compression_type=compression,
      buffer_size=tf.constant(_BUFFER_BYTES, tf.int64),
      byte_offsets=tf.reshape(start, [1]),
    )
    return tf.data.experimental.from_variant(
      variant, tf.TensorSpec([], tf.string)
    )

  # TensorFlow forgets the last argument of this operation where it writes down
  # a dataset, but does not write down what is within functions.
  start = tf.cast(start, tf.int64)
  return tf.data.Dataset.from_tensors(start).flat_map(read)


def parse_nothing(records):
  """Returns 0, int64 []; an error if one of string [C] is no Example."""
  (parsed,) = tf.io.parse_example(records, _NO_FEATURE).values()
  return parsed.dense_shape[0] - tf.size(records, tf.int64)


def not_an_example(path, number, record):
  """Returns what is wrong with record `number`, from 1: bytes `record`."""
  return (
    f"{path}, record {number} must be a tf.train.Example; got {len(record)} "
    f"bytes of something else, {record[:20].hex(' ')} ... (hexadecimal). Check "
    "what wrote the file."
  )


def not_whole(path, compression, number):
  """Returns what is wrong with record `number`, from 1, that is damaged."""
  first = number == 1 and not compression
  found = _compression_of_content(path) if first else ""
  if found:
    # (Without quotes: TensorFlow's error would show them as \'.)
    return (
      f"{path} must hold records as they are, but looks compressed; pass "
      f"compression={found}."
    )
  return (
    f"{path}, record {number} must have its length and checksums; it is cut or "
    "damaged. Fetch or make the file again."
  )


class Reader:
  """Datasets of records and their places.

  TensorFlow's own errors do not name the file. So errors are dropped where
  they come up, which ends the file or leaves out a chunk; `_check` sees the
  gap and says what was there.

  Args:
    paths: list of str.
    compressions: list of "", "GZIP" or "ZLIB", one for each file.
    sizes: list of int, the bytes of each file's content.
    runs: list of lists of tfrecord_runs.Run, what is read of each file; or
      None for all.
  """

  def __init__(self, paths, compressions, sizes, runs=None):
    self._paths, self._compressions = paths, compressions
    self._sizes = tf.constant(sizes, tf.int64)
    self._runs = None
    if runs is not None:
      counts = [len(of_file) for of_file in runs]
      self._runs = tf.constant(sum(runs, []), tf.int64)
      self._ends = tf.cumsum(tf.constant(counts, tf.int64))
      self._starts = self._ends - counts

  def names(self, places):
    """Returns what errors call the records at `places`, int64 [B]."""
    return tf.strings.join(
      [
        tf.gather(self._paths, places // _MAX_RECORDS),
        ", record ",
        tf.strings.as_string(places % _MAX_RECORDS + 1),
      ]
    )

  @common.no_autograph
  def chunks(self, file):
    """Returns a dataset of records, string [C], and their places, int64 [C]."""
    if self._runs is None:
      records = tf.data.TFRecordDataset(
        tf.gather(self._paths, file), tf.gather(self._compressions, file)
      )
      zero = tf.constant(0, tf.int64)
      end = tf.gather(self._sizes, file)
      return self._checked(records, file, zero, zero, end)
    runs = tf.data.Dataset.range(
      tf.gather(self._starts, file), tf.gather(self._ends, file)
    )
    return runs.flat_map(functools.partial(self._chunks_of_run, file))

  @common.no_autograph
  def _chunks_of_run(self, file, run):
    first, count, start, end = tf.unstack(tf.gather(self._runs, run))
    records = records_from(
      tf.gather(self._paths, file), tf.gather(self._compressions, file), start
    )
    return self._checked(records.take(count), file, first, start, end)

  def _checked(self, records, file, first, start, end):
    """Returns the dataset of `chunks`, of neighbours in a file.

    Args:
      records: dataset of string [].
      file: int64 [].
      first: int64 [], the number of the first of them, from 0.
      start, end: int64 [], the bytes between which they are.
    """
    # Reads a byte and gives nothing. A file that cannot be opened is an error
    # here; below it would be dropped and tried again for ever.
    opened = tf.data.FixedLengthRecordDataset(
      tf.gather(self._paths, file), record_bytes=1
    )
    opened = opened.take(1).skip(1).batch(1).enumerate()
    chunks = records.batch(CHUNK_RECORDS).enumerate()
    chunks = chunks.map(_parsed).ignore_errors()
    nothing = tf.data.Dataset.from_tensors(
      (tf.constant(-1, tf.int64), tf.constant([], tf.string))
    )
    check = functools.partial(self._check, file, first, start, end)
    return (
      opened.concatenate(chunks)
      .concatenate(nothing)
      .scan((first, start), common.no_autograph(check))
    )

  def _check(self, file, first, start, end, state, chunk):
    """Makes sure that nothing is left out before a chunk.

    Args:
      file, first, start, end: see `_checked`.
      state: the records and bytes of the file before this chunk, int64 [].
      chunk: its number, int64 [], and records, string [C]; C is 0 at the end.

    Returns:
      The next state; records, string [C], and places, int64 [C].
    """
    (num_records, num_bytes), (number, records) = state, chunk
    size = tf.size(records, tf.int64)
    whole = tf.where(
      tf.equal(size, 0),
      tf.equal(num_bytes, end),
      tf.equal(num_records - first, number * CHUNK_RECORDS),
    )
    path = tf.gather(self._paths, file)
    compression = tf.gather(self._compressions, file)
    problem = tf.cond(
      whole,
      lambda: "",
      # (What is marked as stateful cannot be saved.)
      lambda: tf.numpy_function(
        _problem,
        [path, compression, first, start, num_records],
        tf.string,
        stateful=False,
      ),
    )
    lengths = tf.cast(tf.strings.length(records), tf.int64)
    next_bytes = num_bytes + tf.reduce_sum(lengths + FRAME_BYTES)
    places = file * _MAX_RECORDS + num_records + tf.range(size)
    with tf.control_dependencies([tf.debugging.Assert(whole, [problem])]):
      return (num_records + size, next_bytes), (records, places)


@common.no_autograph
def _parsed(number, records):
  """Returns the arguments; an error if a record is no tf.train.Example."""
  # The sum is `number`. A mere control dependency would be optimised away.
  return number + parse_nothing(records), records


def _problem(path, compression, first, start, num_good):
  """Returns what is wrong with one of a file's records.

  Args:
    path, compression: bytes.
    first, start: int64, a record's number, from 0, and its first byte.
    num_good: int64, the number of the first record that may be wrong, from 0.
  """
  path, compression, number = path.decode(), compression.decode(), int(num_good)
  records = records_from(path, compression, start).ignore_errors()
  for record in records.skip(number - int(first)).as_numpy_iterator():
    number += 1
    try:
      tf.train.Example.FromString(record)
    except message.DecodeError:
      return not_an_example(path, number, record)
  return not_whole(path, compression, number + 1)


def _compression_of_content(path):
  """Returns "GZIP" or "ZLIB" if a file begins as such files do, else ""."""
  with tf.io.gfile.GFile(path, "rb") as stream:
    start = stream.read(_START_BYTES)
  for compression, window_bits in _WINDOW_BITS.items():
    try:
      if zlib.decompressobj(window_bits).decompress(start, 1):
        return compression
    except zlib.error:
      pass
  return ""

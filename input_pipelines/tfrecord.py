"""An input function over TFRecord files of tf.train.Example.

    input_fn = tfrecord_input_fn(
      "data/train-*.tfrecord",
      {"image": tf.io.FixedLenFeature([784], tf.float32),
       "label": tf.io.FixedLenFeature([], tf.int64)},
      label_name="label", num_epochs=None, shuffle=True)
    estimator.train(input_fn, steps=1000)

It returns a tf.data.Dataset of (features, labels): what tf.io.parse_example
makes of B records.

A record that is damaged, or not as the features say, is an error that names
the file and the record, counted from 1. So is a file that was cut in the midst
of a record; where a record begins, only a compressed file shows it. (TensorFlow
takes a file for whole that ends in the first 12 bytes of a record.)

The place in the data can be saved and restored exactly, in another process
too, with `tf.train.Checkpoint(iterator=iter(dataset))`. With shuffle the
records that wait in its buffer are part of the checkpoint.
"""

import functools
import zlib

import tensorflow as tf
from google.protobuf import message

from input_pipelines import common, files, tfrecord_frames

# Records that are read and checked at once.
_CHUNK_RECORDS = 128
# A record's place is that of its file times this, plus that within the file.
_MAX_RECORDS = 1 << 40
# Bytes around a record: its length, and checksums of the length and of it.
_FRAME_BYTES = 16
# Bytes that show whether a file is compressed, and what zlib calls the forms.
_START_BYTES = 4096
_WINDOW_BITS = {"GZIP": 16 + zlib.MAX_WBITS, "ZLIB": zlib.MAX_WBITS}
_FEATURES = (
  tf.io.FixedLenFeature,
  tf.io.FixedLenSequenceFeature,
  tf.io.RaggedFeature,
  tf.io.SparseFeature,
  tf.io.VarLenFeature,
)
# What no record has: to parse it is to look at the record's outer form alone.
_NO_FEATURE = {"\0 none": tf.io.VarLenFeature(tf.int64)}


def tfrecord_input_fn(
  file_pattern,
  feature_spec,
  label_name=None,
  batch_size=128,
  num_epochs=1,
  shuffle=None,
  shuffle_buffer_size=10_000,
  seed=None,
  compression=None,
  cycle_length=4,
):
  """Returns an input function that feeds the records of TFRecord files.

  Args:
    file_pattern: str or list of str, paths or patterns such as
      "data/*.tfrecord". Without shuffle, files are read one after the other in
      the order of their names.
    feature_spec: dictionary of name to tf.io.FixedLenFeature, VarLenFeature
      and so on, as for tf.io.parse_example.
    label_name: str, the feature that is the labels; or None.
    batch_size: int, records of a batch; at least 1.
    num_epochs: int, times that each record is visited, or None for ever.
    shuffle: bool; must be given. True, right for training, gives every epoch
      an order of files and records of its own.
    shuffle_buffer_size: int, how many records a record is picked from. They
      are kept in memory.
    seed: int that fixes the order, or None for another order each time.
    compression: "", "GZIP", "ZLIB" for all files, or None: by the endings .gz
      and .zlib. Compressed files are read once beforehand.
    cycle_length: int, how many files are read in turn, with shuffle.

  Returns:
    A function without arguments that returns a tf.data.Dataset. Batches run
    on over the ends of epochs; their size is static if num_epochs is None.

  Raises:
    TypeError, ValueError: no file matches, one is empty, a compressed one is
      damaged, a record claims to be longer than its file, or an argument is
      wrong.
  """
  common.check_order(batch_size, num_epochs, shuffle, seed)
  common.check_count("shuffle_buffer_size", shuffle_buffer_size)
  common.check_count("cycle_length", cycle_length)
  _check_features(feature_spec, label_name)
  paths = files.match(file_pattern)
  compressions = [files.compression_of(path, compression) for path in paths]
  sizes = list(map(files.content_size, paths, compressions))
  for path, kind, size in zip(paths, compressions, sizes, strict=True):
    tfrecord_frames.check_lengths(path, kind, size)

  def build():
    reader = _Reader(paths, compressions, sizes)
    cycle = cycle_length if shuffle else 1

    @common.no_autograph
    def read_epoch(epoch_seed):
      order = tf.range(len(paths), dtype=tf.int64)
      if shuffle:
        order = common.permutation(len(paths), seed, epoch_seed)
      records = tf.data.Dataset.from_tensor_slices(order).interleave(
        reader.chunks,
        cycle,
        num_parallel_calls=min(cycle, common.PARALLEL_CALLS),
        deterministic=True,
      )
      records = records.unbatch()
      if not shuffle:
        return records
      return common.shuffled(records, shuffle_buffer_size, seed, epoch_seed)

    def parse(records, places):
      return tf.io.parse_example(
        records, feature_spec, example_names=reader.names(places)
      )

    return common.batches(
      common.epoch_seeds(num_epochs, seed).flat_map(read_epoch),
      parse,
      label_name,
      batch_size,
      endless=num_epochs is None,
    )

  if shuffle and seed is None:
    return build
  return functools.cache(build)


class _Reader:
  """Datasets of records and their places.

  TensorFlow's own errors do not name the file. So errors are dropped where
  they come up, which ends the file or leaves out a chunk; `_check` sees the
  gap and says what was there.
  """

  def __init__(self, paths, compressions, sizes):
    self._paths, self._compressions = paths, compressions
    self._sizes = tf.constant(sizes, tf.int64)

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
    # Reads a byte and gives nothing. A file that cannot be opened is an error
    # here; below it would be dropped and tried again for ever.
    opened = tf.data.FixedLengthRecordDataset(
      tf.gather(self._paths, file), record_bytes=1
    )
    opened = opened.take(1).skip(1).batch(1).enumerate()
    chunks = self._records(file).batch(_CHUNK_RECORDS).enumerate()
    chunks = chunks.map(_parsed).ignore_errors()
    end = tf.data.Dataset.from_tensors(
      (tf.constant(-1, tf.int64), tf.constant([], tf.string))
    )
    zero = tf.constant(0, tf.int64)
    return (
      opened.concatenate(chunks)
      .concatenate(end)
      .scan((zero, zero), functools.partial(self._check, file))
    )

  def _records(self, file):
    return tf.data.TFRecordDataset(
      tf.gather(self._paths, file), tf.gather(self._compressions, file)
    )

  @common.no_autograph
  def _check(self, file, state, chunk):
    """Makes sure that nothing is left out before a chunk.

    Args:
      file: int64 [].
      state: the records and bytes of the file before this chunk, int64 [].
      chunk: its number, int64 [], and records, string [C]; C is 0 at the end.

    Returns:
      The next state; records, string [C], and places, int64 [C].
    """
    (num_records, num_bytes), (number, records) = state, chunk
    size = tf.size(records, tf.int64)
    whole = tf.where(
      tf.equal(size, 0),
      tf.equal(num_bytes, tf.gather(self._sizes, file)),
      tf.equal(num_records, number * _CHUNK_RECORDS),
    )
    path = tf.gather(self._paths, file)
    compression = tf.gather(self._compressions, file)
    problem = tf.cond(
      whole,
      lambda: "",
      # (What is marked as stateful cannot be saved.)
      lambda: tf.numpy_function(
        _problem, [path, compression, num_records], tf.string, stateful=False
      ),
    )
    lengths = tf.cast(tf.strings.length(records), tf.int64)
    next_bytes = num_bytes + tf.reduce_sum(lengths + _FRAME_BYTES)
    places = file * _MAX_RECORDS + num_records + tf.range(size)
    with tf.control_dependencies([tf.debugging.Assert(whole, [problem])]):
      return (num_records + size, next_bytes), (records, places)


@common.no_autograph
def _parsed(number, records):
  """Returns the arguments; an error if a record is no tf.train.Example."""
  (parsed,) = tf.io.parse_example(records, _NO_FEATURE).values()
  # The difference is 0. A mere control dependency would be optimised away.
  return number + (parsed.dense_shape[0] - tf.size(records, tf.int64)), records


def _problem(path, compression, num_good):
  """Returns what is wrong behind the first `num_good` records of a file."""
  path, number = path.decode(), int(num_good)
  found = "" if compression or number else _compression_of_content(path)
  if found:
    # (Without quotes: TensorFlow's error would show them as \'.)
    return (
      f"{path} must hold records as they are, but looks compressed; pass "
      f"compression={found}."
    )
  records = tf.data.TFRecordDataset(path, compression.decode())
  for record in records.ignore_errors().skip(number).as_numpy_iterator():
    number += 1
    try:
      tf.train.Example.FromString(record)
    except message.DecodeError:
      return (
        f"{path}, record {number} must be a tf.train.Example; got "
        f"{len(record)} bytes of something else, {record[:20].hex(' ')} ... "
        "(hexadecimal). Check what wrote the file."
      )
  return (
    f"{path}, record {number + 1} must have its length and checksums; it is "
    "cut or damaged. Fetch or make the file again."
  )


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


def _check_features(feature_spec, label_name):
  if (
    not isinstance(feature_spec, dict)
    or not feature_spec
    or not all(isinstance(name, str) for name in feature_spec)
    or not all(isinstance(f, _FEATURES) for f in feature_spec.values())
  ):
    kinds = [kind.__name__ for kind in _FEATURES]
    raise TypeError(
      "feature_spec must be a dictionary of names and, of tf.io, one of "
      f"{kinds}; got {feature_spec!r}."
    )
  try:
    tf.io.parse_example(tf.constant([], tf.string), feature_spec)
  except (TypeError, ValueError, tf.errors.OpError) as error:
    raise ValueError(
      "feature_spec must be one that tf.io.parse_example takes; got "
      f"{feature_spec!r}, which fails with: {error}"
    ) from error
  if label_name is not None and label_name not in feature_spec:
    raise ValueError(
      f"label_name must be one of the features, {sorted(feature_spec)}; got "
      f"{label_name!r}."
    )

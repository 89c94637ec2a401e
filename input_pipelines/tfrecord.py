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
the file and the record, counted from 1; `on_bad_row` may say to leave damaged
ones out. So is a file that was cut in the midst
of a record; where a record begins, only a compressed file shows it. (TensorFlow
takes a file for whole that ends in the first 12 bytes of a record.)

The place in the data can be saved and restored exactly, in another process
too, with `tf.train.Checkpoint(iterator=iter(dataset))`. With shuffle the
records that wait in its buffer are part of the checkpoint.
"""

import functools

import tensorflow as tf

from input_pipelines import (
  common,
  files,
  tfrecord_frames,
  tfrecord_reader,
  tfrecord_runs,
)

_FEATURES = (
  tf.io.FixedLenFeature,
  tf.io.FixedLenSequenceFeature,
  tf.io.RaggedFeature,
  tf.io.SparseFeature,
  tf.io.VarLenFeature,
)


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
  on_bad_row="error",
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
    on_bad_row: what a record that is damaged or no tf.train.Example leads to:
      "error", or "skip", which leaves such records out and warns once, with
      their number and the first of them. For that all files are read once
      beforehand. Behind a damaged length the rest of its file is lost.
      Compressed files must be whole all the same; and a record that is not as
      the features say stays an error.

  Returns:
    A function without arguments that returns a tf.data.Dataset. Batches run
    on over the ends of epochs; their size is static if num_epochs is None.

  Raises:
    TypeError, ValueError: no file matches, one is empty, a compressed one is
      damaged, a record claims to be longer than its file, all records of a
      file are left out, or an argument is wrong.
  """
  common.check_order(batch_size, num_epochs, shuffle, seed)
  common.check_count("shuffle_buffer_size", shuffle_buffer_size)
  common.check_count("cycle_length", cycle_length)
  common.check_on_bad_row(on_bad_row)
  _check_features(feature_spec, label_name)
  paths = files.match(file_pattern)
  compressions = [files.compression_of(path, compression) for path in paths]
  sizes = list(map(files.content_size, paths, compressions))
  runs = None
  if on_bad_row == "skip":
    runs = tfrecord_runs.find(paths, compressions, sizes)
  else:
    for path, kind, size in zip(paths, compressions, sizes, strict=True):
      tfrecord_frames.check_lengths(path, kind, size)

  def build():
    reader = tfrecord_reader.Reader(paths, compressions, sizes, runs)
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

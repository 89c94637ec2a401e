"""What input functions share: checks of arguments, epochs, shuffling."""

import numbers
import re

import tensorflow as tf

# Enough to hide the odd slow batch; what waits here is part of a checkpoint.
PREFETCHED_BATCHES = 4
PARALLEL_CALLS = 4

no_autograph = tf.autograph.experimental.do_not_convert  # it starts slowly


def check_count(name, value, or_none=""):
  """Raises ValueError if `value` is no whole number of at least 1."""
  if (
    not isinstance(value, numbers.Integral)
    or isinstance(value, bool)
    or value < 1
  ):
    raise ValueError(
      f"{name} must be a whole number of at least 1{or_none}; got {value!r}."
    )


def check_order(batch_size, num_epochs, shuffle, seed):
  """Raises ValueError if one of the arguments of all input functions is wrong.

  Args:
    batch_size: int, rows of a batch; at least 1.
    num_epochs: int, times that each row is visited, or None for ever.
    shuffle: bool.
    seed: int of 64 bits, or None.
  """
  if not isinstance(shuffle, bool):
    raise ValueError(
      "shuffle must be given as True (recommended for training) or False "
      f"(for evaluation and prediction); got {shuffle!r}."
    )
  check_count("batch_size", batch_size)
  if num_epochs is not None:
    check_count("num_epochs", num_epochs, " or None (for ever)")
  if seed is not None and (
    not isinstance(seed, numbers.Integral)
    or isinstance(seed, bool)
    or not tf.int64.min <= seed <= tf.int64.max
  ):
    raise ValueError(
      "seed must be a whole number of at most 64 bits with its sign, or None; "
      f"got {seed!r}."
    )


def check_on_bad_row(on_bad_row):
  """Raises ValueError if it is neither "error" nor "skip"."""
  if on_bad_row not in ("error", "skip"):
    raise ValueError(
      f"on_bad_row must be 'error' or 'skip'; got {on_bad_row!r}."
    )


def plain_message(error):
  """Returns what an error says; a tf.errors.OpError without its own names."""
  message = getattr(error, "message", None) or str(error)
  return re.sub(r"^\{\{.*?\}\} | \[Op:.*$", "", message)


def epoch_seeds(num_epochs, seed):
  """Returns a dataset of one int64 an epoch, from which its order is made.

  Args:
    num_epochs: int, or None for ever.
    seed: int, then they are 0, 1, ... and go with `seed`; or None.
  """
  if seed is None:
    # One number an epoch from a generator whose state is the iterator's, so
    # that a restored iterator goes on with the orders of the saved one.
    epochs = tf.data.Dataset.random()
  else:
    epochs = tf.data.Dataset.range(tf.int64.max)
  return epochs if num_epochs is None else epochs.take(num_epochs)


def permutation(size, seed, epoch_seed):
  """Returns 0 to size - 1 in an order that the two seeds fix: int64 [size]."""
  return tf.random.experimental.stateless_shuffle(
    tf.range(size, dtype=tf.int64),
    seed=tf.stack([tf.constant(seed or 0, tf.int64), epoch_seed]),
  )


def row_batches(num_rows, batch_size, num_epochs, shuffle, seed, context=None):
  """Returns a dataset of int64 [B]: which rows are in each batch.

  Batches run on over the ends of epochs; only the last of all may be short.

  Args:
    num_rows: int, of the data.
    batch_size: int, rows of a global batch.
    num_epochs: int, or None for ever.
    shuffle: bool, whether each epoch has an order of its own.
    seed: int that fixes the orders, or None; see `shared_seed`.
    context: tf.distribute.InputContext; pipeline i of W gets `part` i of each
      global batch. None is one pipeline.
  """
  seed = shared_seed(seed, context)

  @no_autograph
  def order(epoch_seed):
    if not shuffle:
      return tf.range(num_rows, dtype=tf.int64)
    return permutation(num_rows, seed, epoch_seed)

  rows = epoch_seeds(num_epochs, seed).map(order)
  rows = rows.rebatch(batch_size, drop_remainder=num_epochs is None)
  if not is_part(context):
    return rows
  # Of a static size the slice has one too.
  return rows.map(no_autograph(lambda numbers: part(numbers, context)))


def part(batch, context):
  """Returns one input pipeline's rows of a global batch.

  Pipeline i of W has the rows from B * i // W to B * (i + 1) // W, so that the
  pipelines together have each row once; a batch of fewer rows than W leaves
  some of them none.

  Args:
    batch: tensor [B, ...].
    context: tf.distribute.InputContext, or None for all rows.
  """
  if not is_part(context):
    return batch
  size = batch.shape[0]
  size = tf.shape(batch, tf.int64)[0] if size is None else size
  index, count = context.input_pipeline_id, context.num_input_pipelines
  return batch[size * index // count : size * (index + 1) // count]


def shared_seed(seed, context):
  """Returns the seed that all input pipelines of a training have in common.

  Pipelines in several processes cannot agree on a number that one of them
  draws: without a seed theirs is 0.
  """
  return 0 if seed is None and is_part(context) else seed


def is_part(context):
  """Returns whether an InputContext, or None, is one of several pipelines."""
  return context is not None and context.num_input_pipelines > 1


def shuffled(dataset, buffer_size, seed, epoch_seed):
  """Returns a dataset shuffled as by `Dataset.shuffle`, within one epoch.

  `Dataset.shuffle` itself keeps a seed generator, which cannot be saved if it
  is made within a `flat_map` over epochs, and mixes in tf.random.set_seed.

  Args:
    dataset: tf.data.Dataset of tensors.
    buffer_size: int, elements to pick from.
    seed: int or None.
    epoch_seed: int64 scalar, at least 0.
  """
  spec = tf.nest.flatten(dataset.element_spec)
  variant = tf.raw_ops.ShuffleDataset(
    input_dataset=tf.data.experimental.to_variant(dataset),
    buffer_size=buffer_size,
    seed=tf.constant(seed or 0, tf.int64),
    seed2=epoch_seed + 1,  # two zeros would mean: any seed
    output_types=[s.dtype for s in spec],
    output_shapes=[s.shape for s in spec],
    reshuffle_each_iteration=False,
  )
  return tf.data.experimental.from_variant(variant, dataset.element_spec)


def batches(elements, parse, label_name, batch_size, endless):
  """Returns the dataset of features, or of (features, labels), in batches.

  Args:
    elements: `tf.data.Dataset` of what was read, one example each.
    parse: function of a batch of elements that returns its features, a new
      dictionary of name to tensor.
    label_name: str, the feature that is the label; or None.
    batch_size: int.
    endless: bool, whether there are epochs without end; then the sizes of
      batches are static.
  """

  @no_autograph
  def parsed(*batch):
    features = parse(*batch)
    if label_name is None:
      return features
    labels = features.pop(label_name)
    return features, labels

  # Batches first: a whole one is parsed at once.
  dataset = elements.batch(batch_size, drop_remainder=endless)
  dataset = dataset.map(parsed, PARALLEL_CALLS, deterministic=True)
  return dataset.prefetch(PREFETCHED_BATCHES).with_options(plain_options())


def plain_options():
  """Returns options that leave the pipeline as it is written.

  A batch takes well below a millisecond, and tuning costs more than it brings.
  """
  options = tf.data.Options()
  options.autotune.enabled = False
  options.experimental_optimization.apply_default_optimizations = False
  return options

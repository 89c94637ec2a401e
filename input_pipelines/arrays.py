"""Input functions over arrays and data frames that fit in memory.

    input_fn = numpy_input_fn({"x": images}, labels, batch_size=100,
                              num_epochs=None, shuffle=True)
    estimator.train(input_fn, steps=1000)

An input function returns a tf.data.Dataset of `features`, or of
`(features, labels)`. Both are what was given: a
dictionary of arrays or one array, [N, ...] there and [B, ...] here (N rows,
B rows of a batch), with the same dtype (text becomes tf.string).

Each epoch visits every row once, in an order of its own if shuffled. Batches
run on over the ends of epochs, so that there are
`ceil(num_epochs * N / batch_size)` of them and only the last may be short.

The place in the data can be saved and restored exactly, in another process
too, with `tf.train.Checkpoint(iterator=iter(dataset))`, whether or not a seed
was given.

Where several input pipelines feed one training, each calls the input function
with its tf.distribute.InputContext. Of a global batch of B rows, pipeline i of
W then gathers the rows from B * i // W to B * (i + 1) // W: together they see
what one would. Their orders must agree, so that seed=None is seed 0 for them.

Names, arguments and meaning follow tf.compat.v1.estimator.inputs. The queue's
arguments (queue_capacity, num_threads) are gone with the queue, `seed` is new,
and mistakes are reported when the input function is made.
"""

import functools

import numpy as np
import tensorflow as tf

from input_pipelines import common


def numpy_input_fn(
  x, y=None, batch_size=128, num_epochs=1, shuffle=None, seed=None
):
  """Returns an input function that feeds arrays.

  Args:
    x: features: an array [N, ...], or a non-empty dictionary of them.
    y: labels: the same, or None for features alone.
    batch_size: int, rows of a batch; at least 1.
    num_epochs: int, times that each row is visited, or None for ever.
    shuffle: bool; must be given. True is right for training, False for
      evaluation and prediction, where the order matters.
    seed: int that fixes the order, or None for another order each time
      (the same again if tf.random.set_seed was called just before the input
      function).

  Returns:
    A function that takes a tf.distribute.InputContext or nothing, and returns
    a tf.data.Dataset. The size of a batch is static if num_epochs is None.

  Raises:
    TypeError: x or y is neither an array nor a dictionary.
    ValueError: there are no rows, the numbers of rows differ, x and y share
      a key, an array's dtype has no tensor, or another argument is wrong.
  """
  features = _checked_arrays("x", x)
  if y is None:
    arrays = features
  else:
    arrays = features, _checked_arrays("y", y)
    _check_no_shared_keys(*arrays)
  return _input_fn(arrays, batch_size, num_epochs, shuffle, seed)


def pandas_input_fn(
  x,
  y=None,
  batch_size=128,
  num_epochs=1,
  shuffle=None,
  target_column="target",
  seed=None,
):
  """Returns an input function that feeds a data frame.

  Features are a dictionary of the columns, each [B]. A column of text
  becomes tf.string; fill in what is missing first.

  Args:
    x: pandas.DataFrame, features.
    y: pandas.Series, labels [B]; or pandas.DataFrame, a dictionary of labels;
      or None. Its index must equal that of x.
    batch_size, num_epochs, shuffle, seed: see `numpy_input_fn`.
    target_column: str, what error messages call a Series y; no column of x
      may have this name. Not used if y is a DataFrame.

  Returns:
    A function like that of `numpy_input_fn`.

  Raises:
    TypeError: x is not a DataFrame, or y neither Series nor DataFrame.
    ValueError: the indexes of x and y differ, a name is used twice, or as in
      `numpy_input_fn`.
  """
  features = _columns("x", x)
  labels = None
  if y is not None:
    if not hasattr(y, "index"):
      raise TypeError(
        "y must be a pandas Series or DataFrame, or None; got "
        f"{type(y).__name__}. Wrap it: pandas.Series(y, index=x.index)."
      )
    if not x.index.equals(y.index):
      raise ValueError(
        "The index of y must equal the index of x.\n"
        f"Index of x: {x.index}\nIndex of y: {y.index}\n"
        "Use y.reindex(x.index), or reset_index(drop=True) on both."
      )
    labels = _columns("y", y) if hasattr(y, "columns") else y.to_numpy()
    names = labels if isinstance(labels, dict) else {target_column: labels}
    _check_no_shared_keys(features, names)
  return numpy_input_fn(features, labels, batch_size, num_epochs, shuffle, seed)


def _columns(name, frame):
  if not hasattr(frame, "columns"):
    raise TypeError(
      f"{name} must be a pandas DataFrame; got {type(frame).__name__}. "
      "For arrays there is numpy_input_fn."
    )
  if not frame.columns.is_unique:
    raise ValueError(
      f"The columns of {name} must have different names; got "
      f"{list(frame.columns)}. Rename or drop the doubles."
    )
  return {column: frame[column].to_numpy() for column in frame.columns}


def _checked_arrays(name, data):
  """Returns `data` with NumPy arrays at its leaves."""
  if isinstance(data, np.ndarray):
    return _checked_array(name, data)
  if not isinstance(data, dict):
    raise TypeError(
      f"{name} must be a dict of arrays or one array; got "
      f"{type(data).__name__}. Convert it: numpy.asarray({name})."
    )
  if not data:
    raise ValueError(
      f"{name} must have at least one array; got an empty dict. "
      "Add an array" + (", or pass y=None." if name == "y" else ".")
    )
  return {
    key: _checked_array(f"{name}[{key!r}]", np.asarray(value))
    for key, value in data.items()
  }


def _checked_array(name, array):
  if array.ndim == 0 or not len(array):
    raise ValueError(
      f"{name} must have at least one row; got shape {array.shape}. "
      "Check what was loaded or filtered out."
    )
  if array.dtype != object:
    try:
      tf.as_dtype(array.dtype)
    except TypeError as error:
      raise ValueError(_no_tensor(name, array)) from error
  elif not all(isinstance(value, (str, bytes)) for value in array.flat):
    raise ValueError(_no_tensor(name, array))
  return array


def _no_tensor(name, array):
  strange = next(
    (v for v in array.flat if not isinstance(v, (str, bytes))), None
  )
  return (
    f"{name} must hold numbers, booleans or text alone; got dtype "
    f"{array.dtype} with {strange!r}. Fill in missing values and convert it "
    "with astype()."
  )


def _check_no_shared_keys(features, labels):
  if isinstance(features, dict) and isinstance(labels, dict):
    shared = sorted(features.keys() & labels.keys())
    if shared:
      raise ValueError(
        f"x and y must have different names; both have {shared}. "
        "Rename them in one of the two."
      )


def _input_fn(arrays, batch_size, num_epochs, shuffle, seed):
  """Returns an input function over a structure of checked arrays."""
  lengths = [len(array) for array in tf.nest.flatten(arrays)]
  if min(lengths) != max(lengths):
    shapes = tf.nest.map_structure(np.shape, arrays)
    raise ValueError(
      f"All arrays in x and y must have the same number of rows; got shapes "
      f"{shapes}. Cut or fill them to one length."
    )
  common.check_order(batch_size, num_epochs, shuffle, seed)

  @functools.cache
  def tensors():
    with tf.device("cpu:0"):
      return tf.nest.map_structure(tf.constant, arrays)

  @functools.cache
  def in_order():
    return _cut(tensors(), lengths[0], batch_size)

  def input_fn(input_context=None):
    if num_epochs == 1 and not shuffle and not common.is_part(input_context):
      return in_order()
    rows = common.row_batches(
      lengths[0], batch_size, num_epochs, shuffle, seed, input_context
    )
    num_batches = tf.data.INFINITE_CARDINALITY
    if num_epochs is not None:
      num_batches = -(-num_epochs * lengths[0] // batch_size)
    return _gather(tensors(), rows, num_batches)

  return input_fn


def _cut(tensors, num_rows, batch_size):
  """Returns one epoch in order, the last batch perhaps short.

  Evaluation and prediction start this again and again, and what starting
  costs is functions (10 ms for one `map`); so there is none.
  """
  num_full = num_rows // batch_size

  def full(tensor):
    shape = [num_full, batch_size, *tensor.shape[1:]]
    return tf.reshape(tensor[: num_full * batch_size], shape)

  def rest(tensor):
    return tensor[num_full * batch_size :]

  with tf.device("cpu:0"):
    batches = tf.data.Dataset.from_tensor_slices(
      tf.nest.map_structure(full, tensors)
    )
    short = tf.data.Dataset.from_tensors(tf.nest.map_structure(rest, tensors))
  # An empty rest is joined on too: the batch dimension is then None whatever
  # the number of rows, and a traced step fits all.
  dataset = batches.concatenate(short.take(num_rows % batch_size))
  return dataset.with_options(common.plain_options())


def _gather(tensors, rows, num_batches):
  """Returns batches with one gather for each array."""

  @common.no_autograph
  def batch(numbers):
    return tf.nest.map_structure(lambda t: tf.gather(t, numbers), tensors)

  dataset = rows.map(batch)
  # rebatch does not know how many batches it makes.
  cardinality = tf.data.experimental.assert_cardinality(num_batches)
  dataset = dataset.apply(cardinality).prefetch(common.PREFETCHED_BATCHES)
  options = common.plain_options()
  # A gather split over the common threads is slower than a whole one. (Who
  # adds a parallel map to this dataset sets another size with with_options.)
  options.threading.private_threadpool_size = 1
  return dataset.with_options(options)

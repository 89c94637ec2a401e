"""An input function over CSV files.

    input_fn = csv_input_fn(
      "data/train-*.csv",
      {"age": tf.float32, "job": "unknown", "income": tf.int32},
      label_name="income", num_epochs=None, shuffle=True)
    estimator.train(input_fn, steps=1000)

It returns a tf.data.Dataset of ({name: [B]}, labels [B]), of B rows each.

Files are RFC 4180's, in UTF-8: a field that holds the delimiter or a quote is
quoted, and its quotes are doubled. Empty lines are left out, and so are
carriage returns, wherever they stand. Rows are read line by line: a field with
a line break in it is a bad row, be it quoted.

A row that is not as its columns say is an error that names file and line,
unless `on_bad_row` says to leave it out.

The place in the data can be saved and restored exactly, in another process
too, with `tf.train.Checkpoint(iterator=iter(dataset))`. With shuffle the rows
that wait in its buffer are part of the checkpoint.
"""

import functools

import numpy as np
import tensorflow as tf

from input_pipelines import common, csv_headers, csv_lines, csv_rows, files


def csv_input_fn(
  file_pattern,
  column_defaults,
  column_names=None,
  label_name=None,
  batch_size=128,
  num_epochs=1,
  shuffle=None,
  shuffle_buffer_size=10_000,
  seed=None,
  header=True,
  field_delim=",",
  compression=None,
  select_columns=None,
  on_bad_row="error",
):
  """Returns an input function that feeds the rows of CSV files.

  Args:
    file_pattern: str or list of str, paths or patterns such as "data/*.csv".
      Files are read in the order of their names.
    column_defaults: a list with one entry for each column that is read, in
      the order of the file; or a dictionary of them by name. An entry is a
      dtype (tf.float32, tf.float64, tf.int32, tf.int64 or tf.string): a
      value must be there; or a value, which an empty field stands for (an int
      means int32, a float float32, a str string; [value] will do).
    column_names: list of str, all columns of the files; None takes them from
      the header.
    label_name: str, the column that is the labels; or None for features alone.
    batch_size: int, rows of a batch; at least 1.
    num_epochs: int, times that each row is visited, or None for ever.
    shuffle: bool; must be given. True, right for training, gives every epoch
      an order of files and rows of its own.
    shuffle_buffer_size: int, how many rows a row is picked from.
    seed: int that fixes the order, or None for another order each time.
    header: bool, whether the first line of every file has the names. They
      must be the same in all files.
    field_delim: str of one character.
    compression: "", "GZIP", "ZLIB" for all files, or None: by the endings .gz
      and .zlib. Compressed files are read once beforehand.
    select_columns: list of str, the columns to read; None reads all.
    on_bad_row: "error", or "skip", which leaves bad rows out and writes to
      standard error, in the first epoch, where the first of them are and how
      many there were.

  Returns:
    A function without arguments that returns a tf.data.Dataset. Batches run
    on over the ends of epochs; their size is static if num_epochs is None.

  Raises:
    TypeError, ValueError: no file matches, one has no rows or another header,
      a compressed one is damaged, or an argument is wrong.
  """
  common.check_order(batch_size, num_epochs, shuffle, seed)
  common.check_count("shuffle_buffer_size", shuffle_buffer_size)
  common.check_on_bad_row(on_bad_row)
  _check_delimiter(field_delim)
  paths = files.match(file_pattern)
  compressions = [files.compression_of(path, compression) for path in paths]
  names = csv_headers.column_names(
    paths, compressions, column_names, header, field_delim
  )
  try:
    columns = _columns(names, column_defaults, select_columns)
    _check_label(label_name, columns)
  except ValueError as error:
    if column_names is not None:
      raise
    raise ValueError(f"{error} (The header is that of {paths[0]}.)") from error
  rows = csv_rows.Rows(columns, field_delim)

  def build():
    reader = csv_lines.Reader(
      paths, compressions, int(header), rows, on_bad_row
    )
    epochs = common.epoch_seeds(num_epochs, seed).enumerate()

    @common.no_autograph
    def read_epoch(epoch, epoch_seed):
      order = tf.range(len(paths), dtype=tf.int64)
      if shuffle:
        order = common.permutation(len(paths), seed, epoch_seed)
      lines = reader.lines(order, epoch)
      if not shuffle:
        return lines
      return common.shuffled(lines, shuffle_buffer_size, seed, epoch_seed)

    return common.batches(
      epochs.flat_map(read_epoch),
      rows.decode,
      label_name,
      batch_size,
      endless=num_epochs is None,
    )

  if shuffle and seed is None:
    return build
  return functools.cache(build)


def _check_delimiter(delimiter):
  if (
    not isinstance(delimiter, str)
    or len(delimiter) != 1
    or not delimiter.isascii()
    or delimiter.isalnum()
    or delimiter in '"+-.\n\r\0'
  ):
    raise ValueError(
      "field_delim must be one character such as ',', ';' or a tab, of those "
      f"that no number or quote has; got {delimiter!r}."
    )


def _columns(names, defaults, select_columns):
  """Returns a Column for each name."""
  selected = names
  if select_columns is not None:
    csv_headers.check_names("select_columns", select_columns)
    _check_known("select_columns", select_columns, names)
    selected = [name for name in names if name in select_columns]
  if isinstance(defaults, dict):
    _check_known("column_defaults", defaults, names)
    missing = [name for name in selected if name not in defaults]
  elif isinstance(defaults, (list, tuple)):
    missing = len(defaults) != len(selected)
    defaults = dict(zip(selected, defaults, strict=False))
  else:
    raise TypeError(
      "column_defaults must be a list or a dictionary; got "
      f"{type(defaults).__name__}."
    )
  if missing:
    raise ValueError(
      f"column_defaults must have one entry for each of the {len(selected)} "
      f"columns that are read, {selected}; got {defaults}. Name those to read "
      "in select_columns."
    )
  return [
    _column(name, defaults[name]) if name in selected else csv_rows.Column(name)
    for name in names
  ]


def _check_label(label_name, columns):
  read = [column.name for column in columns if column.dtype is not None]
  if label_name is not None and label_name not in read:
    raise ValueError(
      f"label_name must be one of the columns that are read, {read}; got "
      f"{label_name!r}."
    )


def _check_known(what, given, names):
  unknown = [name for name in given if name not in names]
  if unknown:
    raise ValueError(
      f"{what} must name columns of the files, {list(names)}; got {unknown}."
    )


def _column(name, default):
  """Returns a Column; `default` is a dtype or a value."""
  try:
    if isinstance(default, (tf.DType, np.dtype, type)):
      dtype, values = tf.as_dtype(default), []
    else:
      tensor = tf.constant(default)
      dtype, values = tensor.dtype, tf.reshape(tensor, [-1]).numpy().tolist()
  except (TypeError, ValueError):
    dtype, values = None, []
  if dtype not in csv_rows.DTYPES or len(values) > 1:
    raise ValueError(
      f"The default of column {name!r} must be a dtype of "
      f"{[d.name for d in csv_rows.DTYPES]} or one value of such a dtype; got "
      f"{default!r}."
    )
  return csv_rows.Column(name, dtype, *values)

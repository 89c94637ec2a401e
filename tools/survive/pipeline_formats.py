"""The formats that pipelines of tf.data read: samples, reader and oracle.

To build a pipeline and to start it takes far longer than a small file. So one
reads many files, in the order of their names, and goes on behind an error. Good
files of one row stand between them, and show where each begins.
"""

import dataclasses
import functools
import gzip
import os

import tensorflow as tf

from input_pipelines.csv_files import csv_input_fn
from input_pipelines.tfrecord import tfrecord_input_fn
from tools.survive import binary_oracles, text_oracles
from tools.survive.binary_oracles import demand
from tools.survive.file_format import Format

_NAMES = ["age", "job", "pay"]
_COLUMNS = {"age": -1, "job": "", "pay": tf.float64}
_SPEC = {
  "x": tf.io.FixedLenFeature([], tf.int64),
  "y": tf.io.FixedLenFeature([], tf.string),
}
_SEPARATOR = b"that no damage makes"  # in the row between two files


def all_formats():
  """Returns the list of Formats that are read by pipelines."""
  return [*_csv_formats(), *_tfrecord_formats()]


def _format(name, file, samples, build, names, separator, oracle, wrap=bytes):
  """Returns a Format.

  Args:
    name, file, samples, oracle, wrap: as in Format.
    build: function of a path or a list of them; returns an input function of
      batches of one row, dictionaries.
    names: list of str, the features in their order.
    separator: bytes, a file of one row with `_SEPARATOR` in it.
  """
  return Format(
    name,
    file,
    samples,
    lambda path: [_row(batch, names) for batch in build(path)()],
    oracle,
    wrap,
    read_all=functools.partial(_read_all, build, names, separator),
  )


def _row(batch, names):
  return [batch[name].numpy()[0] for name in names]


def _read_all(build, names, separator, paths):
  """See Format; the names of `paths` must be in order."""
  found, good = {}, []
  for path in paths:
    try:
      build(path)
      good.append(path)
    except Exception as error:
      found[path] = error
  files = []
  for path in good:
    between = path + os.path.splitext(path)[1]  # is behind it in order
    with open(between, "wb") as stream:
      stream.write(separator)
    files += [path, between]
  results = _split(build(files)(), names) if files else []
  return found | dict(zip(good, results, strict=True))


def _split(dataset, names):
  """Returns what is between separators: rows, or the first error."""
  results, rows, error = [], [], None
  batches = iter(dataset)
  while True:
    try:
      row = _row(next(batches), names)
    except StopIteration:
      return results
    except tf.errors.OpError as found:
      error = error or found
      continue
    if _SEPARATOR in row:
      results.append(error or rows)
      rows, error = [], None
    else:
      rows.append(row)


def _csv_formats():
  header = b"age,job,pay\n"
  rows = '39,"a, ""b""",1.5\r\n\n,caf\u00e9,-2e3\n7,,.25\n'.encode()
  other = b"1,two,3\n-4,five,6.5\n"
  return [
    _format(
      name,
      "a.csv",
      (start + rows, start + other),
      functools.partial(_csv, bool(start), mode),
      _NAMES,
      start + b"1," + _SEPARATOR + b",1\n",
      functools.partial(_csv_oracle, bool(start), mode),
    )
    for name, start, mode in (
      ("CSV pipeline", header, "error"),
      ("CSV pipeline, no header", b"", "error"),
      ("CSV pipeline, skipping", header, "skip"),
    )
  ]


def _csv(header, on_bad_row, paths):
  return csv_input_fn(
    paths,
    _COLUMNS,
    None if header else _NAMES,
    batch_size=1,
    shuffle=False,
    header=header,
    on_bad_row=on_bad_row,
  )


def _csv_oracle(header, on_bad_row, content):
  parsers = (
    lambda field: text_oracles.whole_number(field) if field else -1,
    str.encode,
    text_oracles.number,
  )
  names = _NAMES if header else None
  good, num_bad = text_oracles.csv_rows(content, names, parsers)
  demand(good and (on_bad_row == "skip" or not num_bad))
  return good


def _example(x, y):
  example = tf.train.Example()
  example.features.feature["x"].int64_list.value.append(x)
  example.features.feature["y"].bytes_list.value.append(y)
  return example.SerializeToString(deterministic=True)


def _tfrecord_formats():
  plain = tuple(
    b"".join(binary_oracles.framed(_example(x, y)) for x, y in rows)
    for rows in (((1, b"one"), (2, b""), (3, b"three")), ((-4, b"a" * 40),))
  )
  separator = binary_oracles.framed(_example(0, _SEPARATOR))
  zipped = functools.partial(gzip.compress, mtime=0)

  def unzipped_rows(content):
    return _tfrecord_oracle(binary_oracles.gunzipped(content))

  return [
    dataclasses.replace(
      _format(
        name, file, samples, _tfrecord, ["x", "y"], between, oracle, wrap
      ),
      # TensorFlow takes no zeros behind a gzip file; others do.
      is_lenient=name == "TFRecord, gzip",
    )
    for name, file, samples, between, oracle, wrap in (
      ("TFRecord", "a.tfrecord", plain, separator, _tfrecord_oracle, bytes),
      (
        "TFRecord, gzip",
        "a.gz",
        tuple(map(zipped, plain)),
        zipped(separator),
        unzipped_rows,
        bytes,
      ),
      (
        "TFRecord in good gzip",
        "a.gz",
        plain,
        zipped(separator),
        unzipped_rows,
        zipped,
      ),
    )
  ]


def _tfrecord(paths):
  return tfrecord_input_fn(paths, _SPEC, batch_size=1, shuffle=False)


def _tfrecord_oracle(content):
  records = binary_oracles.frames(content)
  demand(records and None not in records)
  return [_example_row(record) for record in records]


def _example_row(record):
  # (No damage gets past the checksums: it is another file's record at most.)
  feature = tf.train.Example.FromString(record).features.feature
  x, y = feature["x"].int64_list.value, feature["y"].bytes_list.value
  demand(len(x) == len(y) == 1)
  return [x[0], y[0]]

"""Datasets of the good rows of CSV files, as text.

Lines are read and checked in chunks, each of which knows its place.
"""

import functools
import sys

import numpy as np
import tensorflow as tf

from input_pipelines import common

_CHUNK_LINES = 256
_MAX_REPORTS = 5
# A chunk's number is that of its file times this, plus that within the file.
_MAX_CHUNKS = 1 << 32


class Reader:
  """Datasets of checked lines."""

  def __init__(self, paths, compressions, header_lines, rows, on_bad_row):
    self._paths, self._compressions = paths, compressions
    self._header_lines = header_lines
    self._rows = rows
    self._skip_bad_rows = on_bad_row == "skip"

  def lines(self, order, epoch):
    """Returns a dataset of string [], the good rows of an epoch.

    Args:
      order: int64 [number of files], in which order to read them.
      epoch: int64 [], from 0.
    """
    chunks = tf.data.Dataset.from_tensor_slices(order).flat_map(self._chunks)
    if not self._skip_bad_rows:
      chunks = chunks.map(
        self._demand_rows, common.PARALLEL_CALLS, deterministic=True
      )
      return chunks.unbatch()
    # An empty chunk is the end of the epoch.
    end = tf.data.Dataset.from_tensors((np.int64(0), tf.constant([], "string")))
    zero = np.int64(0)
    return (
      chunks.concatenate(end)
      .scan((zero, zero), functools.partial(self._keep_rows, epoch))
      .unbatch()
    )

  @common.no_autograph
  def _chunks(self, file):
    """Returns a dataset of (number int64, lines [at most _CHUNK_LINES])."""
    lines = tf.data.TextLineDataset(
      tf.gather(self._paths, file), tf.gather(self._compressions, file)
    )
    chunks = lines.skip(self._header_lines).batch(_CHUNK_LINES)
    return chunks.enumerate(start=file * _MAX_CHUNKS)

  @common.no_autograph
  def _demand_rows(self, number, lines):
    """Returns the lines that are not empty; the others must be rows."""
    empty = tf.equal(lines, "")
    bad = ~(empty | self._rows.accept(lines))
    good = ~tf.reduce_any(bad)
    problem = tf.cond(good, lambda: "", lambda: self._first(number, lines, bad))
    advice = "Mend the file, or have such rows left out: on_bad_row=skip."
    check = tf.debugging.Assert(good, [tf.strings.join([problem, advice], " ")])
    with tf.control_dependencies([check]):
      return tf.boolean_mask(lines, ~empty)

  @common.no_autograph
  def _keep_rows(self, epoch, state, chunk):
    """Returns the next state (kept and bad rows, int64 []) and the rows."""
    (kept, left_out), (number, lines) = state, chunk
    row = self._rows.accept(lines)
    bad = ~(tf.equal(lines, "") | row)
    now_kept = kept + tf.math.count_nonzero(row)
    now_left_out = left_out + tf.math.count_nonzero(bad)
    at_end = tf.equal(tf.size(lines), 0)
    first_epoch = tf.equal(epoch, 0)
    reports = [
      _print_if(
        first_epoch & tf.reduce_any(bad) & (left_out < _MAX_REPORTS),
        lambda: ["Left out ", self._first(number, lines, bad)],
      ),
      _print_if(
        first_epoch & at_end & (left_out > 0),
        lambda: [
          "Left out ",
          tf.strings.as_string(left_out),
          " bad rows, and read ",
          tf.strings.as_string(kept),
          ".",
        ],
      ),
      # Endless epochs of nothing would never end.
      tf.debugging.Assert(
        ~at_end | (kept > 0),
        [
          f"{self._paths[0]} and its like must have a row; all of them are bad."
        ],
      ),
    ]
    with tf.control_dependencies(reports):
      return (now_kept, now_left_out), tf.boolean_mask(lines, row)

  def _first(self, number, lines, bad):
    """Returns where the first bad line is, and what is wrong with it."""
    file, chunk = number // _MAX_CHUNKS, number % _MAX_CHUNKS
    index = tf.argmax(bad)
    line = 1 + self._header_lines + chunk * _CHUNK_LINES + index
    return tf.strings.join(
      [
        tf.gather(self._paths, file),
        ", line ",
        tf.strings.as_string(line),
        ": ",
        self._rows.problem(lines[index]),
        ".",
      ]
    )


def _print_if(condition, parts):
  """Prints the strings that `parts` returns to standard error, as one line."""

  def report():
    line = tf.strings.join(parts())
    return tf.group(tf.print(line, output_stream=sys.stderr))

  return tf.cond(condition, report, tf.no_op)

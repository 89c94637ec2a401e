"""What rows of CSV files must look like, and what they hold.

tf.io.decode_csv stops at a bad row without saying where it is. A row that
`Rows.accept` finds good is one that it reads.
"""

import dataclasses
import re

import numpy as np
import tensorflow as tf

DTYPES = (tf.float32, tf.float64, tf.int32, tf.int64, tf.string)
_MAX_SHOWN_BYTES = 200
_QUOTED = r'"(?:[^"\x00]|"")*"'
# RE2 runs out of memory, and becomes slow, with the patterns of wide rows.
_MAX_COMMON_COLUMNS = 64


@dataclasses.dataclass(frozen=True)
class Column:
  """A column of a file.

  Attributes:
    name: str.
    dtype: one of `DTYPES`, or None if the column is not read.
    default: what an empty field stands for, or None if it is an error.
  """

  name: str
  dtype: tf.DType | None = None
  default: object = None

  @property
  def pattern(self):
    """What a field must match (RE2), or None if that can be anything."""
    if self.dtype in (None, tf.string):
      may_be_empty = self.dtype is None or self.default is not None
      return None if may_be_empty else r"\C+"
    number = rf"[ \t]*{_number_pattern(self.dtype)}[ \t]*"
    return number if self.default is None else f"(?:{number})?"

  @property
  def needs(self):
    """What a field must be, in words."""
    kind = "text" if self.dtype == tf.string else self.dtype.name
    return kind if self.default is None else f"{kind} or empty"

  def record_default(self):
    """Returns the column's default as decode_csv wants it."""
    values = [] if self.default is None else [self.default]
    return tf.constant(values, self.dtype)


class Rows:
  """Checks and decodes rows; all of it in the graph.

  Args:
    columns: list of Column, all of a file.
    delimiter: str of one character.

  Letters: B lines, C columns whose fields are checked.
  """

  def __init__(self, columns, delimiter):
    self._columns = columns
    self._delimiter = delimiter
    self._read = [i for i, c in enumerate(columns) if c.dtype is not None]
    # Columns with one pattern are checked together.
    self._checked = sorted(
      (i for i in self._read if columns[i].pattern is not None),
      key=lambda i: columns[i].pattern,
    )
    plain = rf'[^"\x00{re.escape(delimiter)}]*'
    field = f"(?:{plain}|{_QUOTED})"
    self._form = f"{field}(?:{re.escape(delimiter)}{field})*"
    self._common = None
    if len(columns) <= _MAX_COMMON_COLUMNS:
      self._common = re.escape(delimiter).join(
        _common_pattern(column, plain) for column in columns
      )

  def accept(self, lines):
    """Returns bool [B]: where string [B] are rows."""
    if self._common is None:
      return self._accept_exactly(lines)
    # One pattern for the whole line is several times faster.
    common = tf.strings.regex_full_match(lines, self._common)
    return tf.cond(
      tf.reduce_all(common),
      lambda: common,
      lambda: self._accept_exactly(lines),
    )

  def _accept_exactly(self, lines):
    has_form, num_fields, fits = self._examine(lines)
    right = has_form & tf.equal(num_fields, len(self._columns))
    return right & tf.reduce_all(fits, 0)

  def problem(self, line):
    """Returns what is wrong with a line that is no row: string [], in UTF-8."""
    has_form, num_fields, fits = self._examine(line[tf.newaxis])
    columns = [self._columns[i] for i in self._checked]
    needs = [
      f"column {column.name} must be {column.needs}" for column in columns
    ]
    num_needed = len(self._columns)
    need = tf.case(
      [
        (
          ~has_form[0],
          lambda: tf.constant(
            "a row must be text in UTF-8 without NUL, and fields with quotes "
            "in them must be in quotes, theirs doubled, and end on their line"
          ),
        ),
        (
          tf.not_equal(num_fields[0], num_needed),
          lambda: tf.strings.format(
            f"a row must have {num_needed} fields; this one has {{}}",
            num_fields[0],
          ),
        ),
      ],
      default=lambda: tf.gather([*needs, ""], tf.argmin(fits[:, 0])),
    )
    start = tf.strings.substr(line, 0, _MAX_SHOWN_BYTES)
    shown = tf.strings.unicode_transcode(start, "UTF-8", "UTF-8")
    return tf.strings.join([need, "; got the line: ", shown])

  def decode(self, lines):
    """Returns {name: [B]} of the columns that are read, of string [B]."""
    defaults = [self._columns[i].record_default() for i in self._read]
    values = self._decode(lines, self._read, defaults)
    names = [self._columns[i].name for i in self._read]
    return dict(zip(names, values, strict=True))

  def _examine(self, lines):
    """Returns bool [B] (form), int32 [B] (fields) and bool [C, B] (fields)."""
    has_form = tf.strings.regex_full_match(lines, self._form)
    bare = tf.strings.regex_replace(lines, _QUOTED, "")
    no_ends = tf.strings.regex_replace(bare, re.escape(self._delimiter), "")
    num_fields = 1 + tf.strings.length(bare) - tf.strings.length(no_ends)
    num_needed = len(self._columns)
    whole = has_form & tf.equal(num_fields, num_needed)
    # What decode_csv cannot split gives way to a row of empty fields. (A line
    # of nothing is no row of one empty field to it.)
    empty = self._delimiter.join(['""'] * num_needed)
    lines = tf.where(whole & tf.not_equal(lines, ""), lines, empty)
    return has_form, num_fields, self._fits(lines)

  def _fits(self, lines):
    """Returns bool [C, B], whether fields are what their columns need."""
    if not self._checked:
      return tf.ones([1, tf.size(lines)], tf.bool)
    in_order = sorted(self._checked)
    values = self._decode(lines, in_order, [tf.constant([""])] * len(in_order))
    values = dict(zip(in_order, values, strict=True))
    fits = []
    for pattern in sorted({self._columns[i].pattern for i in self._checked}):
      alike = [i for i in self._checked if self._columns[i].pattern == pattern]
      fields = tf.stack([values[i] for i in alike])
      fits.append(tf.strings.regex_full_match(fields, pattern))
    return tf.concat(fits, 0)

  def _decode(self, lines, columns, defaults):
    return tf.io.decode_csv(
      lines, defaults, field_delim=self._delimiter, select_cols=columns
    )


def _common_pattern(column, plain):
  """Returns a simple pattern of what most fields are like."""
  if column.pattern is None:
    return plain
  if column.dtype == tf.string:
    return plain[:-1] + "+"
  if column.dtype.is_floating:
    return r"-?[0-9]+(?:\.[0-9]*)?"
  return "-?[0-9]{1,9}"  # fits into int32


def _number_pattern(dtype):
  if dtype.is_floating:
    digits = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
    return f"[+-]?(?:{digits}|(?i:nan|inf|infinity))"
  limits = np.iinfo(dtype.as_numpy_dtype)
  return f"(?:[+]?{_up_to(limits.max)}|-{_up_to(-int(limits.min))})"


def _up_to(limit):
  """Returns a pattern of the whole numbers from 0 to `limit`."""
  digits = str(limit)
  options = [digits, f"[0-9]{{1,{len(digits) - 1}}}"]
  for i, digit in enumerate(digits):
    if digit != "0":
      rest = f"[0-9]{{{len(digits) - i - 1}}}"
      options.append(f"{digits[:i]}[0-{int(digit) - 1}]{rest}")
  return f"0*(?:{'|'.join(options)})"

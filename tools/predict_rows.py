"""Rows of CSV files and of JSON lines, with errors that name file and line."""

import contextlib
import csv
import json
import os
import sys

STDIN = "-"
JSON_ENDINGS = (".jsonl", ".json", ".ndjson")


@contextlib.contextmanager
def opened(path):
  """Opens a file, or standard input for "-"; yields (stream, its name).

  Raises:
    ValueError: there is no such file.
  """
  # Bytes that are not UTF-8 are told when they are the value of a feature.
  settings = {
    "encoding": "utf-8-sig",
    "errors": "surrogateescape",
    "newline": "",
  }
  if path == STDIN:
    with open(sys.stdin.fileno(), closefd=False, **settings) as stream:
      yield stream, "standard input"
    return
  if not os.path.exists(os.path.expanduser(path)):
    raise ValueError(
      f"--input must be a file of rows, or - for standard input; got {path!r}, "
      "which is not there."
    )
  with open(os.path.expanduser(path), **settings) as stream:
    yield stream, path


def format_of(path):
  """Returns the format that a file's name stands for."""
  return "jsonl" if path.lower().endswith(JSON_ENDINGS) else "csv"


def csv_rows(stream, name, column_names=()):
  """Yields (number of the line, {column: field}) of a CSV file.

  Spaces after a comma, and empty lines, are left out.

  Args:
    stream: iterable of lines.
    name: str, what errors call the file.
    column_names: list of str; without it the first line has them.

  Raises:
    ValueError: a row has another number of fields than there are columns, is
      malformed or has a NUL, or two columns share a name.
  """
  lines = csv.reader(
    _without_nul(stream, name), skipinitialspace=True, strict=True
  )
  names = list(column_names)
  try:
    for fields in lines:
      if not fields:
        continue
      if not names:
        names = fields
        _check_header(names, name, lines.line_num)
        continue
      if len(fields) != len(names):
        raise ValueError(
          f"{name}, line {lines.line_num}: a row must have {len(names)} "
          f"fields, one for each column; got {len(fields)}: {fields!r:.80}."
        )
      yield lines.line_num, dict(zip(names, fields, strict=True))
  except csv.Error as error:
    raise ValueError(
      f"{name}, line {lines.line_num}: fields must be separated by commas, and "
      f"those with a comma or a quote in quotes; got a bad one: {error}."
    ) from error


def _without_nul(stream, name):
  for number, line in enumerate(stream, 1):
    if "\0" in line:
      raise ValueError(
        f"{name}, line {number}: rows must be text in UTF-8; got a NUL, as "
        "UTF-16 has. Convert the file."
      )
    yield line


def _check_header(names, name, line):
  twice = sorted({n for n in names if names.count(n) > 1})
  if twice:
    raise ValueError(
      f"{name}, line {line}: the first line must name each column once; got "
      f"{twice} again. If it is a row, name the columns with --column_names."
    )


def json_rows(stream, name):
  """Yields (number of the line, object) of JSON lines, without empty ones.

  Raises:
    ValueError: a line is no JSON object.
  """
  for number, line in enumerate(stream, 1):
    if not line.strip():
      continue
    try:
      row = json.loads(line)
    except (ValueError, RecursionError) as error:
      raise ValueError(
        f"{name}, line {number}: a line must be a JSON object; got what is no "
        f"JSON: {error}."
      ) from error
    if not isinstance(row, dict):
      raise ValueError(
        f'{name}, line {number}: a line must be a JSON object, {{"name": '
        f"value, ...}}; got {type(row).__name__}."
      )
    yield number, row


class RowReader:
  """Makes values of features out of rows.

  Args:
    features: list of Feature.
    name: str, what errors call the file.
    is_csv: bool, whether rows are fields of text.
    note: function that is given lines for the user.
  """

  def __init__(self, features, name, is_csv, note):
    self._features = features
    self._name = name
    self._note = note
    self._is_csv = is_csv
    self._columns = {
      feature.name: feature.columns if is_csv else (feature.name,)
      for feature in features
    }
    self._known = {c for columns in self._columns.values() for c in columns}
    self._checked, self._noted = set(), set()

  def read(self, rows):
    """Yields (line, {feature: array, or None for the default}) of rows.

    Raises:
      ValueError: a row lacks a feature, or has a bad value.
    """
    for line, row in rows:
      self._check_names(line, row)
      try:
        yield (
          line,
          {f.name: f.value(self._given(f, row)) for f in self._features},
        )
      except ValueError as error:
        raise ValueError(f"{self._name}, line {line}: {error}.") from error

  def _given(self, feature, row):
    if not self._is_csv:
      return row.get(feature.name)
    fields = [row.get(column, "") for column in self._columns[feature.name]]
    return feature.from_fields(fields)

  def _check_names(self, line, row):
    """Looks at the names of a row, unless it had the same ones before."""
    names = frozenset(row)
    if names in self._checked:
      return
    missing, defaults = [], []
    for feature in self._features:
      lacking = [c for c in self._columns[feature.name] if c not in names]
      whole = len(lacking) == len(self._columns[feature.name])
      (defaults if feature.optional and whole else missing).extend(lacking)
    if missing:
      raise ValueError(
        f"{self._name}, line {line}: a row must have {_shown(missing)} too, "
        f"as the model takes it; it has {_shown(names)}."
      )
    self._note_once(
      "ignored, as the model does not know it", names - self._known
    )
    self._note_once("not there, so the model's default is taken", defaults)
    self._checked.add(names)

  def _note_once(self, what, names):
    new = set(names) - self._noted
    if new:
      self._noted |= new
      self._note(f"{self._name}: {what}: {_shown(new)}")


def _shown(names, most=50):
  names = sorted(names)
  more = f" and {len(names) - most} more" if len(names) > most else ""
  return ", ".join(map(repr, names[:most])) + more

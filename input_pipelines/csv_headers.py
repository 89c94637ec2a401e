"""The names of the columns of CSV files, and a first look into these."""

import csv

from input_pipelines import files

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Longer ones are none: it is a hole in the file, or no text at all.
_MAX_LINE_BYTES = 1 << 24


def column_names(paths, compressions, given, header, delimiter):
  """Returns the names of all columns, after a look into every file.

  Args:
    paths: list of str.
    compressions: list of "", "GZIP" or "ZLIB", of each file.
    given: list of str, the names; or None, then they are the header's.
    header: bool, whether each file has one.
    delimiter: str of one character.

  Raises:
    ValueError: a compressed file is not whole, one has no row, headers differ,
      or names are missing or there twice.
  """
  if not header and given is None:
    raise ValueError(
      "column_names must be given if the files have no header; got None. "
      "Pass a list of all columns, or header=True."
    )
  if given is not None:
    check_names("column_names", given)
  first_header = None
  for path, compression in zip(paths, compressions, strict=True):
    names = _look_into(path, compression, header, delimiter)
    if names is None:
      continue
    if first_header is None:
      check_names(f"The header of {path}", names)
      first_header = names
    if names != first_header:
      raise ValueError(
        f"All files must have the header of {paths[0]}, {first_header}; got "
        f"{names} in {path}. Narrow file_pattern, or mend the header."
      )
  if given is None:
    return first_header
  if header and len(given) != len(first_header):
    raise ValueError(
      f"column_names must name all {len(first_header)} columns of the header, "
      f"{first_header}; got {list(given)}. Use select_columns to read "
      "some of them."
    )
  return list(given)


def _look_into(path, compression, header, delimiter):
  """Returns the header's names, or None; makes sure that there are rows."""
  if compression:
    files.content_size(path, compression)  # finds out if it is whole
  lines = _lines(path, compression)
  first = next(lines, b"")
  names = None
  if header:
    names = _header_names(path, first, delimiter)
    first = b""
  elif first.startswith(_BYTE_ORDER_MARK):
    raise ValueError(
      f"{path} must begin with a row if header=False; got a byte order mark. "
      "Save the file without it (as UTF-8, not as UTF-8 with BOM)."
    )
  if not first.strip() and not any(line.strip() for line in lines):
    raise ValueError(
      f"{path} must have at least one row; got none"
      + (" after the header. " if header else ". ")
      + "Narrow file_pattern, or make the file again."
    )
  return names


def _header_names(path, line, delimiter):
  try:
    text = line.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
    (names,) = csv.reader([text], delimiter=delimiter, strict=True)
  except (UnicodeDecodeError, ValueError, csv.Error) as error:
    raise ValueError(
      f"{path} must begin with the names of its columns in UTF-8; got "
      f"{line[:200]!r} ({error}). Mend it, or pass header=False and "
      "column_names."
    ) from error
  return names


def _lines(path, compression):
  """Yields the lines of a file (bytes), without their ends."""
  number, rest = 1, b""
  for chunk in files.content_chunks(path, compression):
    *lines, rest = (rest + chunk).split(b"\n")
    yield from (line.replace(b"\r", b"") for line in lines)
    number += len(lines)
    if len(rest) > _MAX_LINE_BYTES:
      raise ValueError(
        f"{path}, line {number} must have at most {_MAX_LINE_BYTES} bytes; got "
        f"more, beginning with {rest[:20]!r}. Check that it is text, in lines."
      )
  yield rest.replace(b"\r", b"")


def check_names(what, names):
  """Raises ValueError if `names` is no list of different names."""
  if (
    not isinstance(names, (list, tuple))
    or not names
    or not all(isinstance(name, str) and name for name in names)
    or len(set(names)) < len(names)
  ):
    raise ValueError(
      f"{what} must be a list of different names that are not empty; got "
      f"{names!r}. Rename the columns."
    )

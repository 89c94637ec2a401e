"""What bytes of text formats hold, read a second time and in another way.

As in `binary_oracles`: a value, or `Damaged`.
"""

import csv
import io
import json

from tools.survive.binary_oracles import Damaged, demand

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SPACES = b" \t\n\r\x0b\x0c"
_AGES = {0, 2, 4, 10, 11, 12}  # the places of the numbers of a census row


def text(content):
  """UTF-8 without NUL and byte order mark: str."""
  demand(b"\0" not in content)
  try:
    return content.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
  except UnicodeDecodeError as error:
    raise Damaged from error


def _sorted_words(words):
  counts = {}
  for word in words:
    counts[word] = counts.get(word, 0) + 1
  return counts


def ptb(content):
  """Vocabulary and ids of a training text."""
  words = []
  lines = text(content).split("\n")
  for number, line in enumerate(lines):
    words += line.split()
    if number < len(lines) - 1:
      words.append("<eos>")
  demand(set(words) - {"<eos>"})
  counts = _sorted_words(words)
  order = sorted(counts, key=lambda word: (-counts[word], word))
  return order, [order.index(word) for word in words]


def corpus(content, min_words):
  """Words, counts and ids of a text for word2vec, of all words."""
  content = text(content).encode()
  words, word = [], b""
  for byte in content + b" ":
    if byte in _SPACES:
      words += [word] if word else []
      word = b""
    else:
      word += bytes([byte])
  demand(len(words) >= min_words)
  counts = _sorted_words(words)
  unknown = counts.pop(b"UNK", 0)
  order = sorted(counts, key=lambda w: (-counts[w], w))
  ids = {w: i for i, w in enumerate([b"UNK", *order])}
  return (
    [b"UNK", *order],
    [unknown, *(counts[w] for w in order)],
    [ids[w] for w in words],
  )


def analogies(content, words):
  """The questions whose words are known: (rows of ids, sections, skipped)."""
  rows, sections, skipped, section = [], [], 0, "unnamed"
  for line in text(content).encode().split(b"\n"):
    fields = [field.decode().lower() for field in line.split()]
    if line[:1] == b":":
      section = " ".join(fields)[1:].strip() or "unnamed"
    elif fields:
      demand(len(fields) == 4)
      if set(fields) <= set(words):
        rows.append([words.index(field) for field in fields])
        sections.append(section)
      else:
        skipped += 1
  demand(rows)
  return rows, sections, skipped


def census(content):
  """(Rows of text fields with labels, the number of damaged ones)."""
  content = content.removeprefix(_BYTE_ORDER_MARK)
  lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
  good, num_bad = [], 0
  for number, raw in enumerate(lines):
    try:
      line = raw.decode().strip().replace(", ", ",")
    except UnicodeDecodeError:
      # Where it has no comma either it is passed over.
      num_bad += b"," in raw or number == len(lines) - 1
      continue
    if "," not in line and not (line and number == len(lines) - 1):
      num_bad += "\0" in line
      continue
    row = _census_row(line[:-1] if line[-1:] == "." else line)
    if row is None:
      num_bad += 1
    else:
      good.append(row)
  return good, num_bad


def _census_row(line):
  fields = line.split(",")
  if len(fields) != 15 or "\0" in line or fields[14] not in ("<=50K", ">50K"):
    return None
  for place in _AGES:
    digits = fields[place].removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
      return None
    fields[place] = int(fields[place])
  return [*fields[:14], int(fields[14] == ">50K")]


def lines_of_words(content):
  """Numbers and words of the lines that have words."""
  found = []
  for number, line in enumerate(text(content).split("\n"), 1):
    if line.split():
      found.append((number, line.split()))
  return found


def csv_rows(content, header, parsers):
  """(Rows, the number of damaged ones) of a CSV file, one row a line.

  Args:
    content: bytes.
    header: list of str that the first line must have; None for no header.
    parsers: of each column, a function of its text that raises ValueError.
  """
  lines = [line.replace(b"\r", b"") for line in content.split(b"\n")]
  if header is not None:
    first = lines.pop(0).removeprefix(_BYTE_ORDER_MARK)
    demand(_fields(first) == header)
  else:
    demand(not content.startswith(_BYTE_ORDER_MARK))
  good, num_bad = [], 0
  for line in filter(None, lines):
    fields = _fields(line)
    try:
      if fields is None or len(fields) != len(parsers):
        raise ValueError
      good.append([p(f) for p, f in zip(parsers, fields, strict=True)])
    except ValueError:
      num_bad += 1
  return good, num_bad


def _fields(line):
  """The fields of a line of CSV (RFC 4180), or None if it is none."""
  try:
    rest = line.decode()
  except UnicodeDecodeError:
    return None
  fields = []
  while True:
    if rest[:1] == '"':
      end = rest.find('"', 1)
      while end >= 0 and rest[end + 1 : end + 2] == '"':
        end = rest.find('"', end + 2)
      if end < 0:
        return None
      field, rest = rest[1:end].replace('""', '"'), rest[end + 1 :]
      if rest and rest[0] != ",":
        return None
      more, rest = bool(rest), rest[1:]
    else:
      field, comma, rest = rest.partition(",")
      if '"' in field:
        return None
      more = bool(comma)
    if "\0" in field:
      return None
    fields.append(field)
    if not more:
      return fields


def whole_number(field):
  """An int32 with blanks around it, as CSV columns have them."""
  field = field.strip(" \t")
  digits = field[1:] if field[:1] in ("+", "-") else field
  if not (digits.isascii() and digits.isdigit()):
    raise ValueError(field)
  if not -(2**31) <= int(field) < 2**31:
    raise ValueError(field)
  return int(field)


def number(field):
  """A float64 in the same way."""
  field = field.strip(" \t")
  if not field.isascii() or "_" in field or field != field.strip():
    raise ValueError(field)
  return float(field)


def table(content):
  """The fields t and u of the rows of a table, of several lines if quoted."""
  lines = io.StringIO(text(content), newline="")
  try:
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    rows = [row for row in reader if row]
  except csv.Error as error:
    raise Damaged from error
  demand(rows)
  names, *rows = rows
  demand(len(set(names)) == len(names))
  demand(all(len(row) == len(names) for row in rows))
  demand(not rows or {"t", "u"} <= set(names))
  demand(rows)
  return [[row[names.index(n)].encode() for n in "tu"] for row in rows]


def json_table(content):
  """The texts t and u of the objects, one a line."""
  found = []
  for line in io.StringIO(text(content), newline=None):
    if line.strip():
      try:
        row = json.loads(line)
        found.append([row[name].encode() for name in "tu"])
      except (ValueError, RecursionError, KeyError) as error:
        raise Damaged from error
      except (AttributeError, TypeError) as error:
        raise Damaged from error
  demand(found)
  return found

import csv
import random

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import csv_rows

_INT32 = csv_rows.Column("i", tf.int32)
_INT64 = csv_rows.Column("l", tf.int64)
_FLOAT = csv_rows.Column("f", tf.float32)
_TEXT = csv_rows.Column("t", tf.string)
_TEXT_2 = csv_rows.Column("t2", tf.string)
_INT32_OR_7 = csv_rows.Column("j", tf.int32, 7)
_TEXT_OR_D = csv_rows.Column("u", tf.string, "d")
_UNREAD = csv_rows.Column("n")


def _accepts(columns, lines, delimiter=","):
  rows = csv_rows.Rows(columns, delimiter)
  # One by one: those in one call share the quick path or the exact one.
  return [bool(rows.accept(tf.constant([line]))[0]) for line in lines]


def _expected(column, field):
  """Returns what a field stands for, or raises ValueError: plain Python."""
  if column.dtype is None:
    return None
  if not field:
    if column.default is None:
      raise ValueError
    return column.default
  if column.dtype == tf.string:
    return field
  if "_" in field:
    raise ValueError
  if column.dtype == tf.float32:
    return np.float32(field)
  value = int(field)
  limits = np.iinfo(column.dtype.as_numpy_dtype)
  if not limits.min <= value <= limits.max:
    raise ValueError
  return value


class RowsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.named_parameters(
    (
      "int32",
      _INT32,
      "0 5 -5 +5 0012 -0 2147483647 -2147483648 0000000002147483647",
      "5.0 1e3 - + 5- --5 0x1 1_0 2147483648 -2147483649 9999999999 a nan",
    ),
    (
      "int64",
      _INT64,
      "9223372036854775807 -9223372036854775808 1000000000000000000",
      "9223372036854775808 -9223372036854775809 99999999999999999999",
    ),
    (
      "float32",
      _FLOAT,
      "0 1.5 .5 5. -1e5 1E-3 +2.5e+10 nan NaN -inf Infinity",
      ". 1e e5 1.5.5 0x1p3 1f 1,5 --1 na infinit",
    ),
  )
  def test_numbers(self, column, good, bad):
    self.assertEqual(
      [True] * len(good.split()), _accepts([column], good.split())
    )
    self.assertEqual(
      [False] * len(bad.split()), _accepts([column], bad.split())
    )
    rows = csv_rows.Rows([column, _TEXT], ",")
    lines = [f"{number},t" for number in good.split()]
    parsed = rows.decode(tf.constant(lines))[column.name]
    convert = column.dtype.as_numpy_dtype
    self.assertAllEqual([convert(n) for n in good.split()], parsed)

  @parameterized.named_parameters(
    ("spaces", [_INT32, _FLOAT], " 5 ,\t1.5 "),
    ("quoted_number", [_INT32, _FLOAT], '"5"," 1.5"'),
    ("empty", [_INT32_OR_7, _TEXT_OR_D], ","),
    ("quoted_empty", [_INT32_OR_7, _TEXT_OR_D], '"",""'),
    ("delimiter_in_quotes", [_INT32, _TEXT], '5,"a,b"'),
    ("doubled_quotes", [_TEXT, _TEXT_2], '"a""b",""""'),
    ("text_of_any_language", [_TEXT, _TEXT_2], "Größe,大きさ"),
    ("unread", [_UNREAD, _INT32], ",5"),
    ("one_column", [_TEXT], "a"),
  )
  def test_accepts(self, columns, line):
    self.assertEqual([True], _accepts(columns, [line]))
    (expected,) = csv.reader([line])
    for name, value in (
      csv_rows.Rows(columns, ",").decode(tf.constant([line])).items()
    ):
      index = [column.name for column in columns].index(name)
      wanted = _expected(columns[index], expected[index])
      if isinstance(wanted, str):
        wanted = wanted.encode()
      self.assertEqual(wanted, value.numpy()[0])

  @parameterized.named_parameters(
    ("few", [_INT32, _TEXT], "5", "must have 2 fields; this one has 1"),
    ("many", [_INT32, _TEXT], "5,a,b", "2 fields; this one has 3; .* 5,a,b"),
    ("number", [_TEXT, _INT32], "a,b", "column i must be int32; .*: a,b$"),
    ("empty", [_TEXT, _INT32], "a,", "column i must be int32;"),
    ("empty_text", [_TEXT, _INT32], ",5", "column t must be text;"),
    ("quoted_nothing", [_TEXT, _INT32], '"",5', "column t must be text;"),
    (
      "optional",
      [_INT32_OR_7, _TEXT],
      "x,a",
      "column j must be int32 or empty",
    ),
    ("quote_inside", [_TEXT, _INT32], 'a"b,5', "must be in quotes"),
    ("after_quote", [_TEXT, _INT32], '"a"b,5', "must be in quotes"),
    ("space_before_quote", [_TEXT, _INT32], ' "a",5', "must be in quotes"),
    ("open_quote", [_TEXT, _INT32], '5,"a', "end on their line"),
    ("nul", [_TEXT, _INT32], "a\0b,5", "without NUL"),
    ("latin1", [_TEXT, _INT32], "ä,5".encode("latin1"), "UTF-8.*: \ufffd,5"),
    ("unread", [_UNREAD, _INT32], 'a"b,5', "must be in quotes"),
    ("long", [_INT32], "a" * 999, "int32; got the line: a{200}$"),
  )
  def test_refuses(self, columns, line, message):
    self.assertEqual([False], _accepts(columns, [line]))
    rows = csv_rows.Rows(columns, ",")
    problem = rows.problem(tf.constant(line)).numpy().decode()
    self.assertRegex(problem, message)

  def test_a_row_is_found_among_others(self):
    rows = csv_rows.Rows([_INT32, _TEXT], ",")
    lines = ["1,a", "2,b", "x,c", "4,d,e", '5,"f,"', ""]
    self.assertAllEqual(
      [True, True, False, False, True, False], rows.accept(tf.constant(lines))
    )

  @parameterized.parameters(";", "\t", " ", "|", "^", "]", "\\")
  def test_delimiters(self, delimiter):
    columns = [_INT32, _TEXT, _FLOAT]
    line = delimiter.join(["5", f'"a{delimiter}b"', "1.5"])
    self.assertEqual([True], _accepts(columns, [line], delimiter))
    self.assertEqual([False], _accepts(columns, ["5,a,1.5"], delimiter))
    parsed = csv_rows.Rows(columns, delimiter).decode(tf.constant([line]))
    self.assertAllEqual([f"a{delimiter}b".encode()], parsed["t"])

  @parameterized.parameters(3, 80)
  def test_agrees_with_python_on_random_lines(self, num_columns):
    # 80 columns are above what the quick path takes.
    generator = random.Random(num_columns)
    kinds = [_INT32, _FLOAT, _INT32_OR_7, _TEXT_OR_D, _TEXT, _UNREAD]
    columns = [
      csv_rows.Column(f"c{i}", kind.dtype, kind.default)
      for i, kind in enumerate(generator.choices(kinds, k=num_columns))
    ]
    rows = csv_rows.Rows(columns, ",")
    fields = ["", "1", "-12", "2.5", " 3 ", "1e3", "x", '"a,""b"""', '"4"']
    counts = {True: 0, False: 0}
    for _ in range(300):
      picked = [
        generator.choice(fields[1:3] if generator.random() < 0.8 else fields)
        for _ in columns
      ]
      line = ",".join(picked)
      (plain,) = csv.reader([line])
      try:
        expected = [
          _expected(column, field)
          for column, field in zip(columns, plain, strict=True)
        ]
      except ValueError:
        expected = None
      accepted = bool(rows.accept(tf.constant([line]))[0])
      self.assertEqual(expected is not None, accepted, line)
      counts[accepted] += 1
      if accepted:
        parsed = rows.decode(tf.constant([line]))
        for column, value in zip(columns, expected, strict=True):
          if column.dtype is not None:
            got = parsed[column.name].numpy()[0]
            got = got.decode() if isinstance(got, bytes) else got
            self.assertEqual(value, got, line)
    self.assertGreater(counts[False], 20)
    if num_columns == 3:
      self.assertGreater(counts[True], 20)

  def test_what_is_accepted_can_always_be_read(self):
    generator = random.Random(0)
    rows = csv_rows.Rows([_INT32_OR_7, _TEXT_OR_D, _FLOAT], ",")
    alphabet = b'0159+-.,," \tex\xc3\xa4'
    lines = []
    for _ in range(5_000):
      line = bytearray(b'12,"a b",2.5')
      for _ in range(generator.randrange(4)):
        position = generator.randrange(len(line) + 1)
        letter = bytes([generator.choice(alphabet)])
        line[position : position + generator.randrange(2)] = letter
      lines.append(bytes(line))
    lines = tf.constant(lines)
    good = tf.boolean_mask(lines, rows.accept(lines))
    self.assertBetween(int(tf.size(good)), 1_500, 4_000)
    parsed = rows.decode(good)
    self.assertAllEqual(tf.shape(good), tf.shape(parsed["f"]))
    for line in good.numpy():
      line.decode()


if __name__ == "__main__":
  tf.test.main()

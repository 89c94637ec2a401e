import os
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from tests.estimators.helpers import new_folder
from tests.tools.predict_helpers import (
  PredictTestCase,
  echo,
)


class RowsTest(PredictTestCase):
  """Files that are not as they must be."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.model = echo(x=([None], tf.float32), t=([None], tf.string))

  def test_no_file(self):
    with self.assertRaisesRegex(ValueError, "'/no/rows.csv', which is not"):
      self.run_with(self.model, "/no/rows.csv")

  @parameterized.parameters(
    ("rows.csv", ""), ("rows.csv", "x,t\n\n"), ("rows.jsonl", "\n")
  )
  def test_no_rows(self, name, text):
    self.assert_refused("must have rows; it has none", self.model, text, name)

  @parameterized.parameters(
    ("x,t\n1,a\n1\n", r"line 3: a row must have 2 fields, .* got 1: \['1'\]"),
    ("x,t\n1,a\n\n1,a,b\n", "line 4: a row must have 2 fields, .* got 3"),
    ('x,t\n1,"a\nb",c\n', "line 3: a row must have 2 fields, .* got 3"),
    ('x,t\n1,"a" b\n', "line 2: fields must be separated by commas"),
    ('x,t\n1,"a\n', "line 2: fields must be separated by commas"),
    ("x,t,t\n1,a,b\n", r"line 1: .* each column once; got \['t'\]"),
  )
  def test_bad_csv(self, text, message):
    self.assert_refused(rf"rows\.csv, {message}", self.model, text)

  @parameterized.parameters(
    ("{", "no JSON"),
    ("[1]", "a line must be a JSON object, .* got list"),
    ("1", "got int"),
    ("[" * 100_000, "no JSON"),
    ("x,t", "no JSON"),
  )
  def test_bad_json(self, line, message):
    text = f'{{"x": 1, "t": "a"}}\n\n{line}\n'
    self.assert_refused(
      rf"rows\.jsonl, line 3: .*{message}", self.model, text, "rows.jsonl"
    )

  def test_text_that_is_not_utf_8(self):
    path = os.path.join(new_folder(), "rows.csv")
    # In a column that is not needed it does not matter.
    pathlib.Path(path).write_bytes(b"x,t,u\n1,a,\xe9\n1,\xe9,a\n")
    with self.assertRaisesRegex(ValueError, "line 3: t must be text in UTF-8"):
      self.run_with(self.model, path)

  def test_utf_16_is_told_by_its_nul(self):
    self.assert_refused(
      r"rows\.csv, line 2: .*a NUL", self.model, "x,t\n1,a\0\n", "rows.csv"
    )

  def test_byte_order_mark(self):
    rows = self.predicted(self.model, "\ufeffx,t\n1,a\n")
    self.assertEqual(rows, [{"x_out": 1.0, "t_out": "a"}])

  def test_line_ends_of_windows(self):
    path = os.path.join(new_folder(), "rows.csv")
    pathlib.Path(path).write_bytes(b"x,t\r\n1,a\r\n")
    output, _ = self.run_with(self.model, path)
    self.assertIn('"t_out": "a"', pathlib.Path(output).read_text())

  def test_column_names(self):
    text = "1, a, z.\n2, b, z.\n"
    rows = self.predicted(self.model, text, column_names="x,t,label")
    self.assertEqual([row["t_out"] for row in rows], ["a", "b"])

  def test_format_by_flag(self):
    rows = self.predicted(self.model, '{"x": 1, "t": "a"}', format="jsonl")
    self.assertEqual(rows, [{"x_out": 1.0, "t_out": "a"}])

  @parameterized.parameters("rows.jsonl", "rows.JSON", "rows.ndjson")
  def test_format_by_name(self, name):
    rows = self.predicted(self.model, '{"x": 1, "t": "a"}', name)
    self.assertLen(rows, 1)

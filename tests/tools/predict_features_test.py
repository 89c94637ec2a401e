import json

import tensorflow as tf
from absl.testing import parameterized

from tests.tools.predict_helpers import (
  PredictTestCase,
  echo,
  function_of,
  raw_model,
  saved,
  weighted,
)


class RawTest(PredictTestCase):
  """Signatures with an input for each feature."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.model = raw_model()
    cls.types = echo(
      whole=([None], tf.int32),
      byte=([None], tf.uint8),
      real=([None, 1], tf.float64),
      flag=([None], tf.bool),
      text=([None], tf.string),
      square=([None, 2, 2], tf.float32),
    )

  def test_csv(self):
    text = "b_1, a,b_0\n3, 1,2\n-1,0.5,1e1\n"
    rows = self.predicted(self.model, text)
    # 1 + 10 * 2 + 100 * 3, and 0.5 + 10 * 10 - 100 * 1
    self.assertEqual(rows, [{"y": 321.0}, {"y": 0.5}])

  def test_json_lines(self):
    rows = self.from_json(
      self.model, {"a": 1, "b": [2, 3]}, {"b": [10.0, -1], "a": 0.5}
    )
    self.assertEqual(rows, [{"y": 321.0}, {"y": 0.5}])

  @parameterized.parameters(1, 2, 1000)
  def test_rows_keep_their_order_in_batches(self, batch_size):
    text = "a,b_0,b_1\n" + "".join(f"{i},0,0\n" for i in range(5))
    rows = self.predicted(self.model, text, batch_size=batch_size)
    self.assertEqual([row["y"] for row in rows], [0, 1, 2, 3, 4])

  def test_types_from_csv(self):
    (row,) = self.predicted(
      self.types,
      "whole,byte,real,flag,text,square_0,square_1,square_2,square_3\n"
      '-2147483648,255,0.1,True,"a, ""b"" é",1,2,3,4\n',
    )
    self.assertEqual(
      row,
      {
        "whole_out": -(2**31),
        "byte_out": 255,
        "real_out": [0.1],
        "flag_out": True,
        "text_out": 'a, "b" é',
        "square_out": [[1.0, 2.0], [3.0, 4.0]],
      },
    )

  def test_types_from_json(self):
    row = {
      "whole": 25.0,
      "byte": 0,
      "real": 3,
      "flag": False,
      "text": "line\nbreak",
      "square": [[1, 2], [3, 4]],
    }
    flat = {**row, "real": [3], "square": [1, 2, 3, 4], "text": "\0"}
    first, second = self.from_json(self.types, row, flat)
    self.assertEqual(
      first,
      {
        "whole_out": 25,
        "byte_out": 0,
        "real_out": [3.0],
        "flag_out": False,
        "text_out": "line\nbreak",
        "square_out": [[1.0, 2.0], [3.0, 4.0]],
      },
    )
    self.assertEqual(second, {**first, "text_out": "\0"})

  def test_empty_field_is_empty_text(self):
    model = echo(text=([None], tf.string), n=([None], tf.int32))
    rows = self.predicted(model, "text,n\n,1\n")
    self.assertEqual(rows, [{"text_out": "", "n_out": 1}])

  @parameterized.parameters(
    ("whole", "2147483648", r"whole must be a whole number \(int32\)"),
    ("whole", "1.5", "got 1.5"),
    ("whole", "1_0", "got '1_0'"),
    ("whole", "nan", "got nan"),
    ("whole", "inf", "got inf"),
    ("whole", "", "got nothing"),
    ("byte", "-1", r"byte must be a whole number \(uint8\); got -1"),
    (
      "real",
      "x" * 100,
      r"real must be a number \(float64\); got 'x{79}\.\.\.$",
    ),
    ("flag", "yes", "flag must be true or false; got 'yes'"),
    ("square_2", "", r"a list of 4 \(of shape \[2, 2\]\), each a number .*''"),
    ("square_2", "1e39", "square must be a list"),
  )
  def test_bad_fields(self, column, field, message):
    row = {
      **dict.fromkeys(["whole", "byte", "real", "text"], "1"),
      "flag": "0",
      **{f"square_{i}": "1" for i in range(4)},
    }
    good = ",".join(row.values())
    bad = ",".join({**row, column: field}.values())
    text = f"{','.join(row)}\n{good}\n\n{bad}\n"
    with self.assertRaisesRegex(ValueError, r"rows\.csv, line 4: ") as caught:
      self.predicted(self.types, text)
    self.assertRegex(str(caught.exception).removesuffix("."), message)

  @parameterized.parameters(
    ("whole", True, "a whole number"),
    ("whole", "1", "got '1'"),
    ("whole", 2**70, "a whole number"),
    ("real", 10**400, "a number"),
    ("real", None, "got nothing"),
    ("real", [1, 2], r"got \[1, 2\]"),
    ("flag", 1, "true or false"),
    ("text", 5, "text in UTF-8; got 5"),
    ("text", {"b": 1}, "text in UTF-8"),
    ("text", "\ud800", "text in UTF-8"),
    ("square", [[1, 2], [3]], "a list of 4"),
    ("square", [[1, 2, 3, 4]], "a list of 4"),
    ("square", [[1, 2], [3, None]], "a list of 4"),
  )
  def test_bad_json_values(self, name, value, message):
    row = {"whole": 1, "byte": 1, "real": 1, "flag": True, "text": ""}
    row = {**row, "square": [1, 2, 3, 4]}
    lines = json.dumps(row), json.dumps({**row, name: value})
    self.assert_refused(
      rf"^.*rows\.jsonl, line 2: {name} must be .*{message}",
      self.types,
      "\n".join(lines),
      "rows.jsonl",
    )

  def test_nan_and_infinity_of_json(self):
    model = echo(x=([None], tf.float32))
    text = '{"x": NaN}\n{"x": -Infinity}\n{"x": Infinity}\n{"x": 0.1}\n'
    rows = self.predicted(model, text, "rows.jsonl")
    values = [row["x_out"] for row in rows]
    self.assertEqual(values, ["NaN", "-Infinity", "Infinity", 0.1])

  def test_lists_of_any_length(self):
    model = echo(x=([None, None], tf.string), n=([None], tf.int64))
    rows = self.from_json(
      model, {"x": ["a", "b"], "n": 0}, {"x": "c", "n": 1}, batch_size=1
    )
    self.assertEqual([row["x_out"] for row in rows], [["a", "b"], ["c"]])
    rows = self.from_json(model, {"x": None, "n": 0}, {"x": [], "n": 1})
    self.assertEqual([row["x_out"] for row in rows], [[], []])

  def test_lists_of_several_lengths_in_a_batch(self):
    self.assert_refused(
      r"lines 1 to 2: the values of x must have one shape .*\[\(1,\), \(2,\)\]"
      ".*--batch_size=1",
      echo(x=([None, None], tf.int64)),
      '{"x": [1]}\n{"x": [1, 2]}\n',
      "rows.jsonl",
    )

  def test_any_shape(self):
    model = echo(x=(None, tf.int64))
    rows = self.from_json(model, {"x": [[1, 2]]}, {"x": [[3, 4]]})
    self.assertEqual(rows, [{"x_out": [[1, 2]]}, {"x_out": [[3, 4]]}])

  def test_signature_of_a_fixed_batch_size(self):
    model = saved(
      function_of(weighted, a=([2], tf.float32), b=([2, 2], tf.float32))
    )
    text = "a,b_0,b_1\n1,0,0\n2,0,0\n3,0,0\n"
    rows = self.predicted(model, text, batch_size=7)
    self.assertEqual(rows, [{"y": 1.0}, {"y": 2.0}, {"y": 3.0}])

  def test_input_without_a_batch(self):
    model = saved(function_of(lambda x: {"y": x}, x=([], tf.float32)))
    self.assert_refused("first dimension, but x is one value", model, "x\n1\n")

  def test_complex_input(self):
    self.assert_refused(
      "x is complex64", echo(x=([None], tf.complex64)), "x\n1\n"
    )

  def test_text_that_the_model_does_not_parse(self):
    model = echo(comment=([None], tf.string))
    rows = self.predicted(model, "comment\nGood\n")
    self.assertEqual(rows, [{"comment_out": "Good"}])

  def test_model_that_refuses(self):
    def positive(x):
      with tf.control_dependencies([tf.debugging.assert_positive(x, "Oh no")]):
        return {"y": tf.identity(x)}

    model = saved(function_of(positive, x=([None], tf.float32)))
    self.assert_refused(
      r"rows\.csv, lines 4 to 5: .*Oh no[^\n]*$",
      model,
      "x\n1\n2\n3\n-4\n5\n",
      batch_size=2,
    )

  def test_not_enough_and_too_many_columns(self):
    self.assert_refused(
      r"line 2: a row must have 'b_0' too, .* it has 'a', 'b_1'\.",
      self.model,
      "a,b_1\n1,2\n",
    )
    text = "a,b_0,id,b_1,zone\n1,2,x,3,y\n1,2,x,3,y\n"
    self.assertEqual(self.predicted(self.model, text), [{"y": 321.0}] * 2)
    notes = self.noted(self.model, text)
    self.assertEqual(notes.count("ignored"), 1)
    self.assertRegex(notes, r"rows\.csv: ignored, .*: 'id', 'zone'\n")

  def test_names_in_json_lines(self):
    self.assert_refused(
      r"rows\.jsonl, line 2: a row must have 'b' too, .* it has 'A', 'a'",
      self.model,
      '{"a": 1, "b": [1, 2]}\n{"a": 1, "A": 2}\n',
      "rows.jsonl",
    )
    good = '{"a": 1, "b": [2, 3], "id": 1}\n'
    notes = self.noted(
      self.model,
      good + good + '{"a": 1, "b": [2, 3], "id": 1, "x": 1}',
      "rows.jsonl",
    )
    lines = [line for line in notes.splitlines() if "ignored" in line]
    self.assertLen(lines, 2)
    self.assertEndsWith(lines[0], "know it: 'id'")
    self.assertEndsWith(lines[1], "know it: 'x'")

import csv
import os
import pathlib

import numpy as np
import tensorflow as tf

from tests.estimators.helpers import new_folder
from tests.tools.predict_helpers import (
  PredictTestCase,
  echo,
  function_of,
  saved,
)


class OutputTest(PredictTestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()

    def outputs(x):
      x = x[:, tf.newaxis]
      return {
        "one": x,
        "two": tf.concat([x, 1 / (x - 2)], 1),
        "grid": tf.cast(x[:, :, tf.newaxis] + [[[0, 1], [2, 3]]], tf.int64),
        "text": tf.constant([b'\xe9,"\n'])
        + tf.strings.substr("ab", 0, 1)
        + tf.strings.as_string(tf.cast(x[:, 0], tf.int32)),
        "big": x[:, 0] > 1,
      }

    cls.model = saved(function_of(outputs, x=([None], tf.float32)))

  ROWS = "x\n0.1\n2\n"

  def test_json_lines(self):
    first, second = self.predicted(self.model, self.ROWS)
    self.assertEqual(list(first), ["big", "grid", "one", "text", "two"])
    self.assertEqual(first["one"], [0.1])  # not 0.10000000149011612
    self.assertAllClose(first["two"], [0.1, -1 / 1.9], rtol=1e-6)
    self.assertEqual(second["two"], [2.0, "Infinity"])
    self.assertEqual(second["grid"], [[2, 3], [4, 5]])
    self.assertEqual(second["text"], '\\xe9,"\na2')
    self.assertEqual((first["big"], second["big"]), (False, True))

  def test_csv(self):
    path = os.path.join(new_folder(), "out.csv")
    self.run_with(self.model, self.write(self.ROWS), output=path, batch_size=1)
    with open(path, newline="", encoding="utf-8") as file:
      first, second = csv.DictReader(file)
    self.assertEqual(
      list(first),
      [
        "big",
        *(f"grid_{i}" for i in range(4)),
        "one",
        "text",
        "two_0",
        "two_1",
      ],
    )
    self.assertEqual(first["one"], "0.1")
    self.assertEqual([second[f"grid_{i}"] for i in range(4)], list("2345"))
    self.assertEqual(second["text"], '\\xe9,"\na2')
    self.assertEqual(second["two_1"], "inf")
    self.assertEqual((first["big"], second["big"]), ("False", "True"))

  def test_csv_of_several_widths(self):
    model = echo(x=([None, None], tf.int64))
    rows = self.write('{"x": [1]}\n{"x": [1, 2]}\n', "rows.jsonl")
    output = os.path.join(new_folder(), "out.csv")
    with self.assertRaisesRegex(
      ValueError, r"\['x_out_0', 'x_out_1'\] after \['x_out'\]; write JSON"
    ):
      self.run_with(model, rows, output=output, batch_size=1)

  def test_floats_are_told_from_their_neighbours(self):
    values = np.random.RandomState(0).randn(1000).astype(np.float32)
    values = np.concatenate([values, values * np.float32(1e-30)])
    text = "x\n" + "".join(f"{value!s}\n" for value in values)
    rows = self.predicted(echo(x=([None], tf.float32)), text)
    again = np.array([row["x_out"] for row in rows], np.float32)
    self.assertAllEqual(again, values)

  def test_bfloat16_is_written(self):
    model = saved(
      function_of(
        lambda x: {"y": tf.cast(x, tf.bfloat16)}, x=([None], tf.float32)
      )
    )
    self.assertEqual(self.predicted(model, "x\n1.5\n"), [{"y": 1.5}])

  def test_error_leaves_the_old_file(self):
    path = os.path.join(new_folder(), "out.jsonl")
    pathlib.Path(path).write_text("old")
    rows = self.write("x\n1\nbad\n")
    with self.assertRaisesRegex(ValueError, "line 3"):
      self.run_with(self.model, rows, output=path, batch_size=1)
    self.assertEqual(pathlib.Path(path).read_text(), "old")
    self.assertEqual(os.listdir(os.path.dirname(path)), ["out.jsonl"])
    self.run_with(self.model, self.write(self.ROWS), output=path)
    self.assertLen(pathlib.Path(path).read_text().splitlines(), 2)
    self.assertEqual(os.listdir(os.path.dirname(path)), ["out.jsonl"])

  def test_what_is_no_file_stays(self):
    path = os.path.join(new_folder(), "null")
    os.symlink(os.devnull, path)
    self.run_with(self.model, self.write(self.ROWS), output=path)
    self.assertTrue(os.path.islink(path))
    self.assertFalse(os.path.isfile(os.devnull))

  def test_no_folder(self):
    with self.assertRaisesRegex(ValueError, "make the folder"):
      self.run_with(self.model, self.write(self.ROWS), output="/no/out.jsonl")

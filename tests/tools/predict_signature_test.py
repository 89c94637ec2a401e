import json

import tensorflow as tf
from absl.testing import parameterized

from tests.tools.predict_helpers import (
  PredictTestCase,
  example_model,
  function_of,
  old_parser,
  saved,
)


class ExampleTest(PredictTestCase):
  """Signatures that take serialized examples."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.model = example_model()

  ROW = {
    "size": 3,
    "pair": [4, 5],
    "rate": 0.25,
    "unit": "cm",
    "tags": ["a", "b"],
    "ids": [6, 7],
    "past": [1, 2, 4],
  }
  EXPECTED = {
    "size": 3.0,
    "pair": [4, 5],
    "rate": [0.25],
    "unit": "cm",
    "tags": "a+b",
    "ids": 13,
    "past": 7.0,
  }

  def test_json_lines(self):
    fewer = {"size": 0.5, "pair": [8, 9], "unit": "", "tags": "c", "ids": None}
    fewer = {**fewer, "past": None}
    notes = self.noted(self.model, json.dumps(fewer), "rows.jsonl")
    self.assertRegex(notes, "default is taken: 'rate'\n")
    self.assertEqual(
      self.from_json(self.model, self.ROW, fewer),
      [
        self.EXPECTED,
        {
          "size": 0.5,
          "pair": [8, 9],
          "rate": [0.5],  # the default
          "unit": "",
          "tags": "c",
          "ids": 0,
          "past": 0.0,
        },
      ],
    )

  def test_csv(self):
    text = "size,pair_0,pair_1,rate,unit,tags,ids,past\n3,4,5,,cm,007,6,\n"
    self.assertEqual(
      self.predicted(self.model, text),
      [
        {
          "size": 3.0,
          "pair": [4, 5],
          "rate": [0.5],  # the default
          "unit": "cm",
          "tags": "007",
          "ids": 6,
          "past": 0.0,
        }
      ],
    )

  def test_empty_text_of_a_list_is_none(self):
    text = "size,pair_0,pair_1,unit,tags,ids,past\n3,4,5,,,,\n"
    (row,) = self.predicted(self.model, text)
    self.assertEqual((row["unit"], row["tags"], row["ids"]), ("", "", 0))

  def test_says_how(self):
    self.assertRegex(
      self.noted(self.model, json.dumps(self.ROW), "rows.jsonl"),
      "signature 'serving_default'; features: 7; rows are made tf.train.Ex",
    )

  @parameterized.parameters(
    ("size", "x", r"size must be a number \(float32\); got 'x'"),
    ("size", None, "size must be a number .*; got nothing"),
    (
      "pair",
      [1, 1.5],
      r"pair must be a list of 2, each a whole number \(int64",
    ),
    ("pair", [1, 2, 3], r"pair .* got \[1, 2, 3\]"),
    ("unit", 1, "unit must be text"),
    ("tags", [1], "tags must be text in UTF-8, or a list of such"),
    ("ids", ["1"], "ids must be a whole number"),
    ("ids", [2**63], "ids must be a whole number"),
  )
  def test_bad_values(self, name, value, message):
    text = json.dumps({**self.ROW, name: value})
    self.assert_refused(
      f"rows.jsonl, line 1: {message}", self.model, text, "rows.jsonl"
    )

  @parameterized.parameters("size", "pair", "unit", "tags", "ids")
  def test_missing_feature(self, name):
    row = {key: value for key, value in self.ROW.items() if key != name}
    self.assert_refused(
      f"must have '{name}' too", self.model, json.dumps(row), "rows.jsonl"
    )

  def test_graph_of_tensorflow_1(self):
    model = saved(function_of(old_parser, examples=([None], tf.string)))
    rows = self.from_json(
      model,
      {"x": 1, "rate": 2, "tags": ["a", "b", "c"]},
      {"x": 4, "tags": None},
    )
    # 1 + 10 * 2 + 3, and 4 + 10 * 0.5 + 0
    self.assertEqual(rows, [{"y": 24.0}, {"y": 9.0}])

  def test_parser_inside_a_loop(self):
    def each(examples):
      spec = {"x": tf.io.FixedLenFeature([], tf.float32)}
      return {
        "y": tf.map_fn(
          lambda example: 2 * tf.io.parse_single_example(example, spec)["x"],
          examples,
          fn_output_signature=tf.float32,
        )
      }

    model = saved(function_of(each, examples=([None], tf.string)))
    rows = self.predicted(model, "x\n1\n1.5\n")
    self.assertEqual(rows, [{"y": 2.0}, {"y": 3.0}])

  def test_computed_names(self):
    def computed(examples):
      key = tf.strings.join(["x", tf.strings.as_string(tf.size(examples))])
      return tf.raw_ops.ParseExampleV2(
        serialized=examples,
        names=tf.constant([], tf.string),
        sparse_keys=tf.constant([], tf.string),
        dense_keys=[key],
        ragged_keys=tf.constant([], tf.string),
        dense_defaults=[tf.constant([], tf.float32)],
        num_sparse=0,
        sparse_types=[],
        ragged_value_types=[],
        ragged_split_types=[],
        dense_shapes=[[]],
      ).dense_values[0]

    model = saved(
      function_of(
        lambda examples: {"y": computed(examples)},
        examples=([None], tf.string),
      )
    )
    self.assert_refused("but are computed", model, "x1\n1\n")

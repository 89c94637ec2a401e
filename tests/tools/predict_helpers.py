"""What the tests of predict share: SavedModels of plain functions, and runs."""

import contextlib
import io
import json
import os
import pathlib

import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from tests.estimators.helpers import new_folder
from tools import predict


class PredictTestCase(tf.test.TestCase, parameterized.TestCase):
  def write(self, text, name="rows.csv"):
    path = os.path.join(new_folder(), name)
    pathlib.Path(path).write_text(text, encoding="utf-8")
    return path

  def run_with(self, export_dir, rows, **others):
    """Runs with a file of rows; returns (path of the output, notes)."""
    others.setdefault("output", os.path.join(new_folder(), "out.jsonl"))
    values = flags.FlagValues()
    predict.define_flags(values)
    given = {"export_dir": export_dir, "input": rows, **others}
    values(["predict", *(f"--{name}={value}" for name, value in given.items())])
    notes = io.StringIO()
    with contextlib.redirect_stderr(notes):
      predict.predict(values)
    return others["output"], notes.getvalue()

  def predicted(self, export_dir, text, name="rows.csv", **others):
    """Returns the rows of JSON lines for a text of rows."""
    path, _ = self.run_with(export_dir, self.write(text, name), **others)
    return self.rows_of(path)

  def rows_of(self, path):
    """Returns the objects of JSON lines."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]

  def from_json(self, export_dir, *rows, **others):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    return self.predicted(export_dir, text, "rows.jsonl", **others)

  def noted(self, export_dir, text, name="rows.csv", **others):
    return self.run_with(export_dir, self.write(text, name), **others)[1]

  def assert_refused(self, regex, export_dir, text, name="rows.csv", **others):
    """Asserts that rows are an error, and that no file is left."""
    path = self.write(text, name)
    output = os.path.join(new_folder(), "out.jsonl")
    with self.assertRaisesRegex(ValueError, regex):
      self.run_with(export_dir, path, output=output, **others)
    self.assertEmpty(os.listdir(os.path.dirname(output)))


def saved(functions, path=None):
  """Saves concrete functions as signatures; returns the path."""
  path = path or os.path.join(new_folder(), "export")
  tf.saved_model.save(tf.Module(), path, signatures=functions)
  return path


def function_of(function, **specs):
  """Returns the concrete function with an input for each (shape, dtype)."""
  return tf.function(function).get_concrete_function(
    **{
      name: tf.TensorSpec(shape, dtype, name)
      for name, (shape, dtype) in specs.items()
    }
  )


def weighted(a, b):
  """y = a + 10 b_0 + 100 b_1, for a [B] and b [B, 2]."""
  return {"y": a + 10 * b[:, 0] + 100 * b[:, 1]}


def raw_model():
  return saved(
    function_of(weighted, a=([None], tf.float32), b=([None, 2], tf.float32))
  )


def echo(**specs):
  """Returns a SavedModel that gives back what it is fed."""

  def same(**inputs):
    return {f"{name}_out": tf.identity(x) for name, x in inputs.items()}

  return saved(function_of(same, **specs))


EXAMPLE_SPEC = {
  "size": tf.io.FixedLenFeature([], tf.float32),
  "pair": tf.io.FixedLenFeature([2], tf.int64),
  "rate": tf.io.FixedLenFeature([1], tf.float32, default_value=0.5),
  "unit": tf.io.FixedLenFeature([], tf.string),
  "tags": tf.io.VarLenFeature(tf.string),
  "ids": tf.io.RaggedFeature(tf.int64),
  "past": tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True),
}


def example_outputs(serialized):
  """Returns what was parsed, one number or text for each row."""
  parsed = tf.io.parse_example(serialized, EXAMPLE_SPEC)
  tags = tf.RaggedTensor.from_sparse(parsed["tags"])
  return {
    "size": parsed["size"],
    "pair": parsed["pair"],
    "rate": parsed["rate"],
    "unit": parsed["unit"],
    "tags": tf.strings.reduce_join(tags, -1, separator="+"),
    "ids": tf.reduce_sum(parsed["ids"], -1),
    "past": tf.reduce_sum(parsed["past"], -1),
  }


def example_model():
  return saved(
    function_of(
      lambda examples: example_outputs(examples), examples=([None], tf.string)
    )
  )


def old_parser(examples):
  """Parses with the operation of TensorFlow 1: y = x + 10 rate + tags."""
  parsed = tf.raw_ops.ParseExample(
    serialized=examples,
    names=tf.constant([], tf.string),
    sparse_keys=["tags"],
    dense_keys=["x", "rate"],
    dense_defaults=[tf.constant([], tf.float32), tf.constant([0.5])],
    sparse_types=[tf.string],
    dense_shapes=[[], [1]],
  )
  x, rate = parsed.dense_values
  shape = tf.cast(parsed.sparse_shapes[0], tf.int32)
  row = tf.cast(parsed.sparse_indices[0][:, 0], tf.int32)
  tags = tf.math.unsorted_segment_sum(tf.ones_like(row), row, shape[0])
  return {"y": x + 10 * rate[:, 0] + tf.cast(tags, tf.float32)}

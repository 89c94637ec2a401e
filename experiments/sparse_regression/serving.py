"""The exported model: which rows it takes, and in which form.

Columns are those of `input_pipelines.svmlight`: they begin with 0.
"""

import tensorflow as tf

from estimators import export
from input_pipelines.svmlight import FEATURE

PARTS = "parts"
HOW_TO_USE = """Exported to {path}
  tf.train.Examples, serialized, with columns (ints) and values (floats):
    serving_default (input examples)
  columns int64 [n], values float32 [n], row_splits int64 [B + 1]:
    parts:serving_default
    (row i has the numbers from row_splits[i] to row_splits[i + 1] - 1)"""


def receiver_fn(num_features):
  """Returns a serving input receiver function with two ways in.

  Requests hold serialized Examples; in the signature `parts:serving_default`
  the flat numbers of the rows and where each row begins.

  Args:
    num_features: int, V.
  """

  def serving_input_receiver_fn():
    examples = tf.compat.v1.placeholder(tf.string, [None], name="examples")
    parts = _parsed(examples)
    x = sparse(**parts, num_features=num_features)
    return export.ServingInputReceiver(
      {FEATURE: x}, {"examples": examples}, {PARTS: parts}
    )

  return serving_input_receiver_fn


def sparse(columns, values, row_splits, num_features):
  """Returns the `tf.SparseTensor` [B, V] of flat numbers.

  Args:
    columns: int64 [n], in any order within a row.
    values: float32 [n].
    row_splits: int64 [B + 1].
    num_features: int, V.
  """
  # It checks the splits.
  found = tf.RaggedTensor.from_row_splits(values, row_splits).to_sparse()
  indices = tf.stack([found.indices[:, 0], columns], axis=1)
  shape = tf.stack([tf.size(row_splits, tf.int64) - 1, num_features])
  x = tf.SparseTensor(indices, found.values, shape)
  x.set_shape([None, num_features])
  return x


def export_model(estimator, config):
  """Writes a SavedModel, prints how to use it, and returns its path."""
  num_features = estimator.params["num_features"]
  path = estimator.export_saved_model(
    config.export_dir, receiver_fn(num_features)
  )
  print(HOW_TO_USE.format(path=path), flush=True)
  return path


def _parsed(examples):
  """Returns the parts of serialized Examples, as `sparse` takes them."""
  spec = {
    "columns": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
    "values": tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64),
  }
  found = tf.io.parse_example(examples, spec)
  columns, values = found["columns"], found["values"]
  same = tf.debugging.assert_equal(
    columns.row_splits,
    values.row_splits,
    "An Example must have as many columns as values.",
  )
  with tf.control_dependencies([same]):
    row_splits = tf.identity(columns.row_splits)
  # Requests take the place of whole operations, not of some of their outputs.
  return {
    "columns": tf.identity(columns.flat_values),
    "values": tf.identity(values.flat_values),
    "row_splits": row_splits,
  }

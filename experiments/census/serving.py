"""The exported model: which people it takes, and in which form."""

import tensorflow as tf

from estimators import export
from estimators import feature_columns as fc
from experiments.census.model import NUMBERS, columns_of

RAW = "raw"
HOW_TO_USE = """Exported to {path}
  tf.train.Examples, serialized: serving_default, classification, regression
    (input inputs) and predict (input examples)
  facts of people, each [B]: raw:predict (inputs {names})
  python -m tools.predict --export_dir={path} --input=rows.csv"""


def feature_spec(model_type):
  """Returns how to parse a `tf.train.Example` of a person.

  Numbers are float32 and needed; text that is not there is no category.

  Args:
    model_type: wide, deep or wide_deep; only what its columns use is in it.
  """
  number = tf.io.FixedLenFeature([], tf.float32)
  text = tf.io.FixedLenFeature([], tf.string, default_value="")
  names = fc.make_parse_example_spec(columns_of(model_type))
  return {name: number if name in NUMBERS else text for name in sorted(names)}


def receiver_fn(model_type):
  """Returns a serving input receiver function with two ways in.

  Requests hold serialized Examples; in the signature `raw:predict` the
  features themselves, each [B].
  """

  def serving_input_receiver_fn():
    examples = tf.compat.v1.placeholder(tf.string, [None], name="examples")
    features = tf.io.parse_example(examples, feature_spec(model_type))
    return export.ServingInputReceiver(
      features, {"examples": examples}, {RAW: features}
    )

  return serving_input_receiver_fn


def export_model(estimator, config):
  """Writes a SavedModel, prints how to use it, and returns its path."""
  path = estimator.export_saved_model(
    config.export_dir, receiver_fn(config.model_type)
  )
  names = ", ".join(feature_spec(config.model_type))
  print(HOW_TO_USE.format(path=path, names=names), flush=True)
  return path

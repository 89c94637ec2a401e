"""A trained model to export, and ways to look at exports.

The model is y = 0.8 x: its slope begins at 1, and the one step that it is
trained for, with x = 1 and label 0, takes it to 1 - 0.1 * 2.
"""

import functools
import os

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  export,
  minimize,
  once,
)
from tests.estimators.helpers import new_folder

RAW = export.build_raw_serving_input_receiver_fn(
  {"x": tf.TensorSpec([None], tf.float32)}
)
PARSING = export.build_parsing_serving_input_receiver_fn(
  {"x": tf.io.FixedLenFeature([], tf.float32)}
)


@once
def slope():
  return keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")


@once
def sgd():
  return keras.optimizers.SGD(0.1)


def slope_fn(features, labels, mode, outputs=None, x_of=None):
  """y = slope * x, with x made of the features by x_of (default: "x")."""
  x = x_of(features) if x_of else features["x"]
  y = slope()(tf.reshape(x, [-1, 1]))[:, 0]
  if mode == ModeKeys.PREDICT:
    given = outputs(y) if outputs else None
    return EstimatorSpec(mode, predictions={"y": y}, export_outputs=given)
  loss = tf.reduce_mean(tf.square(y - labels))
  return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, sgd()))


def bound(**kwargs):
  """slope_fn with some arguments, as an Estimator takes it."""
  return lambda features, labels, mode: slope_fn(
    features, labels, mode, **kwargs
  )


@functools.cache
def trained_dir():
  """Returns a model_dir in which the slope is 0.8."""
  model_dir = new_folder()
  one = tf.ones([4])
  Estimator(bound(), model_dir).train(
    lambda: tf.data.Dataset.from_tensors(({"x": one}, 0 * one)), steps=1
  )
  return model_dir


def trained(**kwargs):
  return Estimator(bound(**kwargs), trained_dir())


def serialized(**features):
  """Returns a tf.train.Example of lists of floats, serialized."""
  return tf.train.Example(
    features=tf.train.Features(
      feature={
        name: tf.train.Feature(float_list=tf.train.FloatList(value=values))
        for name, values in features.items()
      }
    )
  ).SerializeToString()


def signatures_of(path):
  """Returns the signatures of a SavedModel's file, by name."""
  proto = saved_model_pb2.SavedModel()
  with open(os.path.join(path, "saved_model.pb"), "rb") as file:
    proto.ParseFromString(file.read())
  signatures = dict(proto.meta_graphs[0].signature_def)
  return {k: v for k, v in signatures.items() if not k.startswith("__")}


def line_receiver_fn():
  """Serves the models of toys.py that take one tensor [B]; input: `x`."""
  x = tf.compat.v1.placeholder(tf.float32, [None])
  return export.TensorServingInputReceiver(x, {"x": x})


def served(path, signature="serving_default", **inputs):
  """Returns what a SavedModel's signature gives, as NumPy arrays."""
  model = tf.saved_model.load(path)
  inputs = {name: tf.constant(value) for name, value in inputs.items()}
  outputs = model.signatures[signature](**inputs)
  return {name: value.numpy() for name, value in outputs.items()}

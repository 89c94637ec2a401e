"""Tests of how requests become features."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import export
from tests.estimators.helpers import new_folder
from tests.estimators.serving import (
  PARSING,
  RAW,
  serialized,
  served,
  signatures_of,
  trained,
)


class ReceiverTest(tf.test.TestCase, parameterized.TestCase):
  def export(self, receiver_fn, **kwargs):
    return trained(**kwargs).export_saved_model(new_folder(), receiver_fn)

  def test_raw(self):
    path = self.export(RAW)
    self.assertAllClose(served(path, x=[1.0, 2.0]), {"y": [0.8, 1.6]})
    (signature,) = signatures_of(path).values()
    self.assertEqual(signature.inputs["x"].tensor_shape.dim[0].size, -1)

  def test_raw_takes_arrays_and_a_batch_size(self):
    receiver_fn = export.build_raw_serving_input_receiver_fn(
      {"x": np.zeros([7], np.float32)}, default_batch_size=3
    )
    (signature,) = signatures_of(self.export(receiver_fn)).values()
    self.assertEqual(signature.inputs["x"].tensor_shape.dim[0].size, 3)
    self.assertEqual(signature.inputs["x"].dtype, tf.float32.as_datatype_enum)

  def test_raw_makes_names_that_a_signature_can_have(self):
    receiver_fn = export.build_raw_serving_input_receiver_fn(
      {
        "hours per week": tf.TensorSpec([None]),
        "2nd": tf.TensorSpec([None]),
      }
    )
    path = self.export(
      receiver_fn, x_of=lambda f: f["hours per week"] + 10 * f["2nd"]
    )
    outputs = served(path, hours_per_week=[1.0], arg_2nd=[2.0])
    self.assertAllClose(outputs, {"y": [0.8 * 21]})

  def test_parsing(self):
    path = self.export(PARSING)
    examples = [serialized(x=[1.0]), serialized(x=[2.0])]
    self.assertAllClose(served(path, examples=examples), {"y": [0.8, 1.6]})

  def test_parsing_sparse_and_ragged_features(self):
    receiver_fn = export.build_parsing_serving_input_receiver_fn(
      {
        "sparse": tf.io.VarLenFeature(tf.float32),
        "ragged": tf.io.RaggedFeature(tf.float32),
      }
    )

    def x_of(features):
      return tf.sparse.reduce_sum(features["sparse"], 1) + 10 * tf.reduce_sum(
        features["ragged"], 1
      )

    path = self.export(receiver_fn, x_of=x_of)
    examples = [
      serialized(sparse=[1.0, 2.0], ragged=[]),
      serialized(sparse=[], ragged=[1.0, 2.0, 3.0]),
    ]
    outputs = served(path, examples=examples)
    self.assertAllClose(outputs, {"y": [0.8 * 3, 0.8 * 60]})

  def test_own_function_with_a_placeholder_and_a_set_shape(self):
    # Keras needs the shape, which no operation tells.
    def receiver_fn():
      images = tf.compat.v1.placeholder(tf.string, [None], "images")
      pixels = tf.map_fn(
        lambda image: tf.io.decode_raw(image, tf.float32),
        images,
        fn_output_signature=tf.float32,
      )
      pixels.set_shape([None, 2])
      return export.ServingInputReceiver({"pixels": pixels}, {"image": images})

    def x_of(features):
      self.assertEqual(features["pixels"].shape.as_list(), [None, 2])
      return features["pixels"][:, 1]

    path = self.export(receiver_fn, x_of=x_of)
    image = np.array([5, 1], np.float32).tobytes()
    self.assertAllClose(served(path, image=[image]), {"y": [0.8]})

  def test_one_tensor_is_the_feature_and_the_input(self):
    def receiver_fn():
      x = tf.compat.v1.placeholder(tf.float32, [None])
      return export.ServingInputReceiver(10 * x, x)

    path = self.export(receiver_fn, x_of=lambda f: f["feature"])
    self.assertAllClose(served(path, input=[1.0]), {"y": [8.0]})

  def test_tensor_receiver(self):
    def receiver_fn():
      x = tf.compat.v1.placeholder(tf.float32, [None])
      return export.TensorServingInputReceiver(10 * x, {"ten": x})

    path = self.export(receiver_fn, x_of=lambda feature: feature)
    self.assertAllClose(served(path, ten=[1.0]), {"y": [8.0]})

  def test_alternatives(self):
    def receiver_fn():
      text = tf.compat.v1.placeholder(tf.string, [None])
      x = tf.strings.to_number(text)
      return export.ServingInputReceiver(
        {"x": x}, {"text": text}, {"number": {"x": x}, "one": x}
      )

    path = self.export(receiver_fn)
    for name, inputs in (
      ("serving_default", {"text": ["2"]}),
      ("number:serving_default", {"x": [2.0]}),
      ("one:serving_default", {"input": [2.0]}),
    ):
      self.assertAllClose(served(path, name, **inputs), {"y": [1.6]})

  def test_features_that_the_model_does_not_use(self):
    receiver_fn = export.build_raw_serving_input_receiver_fn(
      {"x": tf.TensorSpec([None]), "unused": tf.TensorSpec([None], tf.string)}
    )
    outputs = served(self.export(receiver_fn), x=[1.0], unused=["a"])
    self.assertAllClose(outputs, {"y": [0.8]})

  @parameterized.parameters(
    (None, {"x": 1}, "features .* must be given"),
    ({"x": tf.zeros([1])}, None, "receiver_tensors .* must be given"),
    ({"x": 1.0}, {"x": tf.zeros([1])}, "features must be a dictionary"),
    ({1: tf.zeros([1])}, {"x": tf.zeros([1])}, "features must be a dictionary"),
    (
      {"x": tf.zeros([1])},
      {"x": tf.sparse.from_dense([[1.0]])},
      "fed dense tensors",
    ),
    ({"x": tf.zeros([1])}, {"a b": tf.zeros([1])}, "name it 'a_b'"),
  )
  def test_wrong_receivers(self, features, tensors, message):
    with self.assertRaisesRegex(ValueError, message):
      export.ServingInputReceiver(features, tensors)

  def test_tensor_receiver_takes_one_tensor(self):
    x = tf.zeros([1])
    with self.assertRaisesRegex(ValueError, "takes one tensor"):
      export.TensorServingInputReceiver({"x": x}, x)


if __name__ == "__main__":
  tf.test.main()

"""Canned estimators in SavedModels, which another process serves."""

import functools
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from estimators import (
  BaselineRegressor,
  DNNLinearCombinedClassifier,
  KernelLinearClassifier,
  RandomFourierFeatureMapper,
  RNNClassifier,
  export,
)
from estimators import feature_columns as fc
from tests.estimators import serving
from tests.estimators.canned import models
from tests.estimators.canned.models import input_of
from tests.estimators.helpers import new_folder

FEATURES = {
  "x": np.array([1, -2, 0.5], np.float32),
  "word": np.array(["a", "b", "other"]),
}
SEQUENCES = {"n": tf.sparse.from_dense([[1, 2], [1, 0], [2, 2]])}
LABELS = np.array([1, 0, 1])
RAW = export.build_raw_serving_input_receiver_fn(
  {
    "x": tf.TensorSpec([None], tf.float32),
    "word": tf.TensorSpec([None], tf.string),
  }
)


def columns():
  """Returns the wide columns and the deep ones."""
  word = fc.categorical_column_with_vocabulary_list("word", ["a", "b"])
  sign = fc.bucketized_column(fc.numeric_column("x"), [0])
  return [
    word,
    fc.numeric_column("x"),
    fc.crossed_column(["word", sign], 5),
  ], [fc.numeric_column("x"), fc.embedding_column(word, 2)]


def sequence_columns():
  numbers = fc.sequence_categorical_column_with_identity("n", 3)
  return [fc.embedding_column(numbers, 2)]


@functools.cache
def wide_deep():
  wide, deep = columns()
  estimator = DNNLinearCombinedClassifier(
    linear_feature_columns=wide,
    dnn_feature_columns=deep,
    dnn_hidden_units=[3],
    label_vocabulary=["no", "yes"],
    config=models.config_of(),
  )
  return estimator.train(input_of(FEATURES, np.array(["yes", "no", "yes"])))


def parsing(*feature_columns):
  return export.build_parsing_serving_input_receiver_fn(
    fc.make_parse_example_spec(feature_columns)
  )


def examples(features):
  """Returns rows of features as serialized tf.train.Examples."""
  serialized = []
  for i in range(len(LABELS)):
    example = tf.train.Example()
    for name, values in features.items():
      feature = example.features.feature[name]
      if isinstance(values, tf.SparseTensor):
        mine = values.values.numpy()[values.indices.numpy()[:, 0] == i]
        feature.int64_list.value.extend(mine)
      elif values.dtype.kind == "U":
        feature.bytes_list.value.append(values[i].encode())
      else:
        feature.float_list.value.append(values[i])
    serialized.append(example.SerializeToString())
  return np.array(serialized, object)


_PROGRAM = """
import pickle, sys
import tensorflow as tf
with open(sys.argv[1], "rb") as file:
  requests = pickle.load(file)
answers = []
for path, signature, inputs in requests:
  model = tf.saved_model.load(path)
  inputs = {name: tf.constant(value) for name, value in inputs.items()}
  answer = model.signatures[signature](**inputs)
  answers.append({name: value.numpy() for name, value in answer.items()})
with open(sys.argv[2], "wb") as file:
  pickle.dump(answers, file)
"""


def served_elsewhere(*requests):
  """Returns what SavedModels give in a process that knows nothing of ours.

  Args:
    *requests: tuples of path, signature and dictionary of inputs.
  """
  folder = new_folder()
  given, result = (os.path.join(folder, name) for name in ("given", "result"))
  with open(given, "wb") as file:
    pickle.dump(requests, file)
  subprocess.run(
    [sys.executable, "-c", _PROGRAM, given, result], check=True, cwd=folder
  )
  with open(result, "rb") as file:
    return pickle.load(file)


class SignaturesTest(tf.test.TestCase):
  def test_a_classifier_that_parses(self):
    wide, deep = columns()
    path = wide_deep().export_saved_model(new_folder(), parsing(*wide, *deep))
    found = serving.signatures_of(path)
    self.assertEqual(
      {
        name: (signature.method_name, sorted(signature.inputs))
        for name, signature in found.items()
      },
      {
        "serving_default": ("tensorflow/serving/classify", ["inputs"]),
        "classification": ("tensorflow/serving/classify", ["inputs"]),
        "regression": ("tensorflow/serving/regress", ["inputs"]),
        "predict": ("tensorflow/serving/predict", ["examples"]),
      },
    )
    self.assertEqual(
      set(found["predict"].outputs),
      {
        "logits",
        "logistic",
        "probabilities",
        "class_ids",
        "classes",
        "all_class_ids",
        "all_classes",
      },
    )
    self.assertEqual(
      set(found["serving_default"].outputs), {"classes", "scores"}
    )
    self.assertEqual(set(found["regression"].outputs), {"outputs"})

  def test_a_regressor(self):
    estimator = BaselineRegressor(config=models.config_of())
    estimator.train(input_of(FEATURES, LABELS.astype(np.float32)))
    path = estimator.export_saved_model(
      new_folder(), parsing(fc.numeric_column("x"))
    )
    found = serving.signatures_of(path)
    self.assertCountEqual(found, ["serving_default", "regression", "predict"])
    self.assertEqual(set(found["predict"].outputs), {"predictions"})

  def test_raw_features(self):
    with self.assertLogs(tf.get_logger(), "WARNING") as logs:
      path = wide_deep().export_saved_model(new_folder(), RAW)
    # Requests to classify are serialized examples.
    self.assertIn("classification", " ".join(logs.output))
    found = serving.signatures_of(path)
    self.assertCountEqual(found, ["predict", "serving_default"])
    self.assertEqual(set(found["predict"].inputs), {"x", "word"})
    self.assertEqual(
      set(found["serving_default"].outputs), set(found["predict"].outputs)
    )


class ServingTest(tf.test.TestCase):
  @pytest.mark.slow
  def test_predictions_elsewhere_are_those_of_predict(self):
    wide, deep = columns()
    recurrent = RNNClassifier(
      sequence_columns(), units=[2], config=models.config_of()
    ).train(input_of(SEQUENCES, LABELS))
    kernel = KernelLinearClassifier(
      kernel_mappers={fc.numeric_column("x"): RandomFourierFeatureMapper(5)},
      config=models.config_of(),
    ).train(input_of(FEATURES, LABELS))
    exported = [
      (wide_deep(), RAW, FEATURES),
      (wide_deep(), parsing(*wide, *deep), FEATURES),
      (recurrent, parsing(*sequence_columns()), SEQUENCES),
      (kernel, parsing(fc.numeric_column("x")), FEATURES),
    ]
    requests = []
    for estimator, receiver_fn, features in exported:
      path = estimator.export_saved_model(new_folder(), receiver_fn)
      inputs = FEATURES
      if receiver_fn is not RAW:
        inputs = {"examples": examples(features)}
      requests.append((path, "predict", inputs))
    for (estimator, _, features), answer in zip(
      exported, served_elsewhere(*requests), strict=True
    ):
      rows = list(estimator.predict(input_of(features)))
      self.assertEqual(set(answer), set(rows[0]))
      for key, value in answer.items():
        expected = np.stack([row[key] for row in rows])
        self.assertEqual(value.dtype, expected.dtype)
        if value.dtype.kind == "f":
          self.assertAllClose(value, expected)
        else:
          self.assertAllEqual(value, expected)


if __name__ == "__main__":
  tf.test.main()

"""Columns in an Estimator: trained, exported, and served elsewhere."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  export,
  minimize,
  once,
)
from estimators import feature_columns as fc
from tests.estimators import toys
from tests.estimators.helpers import new_folder

FEATURES = {
  "word": np.array(["a", "b", "c", "other"]),
  "line": np.array(["x", "other", "y", ""]),
  "size": np.array([1.0, 2, 3, 4], np.float32),
}
LABELS = np.array([1.0, 2, 3, 4], np.float32)


def columns_of(path):
  word = fc.categorical_column_with_vocabulary_list("word", ["a", "b", "c"])
  line = fc.categorical_column_with_vocabulary_file(
    "line", path, num_oov_buckets=1
  )
  return [
    fc.numeric_column("size"),
    fc.indicator_column(word),
    fc.embedding_column(line, 2),
    fc.indicator_column(fc.crossed_column([word, "line"], 5)),
  ]


@once
def inputs(columns):
  return fc.DenseFeatures(columns)


@once
def output():
  return keras.layers.Dense(1)


@once
def sgd():
  return keras.optimizers.SGD(0.02)


def model_fn_of(path):
  def model_fn(features, labels, mode):
    # The columns are made anew in each call, and are equal.
    y = output()(inputs(columns_of(path))(features))[:, 0]
    if mode == ModeKeys.PREDICT:
      return EstimatorSpec(mode, predictions={"y": y})
    loss = tf.reduce_mean(tf.square(y - labels))
    if mode == ModeKeys.EVAL:
      return EstimatorSpec(mode, loss=loss)
    return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, sgd()))

  return model_fn


def input_fn():
  return tf.data.Dataset.from_tensors((FEATURES, LABELS)).repeat(50)


def serialized():
  """Returns FEATURES as serialized examples; '' and unknown ones stay out."""
  examples = []
  for i in range(len(LABELS)):
    example = tf.train.Example()
    feature = example.features.feature
    feature["size"].float_list.value.append(FEATURES["size"][i])
    for name in ("word", "line"):
      if FEATURES[name][i]:
        feature[name].bytes_list.value.append(FEATURES[name][i].encode())
    examples.append(example.SerializeToString())
  return examples


_PROGRAM = """
import sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
examples = tf.constant(np.load(sys.argv[2], allow_pickle=True).tolist())
y = model.signatures["serving_default"](examples=examples)["y"]
np.save(sys.argv[3], y.numpy())
"""


class ExportTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = new_folder()
    self.path = f"{self.folder}/lines.txt"
    with open(self.path, "w") as file:
      file.write("x\ny\n")

  def trained(self, config=None):
    estimator = Estimator(model_fn_of(self.path), new_folder(), config)
    return estimator.train(input_fn)

  def predicted(self, estimator):
    return np.array([p["y"] for p in estimator.predict(input_fn)])[:4]

  def test_it_learns(self):
    # Some first values lead to 0.15 in as many steps.
    estimator = self.trained(RunConfig(tf_random_seed=1))
    self.assertLess(estimator.evaluate(input_fn, steps=1)["loss"], 0.1)

  @pytest.mark.slow
  def test_replicas_equal_one(self):
    one = self.trained(RunConfig(tf_random_seed=1))
    two = self.trained(
      RunConfig(tf_random_seed=1, train_distribute=toys.two_replicas())
    )
    np.testing.assert_allclose(
      self.predicted(one), self.predicted(two), rtol=1e-4
    )

  @pytest.mark.slow
  def test_saved_model_elsewhere(self):
    estimator = self.trained()
    expected = self.predicted(estimator)
    receiver_fn = export.build_parsing_serving_input_receiver_fn(
      fc.make_parse_example_spec(columns_of(self.path))
    )
    saved = estimator.export_saved_model(f"{self.folder}/export", receiver_fn)
    self.assertEqual(os.listdir(f"{saved}/assets"), ["lines.txt"])
    os.rename(self.path, f"{self.folder}/gone.txt")
    moved = os.path.join(self.folder, "moved")
    os.rename(saved, moved)
    given, result = f"{self.folder}/x.npy", f"{self.folder}/y.npy"
    np.save(given, np.array(serialized(), object))
    subprocess.run(
      [sys.executable, "-c", _PROGRAM, moved, given, result],
      check=True,
      cwd=self.folder,
    )
    # A name that is crossed has '' as a value when dense, as the last row does,
    # but no value when it is missing in a serialized example.
    np.testing.assert_allclose(np.load(result)[:3], expected[:3], rtol=1e-5)


if __name__ == "__main__":
  absltest.main()

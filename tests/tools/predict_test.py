import functools
import os
import pickle
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl import app
from absl.testing import parameterized

from estimators import DNNLinearCombinedClassifier, RunConfig, export
from estimators import feature_columns as fc
from input_pipelines import census
from tests.estimators.helpers import new_folder
from tests.tools.predict_helpers import PredictTestCase, raw_model
from tools import predict

# Feeds SavedModels, in a process that has only TensorFlow.
SERVE = """
import pickle
import sys
import tensorflow as tf

probabilities = []
for path, inputs in pickle.load(sys.stdin.buffer):
  signature = tf.saved_model.load(path).signatures["predict"]
  specs = signature.structured_input_signature[1]
  fed = {name: tf.constant(inputs[name], specs[name].dtype) for name in inputs}
  probabilities.append(signature(**fed)["probabilities"].numpy())
pickle.dump(probabilities, sys.stdout.buffer)
"""
NUM_ROWS = 50


class ProgramTest(PredictTestCase):
  def test_pipes(self):
    model = raw_model()
    flags = ["--input=-", "--format=jsonl", "--batch_size=1"]
    program = [sys.executable, "-m", "tools.predict", f"--export_dir={model}"]
    done = subprocess.run(
      [*program, *flags],
      capture_output=True,
      text=True,
      input='{"a": 1, "b": [2, 3]}\n{"a": "é", "b": [2, 3]}\n',
      env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    self.assertEqual(done.stdout, '{"y": 321.0}\n')
    self.assertEqual(done.returncode, 1)
    self.assertNotIn("Traceback", done.stderr)
    self.assertRegex(
      done.stderr, r"tools\.predict: standard input, line 2: a must be a number"
    )

  @parameterized.parameters(
    (ValueError("x must be 1.\nAnd so on"), "tools.predict: x must be 1."),
    (OSError(2, "No such thing", "f"), "tools.predict: [Errno 2] No such"),
    (
      tf.errors.DataLossError(None, None, "Detected at x\nBad file\n\t [[y]]"),
      "tools.predict: Bad file",
    ),
    (BrokenPipeError(), 1),
  )
  def test_errors_are_one_line(self, error, expected):
    with (
      mock.patch.object(predict, "predict", side_effect=error),
      mock.patch.object(predict.logging, "set_verbosity"),
      self.assertRaises(SystemExit) as caught,
    ):
      predict.main(["predict"])
    code = caught.exception.code
    if isinstance(expected, str):
      self.assertStartsWith(code, expected)
      self.assertNotIn("\n", code)
    else:
      self.assertEqual(code, expected)

  def test_arguments_are_refused(self):
    with self.assertRaisesRegex(app.UsageError, r"got \['rows.csv'\]"):
      predict.main(["predict", "rows.csv"])


class CensusTest(PredictTestCase):
  """A prediction is the same wherever it is made."""

  DTYPES = {
    "age": tf.int32,
    "hours_per_week": tf.int32,
    "workclass": tf.string,
    "occupation": tf.string,
  }

  @staticmethod
  @functools.cache
  def estimator():
    age = fc.numeric_column("age")
    work = fc.categorical_column_with_vocabulary_list(
      "workclass", ["Private", "Local-gov", "?"]
    )
    job = fc.categorical_column_with_hash_bucket("occupation", 50)
    bands = fc.bucketized_column(age, [30, 50])
    hours = fc.numeric_column("hours_per_week")
    estimator = DNNLinearCombinedClassifier(
      linear_feature_columns=[
        work,
        fc.crossed_column([bands, "occupation"], 100),
      ],
      dnn_feature_columns=[
        age,
        hours,
        fc.embedding_column(job, 4),
        fc.indicator_column(work),
      ],
      dnn_hidden_units=[8],
      model_dir=new_folder(),
      config=RunConfig(tf_random_seed=1),
    )
    people = census.fake_split(200)
    estimator.train(
      census.input_fn(people, num_epochs=None, shuffle=True, seed=0), steps=20
    )
    return estimator

  @classmethod
  @functools.cache
  def exports(cls):
    """Returns SavedModels that take features, and examples."""
    raw = {n: tf.TensorSpec([None], dtype) for n, dtype in cls.DTYPES.items()}
    parsed = {
      name: tf.io.VarLenFeature(tf.string)
      if dtype == tf.string
      else tf.io.FixedLenFeature([1], tf.float32)
      for name, dtype in cls.DTYPES.items()
    }
    return [
      cls.estimator().export_saved_model(new_folder(), receiver)
      for receiver in (
        export.build_raw_serving_input_receiver_fn(raw),
        export.build_parsing_serving_input_receiver_fn(parsed),
      )
    ]

  def example(self, row):
    """Returns a row as a serialized tf.train.Example."""
    example = tf.train.Example()
    for name, value in row.items():
      feature = example.features.feature[name]
      if self.DTYPES[name] == tf.string:
        feature.bytes_list.value.append(value.encode())
      else:
        feature.float_list.value.append(value)
    return example.SerializeToString()

  def assert_all_agree(self, path, split, **others):
    """Compares what is predicted for the first rows of a file.

    Args:
      path: a CSV file.
      split: census.Split of the same rows, and more.
      **others: flags.
    """
    expected = [
      row["probabilities"]
      for row in self.estimator().predict(census.input_fn(split))
    ]
    self.assertGreater(np.std(expected, 0).min(), 1e-3)  # They do differ.
    features = {name: split.features[name].tolist() for name in self.DTYPES}
    rows = [
      dict(zip(features, row, strict=True))
      for row in zip(*features.values(), strict=True)
    ]
    raw, parsing = self.exports()
    examples = {"examples": [self.example(row) for row in rows]}
    served = subprocess.run(
      [sys.executable, "-c", SERVE],
      input=pickle.dumps([(raw, features), (parsing, examples)]),
      capture_output=True,
      check=True,
    )
    for by_hand, model in zip(
      pickle.loads(served.stdout), (raw, parsing), strict=True
    ):
      self.assertAllClose(by_hand, expected, rtol=1e-6)
      output, notes = self.run_with(model, path, batch_size=20, **others)
      self.assertIn("signature 'predict'; features: 4;", notes)
      ours = [row["probabilities"] for row in self.rows_of(output)]
      self.assertAllClose(ours, expected, rtol=1e-6)

  @pytest.mark.slow
  def test_invented_rows(self):
    split = census.fake_split(NUM_ROWS, seed=1)
    rows = zip(*split.features.values(), strict=True)
    lines = [",".join(map(str, row)) for row in rows]
    path = self.write("\n".join([",".join(split.features), *lines]))
    self.assert_all_agree(path, split)

  @pytest.mark.slow
  def test_published_rows(self):
    data_dir = os.path.join(os.environ.get("TEST_DATA_DIR", ""), "census")
    if census.missing_files(data_dir):
      self.skipTest("needs the census files in $TEST_DATA_DIR/census")
    with open(os.path.join(data_dir, census.TEST_FILE)) as file:
      lines = file.read().splitlines()[1 : NUM_ROWS + 1]
    path = self.write("\n".join(lines))
    names = ",".join((*census.FEATURES, census.LABEL))
    self.assert_all_agree(path, census.read(path), column_names=names)


if __name__ == "__main__":
  tf.test.main()

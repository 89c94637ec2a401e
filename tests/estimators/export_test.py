"""Tests of the SavedModels that an Estimator writes."""

import json
import os
import socket
import subprocess
import sys
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  export,
  once,
)
from tests.estimators import toys
from tests.estimators.helpers import new_folder
from tests.estimators.serving import (
  PARSING,
  RAW,
  bound,
  line_receiver_fn,
  serialized,
  served,
  signatures_of,
  trained,
  trained_dir,
)

# Prints the outputs of [path, {input: value}] pairs, in a process that knows
# nothing but TensorFlow.
SERVE = """
import json, sys
import tensorflow as tf
for path, inputs in json.load(sys.stdin):
  model = tf.saved_model.load(path)
  inputs = {name: tf.constant(value) for name, value in inputs.items()}
  outputs = model.signatures["serving_default"](**inputs)
  print(json.dumps({k: v.numpy().tolist() for k, v in outputs.items()}))
"""


def served_in_fresh_process(requests):
  done = subprocess.run(
    [sys.executable, "-c", SERVE],
    input=json.dumps(requests),
    capture_output=True,
    text=True,
    check=True,
    cwd=new_folder(),
    env={"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": os.environ["PATH"]},
  )
  return [json.loads(line) for line in done.stdout.splitlines()]


def vocabulary_file():
  path = os.path.join(new_folder(), "vocabulary.txt")
  with open(path, "w") as file:
    file.write("cat\ndog\n")
  return path


def trained_on_words(to_number):
  """Returns an Estimator of y = slope * to_number(word)."""
  estimator = Estimator(
    bound(x_of=lambda features: tf.cast(to_number(features["w"]), tf.float32)),
    new_folder(),
  )
  words = tf.constant(["dog", "cow"])
  return estimator.train(
    lambda: tf.data.Dataset.from_tensors(({"w": words}, tf.zeros([2]))), steps=1
  )


class FreshProcessTest(tf.test.TestCase):
  def test_outputs_equal_those_of_predict(self):
    words, digits = ["dog", "cat", "cow"], toys.network_data(5)[0]
    requests, wanted = [], []

    def add(estimator, receiver_fn, features, **inputs):
      path = estimator.export_saved_model(new_folder(), receiver_fn)
      predictions = estimator.predict(
        lambda: tf.data.Dataset.from_tensors(features)
      )
      requests.append([path, inputs])
      wanted.append(list(predictions))
      return path

    vocabulary = vocabulary_file()

    @once
    def lookup():
      return keras.layers.StringLookup(vocabulary=vocabulary)

    @once
    def table():
      return tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
          vocabulary,
          tf.string,
          tf.lookup.TextFileIndex.WHOLE_LINE,
          tf.int64,
          tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        default_value=-1,
      )

    raw_words = export.build_raw_serving_input_receiver_fn(
      {"w": tf.TensorSpec([None], tf.string)}
    )
    for to_number in (
      lambda words: lookup()(words),
      lambda words: table().lookup(words),
    ):
      path = add(trained_on_words(to_number), raw_words, {"w": words}, w=words)
      self.assertEqual(
        os.listdir(os.path.join(path, "assets")), ["vocabulary.txt"]
      )
    os.remove(vocabulary)

    # Batch norm and dropout, in the state of prediction.
    network = Estimator(toys.network_fn, new_folder()).train(
      toys.input_of(*toys.network_data(), batch_size=8)
    )

    def receiver_fn():
      x = tf.compat.v1.placeholder(tf.float32, [None, 4])
      return export.TensorServingInputReceiver(x, x)

    add(network, receiver_fn, digits, input=digits.tolist())

    results = served_in_fresh_process(requests)
    for result, rows in zip(results, wanted, strict=True):
      self.assertEqual(list(result), list(rows[0]))
      for name, values in result.items():
        self.assertAllClose(values, [row[name] for row in rows], atol=1e-6)
    # In the vocabulary's order; unknown words are 0 for Keras, -1 here.
    keras_y = np.array(results[0]["y"])
    table_y = np.array(results[1]["y"])
    self.assertAllClose(keras_y / keras_y[1], [2, 1, 0])
    self.assertAllClose(table_y / table_y[0], [1, 0, -1])


class SignatureTest(tf.test.TestCase, parameterized.TestCase):
  def export(self, outputs, receiver_fn=PARSING):
    return trained(outputs=outputs).export_saved_model(
      new_folder(), receiver_fn
    )

  def test_methods_and_names(self):
    def outputs(y):
      classes = tf.as_string(y[:, None] > 1)
      return {
        "serving_default": export.ClassificationOutput(y[:, None], classes),
        "regression": export.RegressionOutput(y),
        "predict": export.PredictOutput({"y": y, "twice/y": 2 * y}),
      }

    path = self.export(outputs)
    signatures = signatures_of(path)
    self.assertEqual(
      {
        name: (
          signature.method_name.removeprefix("tensorflow/serving/"),
          sorted(signature.inputs),
          sorted(signature.outputs),
        )
        for name, signature in signatures.items()
      },
      {
        "serving_default": ("classify", ["inputs"], ["classes", "scores"]),
        "regression": ("regress", ["inputs"], ["outputs"]),
        "predict": ("predict", ["examples"], ["twice/y", "y"]),
      },
    )
    examples = [serialized(x=[1.0]), serialized(x=[2.0])]
    classified = served(path, inputs=examples)
    self.assertAllClose(classified["scores"], [[0.8], [1.6]])
    self.assertAllEqual(classified["classes"], [[b"false"], [b"true"]])
    self.assertAllClose(
      served(path, "regression", inputs=examples), {"outputs": [0.8, 1.6]}
    )
    self.assertAllClose(
      served(path, "predict", examples=examples),
      {"y": [0.8, 1.6], "twice/y": [1.6, 3.2]},
    )

  def test_a_single_output_is_the_default_as_well(self):
    path = self.export(lambda y: {"slope": export.PredictOutput(y)}, RAW)
    self.assertEqual(set(signatures_of(path)), {"slope", "serving_default"})
    for name in ("slope", "serving_default"):
      self.assertAllClose(served(path, name, x=[1.0]), {"output": [0.8]})

  def test_a_signature_that_does_not_fit_is_left_out_with_a_warning(self):
    def outputs(y):
      return {
        "serving_default": export.RegressionOutput(y),
        "regression": export.RegressionOutput(y),
        "predict": export.PredictOutput({"y": y}),
      }

    with self.assertLogs("tensorflow", "INFO") as logs:
      path = self.export(outputs, RAW)
    (default,) = [x for x in logs.output if "gives the outputs of" in x]
    self.assertStartsWith(default, "INFO")
    self.assertIn("'serving_default' of the SavedModel gives the out", default)
    (left_out,) = [x for x in logs.output if x.startswith("WARNING")]
    self.assertIn("['regression'] are left out", left_out)
    self.assertIn("need one string tensor", left_out)
    # What it can serve takes the place of the default.
    self.assertCountEqual(signatures_of(path), ["predict", "serving_default"])
    for name in ("predict", "serving_default"):
      self.assertAllClose(served(path, name, x=[1.0]), {"y": [0.8]})

  def test_an_alternative_without_examples_is_no_reason_to_warn(self):
    def outputs(y):
      return {
        "serving_default": export.RegressionOutput(y),
        "predict": export.PredictOutput({"y": y}),
      }

    def receiver_fn():
      receiver = PARSING()
      return export.ServingInputReceiver(
        receiver.features, receiver.receiver_tensors, {"raw": receiver.features}
      )

    with self.assertLogs("tensorflow", "INFO") as logs:
      path = self.export(outputs, receiver_fn)
    self.assertEmpty([x for x in logs.output if x.startswith("WARNING")])
    self.assertIn("INFO", "".join(x for x in logs.output if "left out" in x))
    self.assertCountEqual(
      signatures_of(path), ["predict", "serving_default", "raw:predict"]
    )
    self.assertAllClose(served(path, "raw:predict", x=[1.0]), {"y": [0.8]})

  def test_no_signature_fits(self):
    with (
      self.assertLogs("tensorflow", "WARNING"),
      self.assertRaisesRegex(ValueError, "none of the outputs"),
    ):
      self.export(
        lambda y: {"serving_default": export.RegressionOutput(y)}, RAW
      )

  @parameterized.parameters(
    (lambda: export.ClassificationOutput(), "scores, classes or both"),
    (lambda: export.ClassificationOutput(tf.zeros([1], tf.int32)), "floating"),
    (lambda: export.ClassificationOutput(classes=tf.zeros([1])), "string"),
    (lambda: export.RegressionOutput(tf.zeros([1], tf.int32)), "floating"),
    (lambda: export.RegressionOutput(1.0), "floating tensor"),
  )
  def test_wrong_outputs(self, make, message):
    with self.assertRaisesRegex(ValueError, message):
      make()

  def test_predict_output_takes_tensors(self):
    with self.assertRaisesRegex(TypeError, "'y': 1.0"):
      export.PredictOutput({"y": 1.0})

  def test_export_outputs_of_a_spec_are_checked(self):
    x = tf.zeros([1])
    predict = export.PredictOutput(x)
    for outputs, error, message in (
      ([predict], TypeError, "must be a dictionary"),
      ({"a": x}, TypeError, r"export_outputs\['a'\]"),
      ({"a": predict, "b": predict}, ValueError, "name it 'serving_default'"),
    ):
      with self.assertRaisesRegex(error, message):
        EstimatorSpec(ModeKeys.PREDICT, predictions=x, export_outputs=outputs)


class FolderTest(tf.test.TestCase):
  def test_two_in_a_second_get_folders_of_their_own(self):
    base = os.path.join(new_folder(), "not", "there", "yet")
    estimator = trained()
    paths = [estimator.export_saved_model(base, RAW) for _ in range(2)]
    names = [os.path.basename(path) for path in paths]
    self.assertGreater(int(names[1]), int(names[0]))
    self.assertTrue(all(len(name) == 10 for name in names), names)
    # No temporary folder is left.
    self.assertEqual(sorted(os.listdir(base)), names)

  def test_nobody_sees_an_unfinished_export(self):
    base = new_folder()
    seen = []

    def outputs(y):
      seen.append(os.listdir(base))
      return None

    trained(outputs=outputs).export_saved_model(base, RAW)
    self.assertTrue(all(n.startswith("temp-") for names in seen for n in names))

  def test_temporary_folder_of_a_killed_export_is_in_nobodys_way(self):
    base = new_folder()
    first = trained().export_saved_model(base, RAW)
    number, host = int(os.path.basename(first)), socket.gethostname()
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True)
    gone = int(gone.stdout)
    for later in range(60):
      os.mkdir(os.path.join(base, f"temp-{number + later}-{host}-{gone}"))
    others = {"temp-12", f"temp-12-{host}x-{gone}", f"temp-12-{host}-1"}
    for name in others:
      os.mkdir(os.path.join(base, name))
    second = trained().export_saved_model(base, RAW)
    self.assertAllClose(served(second, x=[1.0]), {"y": [0.8]})
    left = {name for name in os.listdir(base) if name.startswith("temp-")}
    self.assertEqual(left, others)  # Theirs may be alive.

  def test_it_is_on_the_disk_before_it_gets_its_name(self):
    base, synced = new_folder(), []
    with mock.patch.object(
      export.atomic_files, "sync", lambda path: synced.append(path)
    ):
      path = trained().export_saved_model(base, RAW)
    names = {os.path.basename(p) for p in synced}
    self.assertEqual(synced[-1], base)
    for _, folders, files in os.walk(path):
      self.assertContainsSubset({*folders, *files}, names)

  def test_assets_extra(self):
    source = os.path.join(new_folder(), "labels.txt")
    with open(source, "w") as file:
      file.write("a\nb\n")
    path = trained().export_saved_model(
      new_folder(),
      RAW,
      assets_extra={"labels.txt": source, "deep/er/names.txt": source},
    )
    for name in ("labels.txt", "deep/er/names.txt"):
      with open(os.path.join(path, "assets.extra", name)) as file:
        self.assertEqual(file.read(), "a\nb\n")

  def test_an_export_that_fails_leaves_nothing(self):
    base = new_folder()
    missing = {"labels.txt": os.path.join(base, "missing.txt")}
    with self.assertRaises(FileNotFoundError):
      trained().export_saved_model(base, RAW, assets_extra=missing)
    self.assertEmpty(os.listdir(base))


class EstimatorTest(tf.test.TestCase):
  def test_an_older_checkpoint(self):
    estimator = Estimator(toys.line_fn, new_folder())
    one = toys.input_of([1.0], np.float32([1]))
    estimator.train(one, steps=1)
    first = estimator.latest_checkpoint()
    estimator.train(one, steps=1)
    base = new_folder()
    path = estimator.export_saved_model(
      base, line_receiver_fn, checkpoint_path=first
    )
    w = toys.line_steps([([1], [1])])  # 0.2
    self.assertAllClose(served(path, x=[1.0])["y"], [w])
    # And the newest one again.
    path = estimator.export_saved_model(base, line_receiver_fn)
    w = toys.line_steps([([1], [1])] * 2)  # 0.36
    self.assertAllClose(served(path, x=[1.0])["y"], [w])

  def test_under_a_strategy(self):
    strategy = toys.two_replicas()
    config = RunConfig(train_distribute=strategy, tf_random_seed=1)
    estimator = Estimator(toys.network_fn, new_folder(), config).train(
      toys.input_of(*toys.network_data(), batch_size=8)
    )

    def receiver_fn():
      x = tf.compat.v1.placeholder(tf.float32, [None, 4])
      return export.TensorServingInputReceiver(x, x)

    path = estimator.export_saved_model(new_folder(), receiver_fn)
    features = toys.network_data(5)[0]
    rows = list(estimator.predict(toys.input_of(features)))
    self.assertAllClose(
      served(path, input=features)["probabilities"],
      [row["probabilities"] for row in rows],
    )

  def test_warm_start_without_training(self):
    estimator = Estimator(bound(), new_folder(), warm_start_from=trained_dir())
    with self.assertLogs("tensorflow", "INFO") as logs:
      path = estimator.export_saved_model(new_folder(), RAW)
    self.assertAllClose(served(path, x=[1.0]), {"y": [0.8]})
    self.assertIn("Exporting the values of the warm start", str(logs.output))

  def test_errors(self):
    base = new_folder()
    untrained = Estimator(bound(), new_folder())
    with self.assertRaisesRegex(ValueError, "untrained"):
      untrained.export_saved_model(base, RAW)
    with self.assertRaisesRegex(
      ValueError, "there is no checkpoint '/no/such'"
    ):
      trained().export_saved_model(base, RAW, checkpoint_path="/no/such")
    with self.assertRaisesRegex(ValueError, "a function that returns"):
      trained().export_saved_model(base, None)
    with self.assertRaisesRegex(ValueError, "must return .* returned {}"):
      trained().export_saved_model(base, dict)

    def with_table():
      words = tf.compat.v1.placeholder(tf.string, [None])
      table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["a"], [1.0]), 0.0
      )
      return export.ServingInputReceiver(
        {"x": table.lookup(words)}, {"words": words}
      )

    with self.assertRaisesRegex(ValueError, "table from a @once function"):
      trained().export_saved_model(base, with_table)
    self.assertEmpty(os.listdir(base))


if __name__ == "__main__":
  tf.test.main()

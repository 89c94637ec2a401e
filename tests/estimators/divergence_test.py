import hashlib
import json
import math
import os
import struct
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  NanLossDuringTrainingError,
  NanTensorHook,
  RunConfig,
  divergence,
  minimize,
  once,
)
from tests.estimators import toys
from tests.estimators.helpers import new_folder

X = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
Y = [2.0, 1.0, 0.0, 1.0, 2.0, 3.0]


def line(model_dir, **config):
  return Estimator(toys.line_fn, config=RunConfig(model_dir, **config))


def input_with(label, endless=False):
  """Returns an input function whose third batch, of two, has a label."""
  y = np.float32(Y)
  y[5] = label
  return toys.input_of(X, y, 2, repeat=endless)


def report_of(model_dir):
  with open(os.path.join(model_dir, divergence.FILE)) as file:
    return json.load(file)


def digest(*tensors):
  """A second implementation of the checksum: all bytes, then one hash.

  Args:
    *tensors: (line of JSON, bytes of the values) of each, sorted by name.
  """
  data = b"".join(line.encode() + b"\n" + values for line, values in tensors)
  return hashlib.sha256(data).hexdigest()


class ReportTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (np.nan, "NaN", 1, True),
    (-np.inf, "Inf", 1, False),
    (1e30, "Inf", 0, True),
  )
  def test_the_batch_of_the_very_step(self, label, loss, broken, endless):
    folder = new_folder()
    estimator = line(folder, save_checkpoints_steps=1, tf_random_seed=3)
    with self.assertRaises(NanLossDuringTrainingError) as caught:
      estimator.train(input_with(label, endless), max_steps=9)
    report = report_of(folder)
    self.assertEqual((report["step"], report["loss"]), (2, loss))
    self.assertEqual(report["variables"], [])
    self.assertEqual(report["checkpoint"], os.path.join(folder, "model.ckpt-2"))
    self.assertEqual(report["tf_random_seed"], 3)
    self.assertEqual(
      report["fingerprint"],
      digest(
        ('["features", "float32", [2]]', struct.pack("<2f", 5, 6)),
        ('["labels", "float32", [2]]', struct.pack("<2f", 2, label)),
      ),
    )
    y = report["batch"]["labels"]
    self.assertEqual((y["shape"], y["not_finite"]), ([2], broken))
    self.assertEqual(y["max"], 2 if broken else np.float32(label))
    message = str(caught.exception)
    self.assertIn(os.path.join(folder, "diverged.json"), message)
    self.assertIn(f"tools.replay --model_dir={folder} ", message)
    cause = "1 values of labels are NaN or infinite"
    self.assertEqual(cause in message, bool(broken))

  @pytest.mark.slow
  def test_a_clean_stop_and_a_training_that_ends_well(self):
    folder = new_folder()
    hook = NanTensorHook(fail_on_nan_loss=False)
    with self.assertLogs("tensorflow", "WARNING") as logs:
      line(folder).train(input_with(np.nan), [hook])
    self.assertIn("1 values of labels are NaN", logs.output[-1])
    self.assertEqual(report_of(folder)["step"], 2)
    line(folder).train(input_with(1.0))
    self.assertNotIn(divergence.FILE, os.listdir(folder))

  def test_a_variable_that_is_not_finite_while_the_loss_is(self):
    @once
    def weights():
      return keras.Variable([0.0], name="w")

    def model_fn(features, labels, mode):
      # The root has an infinite slope at 0, and the loss is 0.
      loss = tf.reduce_mean(tf.sqrt(features * weights() ** 2))
      optimizer = toys.sgd()
      return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, optimizer))

    folder = new_folder()
    estimator = Estimator(model_fn, config=RunConfig(folder))
    with self.assertRaisesRegex(
      NanLossDuringTrainingError, "after step 1 .*weights.* not finite.*clip"
    ):
      estimator.train(toys.input_of(X[:1], np.float32(Y[:1])))
    report = report_of(folder)
    self.assertEqual((report["step"], report["loss"]), (0, 0.0))
    self.assertLen(report["variables"], 1)
    self.assertEndsWith(report["checkpoint"], "model.ckpt-0")

  def test_initial_values_that_are_not_finite(self):
    @once
    def weights():
      return keras.Variable([math.nan], name="w")

    def model_fn(features, labels, mode):
      loss = tf.reduce_mean(features * weights())
      train_op = minimize(loss, toys.sgd())
      return EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = Estimator(model_fn, config=RunConfig(new_folder()))
    with self.assertRaisesRegex(
      NanLossDuringTrainingError, "cannot begin at step 0 .*weights"
    ):
      estimator.train(toys.input_of(X, np.float32(Y)))

  def test_a_step_that_loss_scaling_skips_is_no_divergence(self):
    @once
    def scaled():
      sgd = keras.optimizers.SGD(0.5)
      return keras.optimizers.LossScaleOptimizer(sgd, initial_scale=2.0**127)

    def model_fn(features, labels, mode):
      predicted = toys.line()(features[:, None])[:, 0]
      loss = tf.reduce_mean(tf.square(predicted - labels))
      return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, scaled()))

    folder = new_folder()
    estimator = Estimator(model_fn, config=RunConfig(folder))
    # The gradients are -2 and -4, and times 2^127 no float32 holds -4.
    estimator.train(toys.input_of([2.0, 1.0], np.float32([1, 1])))
    self.assertNotIn(divergence.FILE, os.listdir(folder))
    self.assertTrue(np.isfinite(estimator.get_variable_value(toys.LINE)).all())

  def test_two_replicas_tell_of_the_whole_batch(self):
    folder = new_folder()
    strategy = toys.two_replicas()
    estimator = line(folder, train_distribute=strategy)
    with self.assertRaisesRegex(NanLossDuringTrainingError, "global_step 2"):
      estimator.train(input_with(np.nan))
    labels = report_of(folder)["batch"]["labels"]
    self.assertEqual((labels["shape"], labels["not_finite"]), ([2], 1))

  def test_each_worker_has_a_file(self):
    for index, path in enumerate(["", "workers/1/", "workers/2/"]):
      workers = types.SimpleNamespace(index=index, is_chief=index == 0)
      self.assertEqual(
        divergence.path_of("/m", workers), f"/m/{path}diverged.json"
      )
    self.assertEqual(divergence.path_of("/m"), "/m/diverged.json")

  def test_a_file_that_cannot_be_written(self):
    folder = new_folder()
    os.mkdir(os.path.join(folder, divergence.FILE))
    with self.assertRaisesRegex(
      NanLossDuringTrainingError,
      "labels are NaN.*cannot be written: .*Is a dir",
    ):
      line(folder).train(input_with(np.nan))


class FingerprintTest(tf.test.TestCase):
  def test_all_kinds_of_tensors_by_name(self):
    features = {
      "word": tf.constant([b"a", b"bcd"]),
      "age": tf.constant([[1, 2], [3, 4]], tf.int64),
      "rows": tf.ragged.constant([[1, 2], [], [3]], dtype=tf.int32),
      "few": tf.SparseTensor([[0, 1]], [0.5], [2, 3]),
      "half": tf.constant([1.5], tf.bfloat16),
      "yes": tf.constant(True),
    }
    self.assertEqual(
      divergence.fingerprint(features),
      digest(
        ('["features/age", "int64", [2, 2]]', struct.pack("<4q", 1, 2, 3, 4)),
        (
          '["features/few.dense_shape", "int64", [2]]',
          struct.pack("<2q", 2, 3),
        ),
        ('["features/few.indices", "int64", [1, 2]]', struct.pack("<2q", 0, 1)),
        ('["features/few.values", "float32", [1]]', struct.pack("<f", 0.5)),
        # 1.5 of bfloat16: the upper half of a float32's bits.
        ('["features/half", "bfloat16", [1]]', struct.pack("<f", 1.5)[2:]),
        (
          '["features/rows.flat_values", "int32", [3]]',
          struct.pack("<3i", 1, 2, 3),
        ),
        (
          '["features/rows.row_splits_0", "int64", [4]]',
          struct.pack("<4q", 0, 2, 2, 3),
        ),
        (
          '["features/word", "string", [2]]',
          struct.pack("<q1sq3s", 1, b"a", 3, b"bcd"),
        ),
        ('["features/yes", "bool", []]', b"\1"),
      ),
    )

  def test_what_it_tells_apart(self):
    batches = [
      (tf.constant([b"ab", b""]), tf.constant([0])),
      (tf.constant([b"a", b"b"]), tf.constant([0])),
      (tf.constant([0]), tf.constant([b"ab", b""])),
      tf.zeros([2, 3]),
      tf.zeros([3, 2]),
      tf.zeros([6]),
      -tf.zeros([6]),
      {"a": tf.zeros([6])},
    ]
    prints = {divergence.fingerprint(batch) for batch in batches}
    self.assertLen(prints, len(batches))

  def test_summaries(self):
    features = {
      "x": tf.constant([[np.nan, -2], [np.inf, 3]]),
      "none": tf.constant([np.nan], tf.bfloat16),
      "empty": tf.zeros([0], tf.int32),
      "word": tf.constant([b"a"]),
    }
    self.assertEqual(
      divergence.described(features),
      {
        "features/empty": {
          "dtype": "int32",
          "shape": [0],
          "min": None,
          "max": None,
        },
        "features/none": {
          "dtype": "bfloat16",
          "shape": [1],
          "not_finite": 1,
          "min": None,
          "max": None,
        },
        "features/word": {"dtype": "string", "shape": [1]},
        "features/x": {
          "dtype": "float32",
          "shape": [2, 2],
          "not_finite": 2,
          "min": -2,
          "max": 3,
        },
      },
    )

  def test_numbers_that_json_lacks(self):
    numbers = [np.float32(np.nan), math.inf, -math.inf, np.float32(0.5), 3]
    self.assertEqual(
      [divergence.named(number) for number in numbers],
      ["NaN", "Inf", "-Inf", 0.5, 3],
    )


if __name__ == "__main__":
  tf.test.main()

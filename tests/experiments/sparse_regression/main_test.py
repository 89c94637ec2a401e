import contextlib
import io
import json
import math
import os
import tempfile
from unittest import mock

import numpy as np
import scipy.sparse
import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from estimators import Estimator
from experiments import common_flags
from experiments.sparse_regression import inputs, main, reports
from experiments.sparse_regression.config import Config, config_of
from input_pipelines import svmlight

TINY = dict(num_features=50, num_examples=40, num_informative=10, batch_size=16)


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


def run(task="classification", **changes):
  """Returns (metrics, what was printed) of a tiny run."""
  with contextlib.redirect_stdout(io.StringIO()) as printed:
    metrics = main.run(config_of(task, **TINY | changes))
  return metrics, printed.getvalue()


class ConfigFromFlagsTest(parameterized.TestCase):
  def test_without_flags_it_is_the_classification(self):
    self.assertEqual(parse(), Config())

  def test_flags(self):
    found = parse(
      "--task=regression", "--l1=0.5", "--num_features=7", "--zero_based",
      "--train_data=a", "--test_data=b", "--num_epochs=2",
    )  # fmt: skip
    expected = config_of(
      "regression", l1=0.5, num_features=7, zero_based=True, train_data="a",
      test_data="b", num_epochs=2,
    )  # fmt: skip
    self.assertEqual(found, expected)
    self.assertNotEqual(found.learning_rate, Config().learning_rate)

  def test_a_flag_without_use_is_refused(self):
    with self.assertRaisesRegex(ValueError, "no use for --use_fp16"):
      parse("--use_fp16")


class RunTest(tf.test.TestCase, parameterized.TestCase):
  def folder(self):
    return self.enterContext(tempfile.TemporaryDirectory())

  def test_classification(self):
    metrics, _ = run(export_dir=self.folder())
    self.assertEqual(metrics["steps"], math.ceil(5 * 40 / 16))
    self.assertEqual(metrics["weights"], 50)
    self.assertBetween(metrics["test_accuracy"], 0, 1)
    self.assertBetween(metrics["test_auc"], 0, 1)
    self.assertAllClose(
      metrics["nonzero_share"], 1 - metrics["zero_weights"] / 50
    )
    self.assertAllClose(
      metrics["examples_per_sec"], 13 * 16 / metrics["seconds"], rtol=0.1
    )
    self.assertTrue(os.path.isdir(metrics["export"]))
    json.dumps(metrics)

  def test_the_files_that_were_written_give_the_same(self):
    folder = self.folder()
    invented, printed = run("regression", write_data=folder)
    train, test = (os.path.join(folder, f"{n}.svm") for n in ("train", "test"))
    self.assertEqual(printed.splitlines(), [f"Wrote {train}", f"Wrote {test}"])
    of_files = dict(train_data=train, test_data=test)
    sizes = {name: TINY[name] for name in ("num_features", "batch_size")}
    read = main.run(config_of("regression", **sizes, **of_files))
    for name in ("test_rmse", "test_loss", "zero_weights"):
      self.assertEqual(read[name], invented[name])
    self.assertNotIn("best", read)

  def test_files_have_as_many_rows_as_they_have(self):
    with self.assertRaisesRegex(ValueError, "--num_examples=40 came with"):
      config_of("regression", num_examples=40, train_data="a", test_data="b")

  def test_steps_count_those_of_earlier_runs(self):
    model_dir = self.folder()
    run(model_dir=model_dir, train_steps=2)
    metrics, _ = run(model_dir=model_dir, train_steps=5)
    unbroken, _ = run(train_steps=5)
    self.assertEqual(metrics["steps"], 5)
    self.assertEqual(metrics["test_loss"], unbroken["test_loss"])

  @parameterized.parameters(
    dict(train_data="a.svm"),
    dict(test_data="a.svm"),
    dict(train_data="a", test_data="b", write_data="c"),
    dict(train_data="a", test_data="b", self_test=True),
  )
  def test_files_come_in_pairs(self, **given):
    with self.assertRaisesRegex(
      ValueError, f"there are --{min(given)}|--train"
    ):
      run(**given)

  def test_workers_besides_the_chief_only_train(self):
    task = {
      "cluster": {"worker": ["a:1", "b:1"]},
      "task": {"type": "worker", "index": 1},
    }
    with (
      mock.patch.dict(os.environ, {"TF_CONFIG": json.dumps(task)}),
      # It would wait for the other one.
      mock.patch.object(
        common_flags, "distribution", return_value={"train_distribute": None}
      ),
      mock.patch.object(Estimator, "train") as train,
    ):
      metrics, _ = run(
        distribution_strategy="multi_worker", model_dir=self.folder()
      )
    self.assertIsNone(metrics)
    train.assert_called_once()


class SelfTestTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters("classification", "regression")
  def test_it_learns(self, task):
    metrics = main.run(config_of(task, self_test=True))
    self.assertEmpty(reports.problems(metrics))

  def test_what_is_wrong_is_told(self):
    metrics = {
      "task": "classification",
      "test_accuracy": 0.8,
      "best": 0.9,
      "nonzero_share": 0.5,
      "informative_found": 0.9,
    }
    first, second = reports.problems(metrics)
    self.assertIn("test_accuracy", first)
    self.assertIn("nonzero_share", second)
    metrics |= {"task": "regression", "test_rmse": 1.5, "nonzero_share": 0.01}
    (first,) = reports.problems(metrics)
    self.assertIn("test_rmse", first)

  def test_signs_tell_what_was_found(self):
    found = reports.found_share(
      np.array([1, -1, 0, 5]), np.array([3, 1, -1, 0])
    )
    self.assertAllClose(found, 1 / 3)


class InputsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(([-1, 1, 1],), ([0, 1, 1],))
  def test_labels(self, given):
    self.assertAllEqual(inputs.binary(np.array(given), "a"), [0, 1, 1])

  @parameterized.parameters(([-1, 0, 1],), ([1, 2],), ([0.5],))
  def test_wrong_labels(self, given):
    with self.assertRaisesRegex(ValueError, "0 and 1, or -1 and 1, .*of a.svm"):
      inputs.binary(np.array(given), "a.svm")

  def test_files_are_read_as_the_config_says(self):
    path = self.enterContext(tempfile.TemporaryDirectory()) + "/a.svm"
    x = scipy.sparse.csr_matrix(np.eye(3, dtype=np.float32))
    labels = np.array([-1, 1, -1], np.float32)
    svmlight.write(path, svmlight.Examples(x, labels), zero_based=True)
    given = dict(train_data=path, test_data=path, zero_based=True)
    splits = inputs.load(config_of("classification", num_features=5, **given))
    self.assertAllEqual(splits.train.x.toarray(), np.eye(3, 5))
    self.assertAllEqual(splits.test.labels, [0, 1, 0])
    splits = inputs.load(config_of("regression", num_features=5, **given))
    self.assertAllEqual(splits.test.labels, labels)
    with self.assertRaisesRegex(ValueError, "must be 0 to 1 "):
      inputs.load(config_of("regression", num_features=2, **given))


if __name__ == "__main__":
  tf.test.main()

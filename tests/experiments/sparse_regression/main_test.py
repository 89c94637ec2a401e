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

from estimators import Estimator, RunConfig
from experiments import common_flags
from experiments.sparse_regression import inputs, main, model, reports
from experiments.sparse_regression.config import Config, config_of
from input_pipelines import svmlight

TINY = dict(num_features=50, num_examples=40, num_informative=10, batch_size=16)


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


def random_rows(seed, num_rows=40, num_features=6):
  """Returns svmlight.Examples, half of them zeros, with labels of 0 and 1."""
  random = np.random.default_rng(seed)
  x = random.normal(size=[num_rows, num_features])
  x *= random.random(x.shape) < 0.5
  labels = (x[:, 0] + random.normal(size=num_rows) > 0).astype(np.float32)
  return svmlight.Examples(
    scipy.sparse.csr_matrix(x.astype(np.float32)), labels
  )


def seen_labels(config, examples, num_batches):
  """Returns the labels of the first batches that a run trains on."""
  batches = inputs.train_input_fn(examples, config)().take(num_batches)
  return np.concatenate([labels for _, labels in batches]).tolist()


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

  @parameterized.product(
    name=("learning_rate", "l1", "l2"), value=("nan", "inf")
  )
  def test_strengths_are_finite(self, name, value):
    with self.assertRaisesRegex(
      ValueError, f"--{name} must be a finite .* is {value}; leave"
    ):
      parse(f"--{name}={value}")

  def test_there_are_columns_for_all_features(self):
    self.assertEqual(parse("--num_features=2147483647").num_features, 2**31 - 1)
    with self.assertRaisesRegex(flags.IllegalFlagValueError, "num_features"):
      parse("--num_features=2147483648")

  def test_home_stands_in_paths(self):
    found = parse("--train_data=~/a", "--test_data=~/b", "--model_dir=~/c")
    home = os.path.expanduser("~")
    self.assertEqual(
      [found.train_data, found.test_data, found.model_dir],
      [f"{home}/a", f"{home}/b", f"{home}/c"],
    )
    self.assertEqual(parse("--write_data=~/d").write_data, f"{home}/d")

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

  def test_zero_based_files_are_written(self):
    folder = self.folder()
    config = config_of("regression", **TINY, write_data=folder, zero_based=True)
    with contextlib.redirect_stdout(io.StringIO()):
      splits = inputs.load(config)
    for name in ("train", "test"):
      path = os.path.join(folder, f"{name}.svm")
      read = svmlight.read(path, 50, zero_based=True)
      expected = getattr(splits, name)
      self.assertAllEqual(read.x.toarray(), expected.x.toarray())
      self.assertAllEqual(read.labels, expected.labels)

  def test_files_have_as_many_rows_as_they_have(self):
    given = dict(num_examples=40, num_informative=3)
    with self.assertRaisesRegex(
      ValueError, "--num_examples=40 and --num_informative=3 came with"
    ):
      config_of("regression", **given, train_data="a", test_data="b")

  def written(self, **splits):
    """Returns the flags of files of some rows, {train: Examples, test: ...}."""
    folder = self.folder()
    for name, rows in splits.items():
      svmlight.write(f"{folder}/{name}", rows)
    return {f"{name}_data": f"{folder}/{name}" for name in splits}

  def of_files(self, files, **changes):
    """Returns (metrics, weights and bias [7]) of a run on files."""
    changes = dict(num_features=6, batch_size=8, model_dir=self.folder()) | (
      files | changes
    )
    config = config_of("classification", **changes)
    metrics = main.run(config)
    estimator = model.estimator_of(
      config, RunConfig(model_dir=config.model_dir), 6
    )
    return metrics, np.append(
      reports.weights_of(estimator), estimator.get_variable_value("bias")
    )

  def test_the_test_is_on_the_rows_of_the_test(self):
    rows = random_rows(2, num_rows=30)
    files = self.written(train=random_rows(1), test=rows)
    metrics, weights = self.of_files(files)
    logits = rows.x @ weights[:6] + weights[6]
    losses = np.log1p(np.exp(np.where(rows.labels == 1, -logits, logits)))
    self.assertAllClose(metrics["test_loss"], losses.mean(), rtol=1e-5)
    self.assertAllClose(
      metrics["test_accuracy"], np.mean((logits > 0) == (rows.labels == 1))
    )

  def test_who_goes_on_must_have_the_same_rows(self):
    rows, model_dir = random_rows(1), self.folder()
    self.of_files(self.written(train=rows, test=rows), model_dir=model_dir)
    for name, other in {
      "num_examples=30": random_rows(1, num_rows=30),
      "crc32=": svmlight.Examples(rows.x, 1 - rows.labels),
    }.items():
      files = self.written(train=other, test=rows)
      with self.assertRaisesRegex(ValueError, f"settings.{name}"):
        self.of_files(files, model_dir=model_dir)
    # Another test is no other model.
    files = self.written(train=rows, test=random_rows(3))
    self.of_files(files, model_dir=model_dir)

  def test_labels_far_from_zero_cost_nothing(self):
    rows = random_rows(1)
    far = svmlight.Examples(rows.x, rows.labels + 500)
    self.assertEqual(inputs.center(Config(task="classification"), far), 0)
    near, found = (
      main.run(
        config_of("regression", num_features=6, batch_size=8, **files)
      )["test_rmse"]
      for files in (
        self.written(train=x, test=x) for x in (rows, far)
      )
    )  # fmt: skip
    self.assertLess(near, 0.6)
    self.assertAllClose(found, near, rtol=1e-3)

  def test_steps_count_those_of_earlier_runs(self):
    model_dir = self.folder()
    run(model_dir=model_dir, train_steps=2)
    with mock.patch.object(main, "time") as time:
      time.perf_counter.side_effect = [10.0, 12.0]
      metrics, _ = run(model_dir=model_dir, train_steps=5)
    unbroken, _ = run(num_epochs=2)  # 2 x 40 / 16
    self.assertEqual(unbroken["steps"], 5)
    self.assertEqual(metrics["steps"], 5)
    self.assertEqual(metrics["seconds"], 2)
    self.assertEqual(metrics["examples_per_sec"], (5 - 2) * 16 / 2)
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
      "informative_found": 0.7,
    }
    first, second, third = reports.problems(metrics)
    self.assertIn("test_accuracy", first)
    self.assertIn("nonzero_share", second)
    self.assertIn("informative_found", third)
    metrics |= {"nonzero_share": 0.01, "informative_found": 0.9}
    metrics |= {"task": "regression", "test_rmse": 1.5}
    (first,) = reports.problems(metrics)
    self.assertIn("test_rmse", first)

  @parameterized.parameters(([0, 1], 0.25), ([0, 0], None), ([1, 1], None))
  def test_an_auc_needs_both_labels(self, labels, auc):
    self.assertEqual(
      reports.of_test({"accuracy": 0.5, "auc": 0.25}, np.array(labels)),
      {"test_accuracy": 0.5, "test_auc": auc},
    )

  def test_signs_tell_what_was_found(self):
    found = reports.found_share(
      np.array([1, -1, 0, 5]), np.array([3, 1, -1, 0])
    )
    self.assertAllClose(found, 1 / 3)


class InputsTest(tf.test.TestCase, parameterized.TestCase):
  def test_the_invented_rows_to_test_on_are_others_and_a_fifth(self):
    splits = inputs.load(config_of("classification", **TINY))
    self.assertLen(splits.train, 40)
    self.assertLen(splits.test, 8)
    same = (splits.train.x[:8] != splits.test.x).sum(axis=1) == 0
    self.assertFalse(same.any())

  def test_rows_come_in_the_order_of_the_seed(self):
    examples = svmlight.Examples(
      scipy.sparse.csr_matrix((20, 3), dtype=np.float32),
      np.arange(20, dtype=np.float32),
    )
    first, again, other = (
      seen_labels(Config(seed=seed, batch_size=5), examples, 4)
      for seed in (1, 1, 2)
    )
    self.assertCountEqual(first, range(20))
    self.assertNotEqual(first, sorted(first))
    self.assertEqual(first, again)
    self.assertNotEqual(first, other)

  @parameterized.parameters(
    lambda rows: (False, svmlight.Examples(rows.x * 2, rows.labels)),
    lambda rows: (False, svmlight.Examples(rows.x[::-1], rows.labels)),
    lambda rows: (False, svmlight.Examples(rows.x, rows.labels[::-1])),
    lambda rows: (True, rows),
  )
  def test_settings_tell_rows_apart(self, changed):
    rows = random_rows(1)
    before = inputs.settings(Config(), rows)
    self.assertEqual(before, inputs.settings(Config(), random_rows(1)))
    zero_based, other = changed(rows)
    after = inputs.settings(Config(zero_based=zero_based), other)
    self.assertNotEqual(before, after)

  def test_settings_tell_columns_and_where_rows_begin(self):
    crcs = {
      inputs.settings(
        Config(),
        svmlight.Examples(
          scipy.sparse.csr_matrix(
            (np.ones(2, np.float32), columns, splits), shape=(2, 3)
          ),
          np.zeros(2, np.float32),
        ),
      )["crc32"]
      for columns in ([0, 1], [0, 2])
      for splits in ([0, 0, 2], [0, 1, 2], [0, 2, 2])
    }
    self.assertLen(crcs, 6)

  def test_a_batch_of_more_than_all_rows_is_refused(self):
    inputs.load(config_of("regression", **TINY | dict(batch_size=40)))
    with self.assertRaisesRegex(
      ValueError, "--batch_size must be .* is 41, of 40 rows; take"
    ):
      inputs.load(config_of("regression", **TINY | dict(batch_size=41)))

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
    given = dict(train_data=path, test_data=path, zero_based=True, batch_size=3)
    splits = inputs.load(config_of("classification", num_features=5, **given))
    self.assertAllEqual(splits.train.x.toarray(), np.eye(3, 5))
    self.assertAllEqual(splits.test.labels, [0, 1, 0])
    splits = inputs.load(config_of("regression", num_features=5, **given))
    self.assertAllEqual(splits.test.labels, labels)
    with self.assertRaisesRegex(ValueError, "4, of 3 rows"):
      inputs.load(config_of("regression", **given | dict(batch_size=4)))
    with self.assertRaisesRegex(ValueError, "must be 0 to 1 "):
      inputs.load(config_of("regression", num_features=2, **given))


if __name__ == "__main__":
  tf.test.main()

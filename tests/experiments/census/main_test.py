import contextlib
import dataclasses
import io
import json
import os
import re
from unittest import mock

import pytest
import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from estimators import Estimator
from experiments import common_flags
from experiments.census import inputs, main
from experiments.census.config import DEFAULTS, config_of
from input_pipelines import census


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


class ConfigFromFlagsTest(tf.test.TestCase):
  def test_without_flags_it_is_wide_and_deep_as_config_of(self):
    self.assertEqual(parse(), config_of("wide_deep"))

  def test_flags_change_what_is_config_of(self):
    self.assertEqual(
      parse(
        "--model_type=wide",
        "--l1=0.5",
        "--l2=2",
        "--learning_rate=3",
        "--loss_reduction=sum_over_batch_size",
        "--on_bad_row=skip",
        "--clean",
        "--nodownload",
        "--train_steps=7",
      ),
      config_of(
        "wide",
        l1=0.5,
        l2=2.0,
        learning_rate=3.0,
        loss_reduction="sum_over_batch_size",
        on_bad_row="skip",
        clean=True,
        download=False,
        train_steps=7,
      ),
    )

  def test_a_common_flag_that_it_does_not_have(self):
    with self.assertRaisesRegex(
      ValueError, "no use for --use_fp16; it has .*--batch_size.*--model_type"
    ):
      parse("--use_fp16")

  def test_short_names(self):
    self.assertEqual(
      parse(
        "--mt=deep",
        "--md=/m",
        "--te=6",
        "--ebe=3",
        "--bs=5",
        "--dd=/d",
        "--st=0.8",
        "--ed=/e",
      ),
      config_of(
        "deep",
        model_dir="/m",
        train_epochs=6,
        epochs_between_evals=3,
        batch_size=5,
        data_dir="/d",
        stop_threshold=0.8,
        export_dir="/e",
      ),
    )


# The lines of an evaluation, but for the digits.
RESULTS = r"""Results at epoch 2 / 2
-{60}
accuracy: [\d.]+
accuracy_baseline: 0\.75
auc: [\d.]+
auc_precision_recall: [\d.]+
average_loss: [\d.]+
global_step: 5
label/mean: 0\.25
loss: [\d.]+
precision: [\d.]+
prediction/mean: [\d.]+
recall: [\d.]+
"""


class RunTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(*DEFAULTS)
  def test_two_epochs_of_ten_people(self, model_type):
    model_dir = self.get_temp_dir()
    metrics, printed = run(model_type, model_dir=model_dir)
    self.assertRegex(printed, f"^{RESULTS}$")
    self.assertEqual(
      list(metrics),
      [
        "model",
        "seconds",
        "steps",
        "epochs",
        "test_accuracy",
        "test_auc",
        "test_average_loss",
      ],
    )
    self.assertEqual(
      (metrics["model"], metrics["steps"], metrics["epochs"]),
      (model_type, 5, 2),
    )
    json.dumps(metrics)
    for name in ("checkpoint", "config.json", "eval"):
      self.assertIn(name, os.listdir(model_dir))

  def test_zero_weights_are_counted_when_there_is_regularization(self):
    metrics, printed = run("wide", l1=1e6)
    self.assertEqual(metrics["zero_weights"], "3049 of 3049")
    self.assertIn("\nzero_weights: 3049 of 3049\n", printed)

  @parameterized.parameters((0.0, 2), (1.01, 4))
  def test_the_threshold_stops_it(self, threshold, epochs):
    metrics, printed = run("wide", train_epochs=4, stop_threshold=threshold)
    self.assertEqual(metrics["epochs"], epochs)
    self.assertEqual("Stopped: accuracy " in printed, epochs == 2)

  def test_broken_off_and_started_again_is_as_unbroken(self):
    self.check_broken_off("wide")

  @parameterized.parameters("deep", "wide_deep")
  @pytest.mark.slow
  def test_broken_off_and_started_again_slowly(self, model_type):
    self.check_broken_off(model_type)

  def check_broken_off(self, model_type):
    unbroken, _ = run(model_type, train_epochs=6)
    model_dir = self.get_temp_dir()
    with mock.patch.object(
      main, "print_results", side_effect=KeyboardInterrupt
    ):
      with self.assertRaises(KeyboardInterrupt):  # after the first block
        run(model_type, train_epochs=6, model_dir=model_dir)
    again, printed = run(model_type, train_epochs=6, model_dir=model_dir)
    self.assertEqual(without_time(again), without_time(unbroken))
    # What was not printed is printed now.
    self.assertEqual(epochs_of(printed), ["2 / 6", "4 / 6", "6 / 6"])

  @pytest.mark.slow
  def test_broken_off_within_a_block(self):
    unbroken, _ = run("wide", train_epochs=6)
    model_dir = self.get_temp_dir()
    run("wide", train_steps=7, model_dir=model_dir)  # of the 5, 10 and 15
    again, printed = run("wide", train_epochs=6, model_dir=model_dir)
    self.assertEqual(without_time(again), without_time(unbroken))
    self.assertEqual(epochs_of(printed), ["4 / 6", "6 / 6"])

  def test_a_finished_run_is_only_evaluated(self):
    model_dir = self.get_temp_dir()
    first, _ = run("wide", model_dir=model_dir)
    again, printed = run("wide", model_dir=model_dir)
    self.assertEqual(without_time(again), without_time(first))
    self.assertEqual(epochs_of(printed), ["2 / 2"])

  @pytest.mark.slow
  def test_a_longer_run_is_refused_but_a_clean_one_begins_anew(self):
    model_dir = self.get_temp_dir()
    run("wide", train_steps=7, model_dir=model_dir)
    with self.assertRaisesRegex(ValueError, "7 steps already, more than the 5"):
      run("wide", model_dir=model_dir)
    metrics, _ = run("wide", model_dir=model_dir, clean=True)
    self.assertEqual(metrics["steps"], 5)

  def test_clean_keeps_the_earlier_run_when_the_input_is_bad(self):
    model_dir = self.get_temp_dir()
    run("wide", train_steps=1, model_dir=model_dir)
    config = config_of("wide", model_dir=model_dir, clean=True, download=False)
    with self.assertRaises(FileNotFoundError):
      main.run(dataclasses.replace(config, data_dir="/not/there"))
    self.assertIn("checkpoint", os.listdir(model_dir))

  @pytest.mark.slow
  def test_two_devices_are_like_one(self):
    one, _ = run("wide_deep")
    two, _ = run("wide_deep", distribution_strategy="mirrored")
    self.assertEqual(two["steps"], 5)
    self.assertAllClose(
      two["test_average_loss"], one["test_average_loss"], rtol=1e-5
    )

  @parameterized.parameters({"clean": True}, {"stop_threshold": 0.8})
  def test_what_a_cluster_cannot(self, **given):
    with self.assertRaisesRegex(ValueError, f"but --{min(given)} would"):
      run("wide", distribution_strategy="multi_worker", **given)

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
      metrics, printed = run(
        "wide",
        train_epochs=6,
        model_dir=self.get_temp_dir(),
        distribution_strategy="multi_worker",
      )
    self.assertIsNone(metrics)
    self.assertEmpty(printed)
    self.assertEqual(train.call_count, 3)
    with (
      mock.patch.object(main, "config_from_flags"),
      mock.patch.object(main, "run", return_value=None),
    ):
      self.assertEqual(main.main([]), 0)

  def test_clean_removes_nothing_but_runs(self):
    folder = self.get_temp_dir()
    main.remove(os.path.join(folder, "not_there"))
    main.remove(None)
    with open(os.path.join(folder, "thesis.tex"), "w") as file:
      file.write("...")
    with self.assertRaisesRegex(ValueError, r"has \['thesis.tex'\]; remove it"):
      main.remove(folder)
    self.assertEqual(os.listdir(folder), ["thesis.tex"])

  def test_the_path_of_the_export_is_printed(self):
    metrics, printed = run("wide", export_dir=self.get_temp_dir())
    self.assertIn(f"Exported to {metrics['export']}\n", printed)
    self.assertIn("saved_model.pb", os.listdir(metrics["export"]))


def run(model_type, train_epochs=2, **changes):
  """Runs on 10 people in batches of 4; returns (metrics, what was printed)."""
  config = config_of(
    model_type, train_epochs=train_epochs, batch_size=4, **changes
  )
  people = census.Splits(census.fake_split(10), census.fake_split(8, seed=1))
  with (
    mock.patch.object(inputs, "load", return_value=people),
    contextlib.redirect_stdout(io.StringIO()) as out,
  ):
    return main.run(config), out.getvalue()


def without_time(metrics):
  return {k: v for k, v in metrics.items() if k != "seconds"}


def epochs_of(printed):
  return re.findall("Results at epoch (.*)", printed)


class MainTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters((True, 0.9, 1), (True, 0.96, 0), (False, 0.9, 0))
  def test_exit_code(self, self_test, accuracy, code):
    config = dataclasses.replace(config_of("wide"), self_test=self_test)
    metrics = {"test_accuracy": accuracy}
    with (
      mock.patch.object(main, "config_from_flags", return_value=config),
      mock.patch.object(main, "run", return_value=metrics),
      contextlib.redirect_stdout(io.StringIO()) as out,
    ):
      self.assertEqual(main.main([]), code)
    self.assertEqual(json.loads(out.getvalue().splitlines()[-1]), metrics)

  def test_self_test_learns(self):
    self.check_self_test("wide")

  @parameterized.parameters("deep", "wide_deep")
  @pytest.mark.slow
  def test_self_test_learns_slowly(self, model_type):
    self.check_self_test(model_type)

  def check_self_test(self, model_type):
    with contextlib.redirect_stdout(io.StringIO()):
      metrics = main.run(config_of(model_type, self_test=True))
    self.assertGreaterEqual(metrics["test_accuracy"], main.SELF_TEST_ACCURACY)


if __name__ == "__main__":
  tf.test.main()

"""Tests of the benchmark: its arithmetic, and that each program runs."""

import json
import os
import pathlib
import shlex
import subprocess
import types
from unittest import mock

import pytest
import tensorflow as tf
from absl import app
from absl.testing import parameterized

from experiments.census import model
from input_pipelines import census
from tools import benchmark, benchmark_census, benchmark_programs


class Program:
  """Writes down that it was asked, and gives the next of its values."""

  def __init__(self, name, values, calls):
    self._name, self._values, self._calls = name, iter(values), calls

  def measure(self):
    self._calls.append(self._name)
    return {self._name: next(self._values)}


class BenchmarkTest(parameterized.TestCase, tf.test.TestCase):
  def test_programs_are_measured_in_turn(self):
    calls = []
    programs = [Program("a", [1, 2], calls), Program("b", [3, 4], calls)]
    measured = benchmark.measure_in_turn(programs, rounds=2)
    self.assertEqual(calls, ["a", "b", "a", "b"])
    self.assertEqual(measured, {"a": [1, 2], "b": [3, 4]})

  def test_report_has_medians_and_ratios(self):
    lines = benchmark.report(
      {
        "estimator_train": [100.0, 300.0, 200.0],
        "estimator_predict_1": [0.002, 0.001, 0.004],
        # Ratios of the rounds: 0.5, 3 and 1. That of the medians is 1.
        "keras_fit_train": [200.0, 100.0, 200.0],
        # 50, 200 and 50 times faster; less is faster.
        "tf_estimator_predict_1": [0.1, 0.2, 0.2],
      }
    )
    self.assertEqual(
      lines,
      [
        "estimator_train 200 steps/s",
        "estimator_predict_1 0.002 s/call",
        "keras_fit_train 200 steps/s",
        "tf_estimator_predict_1 0.2 s/call",
        "estimator_train_over_keras_fit_train 1 x",
        "estimator_predict_1_over_tf_estimator_predict_1 50 x",
      ],
    )

  @parameterized.parameters(
    ("mandelbrot", "mandelbrot_picture", "s/call"),
    ("pond", "pond_run", "s/call"),
    ("sparse_regression", "estimator_sparse_examples", "examples/s"),
  )
  def test_what_is_measured(self, what, name, unit):
    module = getattr(benchmark, f"benchmark_{what}")
    programs = [Program(name, [1.0, 3.0], [])]
    values = types.SimpleNamespace(rounds=2)
    with mock.patch.object(module, "programs", lambda *_: programs):
      place, measured = benchmark.measure([what], values)
    self.assertEqual((place, measured), (what, {name: [1.0, 3.0]}))
    self.assertEqual(benchmark.report(measured), [f"{name} 2 {unit}"])
    with self.assertRaisesRegex(app.UsageError, f"argument is .*, {what}"):
      benchmark.measure([what + "s"], values)

  def test_steady_rate_leaves_out_the_first_steps(self):
    hook = benchmark_programs.SteadyRate(120)
    hook.begin(types.SimpleNamespace(global_step=1000))
    self.assertEqual(hook.next_step(1000), 1020)
    self.assertEqual(hook.next_step(1020), 1120)
    with mock.patch("time.perf_counter", side_effect=[5.0, 7.0]):
      for step in (1020, 1060, 1120):  # 100 steps in 2 seconds
        hook.after_run(types.SimpleNamespace(global_step=step))
    self.assertEqual(hook.rate, 50.0)
    self.assertEqual(hook.next_step(1120), 1121)

  @parameterized.parameters(("softmax", 7850), ("cnn", 3274634))
  def test_networks_are_those_of_the_tutorials(self, model, num_parameters):
    network = benchmark_programs.make_network(model)
    self.assertEqual(network.count_params(), num_parameters)

  @pytest.mark.slow
  def test_each_program_measures_what_the_ratios_need(self):
    measured = benchmark.benchmark_runner(
      "softmax", steps=60, rounds=1, peer_python=None
    )
    self.assertCountEqual(
      measured,
      [
        "estimator_train",
        "estimator_train_call",
        "estimator_evaluate_6000",
        "estimator_predict_1",
        "in_graph_loop_train",
        "keras_fit_train",
        "keras_fit_50_train",
      ],
    )
    for name, (value,) in measured.items():
      with self.subTest(name):
        self.assertGreater(value, 0)
    self.assertLen(benchmark.report(measured), 7 + 3)

  def census_dir(self, num_rows):
    """Returns a folder of invented census files."""
    folder = pathlib.Path(self.get_temp_dir())
    split = census.fake_split(num_rows)
    brackets = [census.BRACKETS[label] for label in split.labels]
    rows = zip(*split.features.values(), brackets, strict=True)
    text = "".join(", ".join(map(str, row)) + "\n" for row in rows)
    for name in census.FILES:
      (folder / name).write_text(text)
    return str(folder)

  @pytest.mark.slow
  def test_census_measures_rows_of_a_model(self):
    self.check_census(["wide"])

  @pytest.mark.slow
  def test_census_measures_rows_of_the_others(self):
    self.check_census(["deep", "wide_deep"])

  def check_census(self, model_types):
    with mock.patch.object(benchmark_census, "MODEL_TYPES", model_types):
      measured = benchmark.benchmark_census_models(
        epochs=20, rounds=1, data_dir=self.census_dir(100), peer_python=None
      )
    names = [f"estimator_{t}_rows" for t in model_types]
    self.assertCountEqual(measured, names + [f"{n}_call" for n in names])
    for name, (value,) in measured.items():
      with self.subTest(name):
        self.assertGreater(value, 0)
    lines = benchmark.report(
      measured
      | {
        "estimator_wide_rows": [600.0],
        "tf_estimator_wide_rows": [200.0],
      }
    )
    self.assertIn("estimator_wide_rows 600 rows/s", lines)
    self.assertIn("estimator_wide_rows_over_tf_estimator_wide_rows 3 x", lines)

  def test_census_peer_is_told_the_columns(self):
    folder = self.census_dir(10)
    told = shlex.quote(f"{folder}/told")
    python = self.python(f'cat > {told}; echo "{{\\"$2 $3 $4\\": 1}}"\n')
    peer = benchmark_census.TfEstimatorCensus(python, "deep", 3, folder)
    self.assertEqual(peer.measure(), {f"deep 3 {folder}": 1})
    told = json.loads(pathlib.Path(folder, "told").read_text())
    self.assertEqual(told["numbers"], list(model.NUMBERS))
    self.assertLen(told["vocabularies"]["education"], 16)
    self.assertEqual(told["names"][-1], census.LABEL)

  def python(self, text):
    """Returns the path of a program that stands for the peer's Python."""
    path = pathlib.Path(self.get_temp_dir()) / "python"
    path.write_text("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return str(path)

  def test_peer_runs_in_its_own_python(self):
    python = self.python('echo starts; echo "{\\"$2\\": $3}"\n')
    peer = benchmark_programs.TfEstimator(python, "cnn", 40)
    self.assertEqual(peer.measure(), {"cnn": 40})

  def test_failing_peer_is_an_error(self):
    peer = benchmark_programs.TfEstimator(self.python("exit 3\n"), "cnn", 40)
    with self.assertRaisesRegex(subprocess.CalledProcessError, "status 3"):
      peer.measure()

  def test_lines_go_into_the_place_of_their_model(self):
    root = pathlib.Path(self.get_temp_dir())
    readme = root / "README.md"
    begin, end = "<!-- benchmark cnn:begin -->", "<!-- benchmark cnn:end -->"
    readme.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    with mock.patch.object(benchmark, "commit", return_value="abc1234"):
      benchmark.write_readme(root, "cnn", ["a 1 x", "b 2 x"])
    text = readme.read_text()
    start = f"before\n{begin}\n```\na 1 x\nb 2 x\n```\n\nCommit abc1234. Mea"
    self.assertTrue(text.startswith(start), text)
    self.assertTrue(text.endswith(f".\n{end}\nafter\n"), text)


if __name__ == "__main__":
  tf.test.main()

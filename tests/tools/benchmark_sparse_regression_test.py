"""Tests of the benchmark: that both learn, and what it says."""

import tempfile
from unittest import mock

from absl.testing import absltest
from sklearn.linear_model import SGDClassifier

from estimators import Hook
from experiments.sparse_regression import inputs, main
from experiments.sparse_regression.config import SELF_TEST, config_of
from tools import benchmark_sparse_regression

SMALL = SELF_TEST["classification"]
ROWS = 5 * 2_000  # of all epochs


class KnownRate(Hook):
  """In place of SteadyRate."""

  rate = 7.0

  def __init__(self, steps):
    self.steps = steps


class BenchmarkSparseRegressionTest(absltest.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    with mock.patch.object(inputs, "load", wraps=inputs.load) as load:
      programs = benchmark_sparse_regression.programs(folder, **SMALL)
    cls.configs = [call.args[0] for call in load.call_args_list]
    cls.measured = {}
    with (
      mock.patch.object(benchmark_sparse_regression, "time") as time,
      mock.patch.object(
        benchmark_sparse_regression, "SteadyRate", wraps=KnownRate
      ) as cls.rate_of,
      mock.patch.object(
        benchmark_sparse_regression, "SGDClassifier", wraps=SGDClassifier
      ) as cls.classifier,
    ):
      # What each of the four takes: 2, 4, 5 and 8 seconds.
      time.perf_counter.side_effect = [0, 2, 10, 14, 20, 25, 30, 38]
      for program in programs:
        cls.measured |= program.measure()

  def test_what_is_measured(self):
    self.assertEqual(
      list(self.measured),
      [
        "estimator_sparse_examples",
        "estimator_sparse_examples_call",
        "estimator_sparse_right",
        "estimator_sparse_nonzero",
        "sgd_sparse_examples",
        "sgd_sparse_right",
        "sgd_sparse_nonzero",
        "estimator_sparse_100k_examples",
        "estimator_sparse_100k_examples_call",
        "sgd_sparse_100k_examples",
      ],
    )

  def test_rates_are_of_the_rows_of_all_epochs(self):
    # 7 batches of 100 a second once under way.
    self.assertEqual(self.measured["estimator_sparse_examples"], 700)
    self.assertEqual(self.measured["estimator_sparse_100k_examples"], 700)
    self.assertEqual(self.measured["estimator_sparse_examples_call"], ROWS / 2)
    self.assertEqual(self.measured["sgd_sparse_examples"], ROWS / 4)
    self.assertEqual(
      self.measured["estimator_sparse_100k_examples_call"], ROWS / 5
    )
    self.assertEqual(self.measured["sgd_sparse_100k_examples"], ROWS / 8)

  def test_the_rate_is_of_all_steps_of_a_call(self):
    self.assertEqual(self.rate_of.call_args_list, [mock.call(ROWS // 100)] * 2)

  def test_both_learn(self):
    for name in ("estimator", "sgd"):
      self.assertBetween(self.measured[f"{name}_sparse_right"], 80, 100)
      self.assertBetween(self.measured[f"{name}_sparse_nonzero"], 40, 9000)

  def test_what_ours_learns_is_that_of_the_experiment(self):
    run = main.run(config_of("classification", **SMALL))
    self.assertEqual(
      self.measured["estimator_sparse_right"], 100 * run["test_accuracy"]
    )
    self.assertEqual(
      self.measured["estimator_sparse_nonzero"],
      run["weights"] - run["zero_weights"],
    )

  def test_the_peer_is_the_one_that_was_chosen(self):
    expected = mock.call(
      loss="log_loss",
      penalty="l1",
      alpha=3e-5,
      learning_rate="invscaling",
      eta0=0.5,
      power_t=0.25,
      max_iter=5,
      tol=None,
      random_state=1,
    )
    self.assertEqual(self.classifier.call_args_list, [expected] * 2)

  def test_the_small_problem_is_that_of_the_experiment(self):
    problems = benchmark_sparse_regression.PROBLEMS
    config = config_of("classification", **problems["sparse_100k"])
    self.assertEqual(config, config_of("classification"))
    large = config_of("classification", **problems["sparse"])
    self.assertEqual(large.num_examples, 4 * config.num_examples)
    self.assertEqual(large.batch_size, 4 * config.batch_size)
    # Changes stand above both.
    expected = config_of("classification", **SMALL)
    self.assertEqual(self.configs, [expected] * 2)

  def test_ratios_are_of_what_is_measured(self):
    for name in benchmark_sparse_regression.RATIOS:
      ours, theirs = name.split("_over_")
      self.assertIn(ours, self.measured)
      ours = ours.removesuffix("_call")
      self.assertEqual(theirs, ours.replace("estimator", "sgd"))
    self.assertLen(benchmark_sparse_regression.RATIOS, 4)


if __name__ == "__main__":
  absltest.main()

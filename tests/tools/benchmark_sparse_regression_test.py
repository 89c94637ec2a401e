"""Tests of the benchmark: that both learn, and what it says."""

import tempfile

from absl.testing import absltest

from experiments.sparse_regression import main
from experiments.sparse_regression.config import SELF_TEST, config_of
from tools import benchmark_sparse_regression


class BenchmarkSparseRegressionTest(absltest.TestCase):
  def test_measures_what_both_have_learned(self):
    small = SELF_TEST["classification"]
    folder = self.enterContext(tempfile.TemporaryDirectory())
    programs = benchmark_sparse_regression.programs(folder, **small)
    measured = {}
    for program in programs:
      measured |= program.measure()
    names = [
      f"{name}_sparse_{what}"
      for name in ("estimator", "sgd")
      for what in ("examples", "right", "nonzero")
    ]
    self.assertEqual(names, list(measured))
    for name in ("estimator", "sgd"):
      self.assertGreater(measured[f"{name}_sparse_examples"], 0)
      self.assertBetween(measured[f"{name}_sparse_right"], 80, 100)
      self.assertBetween(measured[f"{name}_sparse_nonzero"], 40, 9000)
    # It is about the first call, that of the experiment.
    run = main.run(config_of("classification", **small))
    self.assertEqual(
      measured["estimator_sparse_right"], 100 * run["test_accuracy"]
    )
    self.assertEqual(
      measured["estimator_sparse_nonzero"], run["weights"] - run["zero_weights"]
    )

  def test_ratios_are_of_what_is_measured(self):
    measured = {"estimator_sparse_examples", "sgd_sparse_examples"}
    for name in benchmark_sparse_regression.RATIOS:
      self.assertEqual(set(name.split("_over_")), measured)


if __name__ == "__main__":
  absltest.main()

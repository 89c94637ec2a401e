"""Tests of the benchmark: that both learn, and what it says."""

import tempfile

from absl.testing import absltest

from experiments.sparse_regression.config import SELF_TEST
from tools import benchmark_sparse_regression


class BenchmarkSparseRegressionTest(absltest.TestCase):
  def test_measures_what_both_have_learned(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    ours, sgd = benchmark_sparse_regression.programs(
      folder, **SELF_TEST["classification"]
    )
    for name, program in (("estimator", ours), ("sgd", sgd)):
      measured = program.measure()
      self.assertEqual(
        [f"{name}_sparse_{what}" for what in ("examples", "right", "nonzero")],
        list(measured),
      )
      self.assertGreater(measured[f"{name}_sparse_examples"], 0)
      self.assertBetween(measured[f"{name}_sparse_right"], 80, 100)
      self.assertBetween(measured[f"{name}_sparse_nonzero"], 40, 9000)
    # It is about the first call, whatever is trained later.
    again = ours.measure()
    self.assertEqual(
      [again[f"estimator_sparse_{what}"] for what in ("right", "nonzero")],
      [
        ours.measure()[f"estimator_sparse_{what}"]
        for what in ("right", "nonzero")
      ],
    )

  def test_ratios_are_of_what_is_measured(self):
    measured = {"estimator_sparse_examples", "sgd_sparse_examples"}
    for name in benchmark_sparse_regression.RATIOS:
      self.assertEqual(set(name.split("_over_")), measured)


if __name__ == "__main__":
  absltest.main()

import numpy as np
import scipy.stats
from absl.testing import absltest, parameterized

from experiments.sparse_regression import problem

V = 1000  # features


class ProblemTest(parameterized.TestCase):
  def test_rows_are_of_ones_in_order(self):
    x = problem.problem("classification", V, 10).examples(50, seed=1).x
    self.assertEqual(x.shape, (50, V))
    self.assertEqual(x.dtype, np.float32)
    self.assertEqual(set(x.data), {1})
    for row in x:
      self.assertTrue((np.diff(row.indices) > 0).all())
      self.assertBetween(row.nnz, 5, problem.NUM_DRAWS)

  def test_features_are_as_frequent_as_said(self):
    found = problem.problem("classification", V, 10)
    x = found.examples(20_000, seed=1).x
    counts = np.asarray(x.sum(axis=0))[0, found.columns]  # by rank
    chances = np.log(1 + 1 / np.arange(1, V)) / np.log(V)
    self.assertAlmostEqual(chances.sum(), 1)
    in_row = 1 - (1 - chances) ** problem.NUM_DRAWS
    # Each count is binomial: 5 standard deviations, for a thousand of them.
    deviations = np.sqrt(20_000 * in_row * (1 - in_row))
    difference = np.abs(counts[:-1] - 20_000 * in_row) / deviations
    self.assertLess(difference.max(), 5)
    self.assertEqual(counts[-1], 0)

  def test_the_most_frequent_are_informative(self):
    found = problem.problem("classification", V, 300)
    self.assertCountEqual(found.columns, range(V))
    self.assertCountEqual(np.flatnonzero(found.weights), found.columns[:300])
    weights = found.weights[found.columns[:300]]
    _, chance = scipy.stats.kstest(weights / problem.WEIGHT_STDDEV, "norm")
    self.assertGreater(chance, 1e-4)

  def test_labels_have_the_chances_of_their_logits(self):
    found = problem.problem("classification", V, 100)
    rows = found.examples(20_000, seed=3)
    chances = 1 / (1 + np.exp(-(rows.x @ found.weights)))
    self.assertEqual(set(rows.labels), {0, 1})
    deviation = np.sqrt(np.sum(chances * (1 - chances)))
    self.assertLess(abs(np.sum(rows.labels - chances)), 5 * deviation)
    # Who knows the weights errs as often as the less likely label comes.
    errors = np.minimum(chances, 1 - chances).sum()
    wrong = (1 - found.best(rows)) * len(rows)
    self.assertLess(abs(wrong - errors), 5 * deviation)

  def test_regression_has_noise(self):
    found = problem.problem("regression", V, 100)
    rows = found.examples(20_000, seed=3)
    noise = rows.labels - rows.x @ found.weights
    self.assertAlmostEqual(noise.mean(), 0, delta=5 / np.sqrt(20_000))
    self.assertAlmostEqual(noise.std(), problem.NOISE_STDDEV, delta=0.03)
    self.assertAlmostEqual(found.best(rows), np.sqrt(np.mean(noise**2)), 5)

  @parameterized.parameters((10, 10), (10, 11), (10, 0))
  def test_not_all_features_are_informative(self, num_features, informative):
    with self.assertRaisesRegex(
      ValueError, f"num_features={num_features}, num_informative={informative};"
    ):
      problem.problem("regression", num_features, informative)

  @parameterized.parameters(1, problem.MOST_FEATURES + 1)
  def test_refuses_sizes(self, num_features):
    with self.assertRaisesRegex(
      ValueError, f"2 to 100,000,000 .*num_features={num_features}; leave"
    ):
      problem.problem("regression", num_features, 1)

  def test_the_informative_features_that_it_says_to_try_will_do(self):
    with self.assertRaisesRegex(ValueError, "try --num_informative=1\\."):
      problem.problem("regression", 2, 2)

  def test_two_features_are_enough(self):
    rows = problem.problem("regression", 2, 1).examples(3, seed=1)
    self.assertEqual(rows.x.sum(), 3)  # all have the first one, once

  def test_seeds_draw_other_rows_of_the_same_problem(self):
    one, two = (problem.problem("classification", V, 10) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)
    rows, same, other = (
      p.examples(20, seed).x.toarray()
      for p, seed in ((one, 1), (two, 1), (two, 2))
    )
    np.testing.assert_array_equal(rows, same)
    self.assertTrue((rows != other).any())


if __name__ == "__main__":
  absltest.main()

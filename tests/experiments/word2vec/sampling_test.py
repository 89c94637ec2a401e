import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from experiments.word2vec import sampling


def sums_of(*chances):
  return tf.cumsum(tf.constant(chances, tf.float64))


def samples(cumulative, num_sampled, count):
  """Returns (ids [count, num_sampled], num_tries [count]) of seeds 0, 1, ..."""

  @tf.function(autograph=False)
  def sample(seeds):
    return tf.map_fn(
      lambda seed: sampling.unique_samples(cumulative, num_sampled, seed),
      seeds,
      fn_output_signature=(
        tf.TensorSpec([num_sampled], tf.int32),
        tf.TensorSpec([], tf.int64),
      ),
    )

  seeds = np.stack([np.full(count, 7), np.arange(count)], axis=1)
  return [value.numpy() for value in sample(seeds)]


class DistributionsTest(tf.test.TestCase):
  def test_log_uniform(self):
    # log(2), log(3) and log(4) over log(4).
    self.assertAllClose(
      sampling.log_uniform(3), [0.5, 0.7924812503605781, 1.0], rtol=1e-15
    )

  def test_power_law(self):
    # 0, 1, 8 and 27 out of 36.
    sums = sampling.power_law([0, 1, 16, 81], 0.75)
    self.assertAllClose(sums, [0, 1 / 36, 9 / 36, 1], rtol=1e-15)
    self.assertEqual(sums.dtype, tf.float64)

  def test_classes_that_never_occur_have_no_chance_with_power_0(self):
    self.assertAllClose(sampling.power_law([0, 5, 1], 0.0), [0, 0.5, 1])

  def test_made_while_tracing_they_are_no_part_of_the_graph(self):
    @tf.function(autograph=False)
    def last():
      return sampling.log_uniform(1000)[-1], sampling.power_law([1] * 1000, 1)

    graph = last.get_concrete_function().graph
    self.assertLess(graph.as_graph_def().ByteSize(), 2000)
    self.assertEqual(last()[0], 1)


class UniqueSamplesTest(tf.test.TestCase, parameterized.TestCase):
  def test_by_hand(self):
    cumulative = sums_of(0.1, 0.2, 0.3, 0.4)
    for seed in range(50):
      # The draws of the first round, as the sampler makes them.
      numbers = tf.random.stateless_uniform(
        [6], tf.random.fold_in(tf.constant([7, seed]), 0), dtype=tf.float64
      ).numpy()
      drawn = np.select([numbers < b for b in (0.1, 0.3, 0.6)], [0, 1, 2], 3)
      different = list(dict.fromkeys(drawn.tolist()))
      if len(different) < 3:
        continue  # That takes a second round.
      ids, num_tries = sampling.unique_samples(
        cumulative, 3, tf.constant([7, seed])
      )
      self.assertAllEqual(ids, different[:3])
      self.assertEqual(num_tries, drawn.tolist().index(different[2]) + 1)

  def test_they_differ_however_many_rounds_that_takes(self):
    ids, num_tries = samples(sums_of(0.96, 0.01, 0.01, 0.01, 0.01), 5, 40)
    self.assertAllEqual(np.sort(ids), np.tile(np.arange(5), [40, 1]))
    # The mean of the last of four with 0.01 each: 100 (1/4 + 1/3 + 1/2 + 1);
    # its standard deviation is 119, of the mean of 40 it is 19.
    self.assertBetween(num_tries.mean(), 208 - 80, 208 + 80)

  def test_first_and_second_are_as_likely_as_draws_without_replacement(self):
    chances = np.array([0.5, 0.3, 0.2])
    ids, _ = samples(tf.cumsum(tf.constant(chances)), 2, 4000)
    for i in range(3):
      for j in set(range(3)) - {i}:
        expected = chances[i] * chances[j] / (1 - chances[i])
        found = np.mean(np.all(ids == [i, j], axis=1))
        self.assertAllClose(found, expected, atol=4 * 0.5 / 4000**0.5)

  def test_a_seed_fixes_them(self):
    cumulative = sampling.log_uniform(1000)
    first, second, other = (
      sampling.unique_samples(cumulative, 20, seed)[0]
      for seed in ([1, 2], [1, 2], [1, 3])
    )
    self.assertAllEqual(first, second)
    self.assertNotAllEqual(first, other)

  def test_tries_and_classes_are_those_of_tensorflow(self):
    ids, num_tries = samples(sampling.log_uniform(500), 32, 1000)
    theirs = [
      tf.random.log_uniform_candidate_sampler(
        [[499]], 1, 32, True, 500, seed=seed
      )
      for seed in range(1, 1001)
    ]
    theirs_ids = np.stack([s.sampled_candidates for s in theirs])
    # How often each of the commoner classes is among the samples; the
    # standard deviation of the difference is at most 0.023.
    shares = [
      [np.mean(np.any(found == i, axis=1)) for i in range(20)]
      for found in (ids, theirs_ids)
    ]
    self.assertAllClose(*shares, atol=0.09)
    # Their tries, from the chance of a class with p = 1 / log(501) * 1 / 500.
    chance = np.log(501 / 500) / np.log(501)
    expected = np.stack([s.true_expected_count for s in theirs])[:, 0, 0]
    their_tries = np.log1p(-expected) / np.log1p(-chance)
    self.assertAllClose(num_tries.mean(), their_tries.mean(), rtol=0.02)

  @parameterized.parameters(
    ([0.5, 0.5], 3, "got 2 classes and 3 samples. Sample at most 2"),
    ([0.0, 0.5, 0.0, 0.5], 3, "got 2 classes"),
  )
  def test_too_many_are_refused(self, chances, num_sampled, message):
    with self.assertRaisesRegex(ValueError, message):
      sampling.unique_samples(sums_of(*chances), num_sampled, [1, 2])


class ExpectedCountsTest(tf.test.TestCase):
  def test_by_hand(self):
    counts = sampling.expected_counts(
      sums_of(0.5, 0.25, 0.25),
      tf.constant([[0], [2]]),
      tf.constant(3, tf.int64),
    )
    self.assertAllClose(counts, [[1 - 0.5**3], [1 - 0.75**3]])
    self.assertEqual(counts.dtype, tf.float32)

  def test_a_rare_class_keeps_its_digits(self):
    counts = sampling.expected_counts(
      sums_of(1 - 1e-9, 1e-9), tf.constant([1]), tf.constant(2, tf.int64)
    )
    self.assertAllClose(counts, [2e-9], rtol=1e-6, atol=0)

  def test_the_share_of_the_runs_that_have_a_class(self):
    cumulative = sampling.log_uniform(50)
    ids, num_tries = samples(cumulative, 10, 2000)
    expected = np.mean(
      [
        sampling.expected_counts(cumulative, tf.range(50), n) for n in num_tries
      ],
      axis=0,
    )
    found = [np.mean(np.any(ids == i, axis=1)) for i in range(50)]
    # As the tries are chosen by what was drawn, the formula is not exact.
    self.assertAllClose(found, expected, atol=0.05)


if __name__ == "__main__":
  tf.test.main()

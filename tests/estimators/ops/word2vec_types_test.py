"""The chances of words: by hand, and against the counts they come from."""

import numpy as np
import tensorflow as tf

from estimators.ops import word2vec_types


class KeepProbabilityTest(tf.test.TestCase):
  def test_by_hand(self):
    # 10,000 words and a threshold of 0.001: 10 words are that share of them.
    counts = tf.constant([0, 10, 40, 1000, 8950])
    keep = word2vec_types.keep_probability(counts, 1e-3).numpy()
    self.assertEqual(keep.dtype, np.float32)
    self.assertAllClose(
      keep, [1, 1, 0.5 + 0.25, 0.1 + 0.01, 0.0345436], atol=1e-6
    )

  def test_nothing_is_thinned_out(self):
    keep = word2vec_types.keep_probability(tf.constant([5, 10**6]), 0)
    self.assertAllEqual(keep, [1, 1])

  def test_refuses_what_is_no_share(self):
    for threshold in (-1e-3, float("nan")):
      with self.assertRaisesRegex(ValueError, "threshold of subsampling"):
        word2vec_types.keep_probability(tf.constant([5]), threshold)


class NoiseTableTest(tf.test.TestCase):
  def chances(self, noise):
    """The chance of each word, from all buckets."""
    own = noise.thresholds.numpy() / 2**32
    chances = own.copy()
    np.add.at(chances, noise.aliases.numpy(), 1 - own)
    return chances / len(own)

  def test_chances_are_powers_of_counts(self):
    rng = np.random.default_rng(0)
    counts = rng.zipf(1.3, 1000).clip(0, 10**6).astype(np.int32)
    counts[[0, 5, 999]] = 0
    for power in (0.75, 1.0):
      expected = np.where(counts > 0, counts.astype(float) ** power, 0)
      expected /= expected.sum()
      noise = word2vec_types.noise_table(tf.constant(counts), power)
      self.assertAllClose(self.chances(noise), expected, atol=1e-9)
      self.assertAllEqual(self.chances(noise)[[0, 5, 999]], [0, 0, 0])

  def test_three_quarters_is_the_power(self):
    noise = word2vec_types.noise_table(tf.constant([1, 16, 81]))
    self.assertAllClose(self.chances(noise), np.array([1, 8, 27]) / 36)

  def test_one_word(self):
    noise = word2vec_types.noise_table(tf.constant([7]))
    self.assertAllEqual(noise.thresholds, [2**32])
    self.assertAllEqual(noise.aliases, [0])

  def test_refuses_what_are_no_counts(self):
    for counts in ([], [0, 0], [3, -1]):
      with self.assertRaisesRegex(ValueError, "at least 0 and one above it"):
        word2vec_types.noise_table(tf.constant(counts, tf.int32))


if __name__ == "__main__":
  tf.test.main()

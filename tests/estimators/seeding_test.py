"""Tests of input functions that are called with the seed of the run."""

from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from estimators import seeding

_numbers = tf.data.Dataset.range(9)
_drawing = tf.function(lambda: tf.random.uniform([], seed=5))


def first(dataset):
  return next(iter(dataset.batch(9))).numpy().tolist()


class SeededTest(tf.test.TestCase, parameterized.TestCase):
  def drawn(self, function, times=3):
    """Returns what calls of a function give, and how often a seed was set."""
    with mock.patch.object(
      tf.random, "set_seed", side_effect=tf.random.set_seed
    ) as set_seed:
      results = []
      for _ in range(times):
        with seeding.seeded(1):
          results.append(function())
      return results, set_seed.call_count

  @parameterized.parameters(
    lambda: float(tf.random.uniform([])),
    lambda: float(tf.random.uniform([], seed=3)),
    lambda: float(tf.random.normal([], seed=3)),
    lambda: tf.random.shuffle(tf.range(9), seed=3).numpy().tolist(),
    lambda: float(_drawing()),
    lambda: first(_numbers.shuffle(9)),
    lambda: first(_numbers.shuffle(9, seed=3)),
    lambda: first(_numbers.map(lambda x: tf.random.uniform([]))),
    lambda: first(_numbers.map(lambda x: tf.random.uniform([], seed=3))),
  )
  def test_the_same_in_every_call(self, function):
    results, _ = self.drawn(function)
    tf.random.set_seed(1)
    self.assertEqual(results, [function()] * 3)

  def test_no_seed_is_set_where_nothing_draws(self):
    def function():
      seeds = _numbers.map(lambda x: tf.random.stateless_uniform([], [1, x]))
      return first(seeds)

    self.drawn(function, 1)
    self.assertEqual(self.drawn(function)[1], 0)
    tf.random.uniform([])  # Another one draws in between.
    self.assertEqual(self.drawn(function)[1], 1)
    tf.random.set_seed(2)
    self.assertEqual(self.drawn(function)[1], 1)

  def test_none(self):
    tf.random.set_seed(1)
    values = [float(tf.random.uniform([])) for _ in range(2)]
    tf.random.set_seed(1)
    again = []
    for _ in range(2):
      with seeding.seeded(None):
        again.append(float(tf.random.uniform([])))
    self.assertEqual(again, values)


if __name__ == "__main__":
  tf.test.main()

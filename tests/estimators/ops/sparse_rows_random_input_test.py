"""Random input at the border of the op: an error or a result, no crash."""

import os
import random
import unittest

import numpy as np
import tensorflow as tf

from estimators.ops import sparse_rows
from tests.estimators.ops.random_input import REFUSALS, some_mutated

CALLS = int(os.environ.get("OPS_RANDOM_CALLS", 150))
MOST = 9  # rows, and numbers of a row


@unittest.skipUnless(sparse_rows.is_native(), "there is no C++ compiler")
class RandomInputTest(tf.test.TestCase):
  def test_gather(self):
    rng, numbers = random.Random(1), np.random.default_rng(1)
    done = refused = 0
    for _ in range(CALLS):
      arguments = some_mutated(rng, self.arguments(numbers), MOST)
      try:
        sparse_rows.gather(**arguments, num_columns=MOST)
        done += 1
      except REFUSALS:
        refused += 1
    self.assertGreater(done, CALLS // 10)
    self.assertGreater(refused, CALLS // 10)

  def arguments(self, numbers):
    sizes = numbers.integers(0, MOST, numbers.integers(0, MOST))
    count = sizes.sum()
    batch_size = numbers.integers(0, MOST) if len(sizes) else 0
    return {
      "columns": numbers.integers(0, MOST, count).astype(np.int32),
      "values": numbers.normal(size=count).astype(np.float32),
      "row_splits": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
      "rows": numbers.integers(0, max(len(sizes), 1), batch_size),
    }


if __name__ == "__main__":
  tf.test.main()

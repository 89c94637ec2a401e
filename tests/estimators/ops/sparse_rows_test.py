"""The C++ op of sparse rows against SciPy, and its twin."""

import unittest
from unittest import mock

import numpy as np
import scipy.sparse
import tensorflow as tf
from absl.testing import parameterized

from estimators.ops import sparse_rows
from tests.estimators.ops.random_input import REFUSALS

NO_OPS = not sparse_rows.is_native()
NUM_COLUMNS = 50


def matrix(num_rows, seed=0):
  """Returns a CSR matrix, some of whose rows are empty."""
  numbers = np.random.default_rng([seed, num_rows])
  dense = numbers.normal(size=[num_rows, NUM_COLUMNS]).astype(np.float32)
  dense *= numbers.random(dense.shape) < 0.2
  dense[numbers.random(num_rows) < 0.3] = 0
  return scipy.sparse.csr_matrix(dense)


def parts(x):
  return x.indices, x.data, x.indptr.astype(np.int64)


class GatherTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.product(
    gather=(sparse_rows.gather, sparse_rows.twin),
    rows=([], [3], [0, 4, 4, 2, 0], [*range(20)], [*range(19, -1, -1)] * 3),
  )
  def test_rows_are_those_of_scipy(self, gather, rows):
    x = matrix(20)
    found = gather(*parts(x), np.array(rows, np.int64), NUM_COLUMNS)
    expected = x[rows].tocoo()
    self.assertEqual((found.values.dtype, found.indices.dtype),
                     (tf.float32, tf.int64))  # fmt: skip
    self.assertAllEqual(found.values, expected.data)
    self.assertAllEqual(
      found.indices, np.stack([expected.row, expected.col], 1)
    )
    self.assertAllEqual(found.dense_shape, [len(rows), NUM_COLUMNS])

  @parameterized.parameters(sparse_rows.gather, sparse_rows.twin)
  def test_a_dataset_and_its_shapes(self, gather):
    x = matrix(8)
    rows = tf.data.Dataset.range(8).batch(4, drop_remainder=True)
    found = rows.map(lambda r: gather(*parts(x), r, NUM_COLUMNS))
    self.assertEqual(found.element_spec.shape, [4, NUM_COLUMNS])
    dense = [tf.sparse.to_dense(batch) for batch in found]
    self.assertAllEqual(tf.concat(dense, 0), x.toarray())

  def test_without_the_op_the_twin_does_it(self):
    x = matrix(3)
    with (
      mock.patch.object(sparse_rows, "_ops", return_value=None),
      mock.patch.object(sparse_rows, "twin", return_value="twin") as twin,
    ):
      self.assertEqual(sparse_rows.gather(*parts(x), [1], 50), "twin")
    self.assertLen(twin.call_args.args, 5)


@unittest.skipIf(NO_OPS, "there is no C++ compiler")
class WrongInputTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    (dict(rows=[0, 3]), r"number of rows, 3, .* rows\[1\] is 3"),
    (dict(rows=[-1]), r"rows\[0\] is -1"),
    (dict(row_splits=[0, 1, 3, 9]), "number of values, 4, .* from 3 to 9"),
    (dict(row_splits=[0, 3, 1, 4]), "row 1 is from 3 to 1"),
    (dict(row_splits=[-1, 1, 3, 4]), "row 0 is from -1 to 1"),
    (dict(row_splits=[]), r"give \[0\] for no rows"),
    (dict(values=[1.0, 2.0, 3.0]), "columns and values must be as many|equal"),
    (dict(rows=[[0]]), "must be vectors|rank 1"),
  )
  def test_it_is_refused(self, changes, message):
    arguments = {
      "columns": np.array([0, 1, 2, 3], np.int32),
      "values": np.ones(4, np.float32),
      "row_splits": np.array([0, 1, 3, 4], np.int64),
      "rows": np.array([0, 1, 2], np.int64),
    }
    for name, value in changes.items():
      arguments[name] = np.array(value, arguments[name].dtype)
    with self.assertRaisesRegex(REFUSALS, message):
      sparse_rows.gather(**arguments, num_columns=NUM_COLUMNS)


if __name__ == "__main__":
  tf.test.main()

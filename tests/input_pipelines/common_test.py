import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import common


class CommonTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(None, 0, -(2**63), 2**63 - 1, np.uint64(3))
  def test_takes_seeds_of_64_bits(self, seed):
    common.check_order(1, None, True, seed)
    rows = common.row_batches(5, 5, 1, True, seed)
    self.assertAllEqual(range(5), np.sort(next(iter(rows))))

  @parameterized.parameters(True, 2**63, 2**70, -(2**63) - 1, 1.0, "a")
  def test_refuses_other_seeds(self, seed):
    with self.assertRaisesRegex(
      ValueError, f"seed must be a whole number.*64 bits.*got {seed!r}"
    ):
      common.check_order(1, None, True, seed)

  def test_plain_message(self):
    with self.assertRaises(tf.errors.OpError) as caught:
      tf.io.decode_png(b"no image")
    self.assertIn("{{function_node", caught.exception.message)
    self.assertRegex(
      common.plain_message(caught.exception), r"^[A-Z][^{}\[\]]+$"
    )


if __name__ == "__main__":
  tf.test.main()

import unittest

import tensorflow as tf

from estimators import op_errors


class ReasonTest(unittest.TestCase):
  def test_tensorflows_own_names_go(self):
    with self.assertRaises(tf.errors.InvalidArgumentError) as raised:
      tf.raw_ops.MatMul(a=tf.zeros([2, 3]), b=tf.zeros([2, 3]))
    self.assertIn("{{function_node", raised.exception.message)
    self.assertRegex(
      op_errors.reason(raised.exception), r"^Matrix size-incompatible: [^\[]*\["
    )
    self.assertNotRegex(op_errors.reason(raised.exception), r"\[Op:|\{\{")

  def test_in_a_graph(self):
    @tf.function
    def check(x):
      return tf.debugging.check_numerics(x, "the weights")

    with self.assertRaises(tf.errors.InvalidArgumentError) as raised:
      check(tf.constant(float("nan")))
    self.assertIn("Detected at node", raised.exception.message)
    self.assertEqual(
      op_errors.reason(raised.exception), "the weights : Tensor had NaN values"
    )

  def test_others_stay_as_they_are(self):
    self.assertEqual(
      op_errors.reason(OSError(28, "No space left", "a")),
      "[Errno 28] No space left: 'a'",
    )


class FullDiskTest(unittest.TestCase):
  def test_by_its_text(self):
    for text in ("a; No space left on device\nb", "x: Disk quota exceeded"):
      error = tf.errors.ResourceExhaustedError(None, None, text)
      self.assertTrue(op_errors.is_full_disk(error))
    error = tf.errors.ResourceExhaustedError(None, None, "OOM in [3, 4]")
    self.assertFalse(op_errors.is_full_disk(error))


if __name__ == "__main__":
  unittest.main()

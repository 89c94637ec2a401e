import os
import unittest
from unittest import mock

import numpy as np
import tensorflow as tf

from estimators import Estimator, op_errors, summaries
from tests.estimators import toys
from tests.estimators.helpers import new_folder
from tests.estimators.serving import line_receiver_fn


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

  def test_it_is_named(self):
    for text, kind, message in (
      (
        "a; No space left on device",
        OSError,
        "^it must be .* into dir, .*: a;",
      ),
      ("OOM in [3, 4]", tf.errors.ResourceExhaustedError, "^OOM"),
    ):
      with (
        self.assertRaisesRegex(kind, message),
        op_errors.full_disk_named("dir", "it"),
      ):
        raise tf.errors.ResourceExhaustedError(None, None, text)

  def test_evaluations_and_exports(self):
    full = tf.errors.ResourceExhaustedError(None, None, "Disk quota exceeded")
    folder = new_folder()
    estimator = Estimator(toys.line_fn, folder)
    one = toys.input_of([1.0], np.float32([1]))
    estimator.train(one)
    with mock.patch.object(summaries, "write_evaluation", side_effect=full):
      with self.assertRaisesRegex(OSError, f"evaluation .* into {folder}/eval"):
        estimator.evaluate(one)
    with mock.patch.object(tf.saved_model, "save", side_effect=full):
      with self.assertRaisesRegex(OSError, f"SavedModel .* into {folder}/out"):
        estimator.export_saved_model(folder + "/out", line_receiver_fn)
    self.assertEqual(os.listdir(folder + "/out"), [])


if __name__ == "__main__":
  unittest.main()

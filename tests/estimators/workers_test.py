"""Tests of what one worker does about errors; see also multi_worker_test.py."""

from unittest import mock

import tensorflow as tf
from absl.testing import parameterized
from tensorflow.python.eager import context

from estimators import WorkerLostError, checkpoint_files, workers
from tests.estimators.helpers import new_folder


def worker():
  return workers.Workers(strategy=None, index=1, number=2)


class WatchedTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.told = self.enter_context(mock.patch.object(workers, "_tell_others"))

  @parameterized.parameters(
    tf.errors.UnavailableError(None, None, "reset"),
    tf.errors.AbortedError(None, None, "reset"),
    tf.errors.InternalError(None, None, "Collective ops is aborted by: reset"),
  )
  def test_a_loss(self, error):
    newest = "model_dir/model.ckpt-4"
    with (
      mock.patch.object(checkpoint_files, "newest", lambda _: newest),
      self.assertRaisesRegex(
        WorkerLostError, "all 2 .* worker 1.*/model.ckpt-4. Tensor.*reset"
      ),
      worker().watched("model_dir"),
      worker().watched("model_dir"),
    ):
      raise error
    self.told.assert_not_called()

  @parameterized.parameters(
    ZeroDivisionError(),
    KeyboardInterrupt(),
    tf.errors.InvalidArgumentError(None, None, "no loss"),
  )
  def test_the_others_are_told_of_other_errors(self, error):
    with self.assertRaises(type(error)), worker().watched(new_folder()):
      raise error
    self.told.assert_called_once_with(
      f"worker 1 has raised {type(error).__name__}"
    )

  def test_nobody_is_told_where_all_leave(self):
    one = worker()
    with self.assertRaises(SystemExit), one.watched(new_folder()):
      one.all_leave()
      raise SystemExit
    self.told.assert_not_called()
    with self.assertRaises(SystemExit), one.watched(new_folder()):
      raise SystemExit
    self.told.assert_called_once()


class TellOthersTest(tf.test.TestCase):
  def test_the_private_function_is_there(self):
    # Its effect is tested by real workers.
    with mock.patch.object(
      context.Context, "report_error_to_cluster", autospec=True
    ) as report:
      workers._tell_others("what")
      report.side_effect = tf.errors.FailedPreconditionError(None, None, "")
      workers._tell_others("what")
    report.assert_called_with(context.context(), tf.errors.ABORTED, "what")


if __name__ == "__main__":
  tf.test.main()

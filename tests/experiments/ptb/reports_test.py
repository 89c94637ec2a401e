import contextlib
import io
import types
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from experiments.ptb import reports


def steps_of_lines(steps_per_epoch, first=0):
  """Returns the steps, from 0, after which there are lines in an epoch."""
  report = reports.EpochReport(steps_per_epoch, 1)
  steps, step = [], first
  while (step := report.next_step(step)) <= first + steps_per_epoch:
    steps.append(step - 1)
  return steps


class EpochReportTest(parameterized.TestCase, tf.test.TestCase):
  def test_lines_stand_where_they_were_published(self):
    # step % (2323 // 10) == 10
    expected = [10 + 232 * i for i in range(10)]
    self.assertEqual(steps_of_lines(2323), expected)
    later = [2323 + step for step in expected]
    self.assertEqual(steps_of_lines(2323, first=2323), later)

  @parameterized.parameters(
    (110, list(range(10, 110, 11))),
    (100, list(range(9, 100, 10))),
    (35, list(range(2, 35, 3))),
    (4, [0, 1, 2, 3]),
  )
  def test_short_epochs_have_lines_too(self, steps_per_epoch, expected):
    self.assertEqual(steps_of_lines(steps_per_epoch), expected)

  def test_a_line(self):
    report = reports.EpochReport(steps_per_epoch=200, words_per_step=400)
    writer = tf.summary.create_noop_writer()
    run = types.SimpleNamespace(global_step=205, writer=writer)
    run.values = {"perplexity": tf.constant(99.5).numpy()}
    printed = io.StringIO()
    # It goes on in the middle of an epoch.
    clock = iter([100.0, 103.0, 104.0])
    with contextlib.ExitStack() as stack:
      stack.enter_context(contextlib.redirect_stdout(printed))
      stack.enter_context(
        mock.patch.object(reports.time, "perf_counter", lambda: next(clock))
      )
      report.begin(run)
      run.global_step = 211  # Steps 5 to 10 are done.
      report.after_run(run)
      run.global_step = 215
      report.after_run(run)
    self.assertEqual(
      printed.getvalue(), "0.050 perplexity: 99.500 speed: 800 wps\n"
    )
    self.assertEqual((report.words, report.seconds), (10 * 400, 4.0))


if __name__ == "__main__":
  tf.test.main()

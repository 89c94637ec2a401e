import contextlib
import io
import re
from types import SimpleNamespace
from unittest import mock

from absl.testing import absltest

from experiments.cifar10 import reports

DATE = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: "


class TrainingReportTest(absltest.TestCase):
  def test_lines(self):
    """Steps 1 to 21 of 4 examples each; a step takes a quarter of a second."""
    report = reports.TrainingReport(every=10)
    printed = io.StringIO()
    with (
      mock.patch.object(reports.time, "perf_counter") as clock,
      contextlib.redirect_stdout(printed),
    ):
      clock.return_value = 0.0
      report.begin(SimpleNamespace(global_step=0, examples=0))
      step, due = 0, []
      while step < 21:
        step = report.next_step(step)
        due.append(step)
        clock.return_value = step * 0.25
        report.after_run(
          SimpleNamespace(global_step=step, examples=4 * step, loss=4.675)
        )
    self.assertEqual(due, [1, 11, 21])
    lines = printed.getvalue().splitlines()
    self.assertLen(lines, 3)
    for line, number in zip(lines, (0, 10, 20), strict=True):
      self.assertRegex(line, DATE)
      self.assertEqual(
        re.sub(DATE, "", line),
        f"step {number}, loss = 4.67 (16.0 examples/sec; 0.250 sec/batch)",
      )

  def test_precision(self):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
      report = reports.PrecisionReport()
      for is_the_final_export in (False, True):
        report.export(
          None, "", "a", {"Precision @ 1": 0.86}, is_the_final_export
        )
    self.assertRegex(printed.getvalue(), DATE + r"precision @ 1 = 0\.860$")


if __name__ == "__main__":
  absltest.main()

import contextlib
import io
import re
import types

import numpy as np
from absl.testing import absltest, parameterized

from experiments.mnist import inputs, reports
from experiments.mnist.config import published


def self_test_splits():
  return inputs.load(published("softmax", self_test=True))


class FakeRun:
  """Stands for training: every evaluation finds half of the labels."""

  def __init__(self):
    self.global_step = 0
    self.loss = 2.25
    self.values = {
      "correct": np.float32([1, 1, 0, 1]),
      "rate": np.float32(0.01),
    }
    self.calls = []
    self.estimator = types.SimpleNamespace(evaluate_in_memory=self._evaluate)

  def _evaluate(self, input_fn, name):
    self.calls.append(name)
    return {"accuracy": 0.5}


def printed(hook, steps, begin=0, run=None):
  """Returns what a hook prints when the runner takes steps with it alone."""
  run = run or FakeRun()
  run.global_step = begin
  with contextlib.redirect_stdout(io.StringIO()) as out:
    hook.begin(run)
    while run.global_step < begin + steps:
      run.global_step = min(hook.next_step(run.global_step), begin + steps)
      hook.after_run(run)
    hook.end(run)
  return re.sub(r"[\d.]+( sec| ms)", r"T\1", out.getvalue()).splitlines()


class ReportsTest(parameterized.TestCase):
  def test_accuracy_of_every_hundredth_step_from_0(self):
    self.assertEqual(
      printed(reports.AccuracyReport(), 201),
      [
        "step 0, training accuracy 0.75",
        "step 100, training accuracy 0.75",
        "step 200, training accuracy 0.75",
      ],
    )

  def test_a_resumed_run_keeps_to_the_hundreds(self):
    self.assertEqual(
      printed(reports.AccuracyReport(), 100, begin=150),
      ["step 200, training accuracy 0.75"],
    )

  def test_loss(self):
    self.assertEqual(
      printed(reports.LossReport(), 100), ["Step 0: loss = 2.25 (T sec)"]
    )

  def test_errors(self):
    hook = reports.ErrorReport(
      self_test_splits().validation, steps_per_epoch=80
    )
    run = FakeRun()
    self.assertEqual(
      printed(hook, 101, run=run)[5:],
      [
        "Step 100 (epoch 1.25), T ms",
        "Minibatch loss: 2.250, learning rate: 0.010000",
        "Minibatch error: 25.0%",
        "Validation error: 50.0%",
      ],
    )
    self.assertEqual(run.calls, ["validation"] * 2)

  def test_precision_of_three_sets_each_thousand_steps_and_at_the_end(self):
    hook = reports.PrecisionReport(self_test_splits())
    run = FakeRun()
    lines = printed(hook, 1500, run=run)
    self.assertEqual(
      lines[:6],
      [
        "Training Data Eval:",
        "  Num examples: 256  Num correct: 128  Precision @ 1: 0.5000",
        "Validation Data Eval:",
        "  Num examples: 64  Num correct: 32  Precision @ 1: 0.5000",
        "Test Data Eval:",
        "  Num examples: 64  Num correct: 32  Precision @ 1: 0.5000",
      ],
    )
    self.assertEqual(lines[6:], lines[:6])
    self.assertEqual(run.calls, ["training", "validation", "test"] * 2)

  def test_the_end_is_evaluated_once(self):
    hook = reports.PrecisionReport(self_test_splits())
    self.assertLen(printed(hook, 1000), 6)

  @parameterized.parameters(
    ("softmax", "0.875"),
    ("deep", "test accuracy 0.875"),
    ("convolutional", "Test error: 12.5%"),
    ("kernel", "Elapsed time: 3.5 seconds"),
  )
  def test_closing_line(self, model, line):
    metrics = {"test_accuracy": 0.875, "seconds": 3.5}
    self.assertEqual(reports.closing_line(published(model), metrics), line)

  def test_closing_line_of_a_self_test(self):
    config = published("convolutional", self_test=True)
    self.assertEqual(
      reports.closing_line(config, {"test_accuracy": 1.0}), "test_error 0.0"
    )


if __name__ == "__main__":
  absltest.main()

import contextlib
import io
import types
from unittest import mock

import tensorflow as tf

from estimators import summaries
from experiments.word2vec import reports
from tests.estimators.helpers import new_folder, scalars


def run_of(folder=None):
  return types.SimpleNamespace(
    global_step=0,
    step=0,
    loss=None,
    values={},
    output_dir=folder,
    writer=summaries.writer_for(folder) if folder else None,
  )


def take(hooks, run, step, words, loss=2.0, rate=0.5):
  """Tells hooks of a step."""
  run.global_step = run.step = step
  run.loss, run.values = loss, {"words": words, "rate": rate}
  for hook in hooks:
    hook.after_run(run)


class Clock:
  """Stands for the `time` module where a timer asks it."""

  now = 100.0

  def monotonic(self):
    return self.now

  perf_counter = monotonic


class ReportsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.clock = Clock()
    self.enter_context(mock.patch.object(reports, "time", self.clock))
    original = reports.Timer
    self.enter_context(
      mock.patch.object(
        reports,
        "Timer",
        lambda **kwargs: original(**kwargs, clock=self.clock.monotonic),
      )
    )

  def test_the_meter_adds_up_the_calls_of_train(self):
    meter, run = reports.Meter(), run_of()
    for words_before in (50, 100):  # The second begins where it was told to.
      meter.words_before = words_before
      meter.begin(run)
      for words in (10, 30):
        self.clock.now += 2
        take([meter], run, 1, words_before + words)
      self.clock.now += 1000  # an evaluation
    self.assertEqual(meter.words, 60)
    self.assertEqual(meter.seconds, 8)
    self.assertEqual(meter.words_per_second(), 7.5)

  def test_the_loss_of_the_last_step_is_kept(self):
    folder = new_folder()
    keeper, run = reports.LossKeeper(), run_of(folder)
    self.assertIsNone(reports.kept_loss(folder, 7))
    run.loss = 0.1 + 0.2  # No bit of it may be lost.
    keeper.before_save(run, 7)
    run.loss = None  # In the next process, before it takes a step.
    keeper.before_save(run, 7)
    self.assertEqual(reports.kept_loss(folder, 7), 0.1 + 0.2)
    self.assertIsNone(reports.kept_loss(folder, 6))

  def progress(self, *calls):
    """Returns what is printed in calls of train with some words of steps."""
    meter, run = reports.Meter(), run_of()
    hooks = [meter, reports.ProgressLine(5, meter, words_per_epoch=1000)]
    step = 0
    with contextlib.redirect_stdout(io.StringIO()) as out:
      for words in calls:
        for hook in hooks:
          hook.begin(run)
        for count in words:
          step += 1
          self.clock.now += 2.5
          take(hooks, run, step, count, loss=1.234, rate=0.02468)
        meter.words_before = words[-1]
        for hook in hooks:
          hook.end(run)
    return out.getvalue()

  def test_a_line_of_progress(self):
    # The first step only starts the clock; there is a line after 5 s, and one
    # at the end: 2,000 words in 5 s, as the first is of all that was before.
    self.assertEqual(
      self.progress([800, 900, 1000, 1800]),
      "Epoch    0 Step        3: lr = 0.025 loss =   1.23 "
      "words/sec =      133\r"
      "Epoch    1 Step        4: lr = 0.025 loss =   1.23 "
      "words/sec =      320\r\n",
    )

  def test_a_call_that_is_short_has_a_line(self):
    lines = self.progress([100], [350]).split("\r\n")
    self.assertRegex(lines[0], "Step        1: .* words/sec =       40$")
    self.assertRegex(lines[1], "Step        2: .* words/sec =      100$")
    self.assertEqual(lines[2:], [""])

  def test_on_a_terminal_lines_stay_above_the_bar(self):
    with mock.patch.object(reports, "progress_is_shown", return_value=True):
      self.assertRegex(self.progress([0, 0, 75]), r"words/sec = +10\n$")

  def test_summaries(self):
    folder = new_folder()
    meter, run = reports.Meter(), run_of(folder)
    hooks = [meter, reports.Summaries(5, meter)]
    for hook in hooks:
      hook.begin(run)
    take(hooks, run, 1, 100)
    self.clock.now += 5
    take(hooks, run, 3, 150, loss=0.75, rate=0.25)
    hooks[1].end(run)  # Nothing is left to tell.
    self.assertEqual(
      scalars(folder),
      {
        "loss": {2: 0.75},
        "learning_rate": {2: 0.25},
        "words_per_second": {2: 30.0},
      },
    )


if __name__ == "__main__":
  tf.test.main()

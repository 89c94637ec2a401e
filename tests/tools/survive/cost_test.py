"""Tests of how the cost of exact resume is reckoned."""

import tempfile
import types
from unittest import mock

from absl.testing import absltest

from tools.survive import cost, cost_runs, toy

SAVED = {
  "seconds": [9.0, 0.6, 0.6],
  "plain_seconds": [0.01, 0.02, 0.03],
  "size": 13_200_000,
  "plain_size": 13_100_000,
}


class CostTest(absltest.TestCase):
  def test_checkpoints(self):
    self.assertEqual(
      cost.of_checkpoints("a", SAVED).got,
      "13.20 MB in 600 ms; without position, checksums and certainty of the "
      "disk 13.10 MB in 20 ms",
    )

  def test_speed(self):
    # A save of 0.6 s in 60.6 s is 0.99 %.
    outcome = cost.of_speed("a", SAVED, 1.012, 3, 20.0, 1.0)
    self.assertTrue(outcome.passed)
    self.assertEqual(
      outcome.got,
      "0.99% at 60 s from the seconds of a save; +1.20% in turns with one "
      "every 20 s, the median of 3 rounds",
    )

  def test_too_slow(self):
    self.assertFalse(cost.of_speed("a", SAVED, 1.031, 3, 60.0, 1.0).passed)
    slow = SAVED | {"seconds": [2.0]}
    self.assertFalse(cost.of_speed("a", slow, 1.0, 3, 60.0, 1.0).passed)

  def test_ratio_is_the_median_of_rounds_that_take_turns(self):
    runs, asked = cost.Runs(None, None), []
    # Seconds without, with; with, without; without, with: 1.5, 1.2 and 1.1.
    seconds = iter([2.0, 3.0, 1.2, 1.0, 1.0, 1.1])

    def run(function, program, **arguments):
      asked.append(arguments.get("deterministic", False))
      return {"secs_per_step": next(seconds)}

    with mock.patch.object(runs, "run", run):
      self.assertAlmostEqual(runs.ratio("a", 9, 3, deterministic=True), 1.2)
    self.assertEqual(asked, [False, True, True, False, False, True])

  def test_clock_leaves_out_the_first_steps(self):
    clock = cost_runs.Clock(100)
    self.assertEqual(clock.next_step(5), 20)
    self.assertEqual(clock.next_step(20), 100)
    times = iter([7.0, 9.0, 17.0])
    with mock.patch.object(cost_runs.time, "monotonic", lambda: next(times)):
      for step in (10, 20, 40, 100):
        clock.after_run(types.SimpleNamespace(step=step))
    # From step 20 at 7 s to step 100 at 17 s.
    self.assertAlmostEqual(clock.secs_per_step(), 10 / 80)

  def test_saves_are_timed_beside_plain_ones(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    timer = cost_runs.SaveTimer(folder)
    model = toy.estimator(f"{folder}/model", size=1000)
    model.train(toy.input_fn, max_steps=1, saving_listeners=[timer])
    self.assertLen(timer.seconds, 2)
    self.assertLen(timer.plain_seconds, 2)
    self.assertGreater(timer.plain_size, 4000)
    self.assertGreater(timer.size, timer.plain_size)


if __name__ == "__main__":
  absltest.main()

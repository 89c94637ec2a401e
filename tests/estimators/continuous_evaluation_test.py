"""Tests of an evaluator beside a trainer, in an invented world."""

import json
import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator, EvalSpec, TrainSpec, evaluate_continuously
from estimators.trainer_watch import (
  FIRST_WORD_SECS,
  NEXT_TRAINING_SECS,
  SILENT_SECS,
)
from estimators.training_status import FILE
from tests.estimators import toys
from tests.estimators.evaluator_world import RecordingExporter, World, spec
from tests.estimators.helpers import new_folder

# Checkpoints 0, 10, ... 50, every ten seconds.
SAVES = {10 * i: 10 * i for i in range(6)}


class WorldTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.world = World()
    self.exporter = RecordingExporter(self.world)

  def exports(self):
    """Returns (step, whether it was the final one) of all exports."""
    return [(step, is_final) for step, is_final, _ in self.world.exported]


class ScheduleTest(WorldTest):
  def test_the_newest_at_most_every_throttle_secs(self):
    self.world.trainer(0, 55, SAVES)
    (evaluation,) = self.world.evaluator(
      spec(start_delay_secs=12, throttle_secs=15, exporters=self.exporter)
    )
    # At 12 s, 27 s, 42 s; and the last when training has ended.
    self.assertEqual(
      self.world.evaluated, [(12, 10), (27, 20), (42, 40), (55, 50)]
    )
    self.assertEqual(
      self.exports(), [(10, False), (20, False), (40, False), (50, True)]
    )
    self.assertEqual(evaluation.results, {"loss": 5.0, "global_step": 50})
    self.assertEqual(evaluation.exports, ["path"])
    self.assertEqual(self.world.now, 55)

  def test_slow_evaluations_skip_checkpoints(self):
    self.world.duration = 25.0
    self.world.trainer(0, 55, SAVES)
    self.world.evaluator(spec())
    self.assertEqual(self.world.evaluated, [(0, 0), (25, 20), (50, 50)])

  def test_every_checkpoint_however_slow(self):
    self.world.duration = 25.0
    self.world.trainer(0, 55, SAVES, keep=6)
    self.world.evaluator(
      spec(every_checkpoint=True, throttle_secs=600, exporters=self.exporter)
    )
    self.assertEqual(self.world.steps, [0, 10, 20, 30, 40, 50])
    self.assertEqual(
      [is_final for _, is_final in self.exports()][-2:], [False, True]
    )
    self.assertEqual(self.world.now, 150)

  def test_checkpoints_removed_before_their_turn_are_named(self):
    self.world.duration = 25.0
    # The steps 10 and 15 come and go while 0 is evaluated.
    self.world.trainer(0, 55, SAVES | {15: 15}, keep=1)
    with self.assertLogs("tensorflow", "WARNING") as logs:
      self.world.evaluator(spec(every_checkpoint=True, name="a"))
    self.assertEqual(self.world.steps, [0, 20, 50])
    lines = [record.getMessage() for record in logs.records]
    for steps, line in zip(("10 to 15", "30 to 40"), lines, strict=True):
      self.assertIn(
        f"The checkpoints of 2 steps, {steps}, were removed before evaluation "
        "in a. Keep more",
        line,
      )
      self.assertIn("keep_checkpoint_max", line)

  def test_several_sets_go_from_step_to_step_together(self):
    self.world.duration = 25.0
    self.world.trainer(0, 35, {0: 0, 10: 10, 20: 20})
    self.world.evaluator(
      spec(every_checkpoint=True, name="a"), spec(name="b", throttle_secs=30)
    )
    self.assertEqual(
      [done[1:] for done in self.world.evaluated],
      [(0, "a"), (0, "b"), (10, "a"), (20, "a"), (20, "b")],
    )

  def test_it_sleeps_while_there_is_nothing_to_do(self):
    naps = []
    self.world.trainer(0, 40, {30: 0})
    sleep = self.world.sleep
    self.world.sleep = lambda secs: (naps.append(secs), sleep(secs))
    self.world.evaluator(spec())
    self.assertLen([nap for nap in naps if nap == 1], 40)


class EndTest(WorldTest):
  def test_max_steps(self):
    self.world.trainer(0, 1000, SAVES)
    self.world.evaluator(spec(exporters=self.exporter), max_steps=40)
    self.assertEqual(self.world.steps, [0, 10, 20, 30, 40])
    self.assertEqual(self.exports()[-2:], [(30, False), (40, True)])

  def test_max_steps_of_every_set(self):
    self.world.trainer(0, 1000, SAVES)
    self.world.evaluator(
      spec(name="a"), spec(name="b", throttle_secs=35), max_steps=40
    )
    self.assertEqual(self.world.evaluated[-2:], [(40, 40, "a"), (70, 50, "b")])

  @parameterized.parameters(
    # One that failed may be started again.
    ("failed", "training has failed \\(ValueError\\) at step 50", 60, 112),
    ("stopped", "training has been stopped at step 50", 52, 52),
  )
  def test_training_breaks_off(self, state, line, when, end):
    self.world.trainer(0, 52, SAVES, state=state)
    with self.assertLogs("tensorflow", "INFO") as logs:
      self.world.evaluator(
        spec(throttle_secs=30, exporters=self.exporter), max_steps=90
      )
    self.assertRegex(str(logs.output), line)
    self.assertEqual(self.world.evaluated, [(0, 0), (30, 30), (when, 50)])
    self.assertEqual(self.exports()[-1], (50, False))
    self.assertEqual(self.world.now, end)

  def test_the_trainer_is_killed(self):
    self.world.trainer(0, 52, SAVES, state=None)  # Its last word is at 50 s.
    with self.assertLogs("tensorflow", "WARNING") as logs:
      self.world.evaluator(spec(exporters=self.exporter))
    self.assertRegex(
      str(logs.output), "no sign of life for 60 sec.*of step 40, process 1 on h"
    )
    self.assertEqual(self.world.steps, [0, 10, 20, 30, 40, 50])
    self.assertEqual(self.exports()[-1], (50, False))
    self.assertEqual(self.world.now, 50 + SILENT_SECS)

  def test_a_trainer_started_again_within_a_minute_is_followed_on(self):
    self.world.trainer(0, 22, {0: 0, 10: 10}, state=None)
    self.world.trainer(75, 100, {80: 20, 90: 30}, pid=2)
    self.world.evaluator(spec())
    self.assertEqual(self.world.steps, [0, 10, 20, 30])
    self.assertEqual(self.world.now, 100)

  def test_one_that_failed_is_started_again(self):
    self.world.trainer(0, 22, {0: 0, 10: 10}, state="failed")
    self.world.trainer(75, 100, {80: 20, 90: 30}, pid=2)
    self.world.evaluator(spec())
    self.assertEqual(self.world.steps, [0, 10, 20, 30])
    self.assertEqual(self.world.now, 100)

  def test_training_that_goes_on_while_the_last_is_evaluated(self):
    self.world.duration = 10.0
    self.world.trainer(0, 20, {19: 10})
    self.world.trainer(25, 50, {30: 20})
    self.world.evaluator(spec(exporters=self.exporter, start_delay_secs=30))
    self.assertEqual(self.world.steps, [10, 20])
    self.assertEqual(self.exports(), [(10, False), (20, False)])

  @parameterized.parameters((False, [10, 30]), (True, [10, 20, 30]))
  def test_training_that_finishes_again_meanwhile(self, every, steps):
    self.world.duration = 30.0
    self.world.trainer(0, 20, {20: 10})
    self.world.trainer(22, 45, {30: 20, 44: 30})
    self.world.evaluator(spec(exporters=self.exporter, every_checkpoint=every))
    self.assertEqual(self.exports(), [(step, step == 30) for step in steps])

  @parameterized.parameters((None, [10], 20), (30, [10, 20, 30], 100))
  def test_several_trainings_by_one_program(self, max_steps, steps, end):
    self.world.trainer(0, 20, {10: 10})
    self.world.trainer(50, 70, {60: 20})
    self.world.trainer(80, 200, {100: 30})
    self.world.evaluator(spec(), max_steps=max_steps)
    self.assertEqual(self.world.steps, steps)
    self.assertEqual(self.world.now, end)

  def test_no_trainer_ever(self):
    with self.assertLogs("tensorflow", "WARNING") as logs:
      (evaluation,) = self.world.evaluator(spec())
    self.assertIn("the last was none at all", str(logs.output))
    self.assertEqual(self.world.now, FIRST_WORD_SECS)
    self.assertIsNone(evaluation.results)

  def test_checkpoints_without_a_trainer(self):
    self.world.save(10)
    self.world.evaluator(spec())
    self.assertEqual(self.world.evaluated, [(0, 10)])
    self.assertEqual(self.world.now, FIRST_WORD_SECS)


class RestartTest(WorldTest):
  def test_nothing_twice_and_nothing_missed(self):
    self.world.trainer(0, 55, SAVES, keep=6)

    def killed(path):
      if path.endswith("-20"):
        raise KeyboardInterrupt

    self.world.at_restore = killed
    every = spec(every_checkpoint=True, exporters=self.exporter)
    with self.assertRaises(KeyboardInterrupt):
      self.world.evaluator(every)
    self.assertEqual(self.world.steps, [0, 10])
    self.world.at_restore = lambda path: None
    self.world.sleep(100)
    self.world.evaluator(every, max_steps=50)
    self.assertEqual(self.world.steps, [0, 10, 20, 30, 40, 50])
    self.assertEqual(self.exports()[-1], (50, True))
    (evaluation,) = self.world.evaluator(every)
    self.assertIsNone(evaluation.results)
    self.assertLen(self.world.evaluated, 6)
    self.assertLen(self.world.exported, 6)

  def test_killed_before_the_export(self):
    self.world.trainer(0, 20, {0: 10})
    self.world.trainer(20, 40, {})

    class Killed(RecordingExporter):
      def export(self, *args, **kwargs):
        raise KeyboardInterrupt

    with self.assertRaises(KeyboardInterrupt):
      self.world.evaluator(
        spec(exporters=[self.exporter, Killed(self.world, name="killed")])
      )
    other = RecordingExporter(self.world, name="killed")
    self.world.evaluator(spec(exporters=[self.exporter, other]))
    self.assertEqual(self.world.steps, [10])
    # The first exporter had done its part.
    results = {"loss": 1.0, "global_step": 10}
    self.assertEqual(self.world.exported, [(10, False, results)] * 2)

  def test_an_exporter_that_returns_nothing_sees_the_end(self):
    exporter = RecordingExporter(self.world, returned=None)
    self.world.trainer(0, 20, {0: 10, 10: 20})
    for _ in range(2):
      self.world.evaluator(spec(exporters=exporter))
    self.assertEqual(self.exports(), [(10, False), (20, False), (20, True)])

  @parameterized.parameters(
    # How an earlier training ended, and how long the next one may take, with
    # the default of start_delay_secs as well.
    ("finished", 0, NEXT_TRAINING_SECS),
    ("finished", 120, 120),
    ("stopped", 0, FIRST_WORD_SECS),
    ("failed", 0, FIRST_WORD_SECS),
    (None, 120, FIRST_WORD_SECS),  # Killed.
  )
  def test_an_earlier_training(self, state, delay, wait):
    self.world.trainer(0, 20, {10: 10, 12: 20}, state=state)
    self.world.sleep(100)
    self.world.trainer(
      100 + wait - 5, 800, {105 + wait: 30}, pid=2, state="stopped"
    )
    with self.assertLogs("tensorflow", "INFO") as logs:
      self.world.evaluator(spec(start_delay_secs=delay))
    # What was there is evaluated before.
    self.assertEqual(
      self.world.evaluated, [(100 + delay, 20), (105 + wait, 30)]
    )
    self.assertIn(
      f"news from the trainer, for {wait:.0f} secs at most; what is there is "
      f"{state or 'running'!r} at step 20",
      logs.records[bool(delay)].getMessage(),
    )

  @parameterized.parameters(None, "finished")
  def test_a_checkpoint_is_a_sign_of_life(self, state):
    self.world.trainer(0, 20, {10: 10}, state=state)
    self.world.sleep(100)
    self.world.at(103, lambda: self.world.save(20))
    self.world.at(130, lambda: self.world.save(30))
    self.world.evaluator(spec())
    self.assertEqual(self.world.steps, [10, 20, 30])
    self.assertEqual(self.world.now, 130 + SILENT_SECS)

  def test_an_earlier_training_was_the_last(self):
    self.world.trainer(0, 20, {10: 10})
    final = RecordingExporter(self.world, returned=None)
    self.world.sleep(100)
    self.world.evaluator(spec(exporters=final))
    self.assertEqual(self.world.evaluated, [(100, 10)])
    self.assertEqual(self.exports(), [(10, False), (10, True)])
    self.assertEqual(self.world.now, 100 + NEXT_TRAINING_SECS)

  def test_progress_beyond_the_checkpoints_of_a_new_training(self):
    self.world.trainer(0, 20, {10: 10, 19: 50})
    self.world.evaluator(spec(), max_steps=50)
    self.world.begin_anew()
    os.remove(os.path.join(self.world.model_dir, FILE))
    self.world.sleep(100)
    now = self.world.now
    saves = {now + 20: 20, now + 50: 50}
    self.world.trainer(now + 5, now + 60, saves, pid=2)
    self.world.evaluator(spec(), max_steps=50)
    self.assertEqual(self.world.steps, [10, 50, 20, 50])

  @parameterized.parameters("", "{", "[]", '{"step": 3}')
  def test_damaged_files(self, text):
    self.world.save(10)
    with open(os.path.join(self.world.model_dir, FILE), "w") as file:
      file.write(text)
    self.world.evaluator(spec())  # As if no trainer had ever been there.
    self.assertEqual(self.world.steps, [10])
    path = os.path.join(self.world.model_dir, "eval", "progress.json")
    with open(path, "w") as file:
      file.write(text)
    with self.assertLogs("tensorflow", "WARNING") as logs:
      self.world.evaluator(spec())
    self.assertRegex(str(logs.output), f"{path} must hold step, .* is damaged")
    self.assertEqual(self.world.steps, [10, 10])

  def test_training_that_begins_anew(self):
    self.world.trainer(0, 30, {10: 10, 20: 20})
    self.world.evaluator(spec(every_checkpoint=True))
    self.world.begin_anew()
    self.world.trainer(40, 60, {45: 0, 50: 10}, pid=2)
    with self.assertLogs("tensorflow", "WARNING") as logs:
      self.world.evaluator(
        spec(every_checkpoint=True, start_delay_secs=20), max_steps=30
      )
    self.assertIn("begin anew", str(logs.output))
    self.assertEqual(self.world.steps, [10, 20, 0, 10])


class VanishingTest(WorldTest):
  def test_a_checkpoint_that_goes_while_it_is_read(self):
    self.world.trainer(0, 55, SAVES)

    def vanishes(path):
      if path.endswith("-20"):
        os.remove(path + ".index")
        raise tf.errors.NotFoundError(None, None, "data-00000-of-00001")

    self.world.at_restore = vanishes
    with self.assertLogs("tensorflow", "WARNING") as logs:
      self.world.evaluator(spec())
    self.assertIn("step 20 was removed", str(logs.output))
    self.assertEqual(self.world.steps, [0, 10, 30, 40, 50])

  def test_a_checkpoint_that_goes_while_it_is_exported(self):
    self.world.trainer(0, 55, SAVES)

    class Vanishing(RecordingExporter):
      def export(
        self, estimator, export_path, checkpoint_path, *args, **kwargs
      ):
        if checkpoint_path.endswith("-50"):
          os.remove(checkpoint_path + ".index")
          raise ValueError("there is no checkpoint")
        return super().export(
          estimator, export_path, checkpoint_path, *args, **kwargs
        )

    with self.assertLogs("tensorflow", "WARNING") as logs:
      (evaluation,) = self.world.evaluator(
        spec(exporters=[self.exporter, Vanishing(self.world, name="v")])
      )
    self.assertRegex(
      str(logs.output), "step 50 was removed before it was exported: its result"
    )
    self.assertLen(logs.output, 1)
    self.assertEqual(evaluation.results, {"loss": 5.0, "global_step": 50})
    self.assertEqual(evaluation.exports, ["path", None])
    with open(self.world.eval_dir() + "/progress.json") as file:
      self.assertEqual(json.load(file)["results"], evaluation.results)

  def test_other_errors_are_errors(self):
    self.world.trainer(0, 55, SAVES)

    def fails(path):
      raise ValueError("the model is another")

    self.world.at_restore = fails
    with self.assertRaisesRegex(ValueError, "the model is another"):
      self.world.evaluator(spec())


class EvaluateContinuouslyTest(tf.test.TestCase):
  def test_a_training_that_has_ended(self):
    estimator = Estimator(toys.line_fn, new_folder())
    estimator.train(toys.input_of([1.0] * 5, np.ones(5, np.float32)))
    ones = toys.input_of([1.0], np.zeros(1, np.float32))
    other = Estimator(toys.line_fn, estimator.model_dir)
    results, exports = evaluate_continuously(
      other, EvalSpec(ones, start_delay_secs=0), max_steps=5
    )
    slope = toys.line_steps([([1], [1])] * 5)
    self.assertAllClose(
      results, {"loss": slope**2, "error": slope, "global_step": 5}
    )
    self.assertEqual(exports, [])
    named = EvalSpec(ones, start_delay_secs=0, name="a")
    results, _ = evaluate_continuously(other, [named], max_steps=5)
    self.assertAllClose(results["a"]["error"], slope)
    self.assertEqual(
      evaluate_continuously(other, [named], max_steps=5), ({"a": None}, [])
    )

  def test_wrong_arguments(self):
    estimator = Estimator(toys.line_fn, new_folder())
    with self.assertRaisesRegex(TypeError, "estimator must be of Estimator"):
      evaluate_continuously(3, spec())
    with self.assertRaisesRegex(TypeError, "eval_spec must be of EvalSpec"):
      evaluate_continuously(estimator, TrainSpec(dict))
    with self.assertRaisesRegex(ValueError, "names that differ"):
      evaluate_continuously(estimator, [spec(), spec()])
    with self.assertRaisesRegex(ValueError, "max_steps > 0, given: 0"):
      evaluate_continuously(estimator, spec(), max_steps=0)


if __name__ == "__main__":
  tf.test.main()

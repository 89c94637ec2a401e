import types
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  CheckpointSaverHook,
  CheckpointSaverListener,
  FinalOpsHook,
  GlobalStepWaiterHook,
  Hook,
  LoggingTensorHook,
  NanLossDuringTrainingError,
  NanTensorHook,
  ProfilerHook,
  RunConfig,
  StepCounterHook,
  StopAtStepHook,
  SummarySaverHook,
  hooks,
  workers,
)
from estimators.runner import Run


class Clock:
  """A clock that stands where it is put."""

  now = 0.0

  def __call__(self):
    return self.now


def train_run(step=0, loss=1.0, **attributes):
  estimator = types.SimpleNamespace(writes=True)
  run = Run(estimator, "train", step, None, tf.summary.create_noop_writer())
  run.loss = loss
  for name, value in attributes.items():
    setattr(run, name, value)
  return run


def steps_called(hook, last, start=0):
  """Returns the steps at which the runner calls after_run of one hook."""
  step, called = start, []
  while step < last:
    step = min(hook.next_step(step) or last, last)
    called.append(step)
    hook.after_run(train_run(step))
  return called


class TimerTest(parameterized.TestCase, tf.test.TestCase):
  def test_steps(self):
    timer = hooks.Timer(every_steps=10, clock=Clock())
    self.assertEqual(timer.next_step(0), 1)
    self.assertTrue(timer.is_due(1))
    self.assertEqual(timer.mark(1), (None, None))
    self.assertFalse(timer.is_due(1))
    self.assertFalse(timer.is_due(10))
    self.assertTrue(timer.is_due(11))
    self.assertEqual(timer.next_step(1), 11)
    self.assertEqual(timer.next_step(15), 16)

  def test_steps_of_a_run_that_was_stopped(self):
    for begins_at, expected in ((1, [36, 41, 51]), (0, [36, 40, 50])):
      timer = hooks.Timer(10, clock=Clock(), begins_at=begins_at)
      step, steps = 35, []
      while len(steps) < 3:
        step = timer.next_step(step)
        self.assertTrue(timer.is_due(step))
        timer.mark(step)
        steps.append(step)
      self.assertEqual(steps, expected)
      self.assertEqual(
        [timer.is_regular(step) for step in steps], [False, True, True]
      )

  def test_seconds(self):
    clock = Clock()
    timer = hooks.Timer(every_secs=2, clock=clock)
    self.assertTrue(timer.is_due(1))
    timer.mark(1)
    self.assertIsNone(timer.next_step(1))
    clock.now = 1.9
    self.assertFalse(timer.is_due(5))
    clock.now = 2.5
    self.assertTrue(timer.is_due(5))
    self.assertEqual(timer.mark(5), (2.5, 4))
    clock.now = 9.0
    self.assertFalse(timer.is_due(5))
    timer.reset()
    self.assertTrue(timer.is_due(5))

  @parameterized.parameters(
    ({}, "exactly one"),
    ({"every_steps": 1, "every_secs": 1}, "exactly one"),
    ({"every_steps": 0}, "positive"),
    ({"every_secs": -1}, "positive"),
  )
  def test_wrong_cadences(self, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      hooks.Timer(**arguments)


class CheckedTest(parameterized.TestCase, tf.test.TestCase):
  def test_a_list_becomes_a_tuple(self):
    hook = Hook()
    self.assertEqual(hooks.checked(None), ())
    self.assertEqual(hooks.checked([hook]), (hook,))

  @parameterized.parameters(
    ([Hook], "must be an estimators.Hook"),
    ([CheckpointSaverListener()], "must be an estimators.Hook"),
    (Hook(), "put it into a list"),
  )
  def test_others_are_refused(self, value, message):
    with self.assertRaisesRegex(TypeError, message):
      hooks.checked(value)


class LoggingTensorHookTest(tf.test.TestCase):
  def lines(self, hook, run, method="after_run"):
    with self.assertLogs("tensorflow") as logs:
      getattr(hook, method)(run)
    return [record.getMessage() for record in logs.records]

  def test_first_step_and_then_every_n(self):
    hook = LoggingTensorHook({"a": "x", "b": "y"}, every_n_iter=10)
    hook.begin(train_run())
    values = {"a": np.float32(0.1), "b": np.array([1, 2])}
    run = train_run(1, values=values)
    self.assertEqual(self.lines(hook, run), ["a = 0.1, b = [1 2]"])
    self.assertEqual(hook.next_step(1), 11)
    with self.assertNoLogs("tensorflow"):
      hook.after_run(train_run(10, values=values))
    (line,) = self.lines(hook, train_run(11, values=values))
    self.assertRegex(line, r"^a = 0.1, b = \[1 2\] \(\d+\.\d{3} sec\)$")

  def test_a_list_of_names_is_tagged_by_them(self):
    self.assertEqual(
      LoggingTensorHook(["x", "y"], at_end=True).tensors, {"x": "x", "y": "y"}
    )

  def test_only_at_the_end(self):
    hook = LoggingTensorHook(["x"], at_end=True)
    hook.begin(train_run())
    run = train_run(1, values={"x": 3})
    self.assertIsNone(hook.next_step(0))
    with self.assertNoLogs("tensorflow"):
      hook.after_run(run)
    self.assertEqual(self.lines(hook, run, "end"), ["x = 3"])

  def test_formatter_makes_the_line(self):
    hook = LoggingTensorHook(
      ["x"], every_n_secs=5, formatter=lambda values: f"<{values['x']:d}%>"
    )
    hook.begin(train_run())
    self.assertEqual(self.lines(hook, train_run(1, values={"x": 3})), ["<3%>"])

  def test_needs_a_cadence(self):
    with self.assertRaisesRegex(ValueError, "exactly one"):
      LoggingTensorHook(["x"])


class StopAtStepHookTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    ({"num_steps": 3}, 8),
    ({"last_step": 7}, 7),
    ({"last_step": 5}, 5),
    ({"last_step": 2}, 5),
  )
  def test_stops_there(self, arguments, expected):
    hook = StopAtStepHook(**arguments)
    run = train_run(5)
    hook.begin(run)
    while not run.stop_requested:
      run.global_step = hook.next_step(run.global_step)
      hook.after_run(run)
    self.assertEqual(run.global_step, expected)

  @parameterized.parameters({}, {"num_steps": 1, "last_step": 1})
  def test_exactly_one_argument(self, **arguments):
    with self.assertRaisesRegex(ValueError, "exactly one"):
      StopAtStepHook(**arguments)


class NanTensorHookTest(parameterized.TestCase, tf.test.TestCase):
  @parameterized.parameters(
    (float("nan"), "NaN"), (float("inf"), "Inf"), (float("-inf"), "Inf")
  )
  def test_names_the_step(self, loss, what):
    with self.assertLogs("tensorflow", "ERROR") as logs:
      with self.assertRaisesRegex(NanLossDuringTrainingError, "global_step 6"):
        NanTensorHook().after_run(train_run(7, loss))
    self.assertIn(f"Model diverged with loss = {what}", logs.output[0])

  def test_may_stop_cleanly(self):
    run = train_run(7, float("inf"))
    with self.assertLogs("tensorflow", "WARNING"):
      NanTensorHook(fail_on_nan_loss=False).after_run(run)
    self.assertTrue(run.stop_requested)

  def test_other_losses_are_fine(self):
    for loss in (None, 0.0, 1e38):
      run = train_run(7, loss)
      NanTensorHook().after_run(run)
      self.assertFalse(run.stop_requested)


class CadenceTest(tf.test.TestCase):
  def test_step_counter(self):
    hook = StepCounterHook(every_n_steps=10)
    hook.begin(train_run())
    with self.assertLogs("tensorflow") as logs:
      self.assertEqual(steps_called(hook, 25), [1, 11, 21, 25])
    self.assertLen(logs.records, 2)
    self.assertRegex(
      logs.records[0].getMessage(), r"^global_step/sec: [\d.e+]+"
    )

  def test_summary_saver(self):
    hook = SummarySaverHook({"a": "x"}, save_steps=10)
    hook.begin(train_run())
    self.assertEqual(steps_called(hook, 25), [1, 11, 21, 25])

  def test_checkpoint_saver(self):
    saves = []
    hook = CheckpointSaverHook(save_steps=3)
    run = train_run(
      5,
      save_checkpoint=lambda listeners: saves.append(run.step),
      saving_listeners=(),
    )
    hook.begin(run)
    while run.global_step < 13:
      run.global_step = min(hook.next_step(run.global_step), 13)
      hook.after_run(run)
    hook.end(run)
    # As if training had begun at 0.
    self.assertEqual(saves, [5, 6, 9, 12, 13])

  def test_profiler_takes_one_step_but_not_the_first(self):
    hook = ProfilerHook(save_steps=3)
    profiler = tf.profiler.experimental
    calls = []
    with (
      mock.patch.object(profiler, "start", lambda folder: calls.append(folder)),
      mock.patch.object(profiler, "stop", lambda: calls.append("stop")),
    ):
      run = train_run(output_dir="folder")
      hook.begin(run)
      while run.global_step < 7:
        run.global_step = hook.next_step(run.global_step)
        calls.append(run.global_step)
        hook.after_run(run)
      hook.end(run)
    expected = [3, "folder", 4, "stop", 6, "folder", 7, "stop"]
    self.assertEqual(calls, expected)

  def test_the_chief_alone_profiles(self):
    hook = ProfilerHook(save_steps=3)
    run = train_run(estimator=types.SimpleNamespace(writes=False))
    with mock.patch.object(tf.profiler.experimental, "start") as start:
      hook.begin(run)
      self.assertIsNone(hook.next_step(0))
      run.global_step = 9
      hook.after_run(run)
      hook.end(run)
    start.assert_not_called()


class OtherHooksTest(tf.test.TestCase):
  def test_final_ops(self):
    variable = tf.Variable(1)
    hook = FinalOpsHook(lambda: {"a": variable, "b": [variable + 1]})
    self.assertIsNone(hook.final_ops_values)
    variable.assign(5)
    hook.end(train_run())
    self.assertEqual(hook.final_ops_values, {"a": 5, "b": [6]})
    with self.assertRaisesRegex(TypeError, "wrap it"):
      FinalOpsHook(variable)

  def test_waits_for_another_process(self):
    paths = [None, "/m/model.ckpt-0", "/m/model.ckpt-19", "/m/model.ckpt-20"]
    waiting = list(paths)
    estimator = types.SimpleNamespace(
      latest_checkpoint=lambda: waiting.pop(0), config=RunConfig()
    )
    hook = GlobalStepWaiterHook(20, poll_secs=0)
    hook.begin(train_run(estimator=estimator))
    self.assertEmpty(waiting)
    GlobalStepWaiterHook(0).begin(train_run(estimator=estimator))

  def test_workers_that_train_together_do_not_wait(self):
    estimator = types.SimpleNamespace(config=RunConfig())
    with (
      mock.patch.object(workers, "of"),
      self.assertLogs("tensorflow", "WARNING") as logs,
    ):
      GlobalStepWaiterHook(20).begin(train_run(estimator=estimator))
    self.assertIn("does nothing here", logs.output[0])


if __name__ == "__main__":
  tf.test.main()

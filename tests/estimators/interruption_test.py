"""Tests of what SIGTERM and Ctrl-C do to a training."""

import importlib.machinery
import os
import signal
import sys
import threading
import types
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EvalSpec,
  Exporter,
  Hook,
  InMemoryEvaluatorHook,
  RunConfig,
  TrainSpec,
  train_and_evaluate,
)
from estimators.interruption import Interrupted, Interruption, check
from estimators.runner import Run
from tests.estimators import toys
from tests.estimators.helpers import new_folder, scalars, slope_after

ONES = toys.input_of(np.ones(6), np.ones(6, np.float32))


def kill(number=signal.SIGTERM):
  os.kill(os.getpid(), number)


class Kills(Hook):
  """Sends a signal to this process from one of its methods, at a step.

  Attributes:
    ended: int, how often `end` was called.
  """

  def __init__(self, method, step):
    self._place = (method, step)
    self.ended = 0

  def _kill_at(self, *place):
    if place == self._place:
      self._place = None
      kill()

  def begin(self, run):
    self._kill_at("begin", run.global_step)

  def after_run(self, run):
    self._kill_at("after_run", run.global_step)

  def end(self, run):
    self.ended += 1
    self._kill_at("end", run.global_step)


class Exports(Exporter):
  """Notes the steps that it exports, and may send a signal in one."""

  def __init__(self, name, steps, kills_at=None):
    self._name, self._steps, self._kills_at = name, steps, kills_at

  @property
  def name(self):
    return self._name

  def export(
    self,
    estimator,
    export_path,
    checkpoint_path,
    eval_result,
    is_the_final_export,
  ):
    self._steps.append((self._name, int(eval_result["global_step"])))
    if self._kills_at == eval_result["global_step"]:
      kill()
    return export_path


class InterruptionTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    # A job in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    self.addCleanup(signal.signal, signal.SIGINT, before)

  @parameterized.parameters(
    (signal.SIGTERM, SystemExit, 143), (signal.SIGINT, KeyboardInterrupt, None)
  )
  def test_a_signal_asks_to_stop(self, number, error, code):
    before = signal.getsignal(number)
    estimator = types.SimpleNamespace(latest_checkpoint=lambda: "ckpt-3")
    run = Run(estimator, "train", 3, None, None)
    interruption = Interruption(run)
    spec = importlib.machinery.ModuleSpec("my.program", None)
    program = types.SimpleNamespace(__spec__=spec)
    with (
      mock.patch.dict(sys.modules, {"__main__": program}),
      mock.patch.object(sys, "argv", ["", "--name=x"]),
      self.assertLogs("tensorflow", "WARNING") as logs,
      self.assertRaises(error) as raised,
      interruption.watched(),
    ):
      os.kill(os.getpid(), number)
      self.assertTrue(run.stop_requested)
      self.assertEqual(interruption.signal, number)
      # A second signal has its usual effect.
      self.assertIs(signal.getsignal(number), before)
    # Nobody has called `leave` meanwhile.
    self.assertIs(signal.getsignal(number), before)
    self.assertEqual(getattr(raised.exception, "code", None), code)
    self.assertIn("after step 3", logs.output[0])
    self.assertIn("ckpt-3: python -m my.program --name=x", logs.output[0])

  def test_what_is_done_between_steps_is_broken_off(self):
    check()  # Outside of a training.
    interruption = Interruption(Run(None, "train", 0, None, None))
    with (
      mock.patch.object(interruption, "leave") as leave,
      interruption.watched(),
    ):
      check()
      kill()
      with self.assertRaises(Interrupted):
        check()
      done = []
      with interruption.breaking_off():
        check()
        done.append(1)
      thread = threading.Thread(target=lambda: done.append(check()))
      thread.start()
      thread.join()
    check()
    self.assertEqual(done, [None])
    leave.assert_called_once_with()

  def test_without_a_signal_all_is_as_before(self):
    before = signal.getsignal(signal.SIGTERM)
    interruption = Interruption(Run(None, "train", 0, None, None))
    with self.assertRaises(ZeroDivisionError), interruption.watched():
      self.assertIsNot(signal.getsignal(signal.SIGTERM), before)
      raise ZeroDivisionError
    self.assertIs(signal.getsignal(signal.SIGTERM), before)
    self.assertIsNone(interruption.signal)

  def test_what_is_not_pythons_to_handle_stays(self):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    self.addCleanup(signal.signal, signal.SIGINT, before)
    getsignal = signal.getsignal
    foreign = mock.patch.object(
      signal,
      "getsignal",
      lambda n: None if n == signal.SIGTERM else getsignal(n),
    )
    interruption = Interruption(Run(None, "train", 0, None, None))
    term = getsignal(signal.SIGTERM)
    with foreign, interruption.watched():
      kill(signal.SIGINT)
      self.assertIs(getsignal(signal.SIGTERM), term)
    self.assertIsNone(interruption.signal)

  def test_other_threads_cannot_watch(self):
    seen = []

    def train():
      with Interruption(Run(None, "train", 0, None, None)).watched():
        seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    self.assertEqual(seen, [before])


class TrainingTest(parameterized.TestCase, tf.test.TestCase):
  """Signals that come at any place of a training of 6 steps."""

  def setUp(self):
    super().setUp()
    self.model_dir = new_folder()
    self.exported = []

  def estimator(self):
    config = RunConfig(self.model_dir, save_checkpoints_steps=2)
    return Estimator(toys.line_fn, config=config)

  def run_it(self, eval_hooks=(), kills_at=None):
    exporters = [
      Exports("a", self.exported, kills_at),
      Exports("b", self.exported),
    ]
    return train_and_evaluate(
      self.estimator(),
      TrainSpec(ONES, max_steps=6),
      EvalSpec(ONES, None, None, list(eval_hooks), exporters, 0, 0),
    )

  def assert_stopped(self, step, train, *args, **kwargs):
    with self.assertRaises(SystemExit) as raised:
      train(*args, **kwargs)
    self.assertEqual(raised.exception.code, 143)
    slope = self.estimator().get_variable_value(toys.LINE)[0, 0]
    self.assertAllClose(slope, slope_after(step))
    self.assertNotIn("train.lock", os.listdir(self.model_dir))

  def test_in_an_evaluation(self):
    hook = Kills("after_run", 4)
    self.assert_stopped(4, self.run_it, eval_hooks=[hook])
    self.assertEqual(hook.ended, 1)  # That of step 2.
    self.assertEqual(self.exported, [("a", 2), ("b", 2)])
    found = scalars(os.path.join(self.model_dir, "eval"))
    self.assertCountEqual(found["loss"], [2])
    results, _ = self.run_it()
    self.assertEqual(results["global_step"], 6)
    slope = self.estimator().get_variable_value(toys.LINE)[0, 0]
    self.assertAllClose(slope, slope_after(6))

  def test_in_an_export(self):
    self.assert_stopped(2, self.run_it, kills_at=2)
    self.assertEqual(self.exported, [("a", 2)])

  def test_at_the_ends_and_in_a_step(self):
    estimator = self.estimator()
    for place in (("begin", 0), ("after_run", 1), ("end", 6)):
      hook = Kills(*place)
      self.assert_stopped(
        place[1], estimator.train, ONES, hooks=[hook], max_steps=6
      )
      # At the end all is done first.
      self.assertEqual(hook.ended, place[0] == "end")

  def test_an_evaluation_in_memory(self):
    estimator = self.estimator()
    for place in (("begin", 0), ("after_run", 3), ("end", 6)):
      hook = InMemoryEvaluatorHook(
        estimator, ONES, hooks=[Kills("after_run", place[1])], every_n_iter=3
      )
      self.assert_stopped(
        place[1], estimator.train, ONES, hooks=[hook], max_steps=6
      )


if __name__ == "__main__":
  tf.test.main()

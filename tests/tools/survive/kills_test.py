"""Tests of the trial by SIGKILL, and a short form of it."""

import functools
import os
import random
import tempfile
import types
from unittest import mock

import pytest
from absl.testing import absltest, parameterized

from tools.survive import kill_trials, kills, processes, toy, traces
from tools.survive.kill_trials import Trial
from tools.survive.nursery import Nursery
from tools.survive.processes import Moment

TOY = {"max_steps": 40, "save_steps": 2}


def started(nursery, module, args):
  """As `processes.program`, but of the toy in a child of a nursery."""
  (model_dir,) = (arg.removeprefix("--model_dir=") for arg in args)
  return nursery.starter(module, "train", TOY | {"model_dir": model_dir})


class KillsTest(absltest.TestCase):
  @pytest.mark.slow
  def test_a_killed_toy_ends_as_an_unbroken_one(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    with Nursery() as nursery:
      start = functools.partial(started, nursery)
      trial = Trial("toy", toy.__name__, (), start=start)
      (outcome,) = kills.run(0.1, folder, [trial])
    self.assertEqual(outcome.got, "2 kills; identical")
    self.assertEqual(outcome.name, "SIGKILL in toy, stand-in data")
    self.assertTrue(outcome.passed)

  def test_what_hangs_is_a_difference(self):
    class Sleeper:
      returncode = None

      def poll(self):
        return self.returncode

      def kill(self):
        self.returncode = -9

      wait = poll

    def start(out, err):
      open(out, "w").close()
      return Sleeper()

    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.enterContext(mock.patch.object(processes, "_LONGEST_SECS", 0.01))
    unbroken = mock.Mock()
    unbroken.life.return_value = processes.Life(start, folder, folder + "/log")
    killed, found = kills.broken_run(
      unbroken, folder, [Moment(None, 9.0)], random.Random(1), mock.Mock()
    )
    self.assertEqual((killed, found), (0, ["a process hung, after 0 s"]))

  def test_moments_are_spread_over_the_life(self):
    unbroken = types.SimpleNamespace(
      trace=types.SimpleNamespace(step=100), start=8.0, train=40.0, tail=2.0
    )
    found = kills.moments(unbroken, 20, random.Random(1))
    starting = [m for m in found if m.step is None]
    ending = [m for m in found if m.step == 100]
    self.assertBetween(len(starting), 1, 8)
    self.assertTrue(all(0 <= m.seconds <= 8 for m in starting))
    self.assertTrue(ending)
    steps = [m.step for m in found if m.step is not None]
    self.assertEqual(steps, sorted(steps))
    self.assertLess(steps[0], 20)

  def test_a_moment_is_ahead_of_the_process(self):
    unbroken = types.SimpleNamespace(
      trace=types.SimpleNamespace(step=100), start=8.0, train=40.0, tail=2.0
    )
    rng = random.Random(1)
    ahead = functools.partial(kills.reachable, unbroken=unbroken, rng=rng)
    moment = Moment(50, 0.5)
    self.assertEqual(ahead(moment, step=49), moment)
    self.assertEqual(ahead(moment, step=60), Moment(61, 0.5))
    self.assertIsNone(ahead(moment, step=100).step)
    self.assertEqual(ahead(Moment(None, 3.0), step=60), Moment(None, 3.0))


class TracesTest(absltest.TestCase):
  def trace(self, **changes):
    fields = {
      "step": 4,
      "values": {"w": ("float32", (1,), b"\0\0\0\0")},
      "metrics": {"loss": 0.5},
      "events": {
        ("eval", "loss", 4): [b"a"],
        (".", "global_step/sec", 3): [b"b"],
      },
    }
    return traces.Trace(**fields | changes)

  def test_equal_ones(self):
    self.assertEmpty(traces.differences(self.trace(), self.trace()))

  def test_a_rate_may_be_another_or_missing(self):
    without = self.trace(events={("eval", "loss", 4): [b"a"]})
    self.assertEmpty(traces.differences(self.trace(), without))

  def test_differences_are_named(self):
    for changes, message in (
      (dict(step=5), "last step 5 instead of 4"),
      (dict(values={"w": ("float32", (1,), b"\0\0\0\1")}), "variables.*: w"),
      (dict(values={}), "1 of 1 variables differ: w"),
      (dict(metrics={"loss": 0.5000001}), "metrics differ: loss"),
      (dict(events={("eval", "loss", 4): [b"c"]}), "events differ: .'eval'"),
      (dict(events={}), "events differ: .'eval'"),
      (
        dict(events={("eval", "loss", 4): [b"a", b"a"]}),
        "there repeatedly.*'eval', 'loss', 4",
      ),
    ):
      with self.subTest(message):
        (line,) = traces.differences(self.trace(), self.trace(**changes))
        self.assertRegex(line, message)

  def test_by_the_clock_only_what_both_have_is_compared(self):
    other = self.trace(events={("eval", "loss", 5): [b"c"]})
    self.assertEmpty(traces.differences(self.trace(), other, by_clock=True))


class EveryExperimentTest(parameterized.TestCase):
  """All programs that train, those that `make survive` leaves out as well."""

  @parameterized.parameters(
    *(
      ("experiments.mnist.main", f"--model={model}", 1)
      for model in (
        "softmax", "fully_connected", "deep", "convolutional", "linear",
        "kernel",
      )
    ),
    *(
      ("experiments.census.main", f"--model_type={model}", 20)
      for model in ("wide", "deep")
    ),
    ("experiments.ptb.main", "--cell=gru", 100),
    ("experiments.word2vec.main", "--model=basic", 200),
    ("experiments.word2vec.main", "--model=batched", 50),
  )  # fmt: skip
  @pytest.mark.slow
  def test_a_killed_self_test_ends_as_an_unbroken_one(self, module, *args):
    *args, save_steps = args
    trial = Trial(
      module,
      module,
      (*args, "--self_test", f"--save_checkpoints_steps={save_steps}"),
      by_clock="word2vec" in module,
    )
    folder = self.enterContext(tempfile.TemporaryDirectory())
    (outcome,) = kills.run(1 / kills.KILLS, folder, [trial])
    self.assertEqual(outcome.got, "1 kills; identical")


class DataTest(absltest.TestCase):
  def test_the_data_are_named(self):
    for data_dir, real in (
      ("", []),
      (self.folder, ["MNIST cnn", "PTB small"]),
    ):
      with mock.patch.dict("os.environ", TEST_DATA_DIR=data_dir):
        found = [trial.name for trial in kill_trials.TRIALS if trial.is_real()]
      self.assertEqual(found, real)

  def setUp(self):
    super().setUp()
    self.folder = self.enterContext(tempfile.TemporaryDirectory())
    for name in ("mnist", "ptb", "cifar10"):
      os.makedirs(os.path.join(self.folder, name, "some"))

  def test_trials_are_those_that_are_promised(self):
    self.assertLen({trial.name for trial in kill_trials.TRIALS}, 5)


if __name__ == "__main__":
  absltest.main()

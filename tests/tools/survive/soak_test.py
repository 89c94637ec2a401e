"""Tests of long runs, in short: that nothing grows from call to call."""

import collections
import contextlib
import functools
import gc
import operator
import os
from unittest import mock

import pytest
import tensorflow as tf
from absl.testing import parameterized

from tests.estimators.helpers import new_folder
from tools.survive import soak


def living():
  """Returns how many Python objects of each type there are, but for frozen."""
  gc.collect()
  return collections.Counter(type(thing).__name__ for thing in gc.get_objects())


def train(estimator, i):
  del i
  estimator.train(soak.input_fn, steps=1)


class CallsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    # pytest keeps what is logged.
    logger = tf.get_logger()
    self.addCleanup(logger.setLevel, logger.level)
    logger.setLevel("ERROR")
    self.addCleanup(gc.unfreeze)

  @pytest.mark.slow
  def test_nothing_is_kept_of_a_call(self):
    estimator = soak.new_estimator(new_folder(), keep_checkpoint_max=2)
    train(estimator, 0)
    for call, number in ((soak.evaluate, 10), (soak.predict, 30), (train, 4)):
      looks, files = [], []
      for _ in range(4):
        for i in range(number):
          call(estimator, i)
        looks.append(living())
        files.append(soak.open_files())
        # What is there now is not looked at again, which takes long.
        gc.freeze()
      # Some things are made once, and kept; but not in each of the rounds.
      grown = functools.reduce(operator.and_, looks[1:])
      if call is train:
        # TensorFlow looks for the files of a checkpoint with a pattern, which
        # Python keeps: those of the last 32,768.
        for name in ("Pattern", "builtin_method", "tuple"):
          del grown[name]
      with self.subTest(call=call.__name__):
        self.assertEqual({t: n for t, n in grown.items() if n >= number}, {})
        self.assertNotIn("ConcreteFunction", grown)
        self.assertEqual(files[0], files[-1])


class CheckpointsTest(tf.test.TestCase):
  def test_which_are_kept(self):
    folder = new_folder()
    outcome = soak.soak_checkpoints(folder, 12)
    self.assertIn("0 times others kept", outcome.got)
    self.assertEqual(soak.kept_steps(folder), [8, 9, 10, 11, 12])

  def test_a_rule_that_does_not_hold(self):
    folder = new_folder()
    watcher = soak.Watcher(folder)
    for step in (0, 7):
      open(os.path.join(folder, f"model.ckpt-{step}.index"), "w").close()
    watcher.before_save(None, 0)
    watcher.after_save(None, 7)
    self.assertEqual(watcher.wrong, [(7, [0, 7])])


class CallsOutcomeTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ((100, 40), (104, 41), True),
    ((100, 40), (106, 40), False),
    ((100, 40), (94, 40), False),
    ((100, 40), (100, 43), False),
  )
  def test_growth(self, before, after, passed):
    uses = iter([soak.Use(*before), soak.Use(*after)])
    calls = []
    with mock.patch.object(soak.Use, "now", lambda: next(uses)):
      outcome = soak.soak_calls("fake", calls.append, 9)
    self.assertEqual(outcome.passed, passed, outcome.got)
    self.assertEqual(outcome.name, "9 fake calls")
    self.assertEqual(calls, list(range(9)))

  def test_use_is_that_of_the_process(self):
    before = soak.Use.now()
    kept = bytearray(b"x" * (50 << 20))
    self.assertGreater(soak.Use.now().memory, before.memory + (40 << 20))
    del kept
    # Threads of other tests may open and close some of their own.
    with contextlib.ExitStack() as stack:
      for _ in range(50):
        stack.enter_context(open(os.devnull))
      self.assertGreater(soak.open_files(), before.files + 30)


if __name__ == "__main__":
  tf.test.main()

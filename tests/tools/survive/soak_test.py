"""Tests of long runs, in short: that nothing grows from call to call."""

import collections
import contextlib
import functools
import gc
import operator
import os

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
  @parameterized.parameters((0, True), (200_000, False))
  def test_memory(self, size, passed):
    kept = []
    outcome = soak.soak_calls(
      "fake", lambda i: kept.append(os.urandom(size)), 1000
    )
    self.assertEqual(outcome.passed, passed, outcome.got)
    self.assertEqual(outcome.name, "1,000 fake calls")

  def test_open_files(self):
    kept = []
    with contextlib.ExitStack() as stack:
      outcome = soak.soak_calls(
        "fake", lambda i: kept.append(stack.enter_context(open(os.devnull))), 9
      )
    self.assertFalse(outcome.passed, outcome.got)


if __name__ == "__main__":
  tf.test.main()

import types

import tensorflow as tf
from absl.testing import parameterized

from estimators.hooks import Hook
from estimators.runner import BlockTimer, Run, TrainingRun, loop
from tests.estimators.toys import RecordingHook


class FixedTimer:
  """A block timer that always allows the same number of steps."""

  def __init__(self, steps):
    self._steps = steps

  def limit(self):
    return self._steps


class Lazy(Hook):
  """A hook without a cadence."""

  def next_step(self, step):
    return None


def run_loop(hooks, size=100, at_once=1000, limit=None, start=0):
  """Runs a loop over an input of a number of batches.

  Returns:
    (sizes of the blocks that were asked for, has_more, the run).
  """
  run = Run(None, "train", start, None, None)
  blocks = []

  def take_steps(n):
    blocks.append(n)
    taken = min(n, size - run.steps)
    run.steps += taken
    run.global_step += taken
    return taken, taken == n, {}

  has_more = loop(run, hooks, (), take_steps, FixedTimer(at_once), limit)
  return blocks, has_more, run


class LoopTest(parameterized.TestCase, tf.test.TestCase):
  def test_blocks_end_where_the_first_hook_wants_it(self):
    two, three = RecordingHook(every=2), RecordingHook(every=3)
    blocks, _, _ = run_loop([two, three, Lazy()], limit=6)
    self.assertEqual(blocks, [2, 1, 1, 2])
    # Who is called sees also what others have asked for.
    self.assertEqual(two.steps(), [2, 3, 4, 6])
    self.assertEqual(three.steps(), [2, 3, 4, 6])

  @parameterized.parameters(
    (None, 1000, [1000], 100, False),
    (100, 1000, [100], 100, True),
    (7, 3, [3, 3, 1], 7, True),
    (0, 3, [], 0, True),
    (103, 50, [50, 50, 3], 100, False),
  )
  def test_ends(self, limit, at_once, blocks, steps, has_more):
    found = run_loop([Lazy()], 100, at_once, limit)
    self.assertEqual(found[:2], (blocks, has_more))
    self.assertEqual(found[2].global_step, steps)

  def test_a_next_step_that_has_passed_means_the_next_one(self):
    class Late(Hook):
      def next_step(self, step):
        return 3

    blocks, _, _ = run_loop([Late()], limit=3, start=5)
    self.assertEqual(blocks, [1, 1, 1])

  def test_all_hooks_of_the_step_see_it_before_a_stop(self):
    class Stop(Hook):
      def after_run(self, run):
        run.request_stop()

    after = RecordingHook()
    blocks, has_more, _ = run_loop([Stop(), after])
    self.assertEqual((blocks, has_more), ([1], True))
    self.assertEqual(after.steps(), [1])

  def test_the_end_of_the_input_alone_calls_nobody(self):
    hook = RecordingHook(every=4)
    blocks, has_more, _ = run_loop([hook], size=4)
    self.assertEqual((blocks, has_more), ([4, 4], False))
    self.assertEqual(hook.steps(), [4])


class BlockTimerTest(tf.test.TestCase):
  def test_a_block_takes_about_a_second(self):
    times = iter([0.0, 0.5, 10.0, 10.001])
    timer = BlockTimer(clock=lambda: next(times))
    self.assertEqual(timer.limit(), 1)

    def block(iterator, n, *state):
      return n, tf.constant(True), state

    self.assertEqual(timer.timed(block, None, 10, "s"), (10, True, ("s",)))
    self.assertEqual(timer.limit(), 20)  # 10 steps in 0.5 s
    timer.timed(block, None, 4)
    self.assertAllClose(timer.limit(), 4000, atol=1)

  def test_a_slow_step_is_a_block(self):
    times = iter([0.0, 30.0])
    timer = BlockTimer(clock=lambda: next(times))
    timer.timed(lambda iterator, n: (n, True, {}), None, 1)
    self.assertEqual(timer.limit(), 1)


class TrainingRunTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.saved, self.ended = [], []
    position = self.position = type("Position", (), {"finished": False})()
    saver = types.SimpleNamespace(
      save=lambda step: f"ckpt-{step}",
      not_finite=lambda: [],
      note_end=self.ended.append,
    )
    self.run_ = TrainingRun(
      *(None, "train", 0, "", tf.summary.create_noop_writer()),
      saver=saver,
      position=position,
      saved=self.saved.append,
      saving_listeners=(),
    )

  def test_a_step_is_saved_once_and_its_clean_end_noted(self):
    self.assertEqual(self.run_.save_checkpoint(), "ckpt-0")
    self.assertIsNone(self.run_.save_checkpoint())
    self.run_.global_step = 4
    self.run_.save_checkpoint()
    self.position.finished = True
    self.run_.save_checkpoint()
    self.run_.save_checkpoint()
    self.assertEqual(self.saved, ["ckpt-0", "ckpt-4"])
    self.assertEqual(self.ended, [4])

  def test_nothing_is_saved_when_the_loss_is_not_finite(self):
    for loss in (float("nan"), float("inf")):
      self.run_.loss = loss
      self.assertIsNone(self.run_.save_checkpoint())
    self.assertEmpty(self.saved)


if __name__ == "__main__":
  tf.test.main()

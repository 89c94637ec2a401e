"""Tests of the hooks that stop training because of an evaluation."""

import types

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from estimators import (
  Estimator,
  EvalSpec,
  RunConfig,
  TrainSpec,
  make_early_stopping_hook,
  stop_if_higher_hook,
  stop_if_lower_hook,
  stop_if_no_decrease_hook,
  stop_if_no_increase_hook,
  train_and_evaluate,
)
from tests.estimators import toys
from tests.estimators.helpers import new_folder

TRAIN = toys.input_of([1.0], np.float32([1]), repeat=True)
EVAL = toys.input_of([1.0], np.float32([0]))


def write_events(folder, step, **metrics):
  """Writes an evaluation as tf.estimator did, without TensorFlow."""
  values = [
    summary_pb2.Summary.Value(tag=name, simple_value=value)
    for name, value in metrics.items()
  ]
  event = event_pb2.Event(step=step, summary=summary_pb2.Summary(value=values))
  writer = EventFileWriter(folder)
  writer.add_event(event)
  writer.close()


class EarlyStoppingTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.estimator = Estimator(toys.line_fn, new_folder())

  def stops(self, hook, step=1):
    """Whether a hook asks to stop, after a step that it looks at."""
    asked = []
    run = types.SimpleNamespace(
      step=step, global_step=0, request_stop=lambda: asked.append(1)
    )
    hook.begin(run)
    hook.after_run(run)
    return bool(asked)

  def history(self, folder=None, **metrics):
    """Writes a metric's values at the steps 10, 20, ..."""
    ((name, values),) = metrics.items()
    for i, value in enumerate(values):
      write_events(
        folder or self.estimator.eval_dir(),
        10 * (i + 1),
        **{"loss": 0.0, name: value},
      )


class StopIfTest(EarlyStoppingTest):
  @parameterized.parameters(
    (stop_if_higher_hook, [0.1, 0.5], 0.5, False),  # Strictly.
    (stop_if_higher_hook, [0.1, 0.6, 0.2], 0.5, True),
    (stop_if_higher_hook, [], 0.5, False),
    (stop_if_lower_hook, [0.9, 0.5], 0.5, False),
    (stop_if_lower_hook, [0.9, 0.4, 0.8], 0.5, True),
    # The best of the first is at 20, that is 20 steps before the last.
    (stop_if_no_increase_hook, [1.0, 3.0, 2.0, 3.0], 20, True),
    (stop_if_no_increase_hook, [1.0, 3.0, 2.0, 3.0], 21, False),
    (stop_if_no_increase_hook, [1.0, 2.0, 3.0, 4.0], 11, False),
    # Once it was time to stop it stays so.
    (stop_if_no_increase_hook, [3.0, 2.0, 2.0, 4.0], 20, True),
    (stop_if_no_decrease_hook, [3.0, 1.0, 2.0, 1.0], 20, True),
    (stop_if_no_decrease_hook, [3.0, 1.0, 2.0, 1.0], 21, False),
    (stop_if_no_decrease_hook, [4.0, 3.0, 2.0, 1.0], 11, False),
    # Patience below the distance of evaluations: each must be the best.
    (stop_if_no_decrease_hook, [4.0, 3.0], 5, False),
    (stop_if_no_decrease_hook, [4.0, 4.0], 5, True),
  )
  def test_verdicts(self, make, values, limit, stops):
    self.history(m=values)
    self.assertEqual(self.stops(make(self.estimator, "m", limit)), stops)

  @parameterized.parameters(
    (stop_if_higher_hook, [9.0, 0.0, 0.0], 1.0),
    (stop_if_lower_hook, [0.0, 9.0, 9.0], 1.0),
    (stop_if_no_increase_hook, [9.0, 1.0, 2.0], 20),
    (stop_if_no_decrease_hook, [1.0, 9.0, 8.0], 20),
  )
  def test_min_steps(self, make, values, limit):
    self.history(m=values)
    self.assertTrue(self.stops(make(self.estimator, "m", limit, min_steps=10)))
    self.assertFalse(self.stops(make(self.estimator, "m", limit, min_steps=11)))

  def test_another_folder(self):
    folder = new_folder()
    hook = stop_if_higher_hook(self.estimator, "m", 1.0, eval_dir=folder)
    self.history(m=[2.0])
    self.assertFalse(self.stops(hook))
    self.history(folder, m=[2.0])
    self.assertTrue(self.stops(hook))

  def test_what_is_written_later_is_seen(self):
    hook = stop_if_higher_hook(self.estimator, "m", 1.0)
    self.assertFalse(self.stops(hook))
    write_events(self.estimator.eval_dir(), 10, m=0.5, loss=1.0)
    self.assertFalse(self.stops(hook))
    write_events(self.estimator.eval_dir(), 20, m=1.5, loss=1.0)
    self.assertTrue(self.stops(hook))

  def test_says_why(self):
    self.history(m=[0.25, 2.0])
    for hook, message in (
      (
        stop_if_higher_hook(self.estimator, "m", 1.0),
        'At step 20, metric "m" has value 2.0, which is higher than the '
        "threshold (1.0) configured for early stopping.",
      ),
      (
        stop_if_no_decrease_hook(self.estimator, "m", 10),
        'No decrease in metric "m" for 10 steps, which is greater than or '
        "equal to max steps (10) configured for early stopping.",
      ),
    ):
      with self.assertLogs("tensorflow", "INFO") as logs:
        self.stops(hook, step=23)
      self.assertEqual(
        [record.getMessage() for record in logs.records],
        [message, "Requesting early stopping at global step 23"],
      )

  def test_metric_that_no_evaluation_gives(self):
    self.history(accuracy=[0.5])
    with self.assertRaisesRegex(
      ValueError, r"metric 'acuracy', but .*/eval gives \['accuracy', 'loss'\]"
    ):
      self.stops(stop_if_higher_hook(self.estimator, "acuracy", 1.0))

  def test_an_evaluation_under_way_is_waited_for(self):
    # The model's own summaries are written before the results.
    write_events(self.estimator.eval_dir(), 10, mean_of_weights=5.0)
    self.assertFalse(self.stops(stop_if_higher_hook(self.estimator, "m", 1.0)))


class MakeTest(EarlyStoppingTest):
  def test_asks_at_the_cadence(self):
    asked = []

    def should_stop():
      asked.append(len(asked))
      return len(asked) == 4

    hook = make_early_stopping_hook(
      self.estimator, should_stop, run_every_secs=None, run_every_steps=5
    )
    self.estimator.train(TRAIN, hooks=[hook], steps=50)
    # After the steps 1, 6, 11 and 16.
    self.assertLen(asked, 4)
    self.assertEqual(self.estimator.get_variable_value("global_step"), 16)

  def test_errors(self):
    make = make_early_stopping_hook
    with self.assertRaisesRegex(TypeError, "must be an Estimator.* 3"):
      make(3, lambda: True)
    with self.assertRaisesRegex(TypeError, "must be a function.* 3"):
      make(self.estimator, 3)
    for secs, steps in ((None, None), (0, None), (None, -1)):
      with self.assertRaisesRegex(ValueError, f"{steps}.*{secs}"):
        make(self.estimator, lambda: True, secs, steps)


class TrainingTest(EarlyStoppingTest):
  def test_under_a_strategy_with_the_default_cadence(self):
    # The reference's hook took any strategy for many machines, and failed.
    strategy = toys.two_replicas()
    self.estimator = Estimator(
      toys.line_fn, new_folder(), RunConfig(train_distribute=strategy)
    )
    self.history(m=[2.0])
    hook = stop_if_higher_hook(self.estimator, "m", 1.0)
    self.estimator.train(TRAIN, hooks=[hook], steps=50)
    self.assertEqual(self.estimator.get_variable_value("global_step"), 1)

  def test_in_train_and_evaluate(self):
    # The error grows, as training is to another goal than evaluation; so the
    # evaluation at 10 stays the best.
    config = RunConfig(save_checkpoints_steps=10)
    estimator = Estimator(toys.line_fn, new_folder(), config)
    hook = stop_if_no_decrease_hook(
      estimator, "error", max_steps_without_decrease=20, run_every_steps=3
    )
    results, _ = train_and_evaluate(
      estimator,
      TrainSpec(TRAIN, max_steps=90, hooks=[hook]),
      EvalSpec(EVAL, throttle_secs=0),
    )
    # Looked at after 1, 4, ..., 28, 31.
    self.assertEqual(results["global_step"], 31)


if __name__ == "__main__":
  tf.test.main()

"""Tests of training with evaluations and exports in between."""

import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  BestExporter,
  CheckpointSaverHook,
  CheckpointSaverListener,
  Estimator,
  EvalSpec,
  FinalExporter,
  Hook,
  LatestExporter,
  RunConfig,
  StopAtStepHook,
  TrainSpec,
  train_and_evaluate,
)
from tests.estimators import toys
from tests.estimators.helpers import new_folder, scalars
from tests.estimators.serving import line_receiver_fn, served

# Batches that can be told apart by what they do to the slope.
X = np.linspace(0.5, 1.5, 100, dtype=np.float32)
Y = np.float32(3) * X
TRAIN = toys.input_of(X, Y)
EVAL = toys.input_of([1.0, 2.0], np.float32([0, 0]))


def slope_after(steps):
  return toys.line_steps(
    [([x], [y]) for x, y in zip(X, Y, strict=True)][:steps]
  )


def final(name="final"):
  return FinalExporter(name, line_receiver_fn)


class TrainAndEvaluateTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.model_dir = new_folder()

  def estimator(self, model_fn=toys.line_fn, **config):
    config = {"save_checkpoints_steps": 10, **config}
    return Estimator(model_fn, self.model_dir, RunConfig(**config))

  def run_it(self, max_steps, estimator=None, train=TRAIN, **eval_spec):
    return train_and_evaluate(
      estimator or self.estimator(),
      TrainSpec(train, max_steps=max_steps),
      EvalSpec(EVAL, **{"throttle_secs": 0, **eval_spec}),
    )

  def evaluated(self, name="eval"):
    """Returns the steps of which there are evaluations."""
    return sorted(scalars(os.path.join(self.model_dir, name))["error"])


class ScheduleTest(TrainAndEvaluateTest):
  def test_every_checkpoint_but_the_first(self):
    results, exports = self.run_it(35)
    self.assertEqual(self.evaluated(), [10, 20, 30, 35])
    w = slope_after(35)
    self.assertAllClose(
      results, {"loss": 2.5 * w**2, "error": 1.5 * w, "global_step": 35}
    )
    self.assertEqual(exports, [])
    # The numbers in the events are those of the steps.
    errors = scalars(os.path.join(self.model_dir, "eval"))["error"]
    for step in (10, 20, 30, 35):
      self.assertAllClose(errors[step], 1.5 * slope_after(step))

  def test_throttle(self):
    self.run_it(35, throttle_secs=600)
    self.assertEqual(self.evaluated(), [10, 35])
    with self.assertLogs("tensorflow", "INFO") as logs:
      self.run_it(65, throttle_secs=600)
    self.assertEqual(self.evaluated(), [10, 35, 40, 65])
    skipped = "Skip the current checkpoint eval due to throttle secs (600 secs)"
    self.assertEqual(str(logs.output).count(skipped), 2)

  def test_every_checkpoint_whatever_the_throttle(self):
    self.run_it(35, throttle_secs=600, every_checkpoint=True)
    self.assertEqual(self.evaluated(), [10, 20, 30, 35])

  def test_evaluations_leave_the_input_where_it_is(self):
    estimator = self.estimator()
    self.run_it(35, estimator)
    self.assertAllClose(
      np.squeeze(estimator.get_variable_value(toys.LINE)), slope_after(35)
    )

  def test_until_the_input_ends(self):
    short = toys.input_of(X[:15], Y[:15])
    results, exports = self.run_it(None, train=short, exporters=final())
    self.assertEqual(self.evaluated(), [10, 15])
    self.assertEqual(results["global_step"], 15)
    (path,) = exports
    self.assertAllClose(served(path, x=[1.0])["y"], [slope_after(15)])

  def test_input_that_ends_at_a_checkpoint(self):
    # One evaluation of it only; and the final exporter gets its call.
    short = toys.input_of(X[:20], Y[:20])
    calls = toys.RecordingHook()
    _, exports = self.run_it(
      None,
      train=short,
      hooks=[calls],
      exporters=[LatestExporter("latest", line_receiver_fn), final()],
    )
    self.assertEqual(self.evaluated(), [10, 20])
    self.assertLen([c for c in calls.calls if c[1] == "begin"], 2)
    folders = [os.path.basename(os.path.dirname(path)) for path in exports]
    self.assertEqual(folders, ["latest", "final"])
    self.assertLen(os.listdir(os.path.dirname(exports[0])), 2)

  def test_a_hook_ends_training(self):
    results, (path,) = train_and_evaluate(
      self.estimator(),
      TrainSpec(TRAIN, max_steps=90, hooks=[StopAtStepHook(13)]),
      EvalSpec(EVAL, throttle_secs=0, exporters=[final()]),
    )
    self.assertEqual(self.evaluated(), [10, 13])
    self.assertEqual(results["global_step"], 13)
    self.assertAllClose(served(path, x=[1.0])["y"], [slope_after(13)])

  def test_keras_metrics_and_a_strategy(self):
    strategy = toys.two_replicas()
    estimator = self.estimator(
      toys.network_fn, train_distribute=strategy, eval_distribute=strategy
    )
    data = toys.network_data()
    results, _ = train_and_evaluate(
      estimator,
      TrainSpec(toys.input_of(*data, batch_size=4, repeat=True), max_steps=15),
      EvalSpec(toys.input_of(*data, batch_size=7), throttle_secs=0),
    )
    accuracies = scalars(estimator.eval_dir())["accuracy"]
    self.assertEqual(sorted(accuracies), [10, 15])
    rows = estimator.predict(toys.input_of(data[0], batch_size=40))
    right = [
      row["probabilities"].argmax() == label
      for row, label in zip(rows, data[1], strict=True)
    ]
    self.assertAllClose(results["accuracy"], np.mean(right))


class RestartTest(TrainAndEvaluateTest):
  def test_nothing_is_left_to_do(self):
    self.run_it(15, exporters=final())
    before = sorted(os.listdir(os.path.join(self.model_dir, "export", "final")))
    self.assertEqual(self.run_it(15, exporters=final()), (None, None))
    after = sorted(os.listdir(os.path.join(self.model_dir, "export", "final")))
    self.assertEqual(after, before)

  def test_training_that_went_on_elsewhere_is_evaluated(self):
    self.run_it(15)
    self.estimator().train(TRAIN, steps=1)
    results, _ = self.run_it(15)
    self.assertEqual(results["global_step"], 16)

  def test_killed_before_the_last_evaluation(self):
    class Killed(Exception):
      pass

    def dies():
      if os.path.exists(os.path.join(self.model_dir, "model.ckpt-15.index")):
        raise Killed
      return EVAL()

    with self.assertRaises(Killed):
      train_and_evaluate(
        self.estimator(),
        TrainSpec(TRAIN, max_steps=15),
        EvalSpec(dies, throttle_secs=0, exporters=final()),
      )
    self.assertEqual(self.evaluated(), [10])
    results, (path,) = self.run_it(15, exporters=final())
    self.assertEqual(results["global_step"], 15)
    self.assertEqual(self.evaluated(), [10, 15])
    self.assertAllClose(served(path, x=[1.0])["y"], [slope_after(15)])

  def test_killed_between_the_last_evaluation_and_its_export(self):
    def dies():
      if os.path.exists(os.path.join(self.model_dir, "model.ckpt-15.index")):
        raise RuntimeError("killed")
      return line_receiver_fn()

    with self.assertRaisesRegex(RuntimeError, "killed"):
      self.run_it(15, exporters=FinalExporter("final", dies))
    results, (path,) = self.run_it(15, exporters=final())
    self.assertEqual(results["global_step"], 15)
    self.assertAllClose(served(path, x=[1.0])["y"], [slope_after(15)])

  def test_the_best_of_all_runs(self):
    # The error grows with every step: the slope goes away from 0.
    best = [BestExporter(serving_input_receiver_fn=line_receiver_fn)]
    _, exports = self.run_it(15, exporters=best)
    self.assertEqual(exports, [None])
    best = [BestExporter(serving_input_receiver_fn=line_receiver_fn)]
    _, exports = self.run_it(25, exporters=best)
    self.assertEqual(exports, [None])
    folder = os.path.join(self.model_dir, "export", "best_exporter")
    (name,) = [name for name in os.listdir(folder) if name.isdigit()]
    path = os.path.join(folder, name)
    self.assertAllClose(served(path, x=[1.0])["y"], [slope_after(10)])


class SpecsTest(TrainAndEvaluateTest):
  def test_several_sets(self):
    results, exports = train_and_evaluate(
      self.estimator(),
      TrainSpec(TRAIN, max_steps=15),
      [
        EvalSpec(EVAL, throttle_secs=0, name="ones", exporters=final("a")),
        EvalSpec(
          toys.input_of([4.0], np.float32([0])), name="four", exporters=final()
        ),
      ],
    )
    w = slope_after(15)
    self.assertAllClose(results["ones"]["error"], 1.5 * w)
    self.assertAllClose(results["four"]["error"], 4 * w)
    self.assertEqual(self.evaluated("eval_ones"), [10, 15])
    self.assertEqual(self.evaluated("eval_four"), [10, 15])
    self.assertLen(exports, 2)
    self.assertFalse(os.path.exists(os.path.join(self.model_dir, "eval")))

  def test_steps(self):
    results, _ = self.run_it(5, steps=1)
    self.assertAllClose(results["error"], slope_after(5))

  def test_listeners_and_hooks(self):
    calls = []

    class Listener(CheckpointSaverListener):
      def after_save(self, run, global_step):
        calls.append(("saved", global_step))

    class EvalHook(Hook):
      def end(self, run):
        calls.append(("evaluated", run.global_step))

    train_and_evaluate(
      self.estimator(),
      TrainSpec(TRAIN, max_steps=15, saving_listeners=[Listener()]),
      EvalSpec(EVAL, throttle_secs=0, hooks=[EvalHook()]),
    )
    self.assertEqual(
      calls,
      [
        ("saved", 0),
        ("saved", 10),
        ("evaluated", 10),
        ("saved", 15),
        ("evaluated", 15),
      ],
    )

  def test_a_saver_hook_of_ones_own_may_be_used_again(self):
    saver = CheckpointSaverHook(save_steps=4)
    for max_steps in (4, 12):
      train_and_evaluate(
        self.estimator(),
        TrainSpec(TRAIN, max_steps=max_steps, hooks=[saver]),
        EvalSpec(EVAL, throttle_secs=0),
      )
    events = tf.io.gfile.glob(os.path.join(self.model_dir, "eval", "events*"))
    self.assertEqual(self.evaluated(), [4, 8, 12])
    self.assertLen(events, 1)

  def test_wrong_types(self):
    estimator = self.estimator()
    train, evaluate = TrainSpec(TRAIN, max_steps=5), EvalSpec(EVAL)
    for arguments, message in (
      ((train, train, evaluate), "estimator must be of Estimator"),
      ((estimator, evaluate, evaluate), "train_spec must be of TrainSpec"),
      ((estimator, train, train), "eval_spec must be of EvalSpec"),
      ((estimator, train, [evaluate, TRAIN]), "eval_spec must be of EvalSpec"),
    ):
      with self.assertRaisesRegex(TypeError, message):
        train_and_evaluate(*arguments)
    for specs in ([], [evaluate, evaluate]):
      with self.assertRaisesRegex(ValueError, "names that differ"):
        train_and_evaluate(estimator, train, specs)

  @parameterized.parameters(
    (lambda: TrainSpec(3), TypeError, "input_fn must be a function.* 3"),
    (lambda: TrainSpec(TRAIN, max_steps=0), ValueError, "max_steps > 0.* 0"),
    (lambda: TrainSpec(TRAIN, hooks=[3]), TypeError, "3 must be .*Hook"),
    (
      lambda: TrainSpec(TRAIN, saving_listeners=[Hook()]),
      TypeError,
      "CheckpointSaverListener",
    ),
    (lambda: EvalSpec(None), TypeError, "input_fn must be a function"),
    (lambda: EvalSpec(EVAL, steps=-1), ValueError, "steps > 0.* -1"),
    (lambda: EvalSpec(EVAL, name=3), TypeError, "name must be a string.* 3"),
    (lambda: EvalSpec(EVAL, hooks=Hook()), TypeError, "put it into a list"),
    (
      lambda: EvalSpec(EVAL, throttle_secs=-1),
      ValueError,
      "throttle_secs must be at least 0.* -1",
    ),
    (
      lambda: EvalSpec(EVAL, start_delay_secs=-1),
      ValueError,
      "start_delay_secs",
    ),
    (lambda: EvalSpec(EVAL, exporters=[3]), TypeError, "must be Exporters.* 3"),
    (
      lambda: EvalSpec(EVAL, exporters=[final(), final()]),
      ValueError,
      "names of exporters must differ",
    ),
  )
  def test_wrong_specs(self, make, error, message):
    with self.assertRaisesRegex(error, message):
      make()


if __name__ == "__main__":
  tf.test.main()

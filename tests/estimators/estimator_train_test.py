import json
import math
import os
import shutil

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  CheckpointSaverHook,
  CheckpointSaverListener,
  Estimator,
  EstimatorSpec,
  Hook,
  LoggingTensorHook,
  ModeKeys,
  NanLossDuringTrainingError,
  NanTensorHook,
  RunConfig,
  StopAtStepHook,
  minimize,
  once,
)
from tests.estimators import toys
from tests.estimators.toys import RecordingHook

X = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
Y = [2.0, 1.0, 0.0, 1.0, 2.0, 3.0]


class TrainTest(parameterized.TestCase, tf.test.TestCase):
  def estimator(self, model_fn=toys.line_fn, **config):
    config = RunConfig(self.get_temp_dir(), **config)
    return Estimator(model_fn, config=config)

  def messages(self, estimator, *args, **kwargs):
    """Trains, and returns the log lines."""
    with self.assertLogs("tensorflow") as logs:
      estimator.train(*args, **kwargs)
    return [record.getMessage() for record in logs.records]

  def checkpoints(self):
    """Returns the steps of the checkpoints in model_dir."""
    names = tf.io.gfile.glob(self.get_temp_dir() + "/model.ckpt-*.index")
    return sorted(int(n.split("-")[-1].removesuffix(".index")) for n in names)


class StepsTest(TrainTest):
  def test_three_steps_of_gradient_descent_by_hand(self):
    estimator = self.estimator()
    # Batches ([1, 2], [2, 1]), ([3, 4], [0, 1]), ([5, 6], [2, 3]):
    # the gradients are 2 mean((w x - y) x) = 5 w - 4, 25 w - 4, 61 w - 28.
    w = 0.04
    w -= 0.01 * (25 * w - 4)
    w -= 0.01 * (61 * w - 28)
    result = estimator.train(toys.input_of(X, np.float32(Y), 2))
    self.assertIs(result, estimator)
    self.assertAllClose(estimator.get_variable_value(toys.LINE), [[w]])
    self.assertEqual(estimator.get_variable_value("global_step"), 3)
    self.assertEqual(estimator.get_variable_value("sgd/iteration"), 3)

  def test_steps_and_max_steps(self):
    estimator = self.estimator()
    seen = RecordingHook(tensors={"x": "x_tensor"})
    input_fn = toys.input_of(X, np.float32(Y), repeat=True)

    def train(**limits):
      estimator.train(input_fn, [seen], **limits)
      x = [values["x"].item() for values in seen.values]
      seen.values.clear()
      return x, int(estimator.get_variable_value("global_step"))

    # Every call goes on in the input where the last one stopped.
    self.assertEqual(train(steps=3), ([1, 2, 3], 3))
    self.assertEqual(train(steps=2), ([4, 5], 5))
    self.assertEqual(train(max_steps=7), ([6, 1], 7))
    calls = len(seen.calls)
    for max_steps in (7, 4):
      lines = self.messages(
        estimator, self.fail, hooks=[seen], max_steps=max_steps
      )
      self.assertEqual(
        lines, ["Skipping training since max_steps has already saved."]
      )
    self.assertLen(seen.calls, calls)
    self.assertEqual(train(max_steps=np.int64(8)), ([2], 8))

  def test_the_end_of_the_input(self):
    estimator = self.estimator()
    seen = RecordingHook(tensors={"x": "x_tensor"})
    input_fn = toys.input_of(X[:4], np.float32(Y[:4]))

    def train(**limits):
      estimator.train(input_fn, [seen], **limits)
      x = [values["x"].item() for values in seen.values]
      seen.values.clear()
      return x, int(estimator.get_variable_value("global_step"))

    self.assertEqual(train(), ([1, 2, 3, 4], 4))
    # It had ended cleanly, so that it begins anew.
    self.assertEqual(train(steps=100), ([1, 2, 3, 4], 8))
    self.assertEqual(train(max_steps=10), ([1, 2], 10))
    self.assertEqual(train(max_steps=100), ([3, 4], 12))
    # A number of steps that uses up all of it is a clean end as well.
    self.assertEqual(train(steps=4), ([1, 2, 3, 4], 16))
    self.assertEqual(train(steps=1), ([1], 17))

  @parameterized.parameters(
    ({"steps": 3, "max_steps": 3}, ValueError, "both steps .3. and max_steps"),
    ({"steps": 0}, ValueError, "steps > 0.*given: 0"),
    ({"max_steps": -1}, ValueError, "max_steps > 0.*given: -1"),
    ({"steps": 2.5}, ValueError, "whole number, given: 2.5"),
    ({"steps": True}, ValueError, "given: True"),
    ({"steps": "3"}, ValueError, "given: '3'"),
    ({"steps": "many"}, ValueError, "given: 'many'"),
    ({"hooks": [print]}, TypeError, "must be an estimators.Hook"),
    ({"hooks": Hook()}, TypeError, "list of Hook"),
    ({"saving_listeners": [Hook()]}, TypeError, "CheckpointSaverListener"),
    ({"input_fn": tf.data.Dataset.range(3)}, TypeError, "wrap it"),
  )
  def test_wrong_arguments(self, arguments, error, message):
    estimator = self.estimator()
    arguments = {"input_fn": toys.input_of(X, np.float32(Y)), **arguments}
    with self.assertRaisesRegex(error, message):
      estimator.train(**arguments)
    self.assertIsNone(estimator.latest_checkpoint())

  def test_empty_input(self):
    estimator = self.estimator()
    with self.assertRaisesRegex(ValueError, "training input is empty"):
      estimator.train(toys.input_of([], np.float32([])))

  def test_train_within_train_is_refused(self):
    input_fn = toys.input_of(X, np.float32(Y))

    class Trains(Hook):
      def after_run(self, run):
        run.estimator.train(input_fn)

    with self.assertRaisesRegex(RuntimeError, "while this Estimator is train"):
      self.estimator().train(input_fn, [Trains()])


class ReportsTest(TrainTest):
  def test_log_lines_in_order(self):
    estimator = self.estimator(log_step_count_steps=2, save_checkpoints_steps=3)
    input_fn = toys.input_of(X[:4], np.float32(Y[:4]))
    saver = [
      "Calling checkpoint listeners before saving checkpoint {}...",
      "Saving checkpoints for {} into " + self.get_temp_dir() + "/model.ckpt.",
      "Calling checkpoint listeners after saving checkpoint {}...",
    ]

    def saving(step):
      return [line.format(step) for line in saver]

    lines = self.messages(estimator, input_fn, steps=3)
    w = toys.line_steps([([1], [2]), ([2], [1])])
    self.assertAllClose(float(lines[-2].split()[2][:-1]), (3 * w - 0) ** 2)
    loss = lines[-1].removeprefix("Loss for final step: ").removesuffix(".")
    self.assertAllClose(float(loss), (3 * w - 0) ** 2)
    self.assertRegex(lines.pop(-2), r"^loss = .*, step = 2 \(\d+\.\d{3} sec\)$")
    # Events are written before a checkpoint, after which no step comes again.
    self.assertRegex(lines.pop(-5), r"^global_step/sec: [\d.e+]+$")
    self.assertEqual(
      lines[:-1],
      [
        "Calling model_fn.",
        "Done calling model_fn.",
        "Create CheckpointSaverHook.",
        *saving(0),
        "loss = 4.0, step = 0",
        *saving(3),
      ],
    )
    again = Estimator(toys.line_fn, config=estimator.config)
    lines = self.messages(again, input_fn, steps=1)
    path = os.path.join(self.get_temp_dir(), "model.ckpt-3")
    self.assertIn(f"Restoring parameters from {path}", lines)

  def test_log_lines_can_be_turned_off(self):
    estimator = self.estimator(log_step_count_steps=None)
    lines = self.messages(estimator, toys.input_of(X, np.float32(Y)), steps=3)
    self.assertNotIn("step = ", " ".join(lines))
    self.assertNotIn("global_step/sec", " ".join(lines))

  def test_files_in_model_dir(self):
    estimator = Estimator(
      lambda features, labels, mode, params: toys.line_fn(
        features, labels, mode
      ),
      self.get_temp_dir(),
      params={"a": 1, "b": tf.float32},
    )
    estimator.train(toys.input_of(X, np.float32(Y)))
    names = sorted(os.listdir(self.get_temp_dir()))
    (events,) = (name for name in names if name.startswith("events.out.tf"))
    names.remove(events)
    self.assertEqual(
      names,
      ["checkpoint", "config.json"]
      + [
        f"model.ckpt-{step}.{kind}"
        for step in (0, 6)
        for kind in ("data-00000-of-00001", "index", "sha256")
      ]
      + ["training_status.json"],
    )
    with open(os.path.join(self.get_temp_dir(), "config.json")) as file:
      config = json.load(file)
    self.assertEqual(config["params"], {"a": 1, "b": "tf.float32"})
    self.assertEqual(config["run_config"]["save_checkpoints_secs"], 600)

  def test_a_moved_model_dir_and_one_made_again(self):
    estimator = self.estimator()
    input_fn = toys.input_of(X, np.float32(Y), repeat=True)
    estimator.train(input_fn, steps=2)
    elsewhere = self.get_temp_dir() + "_moved"
    os.rename(self.get_temp_dir(), elsewhere)
    self.addCleanup(shutil.rmtree, elsewhere)
    moved = Estimator(toys.line_fn, elsewhere).train(input_fn, steps=2)
    self.assertEqual(
      moved.latest_checkpoint(), os.path.join(elsewhere, "model.ckpt-4")
    )
    # In the old place it begins anew, events and all.
    estimator.train(input_fn, steps=3)
    self.assertEqual(self.checkpoints(), [0, 3])
    files = tf.io.gfile.glob(self.get_temp_dir() + "/events*")
    self.assertNotEmpty(files)


class CheckpointsTest(TrainTest):
  @parameterized.parameters(
    ({"save_checkpoints_steps": 2, "keep_checkpoint_max": 2}, [4, 5]),
    ({"save_checkpoints_steps": 2, "keep_checkpoint_max": None}, [0, 2, 4, 5]),
    ({}, [0, 5]),
    ({"save_checkpoints_steps": 0}, []),
  )
  def test_what_is_saved_and_kept(self, config, expected):
    estimator = self.estimator(**config)
    lines = self.messages(
      estimator, toys.input_of(X, np.float32(Y), repeat=True), steps=5
    )
    self.assertEqual(self.checkpoints(), expected)
    warned = any(line.startswith("No checkpoints are saved") for line in lines)
    self.assertEqual(warned, not expected)

  def test_listeners(self):
    calls = []

    def newest(run):
      return os.path.basename(run.estimator.latest_checkpoint() or "none")

    class Listener(CheckpointSaverListener):
      def begin(self, run):
        calls.append("begin")

      def before_save(self, run, global_step):
        calls.append(("before", global_step, newest(run)))

      def after_save(self, run, global_step):
        calls.append(("after", global_step, newest(run)))
        return global_step == 4

      def end(self, run, global_step):
        calls.append(("end", global_step))

    self.estimator(save_checkpoints_steps=2).train(
      toys.input_of(X, np.float32(Y)), saving_listeners=[Listener()]
    )
    self.assertEqual(
      calls,
      [
        "begin",
        ("before", 0, "none"),
        ("after", 0, "model.ckpt-0"),
        ("before", 2, "model.ckpt-0"),
        ("after", 2, "model.ckpt-2"),
        ("before", 4, "model.ckpt-2"),
        ("after", 4, "model.ckpt-4"),
        ("end", 4),
      ],
    )

  def test_listeners_need_checkpoints(self):
    with self.assertRaisesRegex(ValueError, "no checkpoints are saved"):
      self.estimator(save_checkpoints_steps=None).train(
        toys.input_of(X, np.float32(Y)),
        saving_listeners=[CheckpointSaverListener()],
      )

  def test_a_saver_of_the_users_takes_the_place_of_the_default(self):
    saved = []

    class Listener(CheckpointSaverListener):
      def after_save(self, run, global_step):
        saved.append(global_step)

    estimator = self.estimator(save_checkpoints_steps=1)
    hook = CheckpointSaverHook(save_steps=3)
    input_fn = toys.input_of(X, np.float32(Y), repeat=True)
    for _ in range(2):
      estimator.train(input_fn, [hook], steps=4, saving_listeners=[Listener()])
    # The second call begins where the first one has saved, and goes on as one
    # that was not stopped.
    self.assertEqual(saved, [0, 3, 4, 6, 8])


class HooksTest(TrainTest):
  def test_order(self):
    calls = []

    def model_fn(features, labels, mode):
      spec = toys.line_fn(features, labels, mode)
      return EstimatorSpec(
        mode,
        loss=spec.loss,
        train_op=spec.train_op,
        training_chief_hooks=[RecordingHook("chief", calls)],
        training_hooks=[RecordingHook("training", calls)],
      )

    class Listener(CheckpointSaverListener):
      def before_save(self, run, global_step):
        calls.append(("saver", "save", global_step))

    class Nan(NanTensorHook):
      def after_run(self, run):
        calls.append(("nan", "after_run", run.step))

    estimator = self.estimator(model_fn, save_checkpoints_steps=1)
    estimator.train(
      toys.input_of(X, np.float32(Y)),
      [RecordingHook("user", calls), Nan()],
      steps=1,
      saving_listeners=[Listener()],
    )
    order = ["chief", "user", "training"]
    self.assertEqual(
      calls,
      [("saver", "save", 0)]
      + [(name, "begin", 0) for name in order]
      + [("saver", "save", 1)]
      + [
        (name, "after_run", 1) for name in ("chief", "user", "nan", "training")
      ]
      + [(name, "end", 1) for name in order],
    )

  def test_the_runners_own_hooks_have_their_places(self):
    calls = []
    logger = tf.get_logger()

    class Handler:
      level = 0

      def handle(self, record):
        calls.append(record.getMessage().split(" ")[0])

    def model_fn(features, labels, mode):
      spec = toys.line_fn(features, labels, mode)
      hooks = [Says("chief")], [Says("training")]
      return EstimatorSpec(
        mode,
        loss=spec.loss,
        train_op=spec.train_op,
        training_chief_hooks=hooks[0],
        training_hooks=hooks[1],
      )

    class Says(Hook):
      def __init__(self, name):
        self.name = name

      def after_run(self, run):
        logger.info(self.name)

    estimator = self.estimator(
      model_fn, log_step_count_steps=1, save_checkpoints_steps=1
    )
    handler = Handler()
    logger.addHandler(handler)
    try:
      estimator.train(
        toys.input_of([1, 2], np.float32([0, np.inf])), [Says("user")]
      )
    except NanLossDuringTrainingError:
      pass
    finally:
      logger.removeHandler(handler)
    first = calls.index("loss")
    self.assertEqual(
      calls[first:],
      ["loss", "training"]
      # The step with the infinite loss: neither saved nor logged.
      + ["global_step/sec:", "chief", "user", "Model"],
    )
    self.assertEqual(calls[first - 2 : first], ["chief", "user"])
    self.assertEqual(calls[first - 4], "Saving")

  def test_after_run_at_each_step_or_when_asked_for(self):
    each, some = RecordingHook(), RecordingHook(every=3)
    estimator = self.estimator(log_step_count_steps=None)
    input_fn = toys.input_of(X, np.float32(Y), repeat=True)
    estimator.train(input_fn, [each], steps=3)
    self.assertEqual(each.steps(), [1, 2, 3])
    estimator.train(input_fn, [some], steps=8)
    self.assertContainsSubset([6, 9, 11], some.steps())
    self.assertEqual(some.calls[0], ("hook", "begin", 3))
    self.assertEqual(some.calls[-1], ("hook", "end", 11))

  def test_what_a_run_tells(self):
    seen = []

    class Look(Hook):
      tensors = {"a": "x_tensor"}

      def after_run(self, run):
        seen.append((run.loss, run.examples, run.values["a"].tolist()))
        self.rest = (run.mode, run.output_dir, run.estimator)

    hook = Look()
    estimator = self.estimator()
    estimator.train(toys.input_of([1, 2, 3], np.float32([2, 4, 0]), 2), [hook])
    w = toys.line_steps([([1, 2], [2, 4])])
    self.assertAllClose([loss for loss, _, _ in seen], [10, 9 * w * w])
    self.assertEqual([s[1:] for s in seen], [(2, [1, 2]), (3, [3])])
    self.assertEqual(hook.rest, ("train", self.get_temp_dir(), estimator))

  def test_request_stop_is_a_clean_end(self):
    hook = RecordingHook()
    estimator = self.estimator()
    estimator.train(
      toys.input_of(X, np.float32(Y)), [hook, StopAtStepHook(last_step=2)]
    )
    self.assertEqual(hook.calls[-1], ("hook", "end", 2))
    self.assertEqual(self.checkpoints(), [0, 2])

  def test_an_exception_ends_no_hook_and_saves_nothing(self):
    class Fails(Hook):
      def after_run(self, run):
        if run.step == 2:
          raise ZeroDivisionError

    hook = RecordingHook()
    estimator = self.estimator()
    input_fn = toys.input_of(X, np.float32(Y))
    with self.assertRaises(ZeroDivisionError):
      estimator.train(input_fn, [hook, Fails()])
    self.assertEqual(hook.calls[-1], ("hook", "after_run", 2))
    self.assertEqual(self.checkpoints(), [0])
    # The values in memory are of no checkpoint: training begins at step 0.
    estimator.train(input_fn, steps=1)
    self.assertAllClose(
      estimator.get_variable_value(toys.LINE),
      [[toys.line_steps([([1], [2])])]],
    )

  def test_hooks_of_the_model_function_may_hold_its_tensors(self):
    hooks = []

    def model_fn(features, labels, mode):
      spec = toys.line_fn(features, labels, mode)
      doubled = 2 * features
      hooks.append(RecordingHook(tensors={"a": doubled, "b": "x_tensor"}))
      return EstimatorSpec(
        mode,
        loss=spec.loss,
        train_op=spec.train_op,
        training_hooks=[hooks[-1]],
      )

    estimator = self.estimator(model_fn)
    estimator.train(toys.input_of(X[:3], np.float32(Y[:3]), 2))
    # The model function is called in several traces, and makes a hook in each.
    (values,) = (hook.values for hook in hooks if hook.values)
    self.assertEqual([v["a"].tolist() for v in values], [[2, 4], [6]])
    self.assertEqual([v["b"].tolist() for v in values], [[1, 2], [3]])

  def test_a_tensor_that_is_not_there(self):
    with self.assertRaisesRegex(ValueError, "'x_tensr'.*near it: .'x_tensor'"):
      self.estimator().train(
        toys.input_of(X, np.float32(Y)),
        [LoggingTensorHook(["x_tensr"], every_n_iter=1)],
      )


class DivergenceTest(TrainTest):
  @parameterized.parameters((np.nan, "NaN"), (1e30, "Inf"))
  def test_training_stops_at_the_very_step(self, label, what):
    labels = np.float32(Y)
    labels[4] = label
    hook = RecordingHook(every=100)
    estimator = self.estimator(save_checkpoints_steps=3)
    input_fn = toys.input_of(X, labels)
    with self.assertRaisesRegex(
      NanLossDuringTrainingError, f"loss = {what}.* from global_step 4"
    ):
      estimator.train(input_fn, [hook])
    # The first block has one step, so this was in the middle of another.
    self.assertEqual(hook.steps()[-1], 5)
    self.assertNotIn("end", [method for _, method, _ in hook.calls])
    self.assertEqual(self.checkpoints(), [0, 3])
    before = estimator.get_variable_value(toys.LINE)
    self.assertAllClose(
      before,
      [
        [
          toys.line_steps(
            [([x], [y]) for x, y in zip(X[:3], Y[:3], strict=True)]
          )
        ]
      ],
    )

    with self.assertLogs("tensorflow", "WARNING") as logs:
      estimator.train(input_fn, [hook, NanTensorHook(fail_on_nan_loss=False)])
    self.assertIn(f"loss = {what}", logs.output[-1])
    # It went on from step 3, and ended cleanly, but saved nothing.
    self.assertEqual(hook.calls[-1], ("hook", "end", 5))
    self.assertEqual(self.checkpoints(), [0, 3])
    self.assertTrue(
      math.isfinite(estimator.get_variable_value(toys.LINE)[0, 0])
    )

  def test_after_an_error_in_a_block_the_checkpoint_is_loaded_again(self):
    def input_fn():
      def checked(i):
        with tf.control_dependencies([tf.debugging.assert_less(i, 8)]):
          return tf.ones([1]), tf.cast(i, tf.float32)[None]

      return tf.data.Dataset.range(20, output_type=tf.int32).map(checked)

    estimator = self.estimator(save_checkpoints_steps=5)
    with self.assertRaises(tf.errors.InvalidArgumentError):
      estimator.train(input_fn)
    saved = estimator.get_variable_value(toys.LINE)
    (first,) = estimator.predict(toys.input_of([1.0]))
    self.assertAllClose(first["y"], saved[0, 0])

  def test_the_last_values_are_logged_at_the_end(self):
    hook = LoggingTensorHook({"x": "x_tensor"}, at_end=True)
    lines = self.messages(
      self.estimator(), toys.input_of(X, np.float32(Y)), [hook]
    )
    self.assertIn("x = [6.]", lines)

  def test_a_changed_learning_rate_takes_effect(self):
    @once
    def optimizer(params):
      return keras.optimizers.SGD(params["rate"])

    def model_fn(features, labels, params):
      w = toys.line()(features[:, None])[:, 0]
      loss = tf.reduce_mean(tf.square(w - labels))
      train_op = minimize(loss, optimizer(params))
      return EstimatorSpec(ModeKeys.TRAIN, loss=loss, train_op=train_op)

    config = RunConfig(self.get_temp_dir(), overwrite_config=True)
    slopes = []
    for rate in (0.1, 0.5):  # each a step of the line through (1, 1)
      estimator = Estimator(model_fn, config=config, params={"rate": rate})
      estimator.train(toys.input_of([1.0], np.float32([1.0])), steps=1)
      slopes.append(estimator.get_variable_value(toys.LINE)[0, 0])
    self.assertAllClose(slopes, [0.2, 0.2 + 0.5 * 2 * 0.8])

  def test_weights_that_overflow_are_not_saved(self):
    def model_fn(features, mode):
      kernel = toys.line()(features[:, None])[0, 0]  # 0 in the first step
      return EstimatorSpec(
        mode,
        loss=tf.square(kernel),
        train_op=toys.line().kernel.value.assign([[float("inf")]]),
      )

    estimator = self.estimator(model_fn, save_checkpoints_steps=1)
    input_fn = toys.input_of(X)
    with self.assertRaisesRegex(
      NanLossDuringTrainingError, "after step 1 the variables .*line/kernel"
    ):
      estimator.train(input_fn)
    self.assertEqual(self.checkpoints(), [0])


class ArgumentsTest(TrainTest):
  @parameterized.parameters(
    (None, "must be a function"),
    (lambda labels, mode: None, "must take features"),
    (lambda features, size: None, "'size'"),
    (lambda features, *args: None, "'args'"),
  )
  def test_model_functions_that_are_refused(self, model_fn, message):
    with self.assertRaisesRegex(ValueError, message):
      Estimator(model_fn, self.get_temp_dir())

  def test_params_need_a_taker(self):
    with self.assertRaisesRegex(ValueError, "{'a': 1}.*add the argument"):
      Estimator(toys.line_fn, self.get_temp_dir(), params={"a": 1})

  @parameterized.parameters(
    ({"config": {"a": 1}}, "RunConfig"),
    ({"model_dir": ""}, "model_dir is empty"),
    ({"model_dir": "/a", "config": RunConfig("/b")}, "'/a'.*'/b'"),
    ({"warm_start_from": 3}, "warm_start_from"),
  )
  def test_wrong_arguments(self, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      Estimator(toys.line_fn, **arguments)

  def test_model_dir(self):
    config = RunConfig("/a")
    self.assertEqual(Estimator(toys.line_fn, config=config).model_dir, "/a")
    both = Estimator(toys.line_fn, "/a", config)
    self.assertEqual(both.model_dir, "/a")
    self.assertEqual(both.eval_dir(), "/a/eval")
    self.assertEqual(both.eval_dir("x"), "/a/eval_x")
    with self.assertLogs("tensorflow", "WARNING") as logs:
      temporary = Estimator(toys.line_fn)
    self.addCleanup(shutil.rmtree, temporary.model_dir)
    self.assertIn(
      "Using temporary folder as model directory: " + temporary.model_dir,
      logs.output[0],
    )
    self.assertEqual(temporary.config.model_dir, temporary.model_dir)

  def test_params_and_config_reach_the_model_function(self):
    seen = []

    def model_fn(features, labels, mode, params, config):
      params["list"].append(3)
      seen.append((mode, params["list"], config))
      return toys.line_fn(features, labels, mode)

    params = {"list": [1]}
    config = RunConfig(self.get_temp_dir())
    estimator = Estimator(model_fn, config=config, params=params)
    params["list"].append(2)
    self.assertEqual(estimator.params, {"list": [1]})
    estimator.train(toys.input_of(X, np.float32(Y)), steps=1)
    self.assertEqual(params, {"list": [1, 2]})
    self.assertEqual(seen[0][0], ModeKeys.TRAIN)
    self.assertEqual(seen[0][1][:2], [1, 3])
    self.assertEqual(seen[0][2], config)

  def test_the_model_function_with_its_params(self):
    def model_fn(features, mode, params):
      return EstimatorSpec(mode, predictions=features * params["factor"])

    estimator = Estimator(model_fn, self.get_temp_dir(), params={"factor": 3})
    spec = estimator.model_fn(
      tf.constant([1, 2]), None, ModeKeys.PREDICT, estimator.config
    )
    self.assertAllEqual(spec.predictions, [3, 6])

  @parameterized.parameters(
    (lambda features: None, "gives labels, but"),
    (lambda features, labels: None, "return an EstimatorSpec.*None"),
    (
      lambda features, labels: EstimatorSpec("infer", predictions=features),
      "mode 'train' but returned a spec of mode 'infer'",
    ),
    (
      lambda features, labels: EstimatorSpec("train", loss=tf.constant(1.0)),
      "needs train_op",
    ),
    (
      lambda features, labels: EstimatorSpec(
        "train",
        loss=tf.reduce_sum(features),
        train_op=minimize(tf.reduce_sum(features), toys.sgd()),
      ),
      "trainable|variable",
    ),
    (
      lambda features, labels: EstimatorSpec(
        "train",
        loss=tf.reduce_sum(toys.line()(features[:, None])),
        train_op=minimize(tf.reduce_sum(features), toys.sgd()),
      ),
      "depends on none of the variables",
    ),
  )
  def test_model_functions_that_do_something_wrong(self, model_fn, message):
    estimator = Estimator(model_fn, self.get_temp_dir())
    with self.assertRaisesRegex(ValueError, message):
      estimator.train(toys.input_of(X, np.float32(Y)), steps=1)

  def test_before_the_first_checkpoint(self):
    estimator = self.estimator()
    self.assertIsNone(estimator.latest_checkpoint())
    with self.assertRaisesRegex(ValueError, "no checkpoint.*train first"):
      estimator.get_variable_names()
    with self.assertRaisesRegex(ValueError, "no checkpoint"):
      estimator.get_variable_value("line/kernel")

  def test_variables_of_the_newest_checkpoint(self):
    estimator = self.estimator()
    estimator.train(toys.input_of(X, np.float32(Y)), steps=1)
    self.assertEqual(
      estimator.get_variable_names(),
      ["global_step", "line/kernel", "sgd/iteration"],
    )
    with self.assertRaisesRegex(ValueError, "'kernel'; it holds .*line/kernel"):
      estimator.get_variable_value("kernel")

  def test_model_dir_of_another_model(self):
    @toys.once
    def wide():
      return keras.layers.Dense(2)

    def model_fn(features, labels, mode, params):
      layer = wide() if params["wide"] else toys.line()
      loss = tf.reduce_mean(layer(features[:, None]) - labels[:, None])
      return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, toys.sgd()))

    input_fn = toys.input_of(X, np.float32(Y))
    for is_wide in (False, True):
      config = RunConfig(self.get_temp_dir(), overwrite_config=True)
      estimator = Estimator(model_fn, config=config, params={"wide": is_wide})
      if not is_wide:
        estimator.train(input_fn, steps=1)
    with self.assertRaisesRegex(ValueError, "no value for .'wide/bias', 'wid"):
      estimator.train(input_fn, steps=1)


if __name__ == "__main__":
  tf.test.main()

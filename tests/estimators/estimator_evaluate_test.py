import os

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  LoggingTensorHook,
  ModeKeys,
  RunConfig,
  once,
)
from estimators.summaries import read_eval_metrics
from tests.estimators import toys
from tests.estimators.toys import RecordingHook


@once
def auc():
  return keras.metrics.AUC(num_thresholds=5)


@once
def rows_seen():
  return keras.metrics.Sum()


def rows_fn(features, labels, mode):
  """A model whose loss is the mean of its features, to be taken untrained."""
  tf.identity(features, name="x_tensor")
  loss = tf.reduce_mean(features)
  area, rows = auc(), rows_seen()
  area.update_state(labels, features / 10)
  rows.update_state(tf.ones_like(features))
  pair = tf.stack([features, 2 * features], 1)
  metrics = {"auc": area, "rows": rows, "square": features**2, "pair": pair}
  return EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


ROWS = np.arange(10, dtype=np.float32)
LABELS = np.array([0, 0, 1, 0, 0, 1, 0, 1, 1, 1])


def rows_input(batch_size=4, **kwargs):
  return toys.input_of(ROWS, LABELS, batch_size, **kwargs)


class EvaluateTest(parameterized.TestCase, tf.test.TestCase):
  def estimator(self, model_fn=rows_fn, **config):
    return Estimator(model_fn, config=RunConfig(self.get_temp_dir(), **config))

  def trained(self):
    """Returns a line with slope 0.04 after one step."""
    input_fn = toys.input_of([1], np.float32([2]))
    return self.estimator(toys.line_fn).train(input_fn)


class ResultsTest(EvaluateTest):
  def test_every_example_counts_the_same(self):
    estimator = self.estimator()
    expected_auc = keras.metrics.AUC(num_thresholds=5)
    expected_auc.update_state(LABELS, ROWS / 10)
    for batch_size in (4, 3, 10):
      results = estimator.evaluate(rows_input(batch_size), untrained=True)
      self.assertEqual(
        {name: type(value) for name, value in results.items()},
        {
          "loss": float,
          "auc": float,
          "rows": float,
          "square": float,
          "pair": float,
          "global_step": int,
        },
      )
      self.assertAllClose(
        results,
        {
          "loss": 4.5,
          "auc": float(expected_auc.result()),
          "rows": 10,
          "square": np.mean(ROWS**2),
          "pair": 1.5 * 4.5,
          "global_step": 0,
        },
      )

  def test_some_of_the_batches(self):
    results = self.estimator().evaluate(
      rows_input(repeat=True), steps=2, untrained=True
    )
    self.assertEqual((results["loss"], results["rows"]), (3.5, 8))
    # More steps than there are batches are fine.
    results = self.estimator().evaluate(rows_input(), 100, untrained=True)
    self.assertEqual(results["loss"], 4.5)

  def test_a_trained_model(self):
    estimator = self.trained()
    x, y = np.float32([1, 2, 3]), np.float32([0, 0, 3])
    error = np.abs(0.04 * x - y)
    expected = {
      "loss": np.mean(error**2), "error": np.mean(error), "global_step": 1
    }  # fmt: skip
    input_fn = toys.input_of(x, y, 2)
    self.assertAllClose(estimator.evaluate(input_fn), expected)
    # Another Estimator of this model_dir, and an older checkpoint.
    again = self.estimator(toys.line_fn)
    self.assertAllClose(again.evaluate(input_fn), expected)
    path = os.path.join(self.get_temp_dir(), "model.ckpt-0")
    results = again.evaluate(input_fn, checkpoint_path=path)
    self.assertAllClose(results, {"loss": 3, "error": 1, "global_step": 0})
    self.assertAllClose(again.evaluate(input_fn), expected)

  def test_metrics_that_are_arrays(self):
    @once
    def confusion():
      return keras.metrics.Precision([0.2, 0.5])

    def model_fn(features, labels, mode):
      metric = confusion()
      metric.update_state(labels, features / 10)
      return EstimatorSpec(
        mode, loss=tf.reduce_mean(features), eval_metric_ops={"p": metric}
      )

    results = self.estimator(model_fn).evaluate(rows_input(), untrained=True)
    # Above 0.2 are 3..9 with 4 of the ones, above 0.5 are 6..9 with 3.
    self.assertIsInstance(results["p"], np.ndarray)
    self.assertAllClose(results["p"], [4 / 7, 3 / 4])

  def test_evaluation_changes_nothing(self):
    estimator = self.trained()
    names = sorted(os.listdir(self.get_temp_dir()))
    input_fn = toys.input_of([1, 2], np.float32([1, 2]))
    estimator.evaluate(input_fn)
    estimator.evaluate(input_fn, name="other")
    self.assertEqual(
      sorted(os.listdir(self.get_temp_dir())),
      sorted([*names, "eval", "eval_other"]),
    )
    estimator.train(toys.input_of([3], np.float32([1])))
    w = toys.line_steps([([1], [2]), ([3], [1])])
    self.assertAllClose(estimator.get_variable_value(toys.LINE), [[w]])


class RefusalsTest(EvaluateTest):
  def test_an_untrained_model_only_when_asked_for(self):
    with self.assertRaisesRegex(ValueError, "untrained=True"):
      self.estimator().evaluate(rows_input())

  def test_empty_input(self):
    with self.assertRaisesRegex(ValueError, "evaluation input is empty"):
      self.estimator().evaluate(
        toys.input_of([], np.zeros([0], int), 4), untrained=True
      )

  def test_endless_input_needs_steps(self):
    with self.assertRaisesRegex(ValueError, "never ends; give steps"):
      self.estimator().evaluate(rows_input(repeat=True), untrained=True)

  @parameterized.parameters(
    ({"steps": 0}, ValueError, "steps > 0.*given: 0"),
    ({"steps": 1.5}, ValueError, "given: 1.5"),
    ({"hooks": [1]}, TypeError, "Hook"),
    (
      {"checkpoint_path": "/none/model.ckpt-1"},
      ValueError,
      "no checkpoint '/n",
    ),
  )
  def test_wrong_arguments(self, arguments, error, message):
    with self.assertRaisesRegex(error, message):
      self.estimator().evaluate(rows_input(), untrained=True, **arguments)

  @parameterized.parameters("loss", "global_step")
  def test_names_of_metrics_that_are_taken(self, name):
    def model_fn(features, labels, mode):
      return EstimatorSpec(
        mode, loss=tf.reduce_mean(features), eval_metric_ops={name: features}
      )

    with self.assertRaisesRegex(ValueError, f"'{name}'.*rename it"):
      self.estimator(model_fn).evaluate(rows_input(), untrained=True)


class ReportsTest(EvaluateTest):
  def messages(self, estimator, *args, **kwargs):
    with self.assertLogs("tensorflow") as logs:
      estimator.evaluate(*args, **kwargs)
    return [record.getMessage() for record in logs.records]

  def test_log_lines_in_order(self):
    estimator = self.trained()
    path = estimator.latest_checkpoint()
    lines = self.messages(
      estimator, toys.input_of([1, 2], np.float32([1, 1])), steps=2
    )
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
    expected = [
      "Calling model_fn.",
      "Done calling model_fn.",
      f"Starting evaluation at {time}",
      r"Evaluation \[1/2\]",
      r"Evaluation \[2/2\]",
      r"Inference Time : \d+\.\d{5}s",
      f"Finished evaluation at {time}",
      r"Saving dict for global step 1: error = 0\.94, global_step = 1, "
      r"loss = 0\.884\d*",
      f"Saving 'checkpoint_path' summary for global step 1: {path}",
    ]
    self.assertLen(lines, len(expected))
    for line, pattern in zip(lines, expected, strict=True):
      self.assertRegex(line, f"^{pattern}$")

  @parameterized.parameters(
    (3, [1, 2, 3]), (19, list(range(1, 20))), (25, [*range(2, 25, 2), 25])
  )
  def test_progress(self, steps, expected):
    lines = self.messages(
      self.estimator(),
      rows_input(1, repeat=True),
      steps=steps,
      untrained=True,
    )
    lines = [line for line in lines if line.startswith("Evaluation")]
    self.assertEqual(lines, [f"Evaluation [{k}/{steps}]" for k in expected])

  def test_events_in_a_folder_by_name(self):
    estimator = self.trained()
    input_fn = toys.input_of([1], np.float32([1]))
    results = estimator.evaluate(input_fn)
    for name, folder in ((None, "eval"), ("test", "eval_test")):
      estimator.evaluate(input_fn, name=name)
      folder = os.path.join(self.get_temp_dir(), folder)
      self.assertEqual(estimator.eval_dir(name), folder)
      self.assertAllClose(
        read_eval_metrics(folder),
        {1: {"loss": results["loss"], "error": results["error"]}},
      )

  def test_hooks(self):
    calls = []

    def model_fn(features, labels, mode):
      spec = toys.line_fn(features, labels, mode)
      return EstimatorSpec(
        mode,
        loss=spec.loss,
        train_op=spec.train_op,
        evaluation_hooks=[
          RecordingHook("spec", calls, tensors={"x": 2 * features})
        ],
      )

    estimator = self.estimator(model_fn)
    estimator.train(toys.input_of([1], np.float32([2])))
    given = RecordingHook("given", calls, tensors={"x": "x_tensor"})
    input_fn = toys.input_of([1, 2, 3], np.float32([1, 2, 3]), 2)
    estimator.evaluate(input_fn, hooks=[given])
    self.assertEqual(
      calls,
      [
        (name, method, step)
        for method, step in (
          ("begin", 0), ("after_run", 1), ("after_run", 2), ("end", 2)
        )
        for name in ("given", "spec")
      ],
    )  # fmt: skip
    self.assertEqual([v["x"].tolist() for v in given.values], [[1, 2], [3]])

  def test_unknown_tensor(self):
    with self.assertRaisesRegex(ValueError, "'y_tensor'"):
      self.estimator().evaluate(
        rows_input(),
        hooks=[LoggingTensorHook(["y_tensor"], at_end=True)],
        untrained=True,
      )


class TracesTest(EvaluateTest):
  def test_a_second_evaluation_traces_nothing(self):
    model_fn, modes = toys.counted(toys.line_fn)
    estimator = self.estimator(model_fn)
    x, y = np.float32([1, 2, 3]), np.float32([1, 2, 3])
    hook = RecordingHook(tensors={"x": "x_tensor"})
    estimator.train(toys.input_of(x, y, 2), steps=1)
    estimator.evaluate(toys.input_of(x, y, 2), hooks=[hook])
    self.assertIn(ModeKeys.EVAL, modes)
    modes.clear()
    with self.assertLogs("tensorflow") as logs:
      for size, steps in ((3, None), (2, None), (3, 1)):
        estimator.evaluate(
          toys.input_of(x[:size], y[:size], 2), steps, hooks=[hook]
        )
      # Nor does a second training, and an evaluation after it.
      estimator.train(toys.input_of(x, y, 2), steps=1)
      estimator.evaluate(toys.input_of(x, y, 2), hooks=[hook])
    self.assertEqual(modes, [])
    self.assertNotIn("Restoring", " ".join(logs.output))
    self.assertNotIn("Calling model_fn", " ".join(logs.output))


if __name__ == "__main__":
  tf.test.main()

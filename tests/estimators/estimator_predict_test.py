import types

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator, EstimatorSpec, Hook, RunConfig
from tests.estimators import toys
from tests.estimators.toys import RecordingHook


class PredictTest(parameterized.TestCase, tf.test.TestCase):
  def estimator(self, model_fn=toys.line_fn, **config):
    return Estimator(model_fn, config=RunConfig(self.get_temp_dir(), **config))

  def trained(self, model_fn=toys.line_fn, **config):
    """Returns a line with slope 0.04 after one step."""
    input_fn = toys.input_of([1], np.float32([2]))
    return self.estimator(model_fn, **config).train(input_fn)

  def predict(self, model_fn, **kwargs):
    """Predicts three examples with an untrained model."""
    input_fn = toys.input_of([1, 2, 3], batch_size=2)
    return list(
      self.estimator(model_fn).predict(input_fn, untrained=True, **kwargs)
    )

  def test_examples_and_batches(self):
    estimator = self.trained()
    input_fn = toys.input_of([1, 2, 3], batch_size=2)
    rows = estimator.predict(input_fn)
    self.assertIsInstance(rows, types.GeneratorType)
    rows = list(rows)
    self.assertEqual([sorted(row) for row in rows], [["x", "y"]] * 3)
    self.assertEqual([row["x"] for row in rows], [1, 2, 3])
    self.assertAllClose([row["y"] for row in rows], [0.04, 0.08, 0.12])
    # Labels are ignored.
    labeled = toys.input_of([1, 2, 3], np.float32([0, 0, 0]), batch_size=2)
    batches = list(
      estimator.predict(labeled, ["y"], yield_single_examples=False)
    )
    self.assertEqual([list(batch) for batch in batches], [["y"]] * 2)
    self.assertAllClose(batches[0]["y"], [0.04, 0.08])
    self.assertAllClose(batches[1]["y"], [0.12])
    first = estimator.get_variable_value(toys.LINE)
    self.assertAllClose(first, [[0.04]])

  def test_a_tensor_without_keys(self):
    def model_fn(features, mode):
      return EstimatorSpec(mode, predictions=tf.stack([features, -features], 1))

    self.assertAllEqual(self.predict(model_fn), [[1, -1], [2, -2], [3, -3]])
    batches = self.predict(model_fn, yield_single_examples=False)
    self.assertEqual([batch.shape for batch in batches], [(2, 2), (1, 2)])
    with self.assertRaisesRegex(ValueError, "one tensor without keys"):
      self.predict(model_fn, predict_keys=["x"])

  @parameterized.parameters(
    (["z"], r"\['z'\], but the predictions are \['x', 'y'\]"),
    (["x", "z"], r"\['z'\]"),
    ([], "nothing"),
  )
  def test_unknown_keys(self, keys, message):
    def model_fn(features, mode):
      return EstimatorSpec(mode, predictions={"x": features, "y": features})

    with self.assertRaisesRegex(ValueError, message):
      self.predict(model_fn, predict_keys=keys)

  @parameterized.parameters(
    lambda x: tf.reduce_sum(x), lambda x: tf.concat([x, x], 0)
  )
  def test_leading_dimensions_that_differ(self, other):
    def model_fn(features, mode):
      return EstimatorSpec(
        mode, predictions={"x": features, "other": other(features)}
      )

    with self.assertRaisesRegex(ValueError, "yield_single_examples=False"):
      self.predict(model_fn)
    batches = self.predict(model_fn, yield_single_examples=False)
    self.assertLen(batches, 2)

  def test_an_untrained_model_only_when_asked_for(self):
    input_fn = toys.input_of([1])
    with self.assertRaisesRegex(ValueError, "untrained=True"):
      self.estimator().predict(input_fn)
    rows = list(self.estimator().predict(input_fn, untrained=True))
    self.assertEqual(rows, [{"x": 1, "y": 0}])

  def test_wrong_arguments(self):
    estimator = self.trained()
    with self.assertRaisesRegex(TypeError, "Hook"):
      estimator.predict(toys.input_of([1]), hooks=[1])
    with self.assertRaisesRegex(ValueError, "no checkpoint 'model.ckpt-9'"):
      estimator.predict(toys.input_of([1]), checkpoint_path="model.ckpt-9")

  def test_generators_in_turn_and_training_between(self):
    estimator = self.trained()
    first = self.get_temp_dir() + "/model.ckpt-0"
    old = estimator.predict(toys.input_of([1, 2, 3]), checkpoint_path=first)
    new = estimator.predict(toys.input_of([4, 5]), ["y"])
    self.assertAllClose(next(new), {"y": 0.16})
    self.assertAllClose(next(old), {"x": 1, "y": 0})
    estimator.train(toys.input_of([2], np.float32([0])))
    # The gradient was 2 * 0.04 * 2 * 2.
    w = 0.04 - 0.01 * 0.32
    self.assertAllClose(estimator.get_variable_value(toys.LINE), [[w]])
    # Each goes on with the checkpoint that it began with.
    self.assertAllClose(next(new), {"y": 0.2})
    self.assertAllClose(next(old), {"x": 2, "y": 0})
    self.assertAllClose(
      list(estimator.predict(toys.input_of([1]), ["y"])), [{"y": w}]
    )
    old.close()
    # And training with the newest one.
    estimator.train(toys.input_of([0], np.float32([0])))
    self.assertAllClose(estimator.get_variable_value(toys.LINE), [[w]])

  def test_a_second_prediction_traces_nothing(self):
    model_fn, modes = toys.counted(toys.line_fn)
    estimator = self.trained(model_fn)
    list(estimator.predict(toys.input_of([1, 2, 3], batch_size=2)))
    modes.clear()
    with self.assertNoLogs("tensorflow"):
      for rows in ([1, 2, 3], [4], [5, 6, 7, 8, 9]):
        list(estimator.predict(toys.input_of(rows, batch_size=2)))
    self.assertEqual(modes, [])

  def test_hooks(self):
    calls = []

    def model_fn(features, mode):
      hook = RecordingHook("spec", calls)
      return EstimatorSpec(mode, predictions=features, prediction_hooks=[hook])

    class Stop(Hook):
      def after_run(self, run):
        if run.step == 2:
          run.request_stop()

    rows = self.estimator(model_fn).predict(
      toys.input_of(range(5)),
      hooks=[RecordingHook("given", calls), Stop()],
      untrained=True,
    )
    self.assertEqual(calls, [])
    self.assertEqual(list(rows), [0, 1])
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


if __name__ == "__main__":
  tf.test.main()

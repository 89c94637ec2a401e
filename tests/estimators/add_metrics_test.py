"""Tests of more metrics for an Estimator that is there already."""

import numpy as np
import tensorflow as tf

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  add_metrics,
  minimize,
)
from tests.estimators import toys
from tests.estimators.helpers import new_folder, slope_after

TRAIN = toys.input_of([1.0], np.float32([1]))
EVAL = toys.input_of([1.0, 2.0, 3.0], np.float32([0, 0, 0]), batch_size=2)
W = slope_after(1)


def scaled_fn(features, labels, mode, params):
  """As toys.line_fn, with a loss that is scaled, and predictions in EVAL."""
  y = toys.line()(features[:, None])[:, 0]
  if mode == ModeKeys.PREDICT:
    return EstimatorSpec(mode, predictions=y)
  loss = params["scale"] * tf.reduce_mean(tf.square(y - labels))
  return EstimatorSpec(
    mode,
    loss=loss,
    predictions={"y": y},
    train_op=minimize(loss, toys.sgd()) if mode == ModeKeys.TRAIN else None,
    eval_metric_ops={"error": tf.abs(y - labels), "twice": 2 * y},
  )


class AddMetricsTest(tf.test.TestCase):
  def estimator(self, **kwargs):
    return Estimator(
      scaled_fn, new_folder(), params={"scale": 1.0}, **kwargs
    ).train(TRAIN, steps=1)

  def test_more_metrics_and_others_of_the_same_name(self):
    def metric_fn(features, labels, predictions, config):
      self.assertIsInstance(config, RunConfig)
      return {
        "twice": 20 * predictions["y"],
        "features": features,
        "labels": labels,
      }

    old = self.estimator()
    new = add_metrics(old, metric_fn)
    self.assertEqual(new.model_dir, old.model_dir)
    results = new.evaluate(EVAL)
    # y is W, 2 W, 3 W.
    self.assertAllClose(
      results,
      {
        "loss": 14 * W**2 / 3,
        "error": 2 * W,
        "twice": 40 * W,
        "features": 2.0,
        "labels": 0.0,
        "global_step": 1,
      },
    )
    self.assertAllClose(old.evaluate(EVAL)["twice"], 4 * W)
    self.assertNotIn("features", old.evaluate(EVAL))

  def test_any_of_the_arguments(self):
    new = add_metrics(self.estimator(), lambda labels: {"labels": labels + 1})
    self.assertAllClose(new.evaluate(EVAL)["labels"], 1.0)

  def test_metrics_may_be_added_twice(self):
    new = add_metrics(self.estimator(), lambda features: {"a": features})
    new = add_metrics(new, lambda features: {"b": 2 * features})
    results = new.evaluate(EVAL)
    self.assertAllClose([results["a"], results["b"]], [2.0, 4.0])

  def test_only_evaluation_changes(self):
    new = add_metrics(self.estimator(), lambda features: {"a": features})
    new.train(TRAIN, steps=1)
    self.assertAllClose(list(new.predict(TRAIN)), [slope_after(2)])

  def test_parameters_and_warm_start_are_kept(self):
    old = Estimator(
      scaled_fn,
      new_folder(),
      params={"scale": 1.0},
      warm_start_from=self.estimator().model_dir,
    )
    new = add_metrics(old, lambda features: {"a": features})
    self.assertEqual(new.params, {"scale": 1.0})
    self.assertAllClose(new.evaluate(EVAL)["error"], 2 * W)

  def test_other_arguments_are_refused(self):
    with self.assertRaisesRegex(ValueError, "but takes .*'weights'"):
      add_metrics(self.estimator(), lambda features, weights: {})


if __name__ == "__main__":
  tf.test.main()

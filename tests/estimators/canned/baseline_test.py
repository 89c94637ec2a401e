"""Baselines: they learn what the labels alone tell."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  BaselineClassifier,
  BaselineEstimator,
  BaselineRegressor,
  PoissonRegressionHead,
)
from estimators import feature_columns as fc
from tests.estimators import toys
from tests.estimators.canned import models
from tests.estimators.canned.models import input_of
from tests.estimators.helpers import new_folder, plugins

# Several features, which count for nothing: tf.estimator failed with two.
FEATURES = {
  "x": np.array([1, 2, 3, 4], np.float32),
  "word": np.array(["a", "b", "c", "d"]),
  "w": np.array([1, 1, 1, 3], np.float32),
}


def trained(make, labels, steps=200, **kwargs):
  kwargs = {"optimizer": keras.optimizers.SGD(0.5), **kwargs}
  estimator = make(
    config=models.config_of(save_summary_steps=None, log_step_count_steps=None),
    **kwargs,
  )
  batch = tf.data.Dataset.from_tensors((FEATURES, labels)).repeat()
  return estimator.train(lambda: batch, steps=steps)


class LearningTest(tf.test.TestCase):
  def test_two_classes(self):
    estimator = trained(BaselineClassifier, np.array([1, 1, 0, 1]))
    self.assertAllClose(
      estimator.get_variable_value("baseline/bias"), [np.log(3)], 1e-5
    )
    others = {"y": np.zeros([2, 5])}  # Any features will do.
    self.assertAllClose(
      models.predicted(estimator, others, "probabilities"),
      [[0.25, 0.75]] * 2,
      1e-5,
    )
    results = estimator.evaluate(input_of(FEATURES, np.array([0, 0, 1, 1])))
    self.assertAllClose(
      results["loss"], -(np.log(0.25) + np.log(0.75)) / 2, 1e-5
    )
    self.assertEqual(results["accuracy"], 0.5)
    self.assertEqual(models.weight_names(estimator), ["baseline/bias"])

  def test_three_classes_and_a_numeric_column_of_weights(self):
    # A numeric column as weight_column was a TypeError in tf.estimator.
    estimator = trained(
      BaselineClassifier,
      np.array(["u", "u", "v", "w"]),
      n_classes=3,
      label_vocabulary=["u", "v", "w"],
      weight_column=fc.numeric_column("w"),
      optimizer=keras.optimizers.SGD(1.0),
    )
    (prediction, *_) = estimator.predict(input_of({"x": FEATURES["x"]}))
    self.assertAllClose(
      prediction["probabilities"], [2 / 6, 1 / 6, 3 / 6], 1e-4
    )
    self.assertEqual(prediction["classes"], [b"w"])

  def test_numbers(self):
    labels = np.array([[1, 0], [2, 0], [3, 4], [6, 4]], np.float32)
    estimator = trained(BaselineRegressor, labels, label_dimension=2, steps=50)
    self.assertAllClose(
      models.predicted(estimator, FEATURES, "predictions"), [[3, 2]] * 4
    )
    estimator = trained(
      BaselineRegressor, labels[:, 0], weight_column="w", steps=50
    )
    self.assertAllClose(
      estimator.get_variable_value("baseline/bias"), [(1 + 2 + 3 + 18) / 6]
    )

  def test_any_head(self):
    estimator = trained(
      BaselineEstimator,
      np.array([1, 2, 3, 6]),
      head=PoissonRegressionHead(),
      optimizer=keras.optimizers.SGD(0.2),
    )
    self.assertAllClose(
      models.predicted(estimator, FEATURES, "predictions"), [[3]] * 4
    )

  def test_the_default_step(self):
    estimator = trained(
      BaselineRegressor, np.full([4], 1.5), optimizer="Ftrl", steps=1
    )
    # Ftrl's first step from 0, with a gradient of -3 and a rate of 0.3.
    self.assertAllClose(
      estimator.get_variable_value("baseline/bias"),
      [3 * 0.3 / np.sqrt(0.1 + 9)],
    )

  @pytest.mark.slow
  def test_two_replicas_equal_one(self):
    labels = np.array([1, 0, 1, 1, 0])
    features = {"x": np.zeros([5]), "y": np.array([*"abcde"])}
    found = []
    for strategy in (None, toys.two_replicas()):
      config = models.config_of(
        train_distribute=strategy, eval_distribute=strategy
      )
      estimator = BaselineClassifier(config=config)
      estimator.train(input_of(features, labels, 5))
      results = estimator.evaluate(input_of(features, labels, 2))
      found.append({**models.values_of(estimator), **results})
      self.assertEqual(
        set(plugins(estimator.model_dir)),
        {"_hparams_/session_start_info", "loss", "learning_rate"},
      )
    self.assertAllClose(*found, rtol=0, atol=1e-5)


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ({"n_classes": 1}, "n_classes"), ({"optimizer": None}, "optimizer must be")
  )
  def test_arguments(self, wrong, message):
    with self.assertRaisesRegex((ValueError, TypeError), message):
      BaselineClassifier(new_folder(), **wrong)

  def test_features(self):
    labels = np.array([0, 1])
    empty = tf.data.Dataset.from_tensors(({}, labels))
    with self.assertRaisesRegex(ValueError, "empty dictionary"):
      BaselineClassifier(new_folder()).train(lambda: empty)
    with self.assertRaisesRegex(ValueError, "'w'"):
      BaselineClassifier(new_folder(), weight_column="w").train(
        input_of({"x": labels}, labels)
      )


if __name__ == "__main__":
  tf.test.main()

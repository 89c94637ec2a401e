"""Kernel machines equal linear models of features that are mapped before."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  KernelLinearClassifier,
  LinearClassifier,
  RandomFourierFeatureMapper,
)
from estimators import feature_columns as fc
from tests.estimators import toys
from tests.estimators.canned import models
from tests.estimators.canned.models import input_of
from tests.estimators.helpers import new_folder

WIDE = "linear/linear_model"


class Powers(keras.layers.Layer):
  """Maps [B, N] to the squares, or other powers, of its inputs."""

  def __init__(self, power=2, **kwargs):
    super().__init__(**kwargs)
    self.power = power

  def call(self, inputs):
    return inputs**self.power

  def compute_output_shape(self, input_shape):
    return input_shape

  def get_config(self):
    return {**super().get_config(), "power": self.power}


def data(size=20):
  random = np.random.RandomState(0)
  features = {
    "x": np.float32(random.normal(size=[size, 2])),
    "y": np.float32(random.normal(size=[size, 1])),
    "word": np.array([*"ab"])[random.randint(2, size=size)],
  }
  radius = np.hypot(*features["x"].T)
  return features, (radius > 1.2).astype(np.int64)


def word():
  return fc.categorical_column_with_vocabulary_list("word", ["a", "b"])


def mappers():
  """Returns two mappers of one column, and one of another, not in a list."""
  return {
    fc.numeric_column("x", 2): [Powers(), RandomFourierFeatureMapper(6, 2.0)],
    fc.numeric_column("y"): Powers(3),
  }


def mapped_by_hand(features):
  """Returns the features with what the mappers make of them."""
  mapper = RandomFourierFeatureMapper(6, 2.0)
  mapper(features["x"])
  omega, bias = map(np.asarray, (mapper.omega, mapper.bias))
  return {
    **features,
    "x_MAPPED_0": features["x"] ** 2,
    "x_MAPPED_1": np.sqrt(2 / 6) * np.cos(features["x"] @ omega + bias),
    "y_MAPPED_0": features["y"] ** 3,
  }


def kernel(columns, config=None, **kwargs):
  kwargs = {"kernel_mappers": mappers(), **kwargs}
  config = config or models.config_of()
  return KernelLinearClassifier(columns, config=config, **kwargs)


class KernelLinearTest(tf.test.TestCase):
  def test_it_is_a_linear_model_of_mapped_features(self):
    n_classes = 3
    features, labels = data()
    mapped = mapped_by_hand(features)
    plain = [word(), fc.numeric_column("y")]
    linear = LinearClassifier(
      [
        *plain,
        fc.numeric_column("x_MAPPED_0", 2),
        fc.numeric_column("x_MAPPED_1", 6),
        fc.numeric_column("y_MAPPED_0"),
      ],
      n_classes=n_classes,
      config=models.config_of(),
    )
    linear.train(input_of(mapped, labels, 5))
    kernel_model = kernel(plain, n_classes=n_classes)
    kernel_model.train(input_of(features, labels, 5))
    names = models.weight_names(linear)
    self.assertLen(names, 6)
    for name in [*names, f"optimizer/{WIDE}/x_MAPPED_1/weights/linear"]:
      self.assertAllClose(
        kernel_model.get_variable_value(name), linear.get_variable_value(name)
      )
    self.assertAllClose(
      kernel_model.evaluate(input_of(features, labels)),
      linear.evaluate(input_of(mapped, labels)),
    )
    self.assertAllClose(
      models.predicted(kernel_model, features),
      models.predicted(linear, mapped),
    )

  def test_the_mappers_are_in_the_checkpoint_and_stay(self):
    features, labels = data()
    estimator = kernel([]).train(input_of(features, labels))
    mapper = RandomFourierFeatureMapper(6, 2.0)
    mapper(features["x"])
    scope = "kernel_mappers/x/1"
    self.assertCountEqual(
      models.weight_names(estimator),
      [
        *(f"{WIDE}/{name}_MAPPED_0/weights" for name in "xy"),
        f"{WIDE}/x_MAPPED_1/weights",
        f"{WIDE}/bias_weights",
        f"{scope}/omega",
        f"{scope}/bias",
      ],
    )
    value = estimator.get_variable_value
    self.assertAllEqual(value(f"{scope}/omega"), mapper.omega)
    self.assertAllEqual(value(f"{scope}/bias"), mapper.bias)

  def test_one_mapper_serves_two_estimators(self):
    features, labels = data()
    shared = {fc.numeric_column("x", 2): [RandomFourierFeatureMapper(6)]}
    found = []
    for _ in range(2):
      estimator = kernel([], kernel_mappers=shared)
      estimator.train(input_of(features, labels, 5))
      found.append(models.values_of(estimator))
    self.assertAllEqual(found[0].keys(), found[1].keys())
    for name, value in found[0].items():
      self.assertAllEqual(value, found[1][name])
    ((mapper,),) = shared.values()
    self.assertFalse(mapper.built)

  @pytest.mark.slow
  def test_two_replicas_equal_one(self):
    features, labels = data(5)
    one, two = (
      kernel([word()], models.config_of(train_distribute=strategy)).train(
        input_of(features, labels)
      )
      for strategy in (None, toys.two_replicas())
    )
    self.assertAllClose(models.values_of(one), models.values_of(two), 0, 1e-5)

  def test_it_tells_a_ring_from_what_is_in_it(self):
    features, labels = data(200)
    train = input_of(features, labels, 50, repeat=True)
    columns = {fc.numeric_column("x", 2): [RandomFourierFeatureMapper(200, 1)]}
    estimator = kernel([], kernel_mappers=columns).train(train, steps=200)
    results = estimator.evaluate(input_of(features, labels))
    self.assertGreater(results["accuracy"], 0.95)
    self.assertLess(results["accuracy_baseline"], 0.6)


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ({"feature_columns": None, "kernel_mappers": None}, "neither was given"),
    ({"feature_columns": [], "kernel_mappers": {}}, "neither was given"),
    ({"kernel_mappers": [Powers()]}, "must be a dictionary"),
    ({"kernel_mappers": {fc.numeric_column("x"): [np.square]}}, "square"),
    (
      {"kernel_mappers": {fc.numeric_column("x"): 3}},
      "must be one Keras layer .* \\[3\\]",
    ),
    ({"kernel_mappers": {fc.numeric_column("x"): []}}, r"'x' .* are \[\]"),
    ({"kernel_mappers": {"x": [Powers()]}}, "'x'"),
    (
      {
        "kernel_mappers": {
          fc.numeric_column("x"): keras.layers.Lambda(lambda x: x**2)
        }
      },
      "Lambda .* cannot be made anew .* get_config",
    ),
    ({"kernel_mappers": {word(): [Powers()]}}, "'word'"),
    ({"n_classes": 1}, "n_classes"),
    ({"optimizer": "Newton"}, "'Newton'"),
  )
  def test_arguments(self, wrong, message):
    arguments = {"feature_columns": [fc.numeric_column("z")], **wrong}
    with self.assertRaisesRegex((ValueError, TypeError), message):
      KernelLinearClassifier(model_dir=new_folder(), **arguments)

  def test_features(self):
    features, labels = data(4)
    del features["x"]
    with self.assertRaisesRegex(ValueError, "'x'"):
      kernel([word()]).train(input_of(features, labels))
    tensors = tf.data.Dataset.from_tensors((tf.ones([2]), tf.ones([2])))
    with self.assertRaisesRegex(ValueError, "must be a dictionary"):
      kernel([word()]).train(lambda: tensors)


if __name__ == "__main__":
  tf.test.main()

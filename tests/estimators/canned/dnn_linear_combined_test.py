"""Wide and deep models: both parts, their optimizers, and broken-off runs."""

import functools
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  DNNClassifier,
  DNNLinearCombinedClassifier,
  DNNLinearCombinedEstimator,
  DNNLinearCombinedRegressor,
  LinearClassifier,
  RegressionHead,
  RunConfig,
  WarmStartSettings,
)
from estimators import feature_columns as fc
from tests.estimators import toys
from tests.estimators.canned import models
from tests.estimators.canned.models import input_of
from tests.estimators.helpers import new_folder, plugins

WIDE = "linear/linear_model"
SCOPE = "dnn/input_from_feature_columns/input_layer"
# y = 0.5 + 2 x + [1, -1][word] + (10 + 3 relu(x - 1))
VALUES = {
  f"{WIDE}/x/weights": [[2.0]],
  f"{WIDE}/word/weights": [[1.0], [-1.0]],
  f"{WIDE}/bias_weights": [0.5],
  "dnn/hiddenlayer_0/kernel": [[1.0]],
  "dnn/hiddenlayer_0/bias": [-1.0],
  "dnn/logits/kernel": [[3.0]],
  "dnn/logits/bias": [10.0],
}
FEATURES = {
  "x": np.array([3, 0, 1.5], np.float32),
  "word": np.array(["a", "b", "a"]),
}
WIDE_LOGITS = np.array([[0.5 + 6 + 1], [0.5 - 1], [0.5 + 3 + 1]])
DEEP_LOGITS = np.array([[10 + 6], [10.0], [10 + 1.5]])


def word():
  return fc.categorical_column_with_vocabulary_list("word", ["a", "b"])


def columns():
  """Returns the arguments that describe the model of VALUES."""
  return {
    "linear_feature_columns": [word(), fc.numeric_column("x")],
    "dnn_feature_columns": [fc.numeric_column("x")],
    "dnn_hidden_units": [1],
  }


def part_of(values, prefix):
  return {name: v for name, v in values.items() if name.startswith(prefix)}


class WorkedValuesTest(tf.test.TestCase):
  def test_the_logits_are_summed(self):
    estimator = models.given(DNNLinearCombinedClassifier, VALUES, **columns())
    logits = WIDE_LOGITS + DEEP_LOGITS
    self.assertAllClose(models.predicted(estimator, FEATURES), logits)
    self.assertAllClose(
      models.predicted(estimator, FEATURES, "logistic"), models.sigmoid(logits)
    )
    labels = np.array([1, 0, 1])
    self.assertAllClose(
      estimator.evaluate(input_of(FEATURES, labels))["loss"],
      models.cross_entropy(logits[:, 0], labels).mean(),
    )

  def test_one_part_only(self):
    for prefix, others, wanted in (
      ("linear", ["dnn_feature_columns", "dnn_hidden_units"], WIDE_LOGITS),
      ("dnn", ["linear_feature_columns"], DEEP_LOGITS),
    ):
      arguments = {k: v for k, v in columns().items() if k not in others}
      estimator = models.given(
        DNNLinearCombinedRegressor, part_of(VALUES, prefix), **arguments
      )
      self.assertAllClose(
        models.predicted(estimator, FEATURES, "predictions"), wanted
      )

  def test_combiner_and_several_values(self):
    tags = fc.categorical_column_with_vocabulary_list("tags", ["a", "b"])
    estimator = models.given(
      DNNLinearCombinedEstimator,
      {
        f"{WIDE}/tags/weights": [[2, 4], [6, 0]],
        f"{WIDE}/bias_weights": [0, 1],
      },
      RegressionHead(2),
      linear_feature_columns=[tags],
      linear_sparse_combiner="mean",
    )
    features = {"tags": np.array([["a", "b"], ["a", ""]])}
    self.assertAllClose(
      models.predicted(estimator, features, "predictions"), [[4, 3], [2, 5]]
    )


class OptimizersTest(tf.test.TestCase):
  def train(self, **kwargs):
    estimator = models.given(
      DNNLinearCombinedRegressor,
      VALUES,
      config=models.config_of(),
      model_dir=None,
      **columns(),
      **kwargs,
    )
    return estimator.train(input_of(FEATURES, np.array([1.0, 2.0, 3.0])))

  def test_a_step_of_each_by_hand(self):
    estimator = self.train(
      linear_optimizer=keras.optimizers.SGD(0.01),
      dnn_optimizer=lambda: keras.optimizers.SGD(0.02),
    )
    errors = 2 / 3 * (WIDE_LOGITS + DEEP_LOGITS - [[1], [2], [3]])[:, 0]
    hidden = np.array([2, 0, 0.5])
    active = errors * (hidden > 0)
    gradients = {
      f"{WIDE}/x/weights": [[errors @ FEATURES["x"]]],
      f"{WIDE}/word/weights": [[errors[0] + errors[2]], [errors[1]]],
      f"{WIDE}/bias_weights": [errors.sum()],
      "dnn/logits/kernel": [[errors @ hidden]],
      "dnn/logits/bias": [errors.sum()],
      "dnn/hiddenlayer_0/kernel": [[3 * active @ FEATURES["x"]]],
      "dnn/hiddenlayer_0/bias": [3 * active.sum()],
    }
    self.assertEqual(set(gradients), set(VALUES))
    for name, gradient in gradients.items():
      rate = 0.01 if name.startswith("linear") else 0.02
      self.assertAllClose(
        estimator.get_variable_value(name),
        np.array(VALUES[name]) - rate * np.array(gradient),
      )

  def test_rates(self):
    many = [fc.numeric_column(f"x{i}") for i in range(5)]
    for linear, dnn, expected in (
      ("Ftrl", "Adagrad", ("Ftrl(0.005)", "Adagrad(0.05)")),
      ("Adam", "SGD", ("Adam(0.005)", "SGD(0.05)")),
    ):
      params = DNNLinearCombinedClassifier(
        new_folder(), many, linear, many, dnn, [2]
      ).params
      self.assertEqual(
        (repr(params["linear_optimizer"]), repr(params["dnn_optimizer"])),
        expected,
      )

  def test_a_part_alone_is_the_model_of_that_part(self):
    # So that a folder of one is a folder of the other.
    folder = new_folder()
    labels = np.array([1, 0, 1])
    train = input_of(FEATURES, labels, repeat=True)
    LinearClassifier(
      columns()["linear_feature_columns"],
      folder,
      optimizer=keras.optimizers.Ftrl(0.1),
    ).train(train, steps=2)
    combined = DNNLinearCombinedClassifier(
      folder,
      columns()["linear_feature_columns"],
      linear_optimizer=keras.optimizers.Ftrl(0.1),
      config=RunConfig(overwrite_config=True),
    )
    combined.train(train, steps=1)
    self.assertEqual(combined.get_variable_value("optimizer/iteration"), 3)


def wide_deep(model_dir=None, config=None, **kwargs):
  """Returns a model with all that has a state."""
  return DNNLinearCombinedClassifier(
    model_dir,
    linear_feature_columns=[word(), fc.crossed_column(["word", "n"], 7)],
    dnn_feature_columns=[
      fc.numeric_column("x"),
      fc.embedding_column(
        fc.categorical_column_with_identity("n", 4), 2, combiner="sum"
      ),
    ],
    dnn_hidden_units=[4, 3],
    config=config,
    **kwargs,
  )


def train_input(batch_size=5, size=20):
  random = np.random.RandomState(0)
  features = {
    "x": np.float32(random.normal(size=size)),
    "word": np.array([*"abc"])[random.randint(3, size=size)],
    "n": random.randint(4, size=size),
  }
  labels = random.randint(2, size=size)
  return input_of(features, labels, batch_size, repeat=True)


class RunsTest(tf.test.TestCase):
  @pytest.mark.slow
  def test_a_run_in_pieces_equals_one_in_a_piece(self):
    def train(folder, *steps):
      folder = os.path.join(self.get_temp_dir(), folder)
      for max_steps in steps:  # Each with an Estimator of its own.
        estimator = wide_deep(
          config=RunConfig(folder, tf_random_seed=2),
          dnn_dropout=0.5,
          batch_norm=True,
          dnn_optimizer="Adam",
        )
        estimator.train(train_input(), max_steps=max_steps)
      return models.values_of(estimator)

    unbroken, broken = train("unbroken", 6), train("broken", 2, 6)
    self.assertEqual(set(unbroken), set(broken))
    for name, value in unbroken.items():
      self.assertEqual(value.tobytes(), broken[name].tobytes(), msg=name)

  @functools.cached_property
  def on_one_and_two(self):
    found = []
    for strategy in (None, toys.two_replicas()):
      estimator = wide_deep(config=models.config_of(train_distribute=strategy))
      found.append(estimator.train(train_input(), steps=4))
    return found

  def test_two_replicas_equal_one(self):
    one, two = self.on_one_and_two
    self.assertAllClose(models.values_of(one), models.values_of(two), 0, 1e-5)
    layers = [
      "linear",
      *(f"dnn/{n}" for n in ("hiddenlayer_0", "hiddenlayer_1", "logits")),
    ]
    wanted = {
      "_hparams_/session_start_info": "hparams",
      "loss": "scalars",
      "learning_rate": "scalars",
      "learning_rate_1": "scalars",
      "bias": "scalars",
      "fraction_of_zero_weights": "scalars",
      **{f"{name}/fraction_of_zero_values": "scalars" for name in layers},
      **{f"{name}/activation": "histograms" for name in layers},
    }
    for estimator in (one, two):
      self.assertEqual(plugins(estimator.model_dir), wanted)
    # Names in checkpoints: those of tf.estimator, and ours for the slots.
    weights = {
      "linear": ["word/weights", "n_X_word/weights", "bias_weights"],
      "dnn": [
        "input_from_feature_columns/input_layer/n_embedding/embedding_weights",
        *(
          f"{name}/{part}"
          for name in ("hiddenlayer_0", "hiddenlayer_1", "logits")
          for part in ("kernel", "bias")
        ),
      ],
    }
    wide = [f"{WIDE}/{name}" for name in weights["linear"]]
    deep = [f"dnn/{name}" for name in weights["dnn"]]
    self.assertCountEqual(models.weight_names(one), [*wide, *deep])
    slots = [
      *(
        f"linear_optimizer/{name}/{slot}"
        for name in wide
        for slot in ("accumulator", "linear")
      ),
      *(f"dnn_optimizer/{name}/accumulator" for name in deep),
    ]
    self.assertContainsSubset(
      [*slots, "linear_optimizer/iteration", "dnn_optimizer/iteration"],
      one.get_variable_names(),
    )

  def test_warm_started_from_a_linear_model(self):
    one = LinearClassifier(
      [word(), fc.crossed_column(["word", "n"], 7)],
      config=models.config_of(),
    ).train(train_input(), steps=3)
    two = wide_deep(
      config=models.config_of(),
      warm_start_from=WarmStartSettings(one.model_dir, "linear/"),
      # Without weights behind it the network says what its biases say: 0.
      dnn_activation_fn=lambda x: 0 * x,
    )
    features = {
      "x": np.array([1, 2], np.float32),
      "word": np.array(["a", "b"]),
      "n": np.array([0, 3]),
    }
    wanted = models.predicted(one, features)
    self.assertGreater(np.abs(wanted).min(), 0)
    self.assertAllClose(models.predicted(two, features), wanted)
    labels = np.array([0, 1])
    self.assertAllClose(
      two.evaluate(input_of(features, labels))["loss"],
      models.cross_entropy(wanted[:, 0], labels).mean(),
    )
    self.assertIsNone(two.latest_checkpoint())

  def test_warm_started_parts_of_two_models(self):
    one = DNNClassifier(
      [2], [fc.numeric_column("x")], config=models.config_of()
    ).train(train_input(), steps=1)
    with self.assertRaisesRegex(ValueError, "linear.* to warm-start"):
      DNNLinearCombinedClassifier(
        new_folder(),
        warm_start_from=one.model_dir,
        **{**columns(), "dnn_hidden_units": [2]},
      ).evaluate(train_input(), steps=1)


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    (
      {"linear_feature_columns": None, "dnn_feature_columns": None},
      "neither was given",
    ),
    (
      {"linear_feature_columns": [], "dnn_feature_columns": []},
      "neither was given",
    ),
    ({"dnn_hidden_units": None}, "hidden_units must be"),
    ({"dnn_hidden_units": []}, "hidden_units must be"),
    ({"dnn_dropout": 1.5}, "dropout"),
    ({"linear_sparse_combiner": "max"}, "sparse_combiner"),
    ({"linear_optimizer": "Momentum"}, "linear_optimizer must be one of"),
    ({"dnn_optimizer": 0.1}, "dnn_optimizer must be a name"),
    ({"dnn_optimizer": keras.optimizers.Adam}, "dnn_optimizer must be"),
    ({"dnn_feature_columns": [word()]}, "embedding_column"),
    ({"n_classes": 0}, "n_classes"),
  )
  def test_arguments(self, wrong, message):
    arguments = {**columns(), **wrong}
    with self.assertRaisesRegex((ValueError, TypeError), message):
      DNNLinearCombinedClassifier(new_folder(), **arguments)

  def test_features_must_be_named(self):
    estimator = DNNLinearCombinedRegressor(new_folder(), **columns())
    tensors = tf.data.Dataset.from_tensors((tf.ones([2]), tf.ones([2])))
    with self.assertRaisesRegex(ValueError, "must be a dictionary"):
      estimator.train(lambda: tensors)


if __name__ == "__main__":
  tf.test.main()

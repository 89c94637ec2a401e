"""Networks: worked values, dropout, batch norm and the first steps."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

import estimators
from estimators import DNNClassifier, DNNEstimator, DNNRegressor
from estimators import feature_columns as fc
from tests.estimators import toys
from tests.estimators.canned import models
from tests.estimators.canned.models import input_of
from tests.estimators.helpers import new_folder, plugins, scalars

SCOPE = "dnn/input_from_feature_columns/input_layer"


def columns():
  """Returns columns; sorted by name the inputs are one_hot, word, x."""
  word = fc.categorical_column_with_vocabulary_list("word", ["a", "b"])
  kind = fc.categorical_column_with_vocabulary_list("kind", ["p", "q"])
  return [
    fc.numeric_column("x"),
    fc.indicator_column(kind),
    fc.embedding_column(word, 2),
  ]


FEATURES = {
  "x": np.array([1, -2, 0.5], np.float32),
  "kind": np.array(["p", "q", "other"]),
  "word": np.array(["b", "a", "b"]),
}
LABELS = np.array([1, 0, 1])
# Columns are sorted by name: kind_indicator, word_embedding, x.
INPUTS = np.array([[1, 0, 3, 4, 1], [0, 1, 1, 2, -2], [0, 0, 3, 4, 0.5]])
EMBEDDING = [[1.0, 2.0], [3.0, 4.0]]


def random_weights(units, sizes=(4, 3), seed=0):
  """Returns variables of a network on `columns`, by name."""
  random = np.random.RandomState(seed)
  values = {f"{SCOPE}/word_embedding/embedding_weights": EMBEDDING}
  width = INPUTS.shape[1]
  layers = [f"hiddenlayer_{i}" for i in range(len(sizes))]
  for layer, size in zip([*layers, "logits"], [*sizes, units], strict=True):
    values[f"dnn/{layer}/kernel"] = random.normal(size=[width, size])
    values[f"dnn/{layer}/bias"] = random.normal(size=[size])
    width = size
  return values


def relu(x):
  return np.maximum(x, 0)


def by_hand(values, activation=relu, after=lambda i, net: net):
  """Returns the logits of INPUTS; after(i, net) follows hidden layer i."""
  net = INPUTS
  for i in range(2):
    name = f"dnn/hiddenlayer_{i}"
    net = after(
      i, activation(net @ values[f"{name}/kernel"] + values[f"{name}/bias"])
    )
  return net @ values["dnn/logits/kernel"] + values["dnn/logits/bias"]


class WorkedValuesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters((2, 1), (3, 3))
  def test_classes(self, n_classes, units):
    values = random_weights(units)
    estimator = models.given(
      DNNClassifier, values, [4, 3], columns(), n_classes=n_classes
    )
    logits = by_hand(values)
    self.assertGreater(np.std(logits), 0.1)
    self.assertAllClose(models.predicted(estimator, FEATURES), logits)
    if n_classes == 2:
      logits = np.concatenate([0 * logits, logits], 1)
    probabilities = models.softmax(logits)
    self.assertAllClose(
      models.predicted(estimator, FEATURES, "probabilities"), probabilities
    )
    results = estimator.evaluate(input_of(FEATURES, LABELS, batch_size=2))
    loss = -np.log(probabilities[range(3), LABELS]).mean()
    self.assertAllClose(results["loss"], loss)
    self.assertAllClose(
      results["accuracy"], (logits.argmax(1) == LABELS).mean()
    )

  @parameterized.parameters("tanh", keras.activations.tanh)
  def test_numbers_and_an_activation(self, activation):
    values = random_weights(2, seed=1)
    estimator = models.given(
      DNNRegressor,
      values,
      hidden_units=(4, 3),
      feature_columns=columns(),
      label_dimension=2,
      activation_fn=activation,
    )
    self.assertAllClose(
      models.predicted(estimator, FEATURES, "predictions"),
      by_hand(values, np.tanh),
    )

  def test_several_heads_with_dropout_that_only_training_has(self):
    values = random_weights(3, seed=2)
    head = estimators.MultiHead(
      [
        estimators.RegressionHead(name="one"),
        estimators.RegressionHead(2, name="two"),
      ]
    )
    estimator = models.given(
      DNNEstimator, values, head, [4, 3], columns(), dropout=0.5
    )
    logits = by_hand(values)
    for key, wanted in (("one", logits[:, :1]), ("two", logits[:, 1:])):
      self.assertAllClose(
        models.predicted(estimator, FEATURES, (key, "predictions")), wanted
      )
    labels = {"one": LABELS * 1.0, "two": np.zeros([3, 2])}
    results = estimator.evaluate(input_of(FEATURES, labels))
    self.assertAllClose(
      results["loss"],
      ((logits[:, 0] - LABELS) ** 2).mean() + (logits[:, 1:] ** 2).mean(),
    )


def one_unit(bias=2.0):
  """Returns variables of a network whose two hidden units copy x, if > 0."""
  return {
    "dnn/hiddenlayer_0/kernel": [[1.0, 1.0]],
    "dnn/hiddenlayer_0/bias": [0.0, 0.0],
    "dnn/logits/kernel": [[1.0], [1.0]],
    "dnn/logits/bias": [bias],
  }


class DropoutTest(tf.test.TestCase):
  def test_training_drops_and_scales_up(self):
    x = np.ones([400], np.float32)
    estimator = models.given(
      DNNRegressor,
      one_unit(),
      [2],
      [fc.numeric_column("x")],
      dropout=0.25,
      # A rate of 0, so that the weights stay.
      optimizer=keras.optimizers.SGD(0.0),
      config=models.config_of(save_summary_steps=1),
      model_dir=None,
    )
    estimator.train(input_of({"x": x}, 0 * x))
    losses = scalars(estimator.model_dir)
    # A unit is 0, or 1 / 0.75; 800 of them.
    dropped = losses["dnn/hiddenlayer_0/fraction_of_zero_values"][0]
    self.assertAllClose(dropped, 0.25, atol=5 * (0.25 * 0.75 / 800) ** 0.5)
    # The mean square of 2 + (a + b) / 0.75 with a, b in {0, 1}.
    p = 0.75
    mean = 16 + 2 * p * (1 - p) / p**2
    self.assertAllClose(losses["loss"][0], mean, rtol=0.15)
    self.assertNotAllClose(losses["loss"][0], 16.0, 1e-3, 1e-3)
    results = estimator.evaluate(input_of({"x": x}, 0 * x))
    self.assertAllClose(results["loss"], 16.0)


class BatchNormTest(tf.test.TestCase):
  def test_after_the_activation_with_slow_statistics(self):
    x = np.array([-3, 1, 3, 5], np.float32)  # After relu: 0, 1, 3, 5.
    mean, variance = 9 / 4, 35 / 4 - (9 / 4) ** 2
    norm = "dnn/hiddenlayer_0/batchnorm_0"
    estimator = models.given(
      DNNRegressor,
      {
        **one_unit(),
        f"{norm}/gamma": [2.0, 1.0],
        f"{norm}/beta": [0.5, 0.0],
        f"{norm}/moving_mean": [1.0, 0.0],
        f"{norm}/moving_variance": [4.0, 1.0],
      },
      [2],
      [fc.numeric_column("x")],
      batch_norm=True,
      optimizer=keras.optimizers.SGD(0.0),
      config=models.config_of(save_summary_steps=1),
      model_dir=None,
    )
    net = np.maximum(x, 0)
    root = np.sqrt(4 + 1e-3), np.sqrt(1 + 1e-3)
    expected = 2 + 2 * (net - 1) / root[0] + 0.5 + net / root[1]
    self.assertAllClose(
      models.predicted(estimator, {"x": x}, "predictions")[:, 0], expected
    )
    estimator.train(input_of({"x": x}, 0 * x))
    # Training takes the statistics of the batch, and moves the others slowly.
    normed = (net - mean) / np.sqrt(variance + 1e-3)
    self.assertAllClose(
      scalars(estimator.model_dir)["loss"][0],
      np.mean((2 + 2 * normed + 0.5 + normed) ** 2),
    )
    value = estimator.get_variable_value
    self.assertAllClose(
      value(f"{norm}/moving_mean"), [0.999 + 0.001 * mean, 0.001 * mean]
    )
    self.assertAllClose(
      value(f"{norm}/moving_variance"),
      [4 * 0.999 + 0.001 * variance, 0.999 + 0.001 * variance],
    )


class TrainingTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters("Adagrad", keras.optimizers.SGD(0.05))
  def test_a_step_by_hand(self, optimizer):
    estimator = models.given(
      DNNRegressor,
      one_unit(),
      [2],
      [fc.numeric_column("x")],
      optimizer=optimizer,
      config=models.config_of(),
      model_dir=None,
    )
    # y = 2 + 2 relu(x): 4, 8, 2. The third has no gradient by the layer below.
    features = {"x": np.array([1, 3, -1], np.float32)}
    estimator.train(input_of(features, np.array([3.0, 9.0, 2.0])))
    error = 2 / 3 * np.array([1.0, -1.0, 0.0])
    gradients = {
      "logits/bias": [error.sum()],
      "logits/kernel": [[error @ [1, 3, 0]]] * 2,
      "hiddenlayer_0/kernel": [[error @ [1, 3, 0]] * 2],
      "hiddenlayer_0/bias": [error[0] + error[1]] * 2,
    }
    for name, gradient in gradients.items():
      gradient = np.array(gradient)
      if optimizer == "Adagrad":  # Its rate is 0.05 by name.
        gradient /= np.sqrt(0.1 + gradient**2)
      self.assertAllClose(
        estimator.get_variable_value(f"dnn/{name}"),
        one_unit()[f"dnn/{name}"] - 0.05 * gradient,
      )

  @pytest.mark.slow  # The combined model's is quick.
  def test_two_replicas_equal_one(self):
    random = np.random.RandomState(0)
    features = {
      "x": np.float32(random.normal(size=10)),
      "kind": np.array([*"pqpqpqqpqp"]),
      "word": np.array([*"aabbbaaaab"]),
    }
    train = input_of(features, random.randint(3, size=10), batch_size=5)
    one, two = (
      DNNClassifier(
        [4, 3],
        columns(),
        n_classes=3,
        config=models.config_of(train_distribute=strategy),
      ).train(train)
      for strategy in (None, toys.two_replicas())
    )
    self.assertAllClose(models.values_of(one), models.values_of(two), 0, 1e-5)
    self.assertEqual(plugins(one.model_dir), plugins(two.model_dir))


class NamesTest(tf.test.TestCase):
  @staticmethod
  @functools.cache
  def trained():
    word, kind = (
      fc.categorical_column_with_vocabulary_list(name, ["a", "b"])
      for name in ("hours per week", "dense_1")
    )
    shared = fc.shared_embeddings(
      [
        fc.categorical_column_with_identity("n/1", 3),
        fc.categorical_column_with_identity("n/2", 3),
      ],
      2,
    )
    features = {
      "hours per week": np.array(["a", "b"]),
      "dense_1": np.array(["a", "b"]),
      "n/1": np.array([0, 1]),
      "n/2": np.array([2, 2]),
    }
    estimator = DNNClassifier(
      [3, 2],
      [fc.embedding_column(word, 2), fc.embedding_column(kind, 1), *shared],
      batch_norm=True,
      dropout=0.5,
      config=models.config_of(),
    )
    return estimator.train(input_of(features, np.array([0, 1])))

  def test_names_are_those_of_tf_estimator(self):
    layers = ["hiddenlayer_0", "hiddenlayer_1", "logits"]
    norms = [
      "hiddenlayer_0/batchnorm_0",
      "hiddenlayer_1/batchnorm_1",
    ]
    trained = [
      f"{SCOPE}/hours_per_week_embedding/embedding_weights",
      f"{SCOPE}/dense_1_embedding/embedding_weights",
      f"{SCOPE}/n_1_n_2_shared_embedding/embedding_weights",
      *(f"dnn/{name}/{part}" for name in layers for part in ("kernel", "bias")),
      *(f"dnn/{name}/{part}" for name in norms for part in ("beta", "gamma")),
    ]
    others = [
      *(
        f"dnn/{name}/moving_{part}"
        for name in norms
        for part in ("mean", "variance")
      ),
      # Of our own: the random state of dropout.
      "dnn/hiddenlayer_0/dropout/seed_generator/seed_generator_state",
      "dnn/hiddenlayer_1/dropout/seed_generator/seed_generator_state",
    ]
    estimator = self.trained()
    self.assertCountEqual(models.weight_names(estimator), [*trained, *others])
    self.assertCountEqual(
      [n for n in estimator.get_variable_names() if n.startswith("optimizer")],
      [
        "optimizer/iteration",
        *(f"optimizer/{name}/accumulator" for name in trained),
      ],
    )

  def test_summaries(self):
    layers = [f"dnn/{n}" for n in ("hiddenlayer_0", "hiddenlayer_1", "logits")]
    self.assertEqual(
      plugins(self.trained().model_dir),
      {
        "_hparams_/session_start_info": "hparams",
        "loss": "scalars",
        "learning_rate": "scalars",
        **{f"{name}/fraction_of_zero_values": "scalars" for name in layers},
        **{f"{name}/activation": "histograms" for name in layers},
      },
    )


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ({"hidden_units": []}, r"hidden_units .* but is \[\]"),
    ({"hidden_units": None}, "hidden_units"),
    ({"hidden_units": [0]}, r"hidden_units .* but is \[0\]"),
    ({"hidden_units": [2.5]}, "hidden_units"),
    ({"hidden_units": "abc"}, "hidden_units"),
    ({"hidden_units": 10}, "hidden_units .* but is 10"),
    ({"activation_fn": 3}, "activation_fn .* but is 3"),
    ({"dropout": 1.5}, r"\[0, 1\), but is 1.5"),
    ({"dropout": 1}, r"\[0, 1\), but is 1"),
    ({"dropout": -0.1}, r"\[0, 1\), but is -0.1"),
    ({"n_classes": 1}, "n_classes of 2 or more"),
    ({"n_classes": 2.5}, "n_classes"),
    ({"feature_columns": []}, "column"),
    (
      {"feature_columns": [fc.categorical_column_with_identity("n", 3)]},
      "embedding_column or indicator_column",
    ),
    ({"activation_fn": "rely"}, "activation_fn .* 'rely'"),
    ({"optimizer": "adam"}, "'Adam'.* but is 'adam'"),
  )
  def test_arguments(self, wrong, message):
    arguments = {
      "hidden_units": [2],
      "feature_columns": [fc.numeric_column("x")],
      **wrong,
    }
    with self.assertRaisesRegex((ValueError, TypeError), message):
      DNNClassifier(**arguments, model_dir=new_folder())

  def test_features_must_be_named(self):
    estimator = DNNRegressor(
      [2], [fc.numeric_column("x")], model_dir=new_folder()
    )
    tensors = tf.data.Dataset.from_tensors((tf.ones([2]), tf.ones([2])))
    with self.assertRaisesRegex(ValueError, "must be a dictionary"):
      estimator.train(lambda: tensors)


if __name__ == "__main__":
  tf.test.main()

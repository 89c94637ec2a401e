"""Linear models: worked values, training by hand, and the true optimum."""

import functools

import keras
import numpy as np
import pytest
import sklearn.linear_model
import tensorflow as tf
from absl.testing import parameterized

import estimators
from estimators import LinearClassifier, LinearEstimator, LinearRegressor
from estimators import feature_columns as fc
from tests.estimators import toys
from tests.estimators.canned import models
from tests.estimators.canned.models import input_of
from tests.estimators.columns import reference
from tests.estimators.helpers import new_folder, plugins, scalars

SCOPE = "linear/linear_model"


def words(name, vocabulary):
  return fc.categorical_column_with_vocabulary_list(name, list(vocabulary))


def all_kinds():
  """Returns one column of each kind; the crossed one is last."""
  tags = words("tags", "xyz")
  return [
    fc.numeric_column("size", 2),
    fc.bucketized_column(fc.numeric_column("age"), [20, 40]),
    words("word", "abc"),
    tags,
    fc.weighted_categorical_column(tags, "tag_weights"),
    fc.crossed_column(["word", "colour"], 4),
  ]


FEATURES = {
  "size": np.array([[1, 2], [0, -1], [3, 0.5], [0, 0]], np.float32),
  "age": np.array([10, 20, 39.9, 40], np.float32),  # intervals 0, 1, 1, 2
  "word": np.array(["a", "b", "other", "b"]),
  "tags": np.array([["x", "y"], ["x", ""], ["y", "y"], ["", "other"]]),
  "tag_weights": np.array([[1, 3], [0.5, 9], [2, 1], [4, 4]], np.float32),
  "colour": np.array(["red", "red", "blue", "green"]),
}
# Of one logit.
WEIGHTS = {
  "size": [[0.5], [-0.25]],
  "age_bucketized": [[1.0], [2.0], [4.0]],
  "word": [[0.125], [-3.0], [9.0]],
  "tags": [[10.0], [20.0], [90.0]],
  "tags_weighted_by_tag_weights": [[100.0], [200.0], [900.0]],
  "colour_X_word": [[1000.0], [2000.0], [3000.0], [4000.0]],
}
BIAS = 0.75
# size, age and word; unknown words have no weight.
PLAIN = np.array([0 + 1 + 0.125, 0.25 + 2 - 3, 1.375 + 2, 0 + 4 - 3])
TAGS = {
  "sum": [30, 10, 40, 0],
  "mean": [15, 10, 20, 0],
  "sqrtn": [30 / 2**0.5, 10, 40 / 2**0.5, 0],
}
WEIGHTED = {
  "sum": [100 + 600, 50, 600, 0],
  "mean": [700 / 4, 100, 200, 0],
  # Divided by the root of the sum of the squared weights.
  "sqrtn": [700 / 10**0.5, 100, 600 / 5**0.5, 0],
}


def crossed():
  """Returns the crosses' part of the logits; the ids are TensorFlow's."""
  column = tf.feature_column.crossed_column(["word", "colour"], 4)
  ids = reference.ids(column, FEATURES)
  return np.array([1000.0 * (1 + row) for (row,) in ids])


def variables(weights, bias):
  named = {f"{SCOPE}/{name}/weights": w for name, w in weights.items()}
  return {**named, f"{SCOPE}/bias_weights": bias}


class WorkedValuesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters("sum", "mean", "sqrtn")
  def test_all_kinds_of_columns(self, combiner):
    estimator = models.given(
      LinearRegressor,
      variables(WEIGHTS, [BIAS]),
      all_kinds(),
      sparse_combiner=combiner,
    )
    self.assertAllClose(
      models.predicted(estimator, FEATURES, "predictions")[:, 0],
      BIAS + PLAIN + TAGS[combiner] + WEIGHTED[combiner] + crossed(),
    )

  def test_two_classes(self):
    labels, weights = np.array([1, 0, 0, 1]), np.array([1, 2, 0, 1])
    logits = np.array([3.0, -1.0, 5.0, -1.0])  # 2 x + 1
    features = {"x": (logits - 1) / 2, "w": weights.astype(np.float32)}
    estimator = models.given(
      LinearClassifier,
      variables({"x": [[2.0]]}, [1.0]),
      [fc.numeric_column("x")],
      weight_column="w",
      label_vocabulary=["no", "yes"],
    )
    # It predicts and evaluates before any training of its own.
    (first, *_) = estimator.predict(input_of(features))
    self.assertAllClose(first["logits"], [3.0])
    self.assertAllClose(first["logistic"], [models.sigmoid(3)])
    self.assertAllClose(
      first["probabilities"], [models.sigmoid(-3), models.sigmoid(3)]
    )
    self.assertEqual(
      [*first["class_ids"], *first["classes"], *first["all_classes"]],
      [1, b"yes", b"no", b"yes"],
    )
    losses = models.cross_entropy(logits, labels) * weights
    words = np.array(["no", "yes"])[labels]
    results = estimator.evaluate(input_of(features, words, batch_size=3))
    expected = {
      "loss": losses.sum() / 4,
      "average_loss": losses.sum() / 4,  # The weights have the sum 4 as well.
      "accuracy": 3 / 4,  # 1 + 2 of the weights
      "precision": 1.0,  # Only the first is called "yes" and has a weight.
      "recall": 1 / 2,
      "label/mean": 2 / 4,
      "accuracy_baseline": 2 / 4,
      "prediction/mean": (models.sigmoid(logits) * weights).sum() / 4,
      "global_step": 0,
    }
    self.assertAllClose({k: results[k] for k in expected}, expected)

  def test_three_classes(self):
    weights = {"word": [[1, 0, -1], [0, 2, 0], [5, 5, 5]], "x": [[1, 2, 3]]}
    estimator = models.given(
      LinearClassifier,
      variables(weights, [0.5, 0, 0]),
      [words("word", "abc"), fc.numeric_column("x")],
      n_classes=3,
    )
    features = {
      "word": np.array(["a", "b"]),
      "x": np.array([2, -1], np.float32),
    }
    logits = np.array([[3.5, 4, 5], [-0.5, 0, -3]])
    labels = np.array([0, 1])
    self.assertAllClose(models.predicted(estimator, features), logits)
    probabilities = models.softmax(logits)
    self.assertAllClose(
      models.predicted(estimator, features, "probabilities"), probabilities
    )
    self.assertAllEqual(
      models.predicted(estimator, features, "class_ids"), [[2], [1]]
    )
    self.assertAllClose(
      estimator.evaluate(input_of(features, labels)),
      {
        "loss": -np.log(probabilities[[0, 1], labels]).mean(),
        "average_loss": -np.log(probabilities[[0, 1], labels]).mean(),
        "accuracy": 0.5,
        "global_step": 0,
      },
    )

  def test_two_values_of_an_example(self):
    estimator = models.given(
      LinearRegressor,
      variables({"x": [[1.0, -2.0]]}, [0.0, 3.0]),
      [fc.numeric_column("x")],
      label_dimension=2,
      loss_reduction="sum",
    )
    features = {"x": np.array([1, 2], np.float32)}
    expected = np.array([[1.0, 1.0], [2.0, -1.0]])
    self.assertAllClose(
      models.predicted(estimator, features, "predictions"), expected
    )
    labels = np.array([[0.0, 3.0], [2.0, 2.0]])
    # An evaluation reports the mean, also of a model that is trained with sums.
    for batch_size in (1, 2):
      results = estimator.evaluate(input_of(features, labels, batch_size))
      self.assertAllClose(results["loss"], (1 + 4 + 0 + 9) / 4)
      self.assertAllClose(results["average_loss"], 14 / 4)

  def test_any_head(self):
    estimator = models.given(
      LinearEstimator,
      variables({"x": [[1.0]]}, [0.5]),
      estimators.PoissonRegressionHead(),
      [fc.numeric_column("x")],
    )
    features = {"x": np.array([1, 2], np.float32)}
    self.assertAllClose(
      models.predicted(estimator, features, "predictions"),
      np.exp([[1.5], [2.5]]),
    )


# Three batches of words and a number; `c` is in none, `a` several times.
STEPS = [
  (["a", "a", "b"], [1.0, 2.0, 0.0], [1, 0, 1]),
  (["b", "b", "b"], [0.5, 0.5, -1.0], [0, 1, 1]),
  (["a", "d", "b"], [0.0, 3.0, 1.0], [1, 1, 0]),
]


def sgd(w, g, state):
  del state
  return w - 0.1 * g


def adagrad(w, g, state):
  state["n"] = state.get("n", 0.1) + g**2
  return w - 0.1 * g / (np.sqrt(state["n"]) + 1e-7)


def ftrl(w, g, state, rate=0.2, l1=0.0, l2=0.0, beta=0.0):
  """Algorithm 1 of McMahan et al. 2013; l2 counts twice, as in TensorFlow."""
  n, z = state.get("n", 0.1), state.get("z", 0)
  state["n"] = n + g**2
  state["z"] = z + g - (np.sqrt(state["n"]) - np.sqrt(n)) / rate * w
  quadratic = (beta + np.sqrt(state["n"])) / rate + 2 * l2
  z = state["z"]
  return np.where(np.abs(z) <= l1, 0, -(z - np.sign(z) * l1) / quadratic)


def trained_by_hand(step):
  """Returns the weights of words and number, and the bias, after STEPS."""
  weights = [np.zeros(4), np.zeros(1), np.zeros(1)]
  states = [[{} for _ in w] for w in weights]
  for names, x, labels in STEPS:
    rows = np.array(["abcd".index(name) for name in names])
    logits = weights[0][rows] + weights[1] * x + weights[2]
    errors = (models.sigmoid(logits) - labels) / len(labels)
    gradients = [np.zeros(4), np.dot(errors, x), errors.sum()]
    np.add.at(gradients[0], rows, errors)
    for i, gradient in enumerate(gradients):
      for j, g in enumerate(np.atleast_1d(gradient)):
        if i or j in rows:  # The row of a word that is absent stays.
          weights[i][j] = step(weights[i][j], g, states[i][j])
  return weights


class TrainingTest(tf.test.TestCase, parameterized.TestCase):
  def train(self, optimizer, **config):
    features = {
      "word": np.array([name for names, _, _ in STEPS for name in names]),
      "x": np.float32([value for _, x, _ in STEPS for value in x]),
    }
    labels = np.array([label for _, _, y in STEPS for label in y])
    estimator = LinearClassifier(
      [words("word", "abcd"), fc.numeric_column("x")],
      optimizer=optimizer,
      config=models.config_of(**config),
    )
    return estimator.train(input_of(features, labels, batch_size=3))

  @parameterized.parameters(
    (keras.optimizers.SGD(0.1), sgd),
    (keras.optimizers.Adagrad(0.1), adagrad),
    ("Ftrl", ftrl),  # Its rate is 0.2 by name.
    (
      keras.optimizers.Ftrl(
        0.5,
        l1_regularization_strength=0.05,
        l2_regularization_strength=0.3,
        beta=0.2,
      ),
      functools.partial(ftrl, rate=0.5, l1=0.05, l2=0.3, beta=0.2),
    ),
  )
  def test_steps_by_hand(self, optimizer, step):
    by_words, by_number, bias = trained_by_hand(step)
    estimator = self.train(optimizer)
    value = estimator.get_variable_value
    self.assertAllClose(value(f"{SCOPE}/word/weights")[:, 0], by_words)
    self.assertAllClose(value(f"{SCOPE}/x/weights")[0], by_number)
    self.assertAllClose(value(f"{SCOPE}/bias_weights"), bias)
    self.assertEqual(value(f"{SCOPE}/word/weights")[2, 0], 0)

  @parameterized.parameters(
    ("Ftrl", 1, "Ftrl(0.2)"),
    ("Ftrl", 25, "Ftrl(0.2)"),
    ("Ftrl", 100, "Ftrl(0.2)"),
    ("SGD", 100, "SGD(0.2)"),
  )
  def test_rates(self, name, num_columns, expected):
    columns = [fc.numeric_column(f"x{i}") for i in range(num_columns)]
    estimator = LinearClassifier(
      columns, optimizer=name, model_dir=new_folder()
    )
    self.assertEqual(repr(estimator.params["optimizer"]), expected)

  @pytest.mark.slow  # The combined model's is quick.
  def test_two_replicas_equal_one(self):
    one = self.train("Ftrl")
    two = self.train("Ftrl", train_distribute=toys.two_replicas())
    self.assertAllClose(models.values_of(one), models.values_of(two), 0, 1e-5)


def noisy(size=200):
  """Returns numbers [B, 2], words [B] and classes that they tell about."""
  random = np.random.RandomState(3)
  numbers = random.normal(size=[size, 2])
  letters = random.randint(3, size=size)
  logits = numbers @ [1.5, -1] + np.array([-1, 0, 1.5])[letters] + 0.3
  labels = (logits + random.logistic(size=size) > 0).astype(np.int64)
  return numbers.astype(np.float32), letters, labels


STEPS_TO_OPTIMUM = 800


class OptimumTest(tf.test.TestCase, parameterized.TestCase):
  # Without a penalty the words' weights and the bias are not unique, and ours
  # have the smallest norm that gradient steps from zero reach; so what is
  # compared is what the weights say of each word.
  @parameterized.parameters(0.0, 0.01)
  @pytest.mark.slow
  def test_it_is_that_of_scikit_learn(self, penalty):
    numbers, letters, labels = noisy()
    inputs = np.concatenate([numbers, np.eye(3)[letters]], 1)
    # Here: mean loss + penalty |w|^2, the bias too. There: C * sum of losses
    # + |w|^2 / 2, without an intercept. So the bias is a feature there.
    inputs = np.concatenate([inputs, np.ones([len(inputs), 1])], 1)
    peer = sklearn.linear_model.LogisticRegression(
      C=1 / (2 * penalty * len(labels)) if penalty else np.inf,
      fit_intercept=False,
      tol=1e-8,
      max_iter=1000,
    ).fit(inputs, labels)
    estimator = LinearClassifier(
      [fc.numeric_column("x", 2), words("word", "abc")],
      optimizer=keras.optimizers.Ftrl(
        1.0, l2_shrinkage_regularization_strength=penalty
      ),
      config=models.config_of(
        save_summary_steps=None, log_step_count_steps=None
      ),
    )
    features = {"x": numbers, "word": np.array([*"abc"])[letters]}
    batch = tf.data.Dataset.from_tensors((features, labels)).cache().repeat()
    estimator.train(lambda: batch, steps=STEPS_TO_OPTIMUM)
    value = estimator.get_variable_value
    *by_number, a, b, c, bias = peer.coef_[0]
    self.assertAllClose(
      value(f"{SCOPE}/x/weights")[:, 0], by_number, 1e-3, 1e-3
    )
    found = value(f"{SCOPE}/word/weights")[:, 0]
    found_bias = value(f"{SCOPE}/bias_weights")[0]
    self.assertAllClose(
      found + found_bias, np.array([a, b, c]) + bias, 1e-3, 1e-3
    )
    if penalty:
      self.assertAllClose([*found, found_bias], [a, b, c, bias], 1e-3, 1e-3)
    results = estimator.evaluate(input_of(features, labels))
    self.assertAllClose(
      results["loss"],
      models.cross_entropy(peer.decision_function(inputs), labels).mean(),
      1e-5,
      1e-5,
    )


class SparsityTest(tf.test.TestCase):
  def test_l1_makes_real_zeros_which_the_summary_counts(self):
    l1, steps = 0.1, 20
    estimator = LinearClassifier(
      [fc.categorical_column_with_identity("n", 50), fc.numeric_column("x")],
      optimizer=keras.optimizers.Ftrl(0.2, l1_regularization_strength=l1),
      config=models.config_of(save_summary_steps=1),
    )
    random = np.random.RandomState(0)
    numbers = random.randint(40, size=400)  # 40 to 49 never come.
    features = {"n": numbers, "x": np.float32(random.normal(size=400))}
    # The small numbers tell much, the others nothing.
    labels = np.where(numbers < 5, 1, random.randint(2, size=400))
    train = input_of(features, labels, batch_size=40, repeat=True)
    estimator.train(train, steps=steps)
    weights = [
      estimator.get_variable_value(f"{SCOPE}/{name}/weights")[:, 0]
      for name in "nx"
    ]
    sums = [
      estimator.get_variable_value(
        f"optimizer/{SCOPE}/{name}/weights/linear"
      ).reshape([-1])
      for name in "nx"
    ]
    weights, sums = np.concatenate(weights), np.concatenate(sums)
    zeros = weights == 0.0
    self.assertAllEqual(zeros, np.abs(sums) <= l1)
    self.assertTrue(zeros[40:50].all())
    self.assertTrue(zeros[5:40].any())
    self.assertFalse(zeros[:5].any())
    # The summary of a step is of the weights after it: step 0 is the first.
    written = scalars(estimator.model_dir)
    self.assertAllClose(
      written["fraction_of_zero_weights"][steps - 1], zeros.mean()
    )
    self.assertAllClose(
      written["bias"][steps - 1],
      estimator.get_variable_value(f"{SCOPE}/bias_weights")[0],
    )


class SummariesTest(tf.test.TestCase):
  def test_one_initializer_gives_every_table_its_own_values(self):
    initializer = keras.initializers.RandomNormal()

    def tables():
      columns = [
        fc.embedding_column(
          fc.categorical_column_with_identity(name, 5),
          2,
          initializer=initializer,
        )
        for name in ("a", "b")
      ]
      estimator = LinearClassifier(
        columns,
        model_dir=new_folder(),
        optimizer=keras.optimizers.SGD(0.0),
        config=estimators.RunConfig(tf_random_seed=7),
      )
      features = {name: np.array([1]) for name in ("a", "b")}
      estimator.train(input_of(features, np.array([1])))
      return [
        estimator.get_variable_value(f"{SCOPE}/{c.name}/embedding_weights")
        for c in columns
      ]

    first, second = tables(), tables()
    self.assertNotAllClose(first[0], first[1])
    self.assertAllEqual(first, second)

  def test_several_biases_are_a_histogram(self):
    for strategy in (None, toys.two_replicas()):
      estimator = LinearClassifier(
        [fc.numeric_column("x")],
        n_classes=3,
        config=models.config_of(train_distribute=strategy),
      )
      features = {"x": np.ones([4], np.float32)}
      estimator.train(input_of(features, np.array([0, 1, 2, 2])))
      self.assertEqual(
        plugins(estimator.model_dir),
        {
          "_hparams_/session_start_info": "hparams",
          "loss": "scalars",
          "learning_rate": "scalars",
          "bias": "histograms",
          "fraction_of_zero_weights": "scalars",
        },
      )


class NamesTest(tf.test.TestCase):
  def test_names_are_those_of_tf_estimator(self):
    tags = words("tags", "ab")
    columns = [
      *all_kinds()[1:],
      fc.embedding_column(tags, 2),
      # Names that Keras gives itself, and such as no variable may have.
      fc.numeric_column("dense_1"),
      fc.numeric_column("hours per week"),
      fc.numeric_column("a/b"),
    ]
    features = {
      **FEATURES,
      **dict.fromkeys(["dense_1", "hours per week", "a/b"], FEATURES["age"]),
    }
    estimator = LinearClassifier(columns, config=models.config_of())
    estimator.train(input_of(features, np.array([0, 1, 0, 1])))
    weights = [
      *(f"{name}/weights" for name in WEIGHTS if name != "size"),
      "tags_embedding/embedding_weights",
      "tags_embedding/weights",
      "dense_1/weights",
      "hours_per_week/weights",
      "a_b/weights",
      "bias_weights",
    ]
    self.assertCountEqual(
      models.weight_names(estimator), [f"{SCOPE}/{name}" for name in weights]
    )
    self.assertCountEqual(
      [n for n in estimator.get_variable_names() if n.startswith("optimizer")],
      [
        "optimizer/iteration",
        *(
          f"optimizer/{SCOPE}/{name}/{slot}"
          for name in weights
          for slot in ("accumulator", "linear")
        ),
      ],
    )


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ({"n_classes": 1}, "n_classes of 2 or more, but got 1"),
    ({"feature_columns": []}, "column"),
    ({"feature_columns": {"x": 1}}, "column"),
    (
      {"feature_columns": [fc.sequence_numeric_column("x")]},
      "'x' is a .* of sequences; use SequenceFeatures",
    ),
    ({"sparse_combiner": "max"}, "mean, sqrtn, sum, but is 'max'"),
    ({"optimizer": "Nadam"}, r"must be one of \['Adagrad', .* is 'Nadam'"),
    ({"label_vocabulary": ["a"]}, "label_vocabulary"),
    ({"loss_reduction": "none"}, "loss_reduction"),
  )
  def test_arguments(self, wrong, message):
    arguments = {"feature_columns": [fc.numeric_column("x")], **wrong}
    with self.assertRaisesRegex(ValueError, message):
      LinearClassifier(**arguments)

  @parameterized.parameters(0, -1)
  def test_label_dimension(self, size):
    with self.assertRaisesRegex(ValueError, "label_dimension"):
      LinearRegressor([fc.numeric_column("x")], label_dimension=size)

  def test_features(self):
    x = np.ones([2], np.float32)
    labels = np.array([0, 1])
    make = functools.partial(
      LinearClassifier, [fc.numeric_column("x")], model_dir=new_folder()
    )
    tensors = tf.data.Dataset.from_tensors((x, labels))
    with self.assertRaisesRegex(ValueError, "must be a dictionary, but are"):
      make().train(lambda: tensors)
    with self.assertRaisesRegex(ValueError, r"'x'.*\['z'\]"):
      make().train(input_of({"z": x}, labels))
    with self.assertRaisesRegex(ValueError, "'w'"):
      make(weight_column="w").train(input_of({"x": x}, labels))
    with self.assertRaisesRegex(ValueError, "labels"):
      make().train(input_of({"x": x}))
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "label"):
      make(n_classes=3).train(input_of({"x": x}, np.array([0, 3])))


if __name__ == "__main__":
  tf.test.main()

"""Recurrent networks against the recurrences, written in NumPy.

Letters: B sequences, T steps, D inputs of a step.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  RegressionHead,
  RNNClassifier,
  RNNEstimator,
  SequentialHeadWrapper,
)
from estimators import feature_columns as fc
from tests.estimators import toys
from tests.estimators.canned import models
from tests.estimators.helpers import new_folder, plugins

# The second of four sequences has one step, the third none.
LENGTHS = np.array([3, 1, 0, 2])
NUMBERS = [[1.0, 2.0, -1.0], [0.5], [], [3.0, 4.0]]
WORDS = [["a", "b", "a"], ["b"], [], ["other", "b"]]
SIZES = np.array([2.0, 0, 1, -1], np.float32)
FEATURES = {
  "number": tf.ragged.constant(NUMBERS, tf.float32, ragged_rank=1).to_sparse(),
  "word": tf.ragged.constant(WORDS, tf.string, ragged_rank=1).to_sparse(),
  "size": SIZES,
}
EMBEDDING = np.array([[0.5, -1.0], [2.0, 0.25]])


def sequences():
  word = fc.sequence_categorical_column_with_vocabulary_list("word", ["a", "b"])
  return [
    fc.sequence_numeric_column("number"),
    fc.embedding_column(word, 2),
  ]


def inputs():
  """Returns the steps that the network gets, [B, T, 4].

  Sequences sorted by name, number and word_embedding; then the context.
  """
  steps = np.zeros([4, 3, 4])
  for i, (numbers, words) in enumerate(zip(NUMBERS, WORDS, strict=True)):
    for j, (number, word) in enumerate(zip(numbers, words, strict=True)):
      known = {"a": EMBEDDING[0], "b": EMBEDDING[1]}
      steps[i, j] = [number, *known.get(word, [0, 0]), SIZES[i]]
  return steps


def simple_rnn(x, h, c, kernel, recurrent, bias):
  return np.tanh(x @ kernel + h @ recurrent + bias), c


def lstm(x, h, c, kernel, recurrent, bias):
  """Hochreiter and Schmidhuber 1997 with a forget gate; gates i, f, c, o."""
  i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, -1)
  c = models.sigmoid(f) * c + models.sigmoid(i) * np.tanh(g)
  return models.sigmoid(o) * np.tanh(c), c


def gru(x, h, c, kernel, recurrent, bias):
  """Cho et al. 2014, the reset gate after the product; gates z, r, h."""
  xz, xr, xh = np.split(x @ kernel + bias[0], 3, -1)
  hz, hr, hh = np.split(h @ recurrent + bias[1], 3, -1)
  z = models.sigmoid(xz + hz)
  return z * h + (1 - z) * np.tanh(xh + models.sigmoid(xr + hr) * hh), c


# Of each type of cell: its step, gates, and whether it has two biases.
CELLS = {
  "simple_rnn": (simple_rnn, 1, False),
  "lstm": (lstm, 4, False),
  "gru": (gru, 3, True),
}


def random_weights(cell_type, sizes, units=1, seed=0):
  """Returns variables of a network of layers, by name."""
  random = np.random.RandomState(seed)
  _, gates, two = CELLS[cell_type]
  values, width = {}, 4
  for i, size in enumerate(sizes):
    stacked = "stacked_rnn_cells/" if len(sizes) > 1 else ""
    number = f"_{i}" if i else ""
    cell = f"rnn_model/rnn/{stacked}{cell_type}_cell{number}"
    shape = [2, gates * size] if two else [gates * size]
    values[f"{cell}/kernel"] = random.normal(size=[width, gates * size])
    values[f"{cell}/recurrent_kernel"] = random.normal(
      size=[size, gates * size]
    )
    values[f"{cell}/bias"] = random.normal(size=shape)
    width = size
  return {
    **values,
    "rnn_model/logits/kernel": random.normal(size=[width, units]),
    "rnn_model/logits/bias": random.normal(size=[units]),
    "sequence_features/word_embedding/embedding_weights": EMBEDDING,
  }


def by_hand(cell_type, sizes, values):
  """Returns the logits after each step, [B, T, units]."""
  step, arrays = CELLS[cell_type][0], list(values.values())
  layers = [arrays[3 * i : 3 * i + 3] for i in range(len(sizes))]
  kernel, bias = arrays[3 * len(sizes) :][:2]
  logits = np.zeros([4, 3, len(bias)])
  for i, sequence in enumerate(inputs()):
    states = [(np.zeros(size), np.zeros(size)) for size in sizes]
    for j, net in enumerate(sequence):
      if j < LENGTHS[i]:  # After the end the state stays.
        for k, weights in enumerate(layers):
          states[k] = step(net, *states[k], *weights)
          net = states[k][0]
      logits[i, j] = states[-1][0] @ kernel + bias
  return logits


def input_of(labels=None, features=FEATURES):
  return models.input_of(features, labels)


def predicted(estimator, key="logits"):
  return models.predicted(estimator, FEATURES, key)


def rnn(make, *args, **kwargs):
  """Returns what make returns for the sequences and their context."""
  return make(
    *args,
    sequence_feature_columns=sequences(),
    context_feature_columns=[fc.numeric_column("size")],
    **kwargs,
  )


class WorkedValuesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ("simple_rnn", [3]), ("lstm", [3]), ("lstm", [3, 2]), ("gru", [3, 2])
  )
  def test_after_the_last_step_of_each(self, cell_type, sizes):
    values = random_weights(cell_type, sizes)
    estimator = rnn(
      models.given,
      RNNClassifier,
      values,
      units=sizes,
      # The first is the default.
      cell_type=None if cell_type == "simple_rnn" else cell_type,
    )
    self.assertAllClose(
      predicted(estimator), by_hand(cell_type, sizes, values)[:, -1]
    )

  @parameterized.parameters(
    (
      "gru",
      [3, 2],
      {"rnn_cell_fn": lambda: [keras.layers.GRUCell(n) for n in (3, 2)]},
    ),
    ("lstm", [3], {"cell_type": keras.layers.LSTMCell, "units": 3}),
  )
  def test_cells_of_ones_own(self, cell_type, sizes, how):
    values = random_weights(cell_type, sizes)
    estimator = rnn(models.given, RNNClassifier, values, **how)
    self.assertAllClose(
      predicted(estimator), by_hand(cell_type, sizes, values)[:, -1]
    )

  def test_classes_at_each_step(self):
    values = random_weights("lstm", [3], units=3)
    estimator = rnn(
      models.given,
      RNNClassifier,
      values,
      units=[3],
      cell_type="lstm",
      return_sequences=True,
      n_classes=3,
      weight_column="w",
      sequence_mask="is_there",
    )
    logits = by_hand("lstm", [3], values)
    mask = np.arange(3) < LENGTHS[:, None]
    rows = list(estimator.predict(input_of()))
    self.assertAllEqual([row["is_there"] for row in rows], mask)
    self.assertAllClose(
      np.stack([row["probabilities"] for row in rows])[mask],
      models.softmax(logits)[mask],
    )
    # Labels and weights of each step; those beyond the end count for nothing.
    labels = np.array([[0, 1, 2], [1, 7, 7], [7, 7, 7], [2, 2, 7]])
    weights = np.array([[1, 2, 1], [0, 9, 9], [9, 9, 9], [1, 3, 9]], np.float32)
    results = estimator.evaluate(input_of(labels, {**FEATURES, "w": weights}))
    losses = -np.log(models.softmax(logits)[mask][range(6), labels[mask]])
    total = (losses * weights[mask]).sum()
    self.assertAllClose(results["loss"], total / 6)
    self.assertAllClose(results["average_loss"], total / weights[mask].sum())
    # A mask among the features says which steps count: the first ones here.
    mask[:, 1:] = False
    features = {**FEATURES, "w": np.ones_like(weights), "is_there": mask}
    results = estimator.evaluate(input_of(labels, features))
    losses = -np.log(models.softmax(logits)[mask][range(3), labels[mask]])
    self.assertAllClose(results["loss"], losses.mean())

  def test_any_head_at_each_step(self):
    values = random_weights("gru", [2], units=2)
    estimator = rnn(
      models.given,
      RNNEstimator,
      values,
      SequentialHeadWrapper(RegressionHead(2), "mask"),
      units=[2],
      cell_type="gru",
      return_sequences=True,
    )
    mask = np.arange(3) < LENGTHS[:, None]
    self.assertAllClose(
      predicted(estimator, "predictions")[mask],
      by_hand("gru", [2], values)[mask],
    )


class TrainingTest(tf.test.TestCase):
  def trained(self, strategy):
    estimator = rnn(
      RNNClassifier,
      config=models.config_of(train_distribute=strategy),
      units=[2],
    )
    return estimator.train(input_of(np.array([0, 1, 1, 0])))

  @pytest.mark.slow
  def test_two_replicas_equal_one(self):
    one, two = map(self.trained, (None, toys.two_replicas()))
    self.assertAllClose(models.values_of(one), models.values_of(two), 0, 1e-5)
    for estimator in (one, two):
      self.assertEqual(
        plugins(estimator.model_dir),
        {
          "_hparams_/session_start_info": "hparams",
          "loss": "scalars",
          "learning_rate": "scalars",
          "sequence_length": "histograms",
        },
      )
    weights = random_weights("simple_rnn", [2])
    names = models.weight_names(one)
    self.assertCountEqual(
      [n for n in names if not n.endswith("seed_generator_state")], weights
    )
    self.assertContainsSubset(
      [f"optimizer/{name}/accumulator" for name in weights],
      one.get_variable_names(),
    )

  def test_gradients_are_clipped_with_optimizers_by_name(self):
    features = {
      **FEATURES,
      "number": tf.sparse.map_values(lambda x: 1e4 * x, FEATURES["number"]),
    }
    values = random_weights("simple_rnn", [1])
    # A linear recurrence, so that nothing saturates.
    estimator = rnn(
      models.given,
      RNNEstimator,
      values,
      RegressionHead(),
      rnn_cell_fn=lambda: keras.layers.SimpleRNNCell(1, activation="linear"),
      optimizer="SGD",
      config=models.config_of(),
      model_dir=None,
    )
    estimator.train(input_of(np.zeros([4]), features))
    moved = {
      name: np.linalg.norm(estimator.get_variable_value(name) - value)
      for name, value in values.items()
    }
    # The rate is 0.05 and each variable's norm at most 5.
    self.assertAllClose(moved["rnn_model/logits/kernel"], 0.25, 1e-4)
    self.assertAllClose(
      moved["rnn_model/rnn/simple_rnn_cell/kernel"], 0.25, 1e-4
    )

  def test_context_embeddings_have_a_layer_of_their_own(self):
    kind = fc.categorical_column_with_identity("size", 5)
    estimator = RNNClassifier(
      sequences(),
      [fc.embedding_column(kind, 2)],
      units=[2],
      config=models.config_of(),
    )
    features = {**FEATURES, "size": np.array([1, 0, 4, 1])}
    estimator.train(input_of(np.array([0, 1, 1, 0]), features))
    table = estimator.get_variable_value(
      "dense_features/size_embedding/embedding_weights"
    )
    self.assertEqual(table.shape, (5, 2))
    slot = estimator.get_variable_value(
      "optimizer/dense_features/size_embedding/embedding_weights/accumulator"
    )
    # Adagrad's begins at 0.1. The third sequence has no step to use the 4 in.
    self.assertAllEqual(np.all(slot > 0.1, axis=1), [1, 1, 0, 0, 0])


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ({"units": None}, "units must be a list"),
    ({"units": []}, "units must be a list"),
    ({"units": [0]}, "units must be a list"),
    ({"units": "ab"}, "units must be a list"),
    ({"units": 2.5}, "units must be a list"),
    ({"cell_type": "rnn"}, r"\['gru', 'lstm', 'simple_rnn'\] .* is 'rnn'"),
    ({"cell_type": 3}, "cell_type"),
    ({"rnn_cell_fn": lambda: None}, "must not be given as well"),
    (
      {"rnn_cell_fn": lambda: None, "units": None, "cell_type": "lstm"},
      "must not be given as well",
    ),
    ({"rnn_cell_fn": 3, "units": None}, "rnn_cell_fn"),
    ({"sequence_feature_columns": []}, "column"),
    ({"sequence_feature_columns": [fc.numeric_column("x")]}, "sequence"),
    (
      {"context_feature_columns": [fc.sequence_numeric_column("y")]},
      "'y'",
    ),
    ({"n_classes": 1}, "n_classes"),
    ({"optimizer": "Momentum"}, "optimizer must be one of"),
    ({"return_sequences": True, "sequence_mask": 3}, "must be names"),
  )
  def test_arguments(self, wrong, message):
    arguments = {
      "sequence_feature_columns": [fc.sequence_numeric_column("x")],
      "units": [2],
      **wrong,
    }
    with self.assertRaisesRegex((ValueError, TypeError), message):
      RNNClassifier(model_dir=new_folder(), **arguments)

  @parameterized.parameters(
    (RegressionHead(), True), (SequentialHeadWrapper(RegressionHead()), False)
  )
  def test_a_head_of_the_other_kind(self, head, return_sequences):
    with self.assertRaisesRegex(ValueError, "give both or neither"):
      RNNEstimator(
        head,
        [fc.sequence_numeric_column("x")],
        units=[2],
        return_sequences=return_sequences,
        model_dir=new_folder(),
      )

  def test_features(self):
    estimator = RNNClassifier(sequences(), units=[2], model_dir=new_folder())
    tensors = tf.data.Dataset.from_tensors((tf.ones([2]), tf.ones([2])))
    with self.assertRaisesRegex(ValueError, "must be a dictionary"):
      estimator.train(lambda: tensors)
    only = {"number": FEATURES["number"]}
    with self.assertRaisesRegex(ValueError, "'word'"):
      estimator.train(input_of(np.array([0, 1, 1, 0]), only))


if __name__ == "__main__":
  tf.test.main()

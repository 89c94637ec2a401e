"""Tests of first values that come from another model's checkpoint."""

import functools
import os

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  VocabInfo,
  WarmStartSettings,
  minimize,
  once,
)
from estimators import feature_columns as fc
from estimators.warm_start import remapped
from tests.estimators import named_checkpoints, toys
from tests.estimators.helpers import new_folder, slope_after
from tests.estimators.serving import line_receiver_fn

ONE = toys.input_of([1.0], np.float32([1]))
NETWORK = toys.input_of(*toys.network_data(), batch_size=8)


def line(**kwargs):
  return Estimator(toys.line_fn, new_folder(), **kwargs)


def value(estimator, name=toys.LINE):
  return float(np.squeeze(estimator.get_variable_value(name)))


@functools.cache
def old_line():
  """Returns an Estimator with the checkpoints of two steps."""
  config = RunConfig(save_checkpoints_steps=1)
  return line(config=config).train(toys.input_of([1.0] * 2, np.float32([1, 1])))


@functools.cache
def old_network():
  return Estimator(toys.network_fn, new_folder()).train(NETWORK)


class SourceTest(tf.test.TestCase):
  def test_a_model_dir_is_its_newest_checkpoint(self):
    estimator = line(warm_start_from=old_line().model_dir)
    estimator.train(ONE, steps=1)
    self.assertAllClose(value(estimator), slope_after(3))
    # Steps count from 0 again.
    self.assertEqual(estimator.get_variable_value("global_step"), 1)

  def test_a_checkpoint(self):
    path = os.path.join(old_line().model_dir, "model.ckpt-1")
    self.assertAllClose(
      line(warm_start_from=path).evaluate(ONE),
      {
        "loss": (1 - slope_after(1)) ** 2,
        "error": 1 - slope_after(1),
        "global_step": 0,
      },
    )

  def test_a_saved_model(self):
    path = old_line().export_saved_model(new_folder(), line_receiver_fn)
    results = line(warm_start_from=path).evaluate(ONE)
    self.assertAllClose(results["error"], 1 - slope_after(2))

  def test_predict_before_training(self):
    (row,) = line(warm_start_from=old_line().model_dir).predict(ONE)
    self.assertAllClose(row["y"], slope_after(2))

  def test_only_where_there_is_no_checkpoint(self):
    estimator = line().train(ONE, steps=1)
    again = Estimator(
      toys.line_fn, estimator.model_dir, warm_start_from=old_line().model_dir
    )
    self.assertAllClose(again.evaluate(ONE)["error"], 1 - slope_after(1))
    again.train(ONE, steps=1)
    self.assertAllClose(value(again), slope_after(2))

  def test_nothing_there(self):
    for path in ("/no/such/place", new_folder()):
      with self.assertRaisesRegex(ValueError, "no checkpoint to warm-start"):
        line(warm_start_from=path).train(ONE)

  def test_neither_path_nor_settings(self):
    for wrong in (3, ["a"], old_line()):
      with self.assertRaisesRegex(ValueError, "must be a path or"):
        line(warm_start_from=wrong)
    with self.assertRaisesRegex(ValueError, "must name a checkpoint"):
      WarmStartSettings("")


class ChoiceTest(tf.test.TestCase, parameterized.TestCase):
  def warm_started(self, *patterns, **settings):
    """Trains a network one step at the rate 0; returns which names are old."""

    @once
    def adam():
      return keras.optimizers.Adam(0.0)

    def model_fn(features, labels, mode):
      logits = toys.network()(features, training=False)
      loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
      )
      return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, adam()))

    old = old_network()
    estimator = Estimator(
      model_fn,
      new_folder(),
      warm_start_from=WarmStartSettings(old.model_dir, *patterns, **settings),
    )
    estimator.train(NETWORK, steps=1)
    # The first checkpoint is of the first values.
    first = tf.train.load_checkpoint(
      os.path.join(estimator.model_dir, "model.ckpt-0")
    )
    return {
      name
      for name in estimator.get_variable_names()
      if np.array_equal(
        old.get_variable_value(name),
        first.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE"),
      )
      if np.any(old.get_variable_value(name))
    }

  LEARNED = {
    *(f"network/dense/{name}" for name in ("kernel", "bias")),
    *(f"network/dense_1/{name}" for name in ("kernel", "bias")),
    *(
      f"network/batch_normalization/{name}"
      for name in ("gamma", "beta", "moving_mean", "moving_variance")
    ),
  }

  def test_all_that_was_learned(self):
    # Batch norm's running statistics as well, but not Adam's.
    self.assertEqual(self.warm_started(), self.LEARNED)

  def test_a_regular_expression(self):
    self.assertEqual(
      self.warm_started("network/dense_1"),
      {"network/dense_1/kernel", "network/dense_1/bias"},
    )

  def test_a_list_reaches_the_optimizer(self):
    # But the global step is 0 even so.
    names = self.warm_started([".*"])
    self.assertContainsSubset(self.LEARNED, names)
    self.assertContainsSubset(
      {
        "adam/network/dense/kernel/momentum",
        "adam/network/dense/kernel/velocity",
        "adam/iteration",
      },
      names,
    )
    self.assertNotIn("global_step", names)

  def test_none_takes_what_the_vocabularies_name(self):
    words = os.path.join(new_folder(), "words.txt")
    with open(words, "w") as file:
      file.write("a\nb\nc\n")
    same = VocabInfo(words, 3, 0, words)
    self.assertEqual(
      self.warm_started(
        None, var_name_to_vocab_info={"network/dense_1/bias": same}
      ),
      {"network/dense_1/bias"},
    )

  def test_what_came_later_keeps_its_own_random_state(self):
    # The old model has no dropout, so that there is no state of it.
    @once
    def line():
      return keras.Sequential(
        [
          keras.layers.Dropout(0.5),
          keras.layers.Dense(1, use_bias=False, name="kernel_of"),
        ]
      )

    def model_fn(features, labels, mode):
      y = line()(features[:, None])[:, 0]
      return EstimatorSpec(mode, loss=tf.reduce_mean((y - labels) ** 2))

    estimator = Estimator(
      model_fn,
      new_folder(),
      warm_start_from=WarmStartSettings(
        old_line().model_dir,
        var_name_to_prev_var_name={"line/kernel_of/kernel": toys.LINE},
      ),
    )
    self.assertAllClose(
      estimator.evaluate(ONE)["loss"], (1 - slope_after(2)) ** 2
    )

  def test_metrics_begin_anew(self):
    # The evaluation's metric is in no checkpoint.
    new = Estimator(
      toys.network_fn, new_folder(), warm_start_from=old_network().model_dir
    )
    old = old_network().evaluate(NETWORK)
    self.assertAllClose(new.evaluate(NETWORK), {**old, "global_step": 0})
    with self.assertLogs("tensorflow", "INFO") as logs:
      new.train(NETWORK, steps=1)
    # All were taken over already.
    self.assertNotIn("Warm-start", str(logs.output))

  def test_nothing_matches(self):
    settings = WarmStartSettings(old_line().model_dir, "nothing")
    with self.assertRaisesRegex(ValueError, "'nothing' matches none"):
      line(warm_start_from=settings).train(ONE)

  @parameterized.parameters(
    "var_name_to_vocab_info", "var_name_to_prev_var_name"
  )
  def test_a_name_that_the_model_does_not_have(self, field):
    settings = WarmStartSettings(
      old_line().model_dir, **{field: {"lime/kernel": "line/kernel"}}
    )
    with self.assertRaisesRegex(
      ValueError, rf"{field} names \['lime/kernel'\].*line/kernel"
    ):
      line(warm_start_from=settings).train(ONE)

  def test_missing_and_of_another_shape(self):
    path = old_network().model_dir
    with self.assertRaisesRegex(ValueError, "holds no 'line/kernel'"):
      line(warm_start_from=path).train(ONE)
    settings = WarmStartSettings(
      path,
      var_name_to_prev_var_name={toys.LINE: "network/dense/kernel"},
    )
    with self.assertRaisesRegex(ValueError, r"shape \(1, 1\).*\(4, 8\)"):
      line(warm_start_from=settings).train(ONE)


class TfEstimatorTest(tf.test.TestCase):
  """Warm starts from checkpoints by name, with the slope 7."""

  def checkpoint(self, name="model.ckpt-30", **values):
    """Writes values under `line/`, with slots of an optimizer."""
    folder = new_folder()
    named_checkpoints.write(
      folder,
      {
        **named_checkpoints.step(),
        **{f"line/{key}": value for key, value in values.items()},
        "training/SGD/line/kernel/momentum": [[5.0]],
        "training/SGD/learning_rate": 3.0,
      },
      name,
    )
    return folder

  def assert_slope(self, slope, **kwargs):
    (row,) = line(**kwargs).predict(ONE)
    self.assertAllClose(row["y"], slope)

  def test_a_model_dir(self):
    estimator = line(warm_start_from=self.checkpoint(kernel=[[7]]))
    # Evaluates and predicts before any training of its own.
    self.assertEqual(
      estimator.evaluate(ONE), {"loss": 36, "error": 6, "global_step": 0}
    )
    (row,) = estimator.predict(ONE)
    self.assertEqual(row["y"], 7)
    estimator.train(ONE, steps=1)
    self.assertAllClose(value(estimator), toys.line_steps([([1], [1])], 7.0))
    self.assertEqual(estimator.get_variable_value("global_step"), 1)

  def test_a_checkpoint_and_a_saved_model(self):
    path = self.checkpoint(kernel=[[7]]) + "/model.ckpt-30"
    self.assert_slope(7, warm_start_from=path)
    path = self.checkpoint(named_checkpoints.SAVED_MODEL, kernel=[[8]])
    self.assert_slope(8, warm_start_from=path)

  def test_another_name(self):
    settings = WarmStartSettings(
      self.checkpoint(old=[[7]]),
      var_name_to_prev_var_name={toys.LINE: "line/old"},
    )
    self.assert_slope(7, warm_start_from=settings)

  def test_a_name_that_is_not_there(self):
    path = self.checkpoint(age=[[7]])
    with self.assertRaisesRegex(
      ValueError, r"holds no 'line/kernel'.* holds \['line/age'\]"
    ):
      self.assert_slope(7, warm_start_from=path)

  def test_a_list_reaches_the_optimizer(self):
    @once
    def optimizer():
      return keras.optimizers.SGD(0.01, momentum=0.5)

    def model_fn(features, labels, mode):
      y = toys.line()(features[:, None])[:, 0]
      loss = tf.reduce_mean((y - labels) ** 2)
      return EstimatorSpec(
        mode, loss=loss, train_op=minimize(loss, optimizer())
      )

    path = self.checkpoint(kernel=[[7]])
    for patterns, momentum in ((".*", 0), ([".*"], 5)):
      settings = WarmStartSettings(path, patterns)
      estimator = Estimator(model_fn, new_folder(), warm_start_from=settings)
      estimator.train(ONE, steps=1)
      step = 0.5 * momentum - 0.01 * 2 * (7 - 1)
      self.assertAllClose(value(estimator), 7 + step)

  def test_a_list_leaves_the_random_state_alone(self):
    # tf.estimator kept none.
    @once
    def net():
      return [keras.layers.Dropout(0.5), toys.line.__wrapped__()]

    def model_fn(features, labels, mode):
      dropout, dense = net()
      y = dense(dropout(features[:, None], training=True))[:, 0]
      return EstimatorSpec(mode, loss=tf.reduce_mean(y) - labels[0])

    folder = new_folder()
    named_checkpoints.write(folder, {"net/1/kernel": [[7]]})
    settings = WarmStartSettings(folder, [".*"])
    estimator = Estimator(model_fn, new_folder(), warm_start_from=settings)
    # What dropout keeps, it doubles.
    self.assertIn(estimator.evaluate(ONE)["loss"], (-1, 13))

  def test_as_a_model_dir(self):
    path = self.checkpoint(kernel=[[7]])
    estimator = Estimator(toys.line_fn, path)
    for use in (
      lambda: estimator.evaluate(ONE),
      lambda: estimator.train(ONE, steps=1),
      lambda: list(estimator.predict(ONE)),
    ):
      with self.assertRaisesRegex(
        ValueError, f"tools.convert_checkpoint --from={path} .*warm_start_from"
      ):
        use()


class VocabularyTest(tf.test.TestCase):
  """Remapping, with row i of the old variable being [10 i, 10 i + 1]."""

  OLD = np.array([[0, 1], [10, 11], [20, 21]], np.float32)

  def file(self, *words):
    path = os.path.join(new_folder(), "words.txt")
    with open(path, "w") as file:
      file.write("".join(f"{word}\n" for word in words))
    return path

  def remapped(self, info, old=OLD, shape=(4, 2)):
    return remapped(info, np.array(old), shape, tf.float32)

  def test_rows(self):
    info = VocabInfo(self.file("c", "new", "a"), 3, 1, self.file("a", "b", "c"))
    # The new word and the bucket for unknown words begin with zeros.
    self.assertAllEqual(self.remapped(info), [[20, 21], [0, 0], [0, 1], [0, 0]])

  def test_columns(self):
    info = VocabInfo(
      self.file("c", "a"), 2, 1, self.file("a", "b", "c"), axis=1
    )
    self.assertAllEqual(
      self.remapped(info, self.OLD.T, (2, 3)), [[20, 0, 0], [21, 1, 0]]
    )

  def test_lines_are_those_of_lookup_tables(self):
    # Python would also cut at U+2028 and at a form feed.
    words = ("a\u2028b", "c\x0cd", "e\r")
    info = VocabInfo(self.file("e", words[1]), 2, 0, self.file(*words))
    self.assertAllEqual(self.remapped(info, shape=(2, 2)), [[20, 21], [10, 11]])
    column = fc.categorical_column_with_vocabulary_file("w", info.old_vocab)
    self.assertEqual(column.num_buckets, 3)

  def test_backup_initializer(self):
    info = VocabInfo(
      self.file("c", "new", "a"),
      3,
      1,
      self.file("a", "b", "c"),
      backup_initializer=keras.initializers.Constant(7.0),
    )
    self.assertAllEqual(self.remapped(info), [[20, 21], [7, 7], [0, 1], [7, 7]])

  def test_sizes_smaller_than_the_files(self):
    # "d" is not used any more, and "c" did not count then.
    info = VocabInfo(
      self.file("c", "b", "a", "d"), 3, 1, self.file("a", "b", "c"), 2
    )
    self.assertAllEqual(
      self.remapped(info, self.OLD[:2]), [[0, 0], [10, 11], [0, 1], [0, 0]]
    )

  def test_vectors(self):
    info = VocabInfo(self.file("b", "a"), 2, 0, self.file("a", "b"))
    self.assertAllEqual(self.remapped(info, [1.0, 2.0], (2,)), [2, 1])

  def test_errors(self):
    abc, ab = self.file("a", "b", "c"), self.file("a", "b")
    with self.assertRaisesRegex(ValueError, "was to give 5 words, .* 3 lines"):
      self.remapped(VocabInfo(abc, 5, 0, abc))
    with self.assertRaisesRegex(ValueError, "4 entries on axis 0.* 3 words"):
      self.remapped(VocabInfo(abc, 3, 0, abc))
    with self.assertRaisesRegex(ValueError, "3 entries .*give old_vocab_size"):
      self.remapped(VocabInfo(abc, 3, 1, self.file(*"abcde")))
    # NumPy would stretch one column into two.
    with self.assertRaisesRegex(ValueError, r"\(4, 2\), and \(3, 1\)"):
      self.remapped(VocabInfo(abc, 3, 1, abc), self.OLD[:, :1])
    with self.assertRaisesRegex(ValueError, "axis 1 can change"):
      self.remapped(VocabInfo(ab, 2, 0, ab, axis=1), [1.0, 2.0], (2,))
    with self.assertRaisesRegex(ValueError, "axis must be 0 .* 2"):
      VocabInfo(abc, 3, 0, abc, axis=2)

  def test_an_embedding_of_an_estimator(self):
    def model_of(words, size):
      @once
      def embedding():
        return keras.layers.Embedding(size, 1, embeddings_initializer="ones")

      def model_fn(features, labels, mode):
        y = embedding()(features)[:, 0]
        if mode == ModeKeys.PREDICT:
          return EstimatorSpec(mode, predictions=y)
        loss = tf.reduce_mean((y - labels) ** 2)
        return EstimatorSpec(
          mode, loss=loss, train_op=minimize(loss, toys.sgd())
        )

      return model_fn, self.file(*words)

    def input_fn(ids):
      return lambda: tf.data.Dataset.from_tensors(
        (tf.constant(ids), tf.zeros([len(ids)]))
      )

    def settings(path):
      return WarmStartSettings(
        path,
        var_name_to_vocab_info={
          "embedding/embeddings": VocabInfo(new_vocab, 3, 1, old_vocab)
        },
      )

    model_fn, old_vocab = model_of("abc", 3)
    old = Estimator(model_fn, new_folder()).train(input_fn([1]), steps=1)
    model_fn, new_vocab = model_of("bxa", 4)
    new = Estimator(
      model_fn,
      new_folder(),
      warm_start_from=settings(old.model_dir),
    )
    # "b" went down from 1; "x" and the bucket are new.
    b = 1 - 2 * toys.LEARNING_RATE
    self.assertAllClose(list(new.predict(input_fn([0, 1, 2, 3]))), [b, 0, 1, 0])
    # The same from one that was kept in two parts.
    folder = new_folder()
    named_checkpoints.write(
      folder,
      {
        "embedding/embeddings/part_0": [[5], [6]],
        "embedding/embeddings/part_1": [[7]],
      },
    )
    new = Estimator(model_fn, new_folder(), warm_start_from=settings(folder))
    self.assertAllClose(list(new.predict(input_fn([0, 1, 2, 3]))), [6, 0, 5, 0])


if __name__ == "__main__":
  tf.test.main()

"""What the canned estimators share: heads, features, summaries, replays."""

import functools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import estimators
from estimators import BinaryClassHead, MultiClassHead, summaries
from estimators import feature_columns as fc
from estimators.canned import common
from tests.estimators.canned.models import input_of
from tests.estimators.helpers import events_of, new_folder, scalars

FEATURES = {
  "x": np.array([1, -1, 2], np.float32),
  "steps": tf.sparse.from_dense(np.array([[1, 2], [3, 0], [5, 6.0]])),
}
LABELS = np.array([0, 1, 1])


class PartsTest(tf.test.TestCase, parameterized.TestCase):
  def test_what_is_no_head(self):
    columns = [fc.numeric_column("x")]
    for make in (
      lambda: estimators.LinearEstimator([3], columns),
      lambda: estimators.DNNEstimator([3], [3], columns),
      lambda: estimators.DNNLinearCombinedEstimator(
        [3], linear_feature_columns=columns
      ),
      lambda: estimators.BaselineEstimator([3]),
    ):
      with self.assertRaisesRegex(TypeError, r"such as .*, but is \[3\]"):
        make()

  def test_heads_of_classifiers(self):
    make = functools.partial(
      common.classification_head,
      weight_column="w",
      label_vocabulary=None,
      loss_reduction="sum",
    )
    self.assertEqual(make(2), BinaryClassHead("w", loss_reduction="sum"))
    self.assertEqual(make(3), MultiClassHead(3, "w", loss_reduction="sum"))
    for size in (1, 0, -1):
      with self.assertRaisesRegex(ValueError, f"2 or more, but got {size}"):
        make(size)

  @parameterized.parameters(
    (tf.constant([1.0]),), (None,), ([tf.constant(1)],), ((),)
  )
  def test_features_that_are_no_dictionary(self, features):
    with self.assertRaisesRegex(ValueError, "must be a dictionary, but are"):
      common.check_features(features)
    common.check_features({"x": features})

  @parameterized.parameters(
    ([3, 2], (3, 2)), ((1,), (1,)), (np.array([4, 5]), (4, 5))
  )
  def test_sizes(self, given, expected):
    sizes = common.checked_sizes(given, "sizes")
    self.assertEqual(sizes, expected)
    self.assertTrue(all(type(size) is int for size in sizes))

  @parameterized.parameters(None, 3, 0, "ab", [()], [[0]], [[-1]], [[1.0]])
  def test_bad_sizes(self, given):
    with self.assertRaisesRegex(ValueError, "what is wanted, but is "):
      common.checked_sizes(given, "what is wanted")

  def test_activations(self):
    folder = new_folder()
    with summaries.writer_for(folder).as_default(step=3):
      common.write_activations(
        {"a": tf.constant([0.0, 1, 0, 2]), "b": tf.ones([2])}
      )
      summaries.writer_for(folder).flush()
    self.assertEqual(
      scalars(folder),
      {
        "a/fraction_of_zero_values": {3: 0.5},
        "b/fraction_of_zero_values": {3: 0.0},
      },
    )
    (event,) = events_of(folder).Tensors("a/activation")
    counts = tf.make_ndarray(event.tensor_proto)[:, 2]
    self.assertEqual(counts.sum(), 4)


def columns():
  return [fc.numeric_column("x")]


MAKERS = {
  "combined": lambda **kwargs: estimators.DNNLinearCombinedClassifier(
    linear_feature_columns=columns(),
    dnn_feature_columns=columns(),
    dnn_hidden_units=[2],
    **kwargs,
  ),
  "baseline": estimators.BaselineClassifier,
  "kernel": lambda **kwargs: estimators.KernelLinearClassifier(
    kernel_mappers={
      fc.numeric_column("x"): estimators.RandomFourierFeatureMapper(3)
    },
    **kwargs,
  ),
  "rnn": lambda **kwargs: estimators.RNNClassifier(
    [fc.sequence_numeric_column("steps")], columns(), [2], **kwargs
  ),
}


class AgainTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(*MAKERS)
  def test_nothing_is_traced_twice(self, name):
    canned, modes = MAKERS[name](model_dir=new_folder()), []

    def counted(features, labels, mode, config):
      modes.append(mode)
      return canned.model_fn(features, labels, mode, config)

    estimator, counts = estimators.Estimator(counted, canned.model_dir), []
    train = input_of(FEATURES, LABELS)
    for _ in range(3):
      estimator.train(train, steps=1)
      estimator.evaluate(train)
      list(estimator.predict(input_of(FEATURES)))
      counts.append({mode: modes.count(mode) for mode in modes})
    self.assertEqual(set(counts[0]), {"train", "eval", "infer"})
    self.assertEqual(counts[1:], counts[:1] * 2)


if __name__ == "__main__":
  tf.test.main()

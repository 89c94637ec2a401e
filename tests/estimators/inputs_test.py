import functools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import ModeKeys, RunConfig
from estimators.inputs import dataset_from


def dataset(input_fn, mode=ModeKeys.TRAIN, params=None, config=None):
  return dataset_from(input_fn, mode, params or {}, config or RunConfig())


def first(dataset, count):
  """Returns so many elements as nested Python lists."""
  elements = list(dataset.take(count).as_numpy_iterator())
  return [tf.nest.map_structure(lambda a: a.tolist(), e) for e in elements]


class DatasetFromTest(parameterized.TestCase, tf.test.TestCase):
  def test_input_fn_gets_the_arguments_that_it_names(self):
    seen = []
    config = RunConfig(tf_random_seed=3)

    def input_fn(params, mode, config, size=2):
      seen.append((mode, params, config, size))
      return tf.data.Dataset.range(size)

    result = dataset(input_fn, ModeKeys.EVAL, {"a": 1}, config)
    self.assertEqual(seen, [(ModeKeys.EVAL, {"a": 1}, config, 2)])
    self.assertEqual(list(result.as_numpy_iterator()), [0, 1])

  def test_input_context_is_of_one_pipeline(self):
    def input_fn(input_context):
      return tf.data.Dataset.range(input_context.num_input_pipelines)

    self.assertLen(list(dataset(input_fn)), 1)

  def test_partials_and_callable_objects(self):
    partial = functools.partial(tf.data.Dataset.range, 3)
    self.assertLen(list(dataset(lambda: partial())), 3)

    class Input:
      def __call__(self, mode):
        return tf.data.Dataset.from_tensors(mode)

    self.assertEqual(list(dataset(Input()).as_numpy_iterator()), [b"train"])

  def test_tensors_are_one_batch_that_training_repeats(self):
    def input_fn():
      return {"x": tf.constant([1, 2])}, tf.constant([3, 4])

    batch = ({"x": [1, 2]}, [3, 4])
    self.assertEqual(first(dataset(input_fn), 3), [batch] * 3)
    for mode in (ModeKeys.EVAL, ModeKeys.PREDICT):
      self.assertEqual(first(dataset(input_fn, mode), 3), [batch])

  def test_a_list_of_two_is_features_and_labels(self):
    result = dataset(lambda: [np.array([1]), np.array([2])], ModeKeys.EVAL)
    self.assertEqual(first(result, 2), [([1], [2])])

  @parameterized.parameters(
    (None, "returned None"),
    ((1, 2, 3), "returned"),
    (tf.data.Dataset.from_tensors((1, 2, 3)), "tuple of 3"),
  )
  def test_other_results_are_refused(self, result, message):
    with self.assertRaisesRegex(ValueError, message):
      dataset(lambda: result)

  def test_other_arguments_are_refused(self):
    with self.assertRaisesRegex(ValueError, "'batch_size'.*partial"):
      dataset(lambda mode, batch_size: None)
    with self.assertRaisesRegex(TypeError, "wrap it"):
      dataset(tf.data.Dataset.range(3))

  def test_a_seed_fixes_the_order_of_unseeded_shuffling(self):
    def input_fn():
      return tf.data.Dataset.range(20).shuffle(20).repeat(2)

    def order(seed):
      config = RunConfig(tf_random_seed=seed)
      return first(dataset(input_fn, config=config), 40)

    self.assertEqual(order(1), order(1))
    self.assertNotEqual(order(1), order(2))
    self.assertNotEqual(order(1)[:20], order(1)[20:])


if __name__ == "__main__":
  tf.test.main()

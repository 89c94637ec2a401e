"""What tf.feature_column makes of features, to compare with.

Only tests may look into TensorFlow like this.
"""

import numpy as np
import tensorflow as tf
from tensorflow.python.feature_column import feature_column_v2 as v2


class State(v2.StateManager):
  """Keeps what columns make, with variables of given values.

  Args:
    values: dictionary of column name to the array of its variable.
  """

  def __init__(self, values=()):
    self._values = dict(values)
    self._resources = {}

  def get_variable(self, feature_column, name):
    del name
    return tf.Variable(self._values[feature_column.name])

  def has_resource(self, feature_column, name):
    return (feature_column, name) in self._resources

  def add_resource(self, feature_column, resource_name, resource):
    self._resources[feature_column, resource_name] = resource

  def get_resource(self, feature_column, name):
    return self._resources[feature_column, name]


def cache_of(features):
  """Returns tf.feature_column's features; it knows no ragged ones."""
  return v2.FeatureTransformationCache(
    {
      name: x.to_sparse() if isinstance(x, tf.RaggedTensor) else x
      for name, x in features.items()
    }
  )


def ids(column, features):
  """Returns the ids of each example, without those below 0, as lists."""
  found = column.get_sparse_tensors(cache_of(features), State()).id_tensor
  return by_example(found.values, found.indices[:, 0], found.dense_shape[0])


def by_example(values, rows, batch_size):
  """Returns a list for each example, of its values that are not below 0."""
  examples = [[] for _ in range(int(batch_size))]
  for value, row in zip(np.array(values), np.array(rows), strict=True):
    if value >= 0:
      examples[row].append(int(value))
  return examples


def logits(column, features, weights, sparse_combiner="sum"):
  """Returns a column's part of a linear model, [B, units].

  Args:
    column: of tf.feature_column.
    features: dictionary.
    weights: [num_buckets or num_elements, units].
    sparse_combiner: str.
  """
  return v2._create_weighted_sum(
    column, cache_of(features), State(), sparse_combiner, tf.Variable(weights)
  ).numpy()


def dense(column, features, embedding=None):
  """Returns a dense column's numbers, [B, D]."""
  state = State({column.name: embedding})
  numbers = column.get_dense_tensor(cache_of(features), state)
  return numbers.numpy().reshape([-1, column.variable_shape.num_elements()])


def by_step(column, features, embedding=None):
  """Returns a column's ([B, T, D], [B] lengths)."""
  state = State({column.name: embedding})
  numbers, lengths = column.get_sequence_dense_tensor(cache_of(features), state)
  shape = [*numbers.shape[:2], column.variable_shape.num_elements()]
  return tf.reshape(numbers, shape).numpy(), lengths.numpy()

"""Which features a SavedModel's signature takes of each row.

Sizes: B rows of a batch, D... the dimensions of one row's value.
"""

import tensorflow as tf

from tools.predict_features import Feature

# The inputs of ParseExampleV2 and of its predecessor, TensorFlow 1's, begin
# with the serialized examples and their names.
_PARSERS = ("ParseExampleV2", "ParseExample")
_NUM_FIRST_INPUTS = 2


def raw_features(specs):
  """Returns the features of a signature with an input for each.

  Args:
    specs: dictionary of name to tf.TensorSpec [B, D...].
  """
  features = []
  for name, spec in sorted(specs.items()):
    if spec.shape.rank == 0:
      raise ValueError(
        "the inputs of a signature must have the rows of a batch as their "
        f"first dimension, but {name} is one value; choose another signature."
      )
    shape = spec.shape[1:]
    known = None if shape.rank is None else tuple(shape.as_list())
    features.append(Feature(name, spec.dtype, known))
  return features


def example_features(graph_def):
  """Returns the features that a graph parses out of tf.train.Examples.

  Args:
    graph_def: GraphDef of a signature, with the functions that it calls.

  Returns:
    list of Feature, in the order of their names; empty if it parses none.
  """
  found = {}
  functions = graph_def.library.function
  for nodes in (graph_def.node, *(each.node_def for each in functions)):
    by_name = {node.name: node for node in nodes}
    for node in nodes:
      if node.op in _PARSERS:
        for feature in _parsed_by(node, by_name):
          found.setdefault(feature.name, feature)
  return [found[name] for name in sorted(found)]


def _parsed_by(node, by_name):
  """Yields the features of one operation that parses."""
  sparse_types = node.attr["sparse_types"].list.type
  dense_types = node.attr["Tdense"].list.type
  inputs = [_producer(name, by_name) for name in node.input]
  inputs = inputs[_NUM_FIRST_INPUTS:]
  if node.op == "ParseExample":  # a scalar for each key
    num_sparse, num_dense = len(sparse_types), len(dense_types)
    sparse = [_constant(i) for i in inputs[:num_sparse]]
    dense = [_constant(i) for i in inputs[num_sparse:][:num_dense]]
    defaults = inputs[num_sparse + num_dense :]
  else:  # one vector for each kind of feature
    sparse, dense, ragged = ([*_constant(i)] for i in inputs[:3])
    defaults = inputs[3:]
    sparse += ragged
    sparse_types = [*sparse_types, *node.attr["ragged_value_types"].list.type]
  for key, dtype in zip(sparse, sparse_types, strict=True):
    yield Feature(key.decode(), tf.as_dtype(dtype), (None,))
  shapes = node.attr["dense_shapes"].list.shape
  for key, dtype, shape, default in zip(
    dense, dense_types, shapes, defaults, strict=True
  ):
    yield Feature(
      key.decode(),
      tf.as_dtype(dtype),
      tuple(tf.TensorShape(shape).as_list()),
      optional=not _is_empty(default),
    )


def _producer(name, by_name):
  """Returns the node that an input comes from; None if it is an argument."""
  return by_name.get(name.split(":")[0])


def _constant(node):
  if node is None or node.op != "Const":
    raise ValueError(
      "the names of a signature's features must be constants in its graph, but "
      "are computed; choose a signature with an input for each feature."
    )
  return tf.make_ndarray(node.attr["value"].tensor).tolist()


def _is_empty(node):
  """Whether a default is the one that means that there is none."""
  if node is None or node.op != "Const":
    return False
  return tf.make_ndarray(node.attr["value"].tensor).size == 0

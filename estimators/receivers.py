"""Serving input receivers: what serving feeds, and the features of it."""

import dataclasses
import re

import tensorflow as tf


class ServingInputReceiver:
  """What serving feeds, and the features that it becomes.

  Args:
    features: dictionary of name to tensor, as the model function takes it; a
      single tensor is named `feature`.
    receiver_tensors: dictionary of name (letters, digits and _) to the dense
      placeholder that a request fills; a single one is named `input`.
    receiver_tensors_alternatives: dictionary of name to dictionaries of other
      tensors that may be fed instead; each gives signatures
      `<name>:<signature>`.

  Raises:
    ValueError: features or receiver_tensors are missing, or not tensors, or
      have names that a signature cannot have.
  """

  def __init__(
    self, features, receiver_tensors, receiver_tensors_alternatives=None
  ):
    self.features = _named(features, "feature", "features")
    self.receiver_tensors = _fed(receiver_tensors, "receiver_tensors")
    self.receiver_tensors_alternatives = {
      name: _fed(tensors, f"receiver_tensors_alternatives[{name!r}]")
      for name, tensors in (receiver_tensors_alternatives or {}).items()
    }


class TensorServingInputReceiver(ServingInputReceiver):
  """A receiver whose model function takes one tensor, not a dictionary."""

  def __init__(
    self, features, receiver_tensors, receiver_tensors_alternatives=None
  ):
    super().__init__(features, receiver_tensors, receiver_tensors_alternatives)
    if isinstance(features, dict):
      raise ValueError(
        "a TensorServingInputReceiver takes one tensor as features, but got "
        f"{features}; use ServingInputReceiver for a dictionary."
      )
    self.features = features


def build_raw_serving_input_receiver_fn(features, default_batch_size=None):
  """Returns a receiver function that is fed the features themselves.

  Args:
    features: dictionary of name to a tensor, array or `tf.TensorSpec` with the
      batch in the first dimension. Only dtype and shape matter. In the
      signature a name such as `hours per week` becomes `hours_per_week`.
    default_batch_size: int, the batch size of the signature; None for any.
  """
  if not isinstance(features, dict):
    features = {"feature": features}

  def serving_input_receiver_fn():
    placeholders = {}
    for name, value in features.items():
      shape = tf.TensorShape(value.shape)
      placeholders[name] = tf.compat.v1.placeholder(
        value.dtype,
        [default_batch_size, *shape[1:]] if shape.rank != 0 else shape,
        name=_input_name(name),
      )
    fed = {_input_name(name): tensor for name, tensor in placeholders.items()}
    return ServingInputReceiver(placeholders, fed)

  return serving_input_receiver_fn


def build_parsing_serving_input_receiver_fn(
  feature_spec, default_batch_size=None
):
  """Returns a receiver function that is fed serialized `tf.train.Example`s.

  Args:
    feature_spec: dictionary of name to `tf.io.FixedLenFeature` and the like.
    default_batch_size: int, the batch size of the signature; None for any.
  """

  def serving_input_receiver_fn():
    examples = tf.compat.v1.placeholder(
      tf.string, [default_batch_size], name="input_example_tensor"
    )
    features = tf.io.parse_example(examples, feature_spec)
    return ServingInputReceiver(features, {"examples": examples})

  return serving_input_receiver_fn


@dataclasses.dataclass(frozen=True)
class TracedReceiver:
  """A receiver function, traced.

  Attributes:
    features_spec: structure of `tf.TypeSpec`s of the features.
    inputs: dictionary of alternative ("" for the usual one) to dictionary of
      receiver name to `tf.TensorSpec`.
    functions: dictionary of alternative to a function of the dictionary of
      receiver tensors that returns the features.
  """

  features_spec: object
  inputs: dict
  functions: dict


def trace(receiver_fn):
  """Calls a receiver function in a graph of its own.

  Returns:
    TracedReceiver.

  Raises:
    ValueError: it is not a function, returns something else, or has a table.
  """
  receiver, graph_function = _called(receiver_fn)
  fed = {"": receiver.receiver_tensors} | receiver.receiver_tensors_alternatives
  return TracedReceiver(
    features_spec=tf.nest.map_structure(_spec_of, receiver.features),
    inputs={
      alternative: {
        name: tf.TensorSpec(t.shape, t.dtype, name=name)
        for name, t in tensors.items()
      }
      for alternative, tensors in fed.items()
    },
    functions={
      alternative: _features_function(graph_function, tensors, receiver)
      for alternative, tensors in fed.items()
    },
  )


def _called(receiver_fn):
  """Returns the receiver, and the function of the graph that it is in."""
  if not callable(receiver_fn):
    raise ValueError(
      "a serving_input_receiver_fn is needed, a function that returns an "
      f"export.ServingInputReceiver, but got {receiver_fn!r}; see "
      "export.build_raw_serving_input_receiver_fn."
    )
  receivers = []
  graph_function = tf.compat.v1.wrap_function(
    lambda: receivers.append(receiver_fn()), signature=[]
  )
  (receiver,) = receivers
  if not isinstance(receiver, ServingInputReceiver):
    raise ValueError(
      "serving_input_receiver_fn must return an export.ServingInputReceiver, "
      f"but returned {receiver!r}."
    )
  if graph_function.captured_inputs:
    raise ValueError(
      "serving_input_receiver_fn must make features with operations only, but "
      f"uses {len(graph_function.captured_inputs)} tables or variables; do the "
      "lookup in the model function, with a table from a @once function."
    )
  return receiver, graph_function


def _features_function(graph_function, tensors, receiver):
  """Returns a function of the values of tensors that gives the features."""
  flat = tf.nest.flatten(receiver.features, expand_composites=True)
  pruned = graph_function.prune(list(tensors.values()), flat)

  def features(values):
    outputs = [
      # The shapes that the receiver function set are not in the graph.
      tf.ensure_shape(output, tensor.shape)
      for output, tensor in zip(
        pruned(*[values[name] for name in tensors]), flat, strict=True
      )
    ]
    return tf.nest.pack_sequence_as(
      receiver.features, outputs, expand_composites=True
    )

  return features


def _named(tensors, default, what):
  """Returns tensors as a dictionary, after checks."""
  if tensors is None:
    raise ValueError(f"{what} of a ServingInputReceiver must be given.")
  if not isinstance(tensors, dict):
    tensors = {default: tensors}
  for name, tensor in tensors.items():
    if not isinstance(name, str) or not tf.is_tensor(tensor):
      raise ValueError(
        f"{what} must be a dictionary of str to tensor, but has "
        f"{name!r}: {tensor!r}."
      )
  return dict(tensors)


def _fed(tensors, what):
  """Returns what a request fills as a dictionary, after checks."""
  tensors = _named(tensors, "input", what)
  for name, tensor in tensors.items():
    if not isinstance(tensor, tf.Tensor):
      raise ValueError(
        f"a signature is fed dense tensors, but {what}[{name!r}] is {tensor!r};"
        " feed its parts, or serialized examples, and make the feature of them."
      )
    if name != _input_name(name):
      raise ValueError(
        f"{name!r} in {what} cannot be the name of a signature's input; name "
        f"it {_input_name(name)!r}. (The name of the feature may stay.)"
      )
  return tensors


def _input_name(name):
  """Returns a name that an input of a signature can have."""
  name = re.sub(r"[^A-Za-z0-9_]", "_", name)
  return name if name[:1].isalpha() else f"arg_{name}"


def _spec_of(tensor):
  if isinstance(tensor, tf.Tensor):
    return tf.TensorSpec(tensor.shape, tensor.dtype)
  return tf.type_spec_from_value(tensor)

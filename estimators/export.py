"""SavedModels: what serving feeds, what it gets, and writing them.

A serving input receiver function says how a request becomes features. It is
called once, in a graph of its own, where it may use placeholders:

    def serving_input_receiver_fn():
      examples = tf.compat.v1.placeholder(tf.string, [None])
      features = tf.io.parse_example(examples, feature_spec)
      return ServingInputReceiver(features, {"examples": examples})
"""

import dataclasses
import os
import re
import shutil
import time

import tensorflow as tf

from estimators import checkpoints
from estimators.export_outputs import (
  ClassificationOutput,
  ExportOutput,
  PredictOutput,
  RegressionOutput,
  with_default,
)
from estimators.spec import ModeKeys

__all__ = [
  "ClassificationOutput",
  "ExportOutput",
  "PredictOutput",
  "RegressionOutput",
  "ServingInputReceiver",
  "TensorServingInputReceiver",
  "build_parsing_serving_input_receiver_fn",
  "build_raw_serving_input_receiver_fn",
]

_logger = tf.get_logger()
_TABLES = (
  tf.lookup.StaticHashTable,
  tf.lookup.StaticVocabularyTable,
  tf.lookup.experimental.MutableHashTable,
  tf.lookup.experimental.DenseHashTable,
)


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


def trace_receiver(receiver_fn):
  """Calls a receiver function in a graph of its own.

  Raises:
    ValueError: it is not a function, returns something else, or has a table.
  """
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
  flat = tf.nest.flatten(receiver.features, expand_composites=True)

  def features_from(names, tensors):
    # Fetching a placeholder that is fed needs an operation in between.
    pruned = graph_function.prune(tensors, flat)

    def features(values):
      outputs = pruned(*[values[name] for name in names])
      # Shapes that set_shape told are not in the graph.
      outputs = [
        tf.ensure_shape(output, tensor.shape)
        for output, tensor in zip(outputs, flat, strict=True)
      ]
      return tf.nest.pack_sequence_as(
        receiver.features, outputs, expand_composites=True
      )

    return features

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
      alternative: features_from(list(tensors), list(tensors.values()))
      for alternative, tensors in fed.items()
    },
  )


def write(model, plan, receiver, export_dir_base, assets_extra=None):
  """Writes a SavedModel, under a temporary name first; returns its path."""
  outputs = with_default(plan.spec.export_outputs, plan.spec.predictions)
  signatures, methods = {}, {}
  for alternative, specs in receiver.inputs.items():
    for key, output in outputs.items():
      name = f"{alternative}:{key}" if alternative else key
      if output.needs_examples and not _is_examples(specs):
        _logger.warning(
          "The signature %r is left out of the SavedModel: %s needs one string "
          "tensor of serialized examples, but the receiver has %s. Use "
          "export.build_parsing_serving_input_receiver_fn to have it.",
          name,
          type(output).__name__,
          sorted(specs),
        )
        continue
      signatures[name] = _signature(
        model, receiver.functions[alternative], specs, key, output
      )
      methods[name] = output.method_name
  if not signatures:
    raise ValueError(
      f"none of the outputs {sorted(outputs)} fits the receiver, so the "
      "SavedModel would have no signature; use "
      "export.build_parsing_serving_input_receiver_fn, or add a PredictOutput."
    )
  path, temporary = _new_folder(export_dir_base)
  tf.saved_model.save(_module(plan), temporary, signatures=signatures)
  _set_methods(temporary, methods)
  _copy_assets(temporary, assets_extra)
  os.rename(temporary, path)
  _logger.info("SavedModel written to: %s", path)
  return path


def _module(plan):
  """Returns what a SavedModel has to hold: variables by name, and tables."""
  holder = tf.Module()
  holder.objects = plan.objects
  module = tf.Module()
  module.model = checkpoints.tree(plan.variables)
  module.tables = [
    trackable
    for trackable in tf.train.TrackableView(holder).descendants()
    if isinstance(trackable, _TABLES)
  ]
  return module


def _signature(model, features_from, specs, key, output):
  """Returns the concrete function of one export output."""
  specs = dict(specs)
  rename = output.needs_examples
  if rename:  # TensorFlow Serving wants this name.
    ((receiver_name, spec),) = specs.items()
    specs = {"inputs": tf.TensorSpec(spec.shape, spec.dtype, name="inputs")}

  @tf.function(autograph=False)
  def serve(**values):
    if rename:
      values = {receiver_name: values["inputs"]}
    spec = model.call(features_from(values), None, ModeKeys.PREDICT)
    return with_default(spec.export_outputs, spec.predictions)[key].outputs

  with model.scope():
    return serve.get_concrete_function(**specs)


def _is_examples(specs):
  return len(specs) == 1 and next(iter(specs.values())).dtype == tf.string


def _set_methods(path, methods):
  """Writes the methods of signatures other than Predict."""
  changed = {
    name: method
    for name, method in methods.items()
    if method != ExportOutput.method_name
  }
  if not changed:
    return
  updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(path)
  for name, method in changed.items():
    updater.replace_method_name(name, method, tags="serve")
  updater.save()


def _new_folder(base):
  """Returns (path of a folder named by the time, temporary folder)."""
  os.makedirs(base, exist_ok=True)
  number = int(time.time())
  while True:
    path = os.path.join(base, str(number))
    temporary = os.path.join(base, f"temp-{number}")
    if not os.path.exists(path):
      try:
        os.mkdir(temporary)
        return path, temporary
      except FileExistsError:
        pass
    number += 1


def _copy_assets(path, assets_extra):
  for destination, source in (assets_extra or {}).items():
    target = os.path.join(path, "assets.extra", destination)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(source, target)


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

"""What the variables in the checkpoints of tf.estimator are called here.

Weights have the same names, but for tables of shared embeddings. The slots of
optimizers are called after the optimizer there, after Keras's words here:

    training/Ftrl/linear/linear_model/a/weights/linear      tf.estimator
    linear/linear_model/a/weights/part_0/Ftrl_1             its first version
    optimizer/linear/linear_model/a/weights/linear          here

In a model of two parts the optimizers are `linear_optimizer` and
`dnn_optimizer`.
"""

import collections
import dataclasses
import re

GLOBAL_STEP = "global_step"

# The slots of Keras's former optimizers, by class, and their names in Keras 3.
_SLOTS = {
  "Adagrad": {"accumulator": "accumulator"},
  "Adam": {"m": "momentum", "v": "velocity", "vhat": "velocity_hat"},
  "Ftrl": {"accumulator": "accumulator", "linear": "linear"},
  "RMSprop": {
    "rms": "velocity",
    "mg": "average_gradient",
    "momentum": "momentum",
  },
  "SGD": {"momentum": "momentum"},
}
# The slots of the optimizers of TensorFlow 1, which it numbered, by how many.
_NUMBERED_SLOTS = {
  ("Adagrad", 1): ["accumulator"],
  ("Adam", 2): ["momentum", "velocity"],
  ("Ftrl", 2): ["accumulator", "linear"],
  ("Momentum", 1): ["momentum"],
  ("RMSProp", 2): ["velocity", "momentum"],
  ("RMSProp", 3): ["velocity", "average_gradient", "momentum"],
}
_OPTIMIZER = re.compile(r"training(?:_\d+)?/([A-Za-z]+)(?:_\d+)?/(.+)")
_NUMBERED_SLOT = re.compile(r"([A-Za-z]+)(?:_(\d+))?")
_PART = re.compile(r"(.+)/(?:part|t)_(\d+)")
# What else training keeps in a checkpoint.
_NOT_THE_MODELS = ("beta1_power", "beta2_power", "signal_early_stopping/STOP")
# Where the canned estimators look up shared embeddings, whose tables stand
# outside of every scope there: (what one of the weights begins with, scope).
_SCOPES_OF_TABLES = (
  (r"dnn/", "dnn/input_from_feature_columns/input_layer"),
  (r"linear/linear_model/.*_shared_embedding/weights", "linear/linear_model"),
  (r"rnn_model/", "sequence_features"),
  (r"rnn_model/", "dense_features"),
)
# What slots begin with, if not with zero.
_FIRST_VALUES = {"accumulator": 0.1}


@dataclasses.dataclass(frozen=True)
class Stored:
  """How a variable lies in a checkpoint.

  Attributes:
    keys: list of str, the keys of its parts along axis 0, in order.
    shape: list of int, the shape of the whole.
    are_slices: bool, whether each key has the shape of the whole but only the
      rows of its part.
    first_value: float, the value of all elements when there are no keys.
  """

  keys: list
  shape: list
  are_slices: bool = False
  first_value: float = 0.0


def ours(shapes):
  """Returns the variables of a checkpoint by the names that they have here.

  Args:
    shapes: dictionary of key to shape: all that the checkpoint holds.

  Returns:
    Dictionary of name to `Stored`. A table of a shared embedding has a name for
    each part of the model that may look it up. Keys that are in none mean
    nothing here: hyperparameters, or slots of unknown optimizers.
  """
  weights = _weights(shapes)
  variables, tables = {}, {}
  for name, stored in weights.items():
    new_names = _scoped(name, weights)
    variables.update(dict.fromkeys(new_names or [name], stored))
    tables.update(dict.fromkeys(new_names, stored))
  for part, optimizer in _optimizers(weights).items():
    slots = {
      (weight, slot): stored
      for find in (_slots, _numbered_slots)
      for weight, slot, stored in find(shapes, weights)
      if weight.startswith(part)
    }
    slots.update(_first_slots({slot for _, slot in slots}, tables, part))
    for (weight, slot), stored in slots.items():
      variables[f"{optimizer}/{weight}/{slot}"] = stored
    if GLOBAL_STEP in weights:
      variables[f"{optimizer}/iteration"] = weights[GLOBAL_STEP]
  return variables


def _weights(shapes):
  """Returns all that is no optimizer's: dictionary of key to `Stored`."""
  weights, parts = {}, collections.defaultdict(dict)
  for key, shape in shapes.items():
    if _belongs_to_training(key, shapes):
      continue
    weights[key] = Stored([key], list(shape))
    whole, _, number = key.rpartition("/part_")
    if number.isdecimal() and shape:
      parts[whole][int(number)] = key
  for whole, numbered in parts.items():
    if set(numbered) == set(range(len(numbered))):
      keys = [numbered[number] for number in range(len(numbered))]
      for key in keys:
        del weights[key]
      rows = sum(shapes[key][0] for key in keys)
      weights[whole] = Stored(keys, [rows, *shapes[keys[0]][1:]])
  return weights


def _belongs_to_training(key, shapes):
  """Whether a key is a slot or a hyperparameter: slots lie below a weight."""
  if key.endswith(_NOT_THE_MODELS):
    return True
  match = _OPTIMIZER.fullmatch(key)
  if match and match[1] in _SLOTS and not shapes[key]:
    return True
  folders = (match[2] if match else key).split("/")[:-1]
  paths = ["/".join(folders[: i + 1]) for i in range(len(folders))]
  return any(path in shapes for path in paths)


def _scoped(name, weights):
  """Returns the names here of a table that has no scope there."""
  if "/" in name or len(weights[name].shape) != 2:
    return []
  return [
    f"{scope}/{name}/embedding_weights"
    for pattern, scope in _SCOPES_OF_TABLES
    if any(re.match(pattern, weight) for weight in weights)
  ]


def _optimizers(weights):
  """Returns what names of weights begin with -> their optimizer's name."""
  parts = ("linear/", "dnn/")
  if all(any(name.startswith(part) for name in weights) for part in parts):
    return {part: f"{part[:-1]}_optimizer" for part in parts}
  return {"": "optimizer"}


def _slots(shapes, weights):
  """Yields (weight, slot, `Stored`) for Keras's former optimizers."""
  for key, shape in shapes.items():
    match = _OPTIMIZER.fullmatch(key)
    weight, _, slot = match[2].rpartition("/") if match else ("", "", "")
    name = _SLOTS.get(match[1], {}).get(slot) if match else None
    if weight in weights and name:
      yield weight, name, Stored([key], list(shape))


def _numbered_slots(shapes, weights):
  """Yields (weight, slot, `Stored`) for the optimizers of TensorFlow 1."""
  found = collections.defaultdict(lambda: collections.defaultdict(dict))
  for key in shapes:
    owner, _, slot = key.rpartition("/")
    part = _PART.fullmatch(owner)
    weight, number = (part[1], int(part[2])) if part else (owner, 0)
    match = _NUMBERED_SLOT.fullmatch(slot)
    if weight in weights and key not in weights and match:
      found[weight, match[1]][int(match[2] or 0)][number] = key
  for (weight, optimizer), slots in found.items():
    names = _NUMBERED_SLOTS.get((optimizer, len(slots)), [])
    for name, (_, parts) in zip(names, sorted(slots.items()), strict=False):
      keys = [parts[number] for number in sorted(parts)]
      if optimizer == "Momentum":
        # It is -1 / learning_rate times Keras's, by a rate that nobody noted.
        keys = []
      are_slices = len(keys) > 1 and weight in shapes
      yield weight, name, Stored(keys, weights[weight].shape, are_slices)


def _first_slots(slots, tables, part):
  """Returns slots of tables, which tf.estimator gave to no optimizer."""
  return {
    (name, slot): Stored(
      [], stored.shape, first_value=_FIRST_VALUES.get(slot, 0.0)
    )
    for name, stored in tables.items()
    if name.startswith(part)
    for slot in slots
  }

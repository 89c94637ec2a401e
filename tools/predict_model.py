"""A signature of a SavedModel, fed with rows."""

import os

import numpy as np
import tensorflow as tf

from tools.predict_signature import example_features, raw_features

# The first that a SavedModel has is taken. Those of the heads default to the
# classes or the value alone, and `predict` says most.
_PREFERRED = ("predict", "serving_default")


def newest_export(folder):
  """Returns a SavedModel: the folder, or the newest of its numbered ones.

  Raises:
    ValueError: there is none.
  """
  folder = os.path.expanduser(folder)
  if tf.saved_model.contains_saved_model(folder):
    return folder
  names = os.listdir(folder) if os.path.isdir(folder) else []
  paths = {name: os.path.join(folder, name) for name in names}
  exports = [
    name
    for name, path in paths.items()
    if name.isdecimal() and tf.saved_model.contains_saved_model(path)
  ]
  if exports:
    return paths[max(exports, key=int)]
  holds = f"holds {sorted(names)}" if os.path.isdir(folder) else "is no folder"
  raise ValueError(
    "--export_dir must be a SavedModel, or a folder of some that are named by "
    f"numbers, but {folder} {holds}; name one that export_saved_model made."
  )


class ServedModel:
  """A SavedModel's signature as a function of rows.

  Args:
    path: str, a SavedModel.
    signature: str, its name; None for `predict`, `serving_default`, or the
      only one.
    keys: list of str, the outputs to return, in that order; empty for all.

  Attributes:
    signature: its name.
    features: list of Feature, what it takes of each row.
    takes_examples: whether rows are fed as serialized tf.train.Examples.
    batch_size: how many rows it takes at once, or None for any number.

  Raises:
    ValueError: there is no such signature or output, or rows cannot be made
      what the signature takes.
  """

  def __init__(self, path, signature=None, keys=()):
    self._model = tf.saved_model.load(path)  # holds the variables
    signatures = dict(self._model.signatures)
    self.signature = _chosen(path, signatures, signature)
    self._function = signatures[self.signature]
    self._specs = self._function.structured_input_signature[1]
    self.features = raw_features(self._specs)
    self.takes_examples = False
    if _may_be_examples(self._specs):
      parsed = example_features(self._function.graph.as_graph_def())
      if parsed:
        self.features, self.takes_examples = parsed, True
    shapes = [spec.shape for spec in self._specs.values()]
    sizes = {shape[0] for shape in shapes if shape.rank}
    self.batch_size = max(sizes - {None}, default=None)
    self.keys = self._checked(list(keys))

  def __str__(self):
    if self.takes_examples:
      how = "rows are made tf.train.Examples"
    else:
      how = "rows are fed as they are"
    return (
      f"signature {self.signature!r}; features: {len(self.features)}; {how}"
    )

  def _checked(self, keys):
    outputs = sorted(self._function.structured_outputs)
    unknown = sorted(set(keys) - set(outputs))
    if unknown:
      raise ValueError(
        f"--keys must name outputs of the signature {self.signature!r}, which "
        f"are {outputs}; got {unknown}."
      )
    return keys or outputs

  def __call__(self, rows):
    """Returns predictions.

    Args:
      rows: list of {feature: array [...], or None for the default}, of at most
        `batch_size`.

    Returns:
      {key: array [B, ...]}, text as bytes.

    Raises:
      ValueError: values of rows have several shapes, or an output is not one
        of each row.
      tf.errors.OpError: the model did not like them.
    """
    num_rows = len(rows)
    rows = rows + rows[-1:] * ((self.batch_size or num_rows) - num_rows)
    fed = self._serialized(rows) if self.takes_examples else self._stacked(rows)
    outputs = self._function(**fed)
    for key in self.keys:
      if outputs[key].shape[:1] != [len(rows)]:
        raise ValueError(
          f"outputs must have a value for each of {len(rows)} rows, but {key} "
          f"has the shape {outputs[key].shape}; name the others with --keys."
        )
    return {key: outputs[key].numpy()[:num_rows] for key in self.keys}

  def _stacked(self, rows):
    """Returns the inputs of a signature with one for each feature."""
    fed = {}
    for feature in self.features:
      values = [row[feature.name] for row in rows]
      shapes = {value.shape for value in values}
      if len(shapes) > 1:
        raise ValueError(
          f"the values of {feature.name} must have one shape in all rows that "
          f"are fed together, but have {sorted(shapes)}; feed rows one by one: "
          "--batch_size=1."
        )
      fed[feature.name] = tf.constant(np.stack(values), feature.dtype)
    return fed

  def _serialized(self, rows):
    """Returns the input of a signature that takes examples."""
    examples = [self._example(row).SerializeToString() for row in rows]
    (name,) = self._specs
    return {name: tf.constant(examples, tf.string)}

  def _example(self, row):
    example = tf.train.Example()
    for feature in self.features:
      array = row[feature.name]
      if array is None:
        continue
      values = example.features.feature[feature.name]
      values = _list_of(values, feature.dtype)
      values.value.extend(array.ravel().tolist())
    return example


def _list_of(feature, dtype):
  """Returns the list of a tf.train.Feature that holds values of a dtype."""
  if dtype == tf.string:
    return feature.bytes_list
  return feature.float_list if dtype.is_floating else feature.int64_list


def _may_be_examples(specs):
  if len(specs) != 1:
    return False
  (spec,) = specs.values()
  return spec.dtype == tf.string and spec.shape.rank in (None, 1)


def _chosen(path, signatures, name):
  """Returns the name of the signature to use."""
  if name is not None:
    if name in signatures:
      return name
    raise ValueError(
      f"--signature must be one of {sorted(signatures)}, those of {path}; got "
      f"{name!r}."
    )
  for preferred in _PREFERRED:
    if preferred in signatures:
      return preferred
  if len(signatures) == 1:
    return next(iter(signatures))
  raise ValueError(
    f"{path} must have a signature {' or '.join(_PREFERRED)}, or just one, but "
    f"has {sorted(signatures)}; choose with --signature."
  )

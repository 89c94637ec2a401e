"""Reading the variables of a checkpoint by name, whoever wrote it."""

import contextlib
import os

import numpy as np
import tensorflow as tf

from estimators import checkpoint_files, tf_estimator_names

# What the names of variables begin with in the checkpoint of a SavedModel.
EXPORTED = "model/"
INPUT = "input_position"
# `save_counter` is tf.train.Checkpoint's own.
_NOT_THE_MODELS = (INPUT + "/", "save_counter")
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
# The key that all object-based checkpoints have, and no others.
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SAVED_MODEL = os.path.join("variables", "variables")


class Reader:
  """The variables of a checkpoint, by the names that they have here.

  The checkpoint is one of ours (or of a SavedModel of ours): object-based, with
  a key `<name>/.ATTRIBUTES/VARIABLE_VALUE` for each variable. Or tf.estimator
  wrote it, by the names that `tf_estimator_names` explains.

  Args:
    path: str, the checkpoint: that of `find`.

  Raises:
    ValueError: the checkpoint is cut or damaged.

  Attributes:
    path: str, the checkpoint.
    by_name: bool, whether tf.estimator wrote it.
    keys: dictionary of key to shape: all that the file holds.
    shapes: dictionary of name to shape.
  """

  def __init__(self, path):
    checkpoint_files.check(path)
    self.path = path
    with _damage_named(path):
      self._reader = tf.train.load_checkpoint(path)
    self.keys = self._reader.get_variable_to_shape_map()
    self.by_name = _OBJECT_GRAPH not in self.keys
    self._stored = (
      tf_estimator_names.ours(self.keys) if self.by_name else self._ours()
    )
    self.shapes = {name: stored.shape for name, stored in self._stored.items()}

  def _ours(self):
    exported = self.path.endswith(_SAVED_MODEL)
    return {
      _name_of(key, EXPORTED if exported else ""): tf_estimator_names.Stored(
        [key], shape
      )
      for key, shape in self.keys.items()
      if key.endswith(SUFFIX) and not key.startswith(_NOT_THE_MODELS)
    }

  def stored_as(self, name):
    """Returns the keys that hold a variable, a list; none for first values."""
    return self._stored[name].keys

  def left_out(self):
    """Returns what is no variable here: key -> value, None for an array."""
    used = {key for stored in self._stored.values() for key in stored.keys}
    with _damage_named(self.path):
      return {
        key: None if shape else self._reader.get_tensor(key)
        for key, shape in sorted(self.keys.items())
        if key not in used
      }

  def value(self, name):
    """Returns the value of a variable as a NumPy array.

    Raises:
      ValueError: its parts are not even shares of the rows, or the checkpoint
        is cut or damaged.
    """
    stored = self._stored[name]
    if not stored.keys:
      return np.full(stored.shape, stored.first_value, np.float32)
    with _damage_named(self.path):
      if stored.are_slices:
        parts = self._slices(stored)
      else:
        parts = [self._reader.get_tensor(key) for key in stored.keys]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)

  def _slices(self, stored):
    """Returns the rows of each part; TensorFlow splits as array_split does."""
    dtypes = self._reader.get_variable_to_dtype_map()
    shares = np.array_split(np.arange(stored.shape[0]), len(stored.keys))
    size = " ".join(map(str, stored.shape))
    others = ":-" * (len(stored.shape) - 1)
    try:
      return [
        tf.raw_ops.RestoreV2(
          prefix=self.path,
          tensor_names=[key],
          shape_and_slices=[f"{size} {rows[0]},{len(rows)}{others}"],
          dtypes=[dtypes[key]],
        )[0].numpy()
        for key, rows in zip(stored.keys, shares, strict=True)
      ]
    except tf.errors.InvalidArgumentError as error:
      raise ValueError(
        f"{stored.keys} in {self.path} must be even shares of the rows of a "
        f"variable of shape {stored.shape}, as TensorFlow's partitioners make "
        f"them, but are not; leave out the variable. ({error.message})"
      ) from error


@contextlib.contextmanager
def _damage_named(path):
  """Makes one error of those that reading a damaged checkpoint raises."""
  try:
    yield
  # The reader gives an IndexError where the file of values ends too early.
  except (IndexError, tf.errors.OpError) as error:
    raise ValueError(
      f"{path} is cut or damaged ({error}): copy it again, or use an earlier "
      "one."
    ) from error


def _name_of(key, prefix):
  """Returns the name of a variable from its key; dots are doubled in keys."""
  name = key.removesuffix(SUFFIX).removeprefix(prefix)
  return name.replace("..", ".")


def find(path):
  """Returns the checkpoint that a path stands for, or None.

  Args:
    path: str, a checkpoint, a model_dir (its newest one) or a SavedModel.
  """
  newest = checkpoint_files.newest(path) if os.path.isdir(path) else None
  for candidate in (os.path.join(path, _SAVED_MODEL), newest, path):
    if candidate and os.path.exists(candidate + ".index"):
      return candidate
  return None

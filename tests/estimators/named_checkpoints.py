"""Checkpoints by name, as tf.estimator and tf.compat.v1.train.Saver write."""

import os

import numpy as np
import tensorflow as tf

# What holds the names and values of a SavedModel.
SAVED_MODEL = os.path.join("variables", "variables")


def write(folder, values, name="model.ckpt-30", slices=None):
  """Writes a checkpoint and the file that names it; returns its path.

  Args:
    folder: str.
    values: dictionary of key to array.
    name: str, the checkpoint's.
    slices: dictionary of key to (shape of the whole, first row, rows), for keys
      that hold some rows only.
  """
  path = os.path.join(folder, name)
  os.makedirs(os.path.dirname(path), exist_ok=True)
  values = {
    key: value if isinstance(value, np.ndarray) else np.array(value, np.float32)
    for key, value in values.items()
  }
  specs = dict.fromkeys(values, "")
  for key, (shape, first, rows) in (slices or {}).items():
    size = " ".join(map(str, shape))
    specs[key] = f"{size} {first},{rows}" + ":-" * (len(shape) - 1)
  tf.raw_ops.SaveV2(
    prefix=path,
    tensor_names=list(values),
    shape_and_slices=[specs[key] for key in values],
    tensors=list(values.values()),
  )
  if name != SAVED_MODEL:
    tf.compat.v1.train.update_checkpoint_state(folder, name)
  return path


def step(number=30):
  """Returns the global step as tf.estimator kept it."""
  return {"global_step": np.array(number, np.int64)}

"""Checkpoints: what they hold, which are kept, and restoring them.

A checkpoint `model.ckpt-N` holds, after N steps, the variables of the objects
that training uses (weights, optimizer, random state), the global step, and the
position of the input. Variables are stored under the names that `Objects` gives
them, so another process that builds the same model finds them.
"""

import contextlib
import os

import tensorflow as tf

from estimators import atomic_files, checkpoint_files, op_errors
from estimators.checkpoint_files import newest, step_of
from estimators.checkpoint_reader import INPUT, Reader
from estimators.objects import raw

__all__ = ["Saver", "names", "newest", "restore", "step_of", "tree", "value"]

_logger = tf.get_logger()

# What Keras calls the state of a layer's random numbers.
RANDOM_STATE = "seed_generator_state"


class Saver:
  """Writes the checkpoints of one call of `train`, and removes old ones.

  What a save that was killed has left is removed first.

  Args:
    model_dir: str, the folder.
    config: RunConfig; how many are kept.
    variables: dictionary of name to variable.
    position: `InputPosition`.
  """

  def __init__(self, model_dir, config, variables, position):
    checkpoint_files.clear(model_dir)
    self._model_dir = model_dir
    self._prefix = os.path.join(model_dir, checkpoint_files.NAME)
    self._position = position
    self._variables = variables
    self._checkpoint = tf.train.Checkpoint(**tree(variables))
    self._manager = tf.train.CheckpointManager(
      self._checkpoint,
      model_dir,
      max_to_keep=config.keep_checkpoint_max or None,
      keep_checkpoint_every_n_hours=config.keep_checkpoint_every_n_hours,
      checkpoint_name=checkpoint_files.NAME,
    )

  def save(self, step):
    """Writes the checkpoint of a step, and returns its path.

    Raises:
      OSError: it cannot be written. The checkpoints before it are whole.
    """
    _logger.info("Saving checkpoints for %d into %s.", step, self._prefix)
    try:
      return self._position.saving(lambda: self._save(step))
    except (OSError, tf.errors.OpError) as error:
      checkpoint_files.remove_unfinished(f"{self._prefix}-{step}")
      raise OSError(
        f"the checkpoint of step {step} must be written into "
        f"{self._model_dir}, but that failed: {op_errors.reason(error)}. Make "
        "room there, and start the same command again: it goes on from the "
        f"newest checkpoint, {newest(self._model_dir)}."
      ) from error

  def not_finite(self):
    """Returns the names of weights that a step has made NaN or infinite."""
    return [
      name
      for name, variable in self._variables.items()
      if variable.trainable
      and tf.as_dtype(variable.dtype).is_floating
      and not tf.reduce_all(tf.math.is_finite(raw(variable)))
    ]

  def note_end(self, step):
    """Notes that the input has ended where a step's checkpoint was made."""
    checkpoint_files.note_end(f"{self._prefix}-{step}")

  def _save(self, step):
    setattr(self._checkpoint, INPUT, self._position.trackables())
    with contextlib.suppress(FileNotFoundError):  # Of one of the same step.
      os.remove(f"{self._prefix}-{step}{checkpoint_files.ENDED}")
    before = self._manager.checkpoints
    path = self._manager.save(
      checkpoint_number=step,
      # Called before the list of checkpoints names it.
      options=tf.train.CheckpointOptions(
        experimental_write_callbacks=[checkpoint_files.seal]
      ),
    )
    checkpoint_files.remove_rest(before)
    atomic_files.sync(os.path.join(self._model_dir, checkpoint_files.LIST))
    atomic_files.sync(self._model_dir)
    return path


def tree(variables):
  """Returns nested dictionaries of variables named by paths `a/b/c`."""
  root = {}
  for name, variable in variables.items():
    *parents, leaf = name.split("/")
    node = root
    for parent in parents:
      node = node.setdefault(parent, {})
      if not isinstance(node, dict):
        break
    if not isinstance(node, dict) or leaf in node:
      raise ValueError(
        f"the variable {name!r} cannot be saved, since a part of its path is "
        "the name of another variable; rename one of the two."
      )
    node[leaf] = raw(variable)
  return root


def names(path):
  """Returns the variables of a checkpoint: dictionary of name to shape."""
  return Reader(path).shapes


def value(path, name):
  """Returns the value of a checkpoint's variable as a NumPy array."""
  return Reader(path).value(name)


def restore(path, variables, optional=()):
  """Sets variables to their values in a checkpoint.

  Args:
    path: str, the checkpoint.
    variables: dictionary of name to variable.
    optional: names that the checkpoint need not hold. Nor need it hold random
      state: there is none in a converted one.

  Raises:
    ValueError: the checkpoint lacks a variable, or has it in another shape, or
      is one of tf.estimator.
  """
  shapes = _shapes_of_own(path)
  missing = sorted(
    name
    for name in set(variables) - set(shapes) - set(optional)
    if not name.endswith(RANDOM_STATE)
  )
  if missing:
    raise ValueError(
      f"the checkpoint {path} has no value for {missing} of this model; it "
      f"holds {sorted(shapes)}. Is model_dir that of another model? Use "
      "another model_dir, or warm_start_from to take over what fits."
    )
  variables = {n: v for n, v in variables.items() if n in shapes}
  for name, variable in variables.items():
    if list(variable.shape) != list(shapes[name]):
      raise ValueError(
        f"the checkpoint {path} holds {name} of shape {shapes[name]}, but the "
        f"model makes it of shape {list(variable.shape)}; use another "
        "model_dir, or the parameters that it was trained with."
      )
  status = tf.train.Checkpoint(**tree(variables)).read(path)
  status.assert_existing_objects_matched().expect_partial()


def _shapes_of_own(path):
  """Returns the names of a checkpoint that this package wrote."""
  reader = Reader(path)
  if reader.by_name:
    raise ValueError(
      f"the checkpoint of a model_dir must be one of ours, but {path} was "
      "written by tf.estimator. To go on from it, convert it: python -m "
      f"tools.convert_checkpoint --from={os.path.dirname(path)} "
      "--to=NEW_MODEL_DIR. To take its weights over into a new model, give "
      "another model_dir and warm_start_from this one."
    )
  return reader.shapes

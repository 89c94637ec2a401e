"""The folder of an exporter: SavedModels in folders named by the time."""

import os
import shutil

import tensorflow as tf

from estimators.checkpoint_reader import Reader

_logger = tf.get_logger()


def names(folder):
  """Returns the names of the exports in a folder, oldest first."""
  if not os.path.isdir(folder):
    return []
  return sorted(n for n in os.listdir(folder) if n.isdigit() and len(n) == 10)


def step_of(path):
  """Returns the global step of a SavedModel's values, None if not known."""
  try:
    values = Reader(os.path.join(path, "variables", "variables"))
    return int(values.value("global_step"))
  except (ValueError, KeyError, OSError, tf.errors.OpError):
    return None


def keep_newest(folder, count):
  """Removes all but the newest exports; None keeps all."""
  if count is not None:
    remove(folder, names(folder)[:-count])


def remove(folder, exports):
  """Removes exports, given by name; one that has gone is none."""
  for name in exports:
    shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def remove_of_step(folder, step, known):
  """Removes what a killed process exported of a step, and could not note.

  Args:
    folder: str.
    step: int, the global step.
    known: names of the exports that were there before.
  """
  new = [name for name in names(folder) if name not in known]
  late = [n for n in new if step_of(os.path.join(folder, n)) == step]
  if late:
    _logger.info(
      "Removing %s from %s: a process that was killed exported step %d, which "
      "is exported again.",
      ", ".join(late),
      folder,
      step,
    )
    remove(folder, late)

"""Warm starts: first values from another model's checkpoint."""

import dataclasses
import os
import re

import keras
import numpy as np
import tensorflow as tf

from estimators.checkpoint_reader import Reader, find
from estimators.checkpoints import RANDOM_STATE
from estimators.objects import raw

_logger = tf.get_logger()


@dataclasses.dataclass(frozen=True)
class VocabInfo:
  """How the rows of a variable follow from vocabularies.

  Attributes:
    new_vocab: str, the file of this model's vocabulary, an entry a line.
    new_vocab_size: int, how many of its entries are used.
    num_oov_buckets: int, rows after them, for words out of the vocabulary.
    old_vocab: str, the file of the vocabulary of the checkpoint.
    old_vocab_size: int, how many of its entries count; -1 for all.
    backup_initializer: function of shape and dtype for entries that the old
      vocabulary lacks, and out-of-vocabulary rows; zeros when None.
    axis: 0 when the vocabulary runs over rows, 1 over columns.
  """

  new_vocab: str
  new_vocab_size: int
  num_oov_buckets: int
  old_vocab: str
  old_vocab_size: int = -1
  backup_initializer: object = None
  axis: int = 0

  def __post_init__(self):
    if self.axis not in (0, 1):
      raise ValueError(f"axis must be 0 (rows) or 1 (columns): {self.axis}.")


@dataclasses.dataclass(frozen=True)
class WarmStartSettings:
  """Which variables take their first values from where.

  Attributes:
    ckpt_to_initialize_from: str, a checkpoint, a model_dir (its newest one) or
      a SavedModel; of this package or of tf.estimator.
    vars_to_warm_start: regular expression that names begin with: all variables
      that were learned and match, running means of batch norm among them, but
      not the state of optimizers, metrics and random numbers. Or a list of
      regular expressions: any variables but the global step, which is 0 again.
      None: none, but those in var_name_to_vocab_info.
    var_name_to_vocab_info: dictionary of name to `VocabInfo`.
    var_name_to_prev_var_name: dictionary of name to its name in the checkpoint.
  """

  ckpt_to_initialize_from: str
  vars_to_warm_start: str | list | None = ".*"
  var_name_to_vocab_info: dict | None = None
  var_name_to_prev_var_name: dict | None = None

  def __post_init__(self):
    if not self.ckpt_to_initialize_from:
      raise ValueError(
        "ckpt_to_initialize_from must name a checkpoint, a model_dir or a "
        f"SavedModel, but is {self.ckpt_to_initialize_from!r}."
      )


def settings_from(value):
  """Returns WarmStartSettings from what an Estimator was given, or None.

  Raises:
    ValueError: it is neither a path nor WarmStartSettings.
  """
  if value is None or isinstance(value, WarmStartSettings):
    return value
  if isinstance(value, (str, os.PathLike)):
    return WarmStartSettings(os.fspath(value))
  raise ValueError(
    f"warm_start_from must be a path or WarmStartSettings, but is {value!r}."
  )


def apply(settings, variables, unlearned, only):
  """Gives variables their first values.

  Args:
    settings: WarmStartSettings.
    variables: dictionary of name to variable: the model's.
    unlearned: set of the names that belong to optimizers and metrics.
    only: set of the names that may be set now, as the others have been.

  Returns:
    list of the names that were set.

  Raises:
    ValueError: nothing matches; a name in the settings is not the model's; a
      variable is not in the checkpoint, or has another shape there.
  """
  vocabularies = settings.var_name_to_vocab_info or {}
  previous = settings.var_name_to_prev_var_name or {}
  _check_names("var_name_to_vocab_info", vocabularies, variables)
  _check_names("var_name_to_prev_var_name", previous, variables)
  chosen = _chosen(settings, variables, unlearned) | set(vocabularies)
  if not chosen:
    raise ValueError(
      f"vars_to_warm_start={settings.vars_to_warm_start!r} matches none of the "
      f"model's variables {sorted(variables)}, so nothing would be taken over."
    )
  names = sorted(chosen & only)
  if not names:
    return []
  _logger.info("Warm-starting with WarmStartSettings: %s", settings)
  reader = _reader(settings.ckpt_to_initialize_from)
  if reader.by_name:  # TensorFlow 1 and 2.15 kept no such states.
    names = [name for name in names if not name.endswith(RANDOM_STATE)]
  for name in names:
    variable, old_name = raw(variables[name]), previous.get(name, name)
    variable.assign(
      _first_value(name, variable, reader, old_name, vocabularies.get(name))
    )
  _logger.info("Warm-started %d variables from %s.", len(names), reader.path)
  return names


def _first_value(name, variable, reader, old_name, vocabulary):
  """Returns what a variable takes over, a NumPy array."""
  if old_name not in reader.shapes:
    scope = old_name.split("/")[0] + "/"
    near = [other for other in reader.shapes if other.startswith(scope)]
    raise ValueError(
      f"{reader.path} holds no {old_name!r} to warm-start {name!r} from; it "
      f"holds {sorted(near or reader.shapes)}. Map the name in "
      "var_name_to_prev_var_name, or leave it out of vars_to_warm_start."
    )
  value, shape = reader.value(old_name), tuple(variable.shape)
  if vocabulary:
    return remapped(vocabulary, value, shape, variable.dtype)
  if value.shape != shape:
    raise ValueError(
      f"{name} has the shape {shape}, but {old_name} in {reader.path} has "
      f"{value.shape}; leave it out of vars_to_warm_start, or give a VocabInfo "
      "when a vocabulary has changed."
    )
  return value


def _check_names(what, names, variables):
  unknown = sorted(set(names) - set(variables))
  if unknown:
    raise ValueError(
      f"{what} names {unknown}, which are not variables of the model; it has "
      f"{sorted(variables)}."
    )


def remapped(info, old, shape, dtype):
  """Returns the rows (or columns) of a variable in a new vocabulary's order.

  Args:
    info: VocabInfo.
    old: NumPy array, the values in the old vocabulary's order.
    shape: the shape of the new variable.
    dtype: its `tf.DType`.

  Raises:
    ValueError: the vocabularies do not fit the shapes.
  """
  new_words = _words(info.new_vocab, info.new_vocab_size)
  old_words = _words(info.old_vocab, info.old_vocab_size)
  rows = {word: row for row, word in enumerate(old_words)}
  axis = info.axis
  if len(shape) <= axis or (
    [*shape[:axis], *shape[axis + 1 :]]
    != [*old.shape[:axis], *old.shape[axis + 1 :]]
  ):
    raise ValueError(
      f"a vocabulary on axis {axis} can change the size of that axis only, but "
      f"the variable has the shape {shape}, and {old.shape} in the checkpoint."
    )
  if shape[axis] != len(new_words) + info.num_oov_buckets:
    raise ValueError(
      f"the variable has {shape[axis]} entries on axis {axis}, but "
      f"{info.new_vocab} gives {len(new_words)} words and there are "
      f"{info.num_oov_buckets} buckets; correct the VocabInfo."
    )
  if old.shape[axis] < len(old_words):
    raise ValueError(
      f"the variable in the checkpoint has {old.shape[axis]} entries on axis "
      f"{axis}, but {info.old_vocab} gives {len(old_words)} words; give "
      "old_vocab_size."
    )
  initializer = info.backup_initializer or keras.initializers.Zeros()
  new = np.array(initializer(shape, dtype=dtype.name))
  pairs = [(i, rows[w]) for i, w in enumerate(new_words) if w in rows]
  if pairs:
    targets, sources = zip(*pairs, strict=True)
    index = (slice(None),) * axis
    new[(*index, list(targets))] = old[(*index, list(sources))]
  return new


def _words(path, size):
  """Returns the lines of a vocabulary file, as TensorFlow's tables cut them."""
  with tf.io.gfile.GFile(path, "rb") as file:
    words = file.read().replace(b"\r", b"").removesuffix(b"\n").split(b"\n")
  if size > len(words):
    raise ValueError(
      f"{path} was to give {size} words, but has {len(words)} lines."
    )
  return words if size < 0 else words[:size]


def _chosen(settings, variables, unlearned):
  patterns = settings.vars_to_warm_start
  if patterns is None:
    return set()
  candidates = set(variables) - {"global_step"}
  if isinstance(patterns, str):
    candidates -= unlearned
    candidates -= {n for n in candidates if n.endswith(RANDOM_STATE)}
    patterns = [patterns]
  return {
    name
    for name in candidates
    if any(re.match(pattern, name) for pattern in patterns)
  }


def _reader(path):
  """Returns the `Reader` of what a path stands for."""
  found = find(path)
  if not found:
    raise ValueError(
      f"there is no checkpoint to warm-start from at {path!r}; name a "
      "checkpoint (.../model.ckpt-100), a model_dir or a SavedModel."
    )
  return Reader(found)

"""Checkpoints: what they hold, which are kept, and restoring them.

A checkpoint `model.ckpt-N` holds, after N steps, the variables of the objects
that training uses (weights, optimizer, random state), the global step, and the
position of the input. Variables are stored under the names that `Objects` gives
them, so another process that builds the same model finds them.
"""

import os

import tensorflow as tf

from estimators.checkpoint_reader import INPUT, SUFFIX, Reader
from estimators.hooks import NanLossDuringTrainingError
from estimators.objects import raw

_logger = tf.get_logger()

CHECKPOINT_NAME = "model.ckpt"
# What Keras calls the state of a layer's random numbers.
RANDOM_STATE = "seed_generator_state"
_ITERATOR_STATE = INPUT + "/iterator/.ATTRIBUTES/ITERATOR_STATE"
# What TensorFlow raises for an iterator whose state it cannot save.
_CANNOT_SAVE = (tf.errors.FailedPreconditionError, tf.errors.UnimplementedError)


class InputPosition:
  """Where in the input training is; part of every training checkpoint.

  A `tf.data` iterator saves its own state. One that cannot (a generator, for
  example) is counted instead, and a restart reads and drops that many batches.

  Args:
    dataset: the `tf.data.Dataset` to read.
    num_parts: int, in how many parts workers read the input, each its own.

  Attributes:
    num_parts: int, the argument.
    iterator: its iterator.
    saves_state: bool, whether the iterator's state is saved, as far as known.
    finished: bool, whether training ended cleanly with all of the input read.
    restored: bool, whether it goes on from a checkpoint.
  """

  def __init__(self, dataset, num_parts=1):
    self._dataset = dataset
    self.num_parts = num_parts
    self.iterator = iter(dataset)
    self._batches = tf.Variable(0, dtype=tf.int64, trainable=False)
    self._finished = tf.Variable(False, trainable=False)
    self._kind = tf.Variable(self._fingerprint(), trainable=False)
    self.saves_state = True
    self.finished = self.restored = False

  @property
  def is_endless(self):
    """Whether the input is known to have no end."""
    return int(self._dataset.cardinality()) == tf.data.INFINITE_CARDINALITY

  def advance(self, batches):
    """Notes that so many batches more were read."""
    self._batches.assign_add(batches)

  def is_read(self, has_more):
    """Whether all of the input was read, given what the last step said."""
    return not has_more or int(self._batches) == int(
      self._dataset.cardinality()
    )

  def finish(self, is_read):
    """Notes, at a clean end, whether all of the input was read."""
    self.finished = is_read
    self._finished.assign(is_read)

  def count_only(self, error):
    """Leaves the iterator's state out of checkpoints, as saving it failed."""
    self.saves_state = False
    _logger.warning(
      "The position of the input cannot be saved (%s), so a restart will read "
      "again the batches already read. Use tf.data operations without Python "
      "functions and without stateful random ones (tf.random.stateless_*) to "
      "avoid that.",
      error.message.split("\n")[0],
    )

  def trackables(self):
    """Returns what a checkpoint holds of the position."""
    position = {
      "batches": self._batches,
      "finished": self._finished,
      "kind": self._kind,
    }
    if self.num_parts > 1:
      position["parts"] = tf.Variable(self.num_parts, trainable=False)
    if self.saves_state:
      position["iterator"] = self.iterator
    return position

  def write(self, path):
    """Writes the position alone, as a checkpoint of that path."""
    self.saving(
      lambda: tf.train.Checkpoint(**{INPUT: self.trackables()}).write(path)
    )

  def saving(self, save):
    """Calls `save`, again without the iterator's state if that cannot be saved.

    Some pipelines can save their state only as long as nothing was read.
    """
    try:
      return save()
    except _CANNOT_SAVE as error:
      if not self.saves_state:
        raise
      self.count_only(error)
      return save()

  def restore(self, path, only_count=False):
    """Goes on where a checkpoint stood in the same input.

    Training begins at the start of the input when the checkpoint's had ended
    cleanly, when its input was of another kind, or when it holds no position.

    Args:
      path: str, the checkpoint.
      only_count: bool, whether the checkpoint is that of another worker, which
        read as many batches, perhaps others.
    """
    reader = tf.train.load_checkpoint(path)
    saved = {
      name: reader.get_tensor(f"{INPUT}/{name}{SUFFIX}")
      for name in ("batches", "finished", "kind", "parts")
      if reader.has_tensor(f"{INPUT}/{name}{SUFFIX}")
    }
    if not saved or saved["finished"]:
      return
    if saved.get("parts", 1) != self.num_parts:
      self._begin_anew(
        f"Now it is read in {self.num_parts} parts, then in "
        f"{saved.get('parts', 1)}."
      )
      return
    if not only_count and saved["kind"].decode() != self._fingerprint():
      self._begin_anew(
        f"Now: {self._fingerprint()}. Then: {saved['kind'].decode()}."
      )
      return
    if not only_count and reader.has_tensor(_ITERATOR_STATE):
      position = {INPUT: {"iterator": self.iterator}}
      try:
        tf.train.Checkpoint(**position).read(path).expect_partial()
      except tf.errors.OpError as error:
        self._begin_anew(f"Its operations are others: {error.message}")
        return
    else:
      _logger.info("Reading again %d batches read before.", saved["batches"])
      # By this very iterator: another one of the same dataset would shuffle in
      # another order.
      for _ in range(saved["batches"]):
        self.iterator.get_next_as_optional()
    self._batches.assign(saved["batches"])
    self.restored = True

  def _begin_anew(self, why):
    self.iterator = iter(self._dataset)
    _logger.warning(
      "The input is not of the kind that the checkpoint was made with, so "
      "training begins at its start. %s",
      why,
    )

  def _fingerprint(self):
    size = int(self._dataset.cardinality())
    return f"{size} batches of {self._dataset.element_spec}"


class Saver:
  """Writes the checkpoints of one call of `train`, and removes old ones.

  Args:
    model_dir: str, the folder.
    config: RunConfig; how many are kept.
    variables: dictionary of name to variable.
    position: `InputPosition`.
  """

  def __init__(self, model_dir, config, variables, position):
    self._prefix = os.path.join(model_dir, CHECKPOINT_NAME)
    self._position = position
    self._variables = variables
    self._checkpoint = tf.train.Checkpoint(**tree(variables))
    self._manager = tf.train.CheckpointManager(
      self._checkpoint,
      model_dir,
      max_to_keep=config.keep_checkpoint_max or None,
      keep_checkpoint_every_n_hours=config.keep_checkpoint_every_n_hours,
      checkpoint_name=CHECKPOINT_NAME,
    )

  def save(self, step):
    """Writes the checkpoint of a step, and returns its path."""
    self._check_finite(step)
    _logger.info("Saving checkpoints for %d into %s.", step, self._prefix)
    return self._position.saving(lambda: self._save(step))

  def _check_finite(self, step):
    """Refuses to save weights that the last step has made NaN or infinite."""
    broken = [
      name
      for name, variable in self._variables.items()
      if variable.trainable
      and tf.as_dtype(variable.dtype).is_floating
      and not tf.reduce_all(tf.math.is_finite(raw(variable)))
    ]
    if broken:
      raise NanLossDuringTrainingError(
        f"after step {step} the variables {broken} are not finite, so no "
        "checkpoint of them is saved; lower the learning rate, or give "
        "minimize a clip_norm."
      )

  def _save(self, step):
    setattr(self._checkpoint, INPUT, self._position.trackables())
    return self._manager.save(checkpoint_number=step)


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


_newest = {}


def newest(model_dir):
  """Returns the path of the newest checkpoint in a folder, or None.

  The file that names it is parsed again only when it has changed, or named none
  that was there: another machine may see it before the checkpoint's own files.
  """
  try:
    status = os.stat(os.path.join(model_dir, "checkpoint"))
  except FileNotFoundError:
    return None
  stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
  known = _newest.get(model_dir, (None, None))
  if known[0] != stamp or known[1] is None:
    state = tf.train.get_checkpoint_state(model_dir)
    path = state.model_checkpoint_path if state else ""
    is_there = os.path.exists(path + ".index")
    _newest[model_dir] = known = (stamp, path if is_there else None)
  return known[1]


def step_of(path):
  """Returns the global step in the name of a checkpoint."""
  return int(os.path.basename(path).rsplit("-", 1)[1])


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

"""Where in the input training is: a part of every training checkpoint."""

import contextlib
import tempfile

import tensorflow as tf

from estimators import checkpoint_files, op_errors
from estimators.checkpoint_reader import INPUT, SUFFIX

_logger = tf.get_logger()

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
    seed: int, with which the input was made; or None.

  Attributes:
    num_parts: int, the argument.
    iterator: its iterator.
    saves_state: bool, whether the iterator's state is saved, as far as known.
    finished: bool, whether training ended cleanly with all of the input read.
    restored: bool, whether it goes on from a checkpoint.
  """

  def __init__(self, dataset, num_parts=1, seed=None):
    self._dataset = dataset
    self._seed = seed
    self.num_parts = num_parts
    self.iterator = iter(dataset)
    self._batches = tf.Variable(0, dtype=tf.int64, trainable=False)
    self._finished = tf.Variable(False, trainable=False)
    self._kind = tf.Variable(self._fingerprint(), trainable=False)
    self.saves_state = True
    self.finished = self.restored = False
    self._warn_of_order()
    self._try_saving_with_symbols()

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

  def try_saving(self):
    """Saves the position once, and forgets it, to see whether it can be saved.

    Some pipelines can only as long as nothing was read, so that a try after the
    first step tells more than the checkpoint at the start.
    """
    if not self.saves_state:
      return
    # Where there is no room for it, a trial says nothing.
    with contextlib.suppress(OSError, tf.errors.OpError):
      with tempfile.TemporaryDirectory() as folder:
        self.saving(lambda: self._checkpoint().write(f"{folder}/trial"))

  def _warn_of_order(self):
    if self._dataset.options().deterministic is False:
      _logger.warning(
        "The input has the option deterministic=False: its order, and so what "
        "is learned, differs from run to run, and after a restart. Leave it "
        "out for runs that can be repeated."
      )

  def _try_saving_with_symbols(self):
    """Leaves the state out if it would be saved without random numbers'.

    With the option experimental_symbolic_checkpoint, or one of the policies, it
    is not noticed what has a state outside of the iterator. Without it is.
    """
    now = self._dataset.options()
    fails = tf.data.experimental.ExternalStatePolicy.FAIL
    if (
      not now.experimental_symbolic_checkpoint
      and now.experimental_external_state_policy in (None, fails)
    ):
      return
    options = tf.data.Options()
    options.experimental_symbolic_checkpoint = False
    options.experimental_external_state_policy = fails
    plain = iter(self._dataset.with_options(options))
    with tempfile.TemporaryDirectory() as folder:
      try:
        tf.train.Checkpoint(iterator=plain).write(f"{folder}/trial")
      except _CANNOT_SAVE as error:
        if _draws(op_errors.reason(error)):
          self._count_only(error)

  def _count_only(self, error):
    """Leaves the iterator's state out of checkpoints, as saving it failed."""
    self.saves_state = False
    cause = op_errors.reason(error)
    _logger.warning(
      "The position of the input cannot be saved (%s), so a restart will read "
      "again, and drop, the batches already read. %s",
      cause,
      _remedy(cause) if self._seed is not None else _remedy(cause) + _NO_SEED,
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
    self.saving(lambda: self._checkpoint().write(path))
    checkpoint_files.seal(path)

  def _checkpoint(self):
    return tf.train.Checkpoint(**{INPUT: self.trackables()})

  def saving(self, save):
    """Calls `save`, again without the iterator's state if that cannot be saved.

    Some pipelines can save their state only as long as nothing was read.
    """
    try:
      return save()
    except _CANNOT_SAVE as error:
      # A folder that is none fails a precondition, too.
      if not self.saves_state or "SerializeIterator" not in str(error):
        raise
      self._count_only(error)
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
    if not saved or saved["finished"] or checkpoint_files.is_end(path):
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
        if not _is_of_other_operations(error):
          raise
        self._begin_anew(f"Its operations are others: {error.message}")
        return
    elif not self._skip(saved["batches"]):
      return
    self._batches.assign(saved["batches"])
    self.restored = True

  def _skip(self, batches):
    """Reads and drops batches; returns whether there were as many."""
    _logger.info("Reading again %d batches read before.", batches)
    # By this very iterator: another one of the same dataset would shuffle in
    # another order.
    for i in range(batches):
      if not self.iterator.get_next_as_optional().has_value():
        self._begin_anew(f"It ends after {i} batches, and {batches} were read.")
        return False
    return True

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


def _is_of_other_operations(error):
  """Whether an error in restoring an iterator means that it is another's."""
  kinds = (
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.InvalidArgumentError,
  )
  return isinstance(error, kinds) or "dataset definition" in str(error)


def has_ended(path):
  """Whether a checkpoint was made at the end of training, with all input read.

  Args:
    path: str, the checkpoint.
  """
  if checkpoint_files.is_end(path):
    return True
  reader = tf.train.load_checkpoint(path)
  key = f"{INPUT}/finished{SUFFIX}"
  return reader.has_tensor(key) and bool(reader.get_tensor(key))


_NO_SEED = (
  " Without a seed (RunConfig(tf_random_seed=...)) they may come in another "
  "order then, so that some are seen twice and others not at all."
)


def _draws(cause):
  """Whether the cause is an operation that draws random numbers."""
  return "Random" in cause or "Rng" in cause or "Sampler" in cause


def _remedy(cause):
  """Returns what to do about a pipeline whose state cannot be saved."""
  if _draws(cause):
    return (
      "The random numbers drawn then may be others: draw them with "
      "tf.random.stateless_*, from seeds that are part of the data "
      "(tf.data.Dataset.random), and a restart goes on with the same ones."
    )
  if "PyFunc" in cause or "GeneratorDataset" in cause:
    return (
      "That is exact if the Python function (of from_generator, py_function or "
      "numpy_function) gives the same each time. Use tf.data operations "
      "without Python functions to save the position itself."
    )
  if "DummySeedGenerator" in cause:
    return (
      "Shuffle outside of flat_map and interleave, or give shuffle there "
      "reshuffle_each_iteration=False and a seed."
    )
  if "symbolic" in cause:
    return "Leave out the option experimental_symbolic_checkpoint."
  return (
    "That is exact if the pipeline gives the same each time; use tf.data "
    "operations that have no state of their own to save the position itself."
  )

"""Training loops of several workers that stay at the same step.

Before each block of steps the workers agree: on how many steps it is to have,
the least that any of them wants; and on whether to stop, when a hook or a
signal asks for it on any of them. They also learn whether the chief has just
saved a checkpoint, and then each of the others saves the position of its input.
"""

import contextlib
import glob
import os
import shutil

import tensorflow as tf

from estimators import checkpoint_files
from estimators.input_position import InputPosition
from estimators.workers import ReadTogether

_logger = tf.get_logger()

_NAME = "position"


def of(workers, model_dir, dataset, is_part, seed=None):
  """Returns how the loop of a call of train goes on with those of others.

  Args:
    workers: `Workers`, or None.
    model_dir: str, the folder of checkpoints.
    dataset: `tf.data.Dataset`, the input.
    is_part: bool, whether it gives this worker's part of each global batch.
    seed: int, with which the input was made; or None.

  Returns:
    A `Lockstep`, or `Alone`, which has the same methods and does nothing.
  """
  if workers is None:
    return Alone(InputPosition(dataset, seed=seed))
  num_parts = workers.number if is_part else 1
  position = InputPosition(dataset, num_parts, seed)
  return Lockstep(workers, model_dir, position)


class Alone:
  """A loop that needs to agree with nobody.

  Attributes:
    is_chief: bool, whether this process writes checkpoints and events.
    position: `input_position.InputPosition`.
  """

  is_chief = True

  def __init__(self, position):
    self.position = position
    self._interruption = None

  def restore(self, path):
    """Goes on where the input was at a checkpoint; None for the start."""
    if path:
      self.position.restore(path)

  def saved_variables(self, variables):
    """Returns the variables that stand in checkpoints for those of training."""
    return variables

  def begin(self, run, interruption):
    """Notes the `TrainingRun` that begins, and its `Interruption`."""
    del run
    self._interruption = interruption

  def arguments(self, plan):
    """Returns arguments of `Blocks.train`."""
    del plan
    return {"endless": self.position.is_endless}

  def agree(self, n):
    """Returns how many steps are taken if this process wants n."""
    return n

  def signal(self):
    """Returns the signal that ends training here, or None."""
    return self._interruption.signal

  def leave(self):
    """Ends the program after a signal; see `Interruption.leave`."""
    self._interruption.leave()

  def after_block(self):
    """Is called after each block of steps."""

  def is_read(self, has_more):
    """Whether all of the input was read, given what the last step said."""
    return self.position.is_read(has_more)

  def is_restored(self):
    """Whether the input goes on from where a checkpoint was made."""
    return self.position.restored

  def watched(self):
    """Returns a context in which the loss of a worker gets a clear error."""
    return contextlib.nullcontext()


class Lockstep:
  """The same for one of several workers: each must call the same methods.

  Args:
    workers: `Workers`.
    model_dir: str, the folder of checkpoints.
    position: `input_position.InputPosition`.
  """

  def __init__(self, workers, model_dir, position):
    self._workers = workers
    self._model_dir = model_dir
    self._own = WorkerPositions(model_dir, workers.index, position)
    self._together = None
    self.position = position
    self.is_chief = workers.is_chief

  def restore(self, path):
    if not self.is_chief:
      self._own.restore(path)
    elif path:
      self.position.restore(path)

  def saved_variables(self, variables):
    self._together = ReadTogether(self._workers.strategy, variables)
    return self._together.variables

  def begin(self, run, interruption):
    self._run = run
    self._interruption = interruption
    self._told = run.last_saved

  def arguments(self, plan):
    endless = self._workers.gather(self.position.is_endless).all()
    parts = None
    if self.position.num_parts > 1:
      parts = self._workers.parts(plan.element_spec)
    return {"endless": endless, "workers": self._workers, "parts": parts}

  def agree(self, n):
    """Returns how many steps all workers take; 0 to stop.

    They wait for each other here. A signal that one has got is then known to
    all.
    """
    run = self._run
    saved = run.last_saved != self._told
    self._told = run.last_saved
    rows = self._workers.gather(
      int(n), self._interruption.signal or 0, saved, run.global_step
    )
    wanted, signals, saved, steps = rows.T
    if len(set(steps)) > 1:
      raise ValueError(
        f"all workers must be at the same step, but they are at {steps}; give "
        "all of them the same model_dir, input_fn, steps and max_steps."
      )
    if saved[0] and not self.is_chief:
      self._own.save(run.global_step)
    if signals.any():
      self._interruption.note_from_others(int(signals.max()))
      return 0
    return int(wanted.min())

  def signal(self):
    # One may have come to one worker alone after they agreed to stop.
    signals = self._workers.gather(self._interruption.signal or 0)
    if signals.any():
      self._interruption.note_from_others(int(signals.max()))
    return int(signals.max()) or None

  def leave(self):
    self.agree(0)
    self._workers.all_leave()
    self._interruption.leave()

  def after_block(self):
    self._together.refresh()

  def is_read(self, has_more):
    if not has_more:
      _logger.info(
        "The input of a worker ended after step %d; training ends for all.",
        self._run.global_step,
      )
    return bool(self._workers.gather(self.position.is_read(has_more)).any())

  def is_restored(self):
    # The chief's stands for all of them, which are to do the same.
    return bool(self._workers.gather(self.position.restored)[0, 0])

  def watched(self):
    return self._workers.watched(self._model_dir)


class WorkerPositions:
  """Where in its input each worker but the chief is, beside the checkpoints.

  The chief's is in the checkpoint. Worker i writes its own, when the chief has
  saved, as `<model_dir>/workers/<i>/position-<step>`. Where a kill has come in
  between, the worker counts: it has read as many batches as the chief.

  Args:
    model_dir: str, the folder of checkpoints.
    index: int, the worker's number.
    position: `input_position.InputPosition`.
  """

  def __init__(self, model_dir, index, position):
    self._model_dir = model_dir
    self._folder = os.path.join(model_dir, "workers", str(index))
    self._position = position

  def restore(self, path):
    """Goes on where this worker was when the checkpoint at a path was made.

    Removes positions after it: another run may now save other ones there.

    Args:
      path: str, the chief's checkpoint; None at the very start.
    """
    step = checkpoint_files.step_of(path) if path else -1
    self._remove(lambda other: other > step)
    if not path or checkpoint_files.is_end(path):
      return
    own = self._path(step)
    if checkpoint_files.is_sealed(own) and not checkpoint_files.damage(own):
      self._position.restore(own)
    else:
      self._position.restore(path, only_count=True)

  def save(self, step):
    """Writes the position at a step, and removes those without checkpoint."""
    os.makedirs(self._folder, exist_ok=True)
    self._position.write(self._path(step))
    self._remove(lambda other: other < step and not self._has_checkpoint(other))

  def _path(self, step):
    return os.path.join(self._folder, f"{_NAME}-{step}")

  def _has_checkpoint(self, step):
    path = os.path.join(self._model_dir, f"{checkpoint_files.NAME}-{step}")
    return checkpoint_files.is_there(path)

  def _remove(self, condition):
    for index in glob.glob(glob.escape(self._path("")) + "*.index"):
      path = index.removesuffix(".index")
      if condition(checkpoint_files.step_of(path)):
        checkpoint_files.remove(path)
    for folder in glob.glob(glob.escape(self._path("")) + "*_temp"):
      shutil.rmtree(folder)  # A save was killed.

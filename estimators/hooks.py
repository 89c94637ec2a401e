"""Hooks: small objects that the runner calls while it trains or evaluates.

The runner takes several steps at once inside one TensorFlow function, and comes
back to Python when a hook has asked for it. Each hook says with `next_step`
when that is; a hook that says nothing is called after every step.
"""

import time


class NanLossDuringTrainingError(RuntimeError):
  """The loss was NaN or infinite; raised at that very step."""


class Hook:
  """Base class of hooks: override what is needed.

  Attributes:
    tensors: dictionary of tag to the name of a tensor of the model function
      (`"softmax_tensor"`), or to a tensor when the hook is made inside the
      model function. `run.values` has their values of the last step, by tag.

  The argument `run` of each method has
    estimator: the Estimator;
    mode: one of `ModeKeys`;
    global_step: int, the number of training steps done;
    step: int, the same in training; the batches done in evaluation and
      prediction;
    loss: float, the loss of the last step (None before the first);
    diagnosis: str, sentences on why a loss is not finite, "" when it is;
    values: dictionary of tag to NumPy array, for this hook's `tensors`;
    examples: int, the examples seen since the call of `train` began;
    output_dir: the folder of the events;
    writer: a `tf.summary` writer into it;
    request_stop(): ends the loop after this step's hooks;
    save_checkpoint(): in training only; saves and returns the checkpoint's
      path, or None when this step's is there already, and in workers other than
      the chief.
  """

  tensors = {}

  def begin(self, run):
    """Called before the first step."""

  def next_step(self, step):
    """Returns the step after which `after_run` is to be called next.

    Args:
      step: int, the number of steps done so far.

    Returns:
      An int above `step`, or None for "whenever you come by", which is about
      once a second.
    """
    return step + 1

  def after_run(self, run):
    """Called after a step: at the latest at `next_step`, perhaps earlier."""

  def end(self, run):
    """Called after the last step, but not when an exception ended the loop."""


class CheckpointSaverListener:
  """Is called around every checkpoint; override what is needed."""

  def begin(self, run):
    """Called before the first step."""

  def before_save(self, run, global_step):
    """Called before the checkpoint of `global_step` is written."""

  def after_save(self, run, global_step):
    """Called after it was written; returning True ends training."""

  def end(self, run, global_step):
    """Called at the end of training, after the last checkpoint."""


def checked(hooks, cls=Hook):
  """Returns hooks (or listeners) as a tuple; None is none.

  Raises:
    TypeError: one of them is of another class.
  """
  hooks = () if hooks is None else hooks
  if not isinstance(hooks, (list, tuple)):
    raise TypeError(
      f"a list of {cls.__name__} was needed, but {hooks!r} came; "
      "put it into a list."
    )
  for hook in hooks:
    if not isinstance(hook, cls):
      raise TypeError(
        f"{hook!r} must be an estimators.{cls.__name__}; derive it from that "
        "class (SessionRunHook is gone with sessions)."
      )
  return tuple(hooks)


class Timer:
  """Says when something that is done every so often is due.

  After the first time, steps are counted from the beginning of all training: a
  run that was stopped in between does things at the steps of one that was not.

  Args:
    every_steps: int, steps from one time to the next; or
    every_secs: float, seconds from one time to the next. One of the two.
    clock: function that returns the time in seconds.
    begins_at: int, the first step that is due when training begins.

  Raises:
    ValueError: not exactly one of the two is given, or it is not positive.
  """

  def __init__(
    self,
    every_steps=None,
    every_secs=None,
    clock=time.monotonic,
    begins_at=1,
  ):
    if (every_steps is None) == (every_secs is None):
      raise ValueError(
        "exactly one of steps and seconds must be given, but they are "
        f"{every_steps} and {every_secs}."
      )
    if (every_steps if every_secs is None else every_secs) <= 0:
      raise ValueError(
        "the cadence must be positive, but is "
        f"{every_steps} steps, {every_secs} s."
      )
    self._every_steps, self._every_secs = every_steps, every_secs
    self._clock = clock
    self._begins_at = begins_at
    self.reset()

  def reset(self):
    """Forgets the last time, so that the next step is due."""
    self.last_step = self.last_time = None

  def next_step(self, step):
    """Returns the next step that is due, None when only time can tell."""
    if self.last_step is None:
      return step + 1
    if self._every_steps is None:
      return None
    return max(step + 1, self._after(self.last_step))

  def is_due(self, step):
    """Whether it is time; the same step is never due twice."""
    if self.last_step is None:
      return True
    if step == self.last_step:
      return False
    if self._every_steps is not None:
      return step >= self._after(self.last_step)
    return self._clock() >= self.last_time + self._every_secs

  def is_regular(self, step):
    """Whether a step is, or may be, due in a run that was never stopped."""
    every = self._every_steps
    return every is None or (step - self._begins_at) % every == 0

  def _after(self, step):
    """Returns the next regular step after one."""
    every = self._every_steps
    return step + every - (step - self._begins_at) % every

  def mark(self, step):
    """Notes that it was done; returns seconds and steps since the last time.

    Both are None the first time.
    """
    now = self._clock()
    elapsed = (None, None)
    if self.last_step is not None:
      elapsed = (now - self.last_time, step - self.last_step)
    self.last_step, self.last_time = step, now
    return elapsed


class PeriodicHook(Hook):
  """Base class of hooks that do something every so often, in `act`.

  Args:
    timer: the `Timer` that says when.
  """

  def __init__(self, timer):
    self._timer = timer

  def begin(self, run):
    self._timer.reset()

  def next_step(self, step):
    return self._timer.next_step(step)

  def after_run(self, run):
    if self._timer.is_due(run.step):
      seconds, steps = self._timer.mark(run.step)
      self.act(run, seconds, steps)

  def act(self, run, seconds, steps):
    """Does it; seconds and steps are those since the last time, or None."""
    raise NotImplementedError

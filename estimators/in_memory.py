"""Evaluation in the middle of training, of the values in memory."""

from estimators.hooks import Hook, Timer
from estimators.hooks import checked as checked_hooks


class InMemoryEvaluatorHook(Hook):
  """Evaluates at the start of training, every so many steps, and at the end.

  No checkpoint is written or read for it.

  Args:
    estimator: the Estimator that is trained with this hook.
    input_fn, steps, hooks, name: as for its `evaluate`.
    every_n_iter: int, training steps from one evaluation to the next.

  Attributes:
    results: dictionary of the last evaluation's results; None before.

  Raises:
    ValueError: every_n_iter is not positive.
  """

  def __init__(
    self,
    estimator,
    input_fn,
    steps=None,
    hooks=None,
    name=None,
    every_n_iter=100,
  ):
    if not every_n_iter or every_n_iter <= 0:
      raise ValueError(f"every_n_iter must be positive: {every_n_iter}.")
    self._estimator = estimator
    self._arguments = (input_fn, steps, checked_hooks(hooks), name)
    self._timer = Timer(every_steps=every_n_iter, begins_at=0)
    self.results = None

  def begin(self, run):
    self._timer.reset()
    self._evaluate(run)

  def next_step(self, step):
    return self._timer.next_step(step)

  def after_run(self, run):
    if self._timer.is_due(run.step):
      self._evaluate(run)

  def end(self, run):
    if run.step != self._timer.last_step:
      self._evaluate(run)

  def _evaluate(self, run):
    if run.estimator is not self._estimator:
      raise ValueError(
        "InMemoryEvaluatorHook was made for another Estimator than the one "
        "that is trained; make it with the same."
      )
    self._timer.mark(run.step)
    self.results = self._estimator.evaluate_in_memory(*self._arguments)

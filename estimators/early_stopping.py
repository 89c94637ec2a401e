"""Hooks that stop training when an evaluation metric says so.

They read the event files that evaluations write, so the evaluations may be made
by this process or by another.
"""

import operator

import tensorflow as tf

from estimators import summaries
from estimators.hooks import PeriodicHook, Timer

_logger = tf.get_logger()


def make_early_stopping_hook(
  estimator, should_stop_fn, run_every_secs=60, run_every_steps=None
):
  """Returns a hook that ends training when a function returns True.

  Args:
    estimator: the Estimator that is trained.
    should_stop_fn: function without arguments that returns a bool.
    run_every_secs: float, seconds from one call to the next; or
    run_every_steps: int, steps from one to the next.

  Raises:
    TypeError: estimator is no Estimator, or should_stop_fn is no function.
    ValueError: not exactly one cadence is given.
  """
  if not hasattr(estimator, "eval_dir"):
    raise TypeError(f"estimator must be an Estimator, but is {estimator!r}.")
  if not callable(should_stop_fn):
    raise TypeError(
      f"should_stop_fn must be a function, but is {should_stop_fn!r}."
    )
  # Steps, when given, take the place of the default of 60 seconds.
  run_every_secs = None if run_every_steps is not None else run_every_secs
  return _EarlyStoppingHook(
    should_stop_fn, Timer(run_every_steps, run_every_secs)
  )


class _EarlyStoppingHook(PeriodicHook):
  def __init__(self, should_stop_fn, timer):
    super().__init__(timer)
    self._should_stop_fn = should_stop_fn

  def begin(self, run):
    super().begin(run)
    if not run.global_step:
      return
    # A run that was never stopped looks here, or not before the next time.
    if self._timer.is_regular(run.step):
      self.after_run(run)
    else:
      self._timer.mark(run.step)

  def act(self, run, seconds, steps):
    if self._should_stop_fn():
      _logger.info("Requesting early stopping at global step %d", run.step)
      run.request_stop()


def stop_if_higher_hook(
  estimator,
  metric_name,
  threshold,
  eval_dir=None,
  min_steps=0,
  run_every_secs=60,
  run_every_steps=None,
):
  """Returns a hook that stops once a metric is above a threshold.

  Args:
    estimator: the Estimator that is trained.
    metric_name: str, a key of its evaluation's results.
    threshold: float.
    eval_dir: str, folder of the evaluation's events; None for the usual one.
    min_steps: int, evaluations of earlier steps do not count.
    run_every_secs: float, seconds from one look to the next; or
    run_every_steps: int, steps from one look to the next.
  """
  verdict = _beyond(operator.gt, threshold, "higher")
  looks = (eval_dir, min_steps, run_every_secs, run_every_steps)
  return _watch(estimator, metric_name, verdict, *looks)


def stop_if_lower_hook(
  estimator,
  metric_name,
  threshold,
  eval_dir=None,
  min_steps=0,
  run_every_secs=60,
  run_every_steps=None,
):
  """Returns a hook that stops once a metric is below a threshold.

  See `stop_if_higher_hook` for the arguments.
  """
  verdict = _beyond(operator.lt, threshold, "lower")
  looks = (eval_dir, min_steps, run_every_secs, run_every_steps)
  return _watch(estimator, metric_name, verdict, *looks)


def stop_if_no_increase_hook(
  estimator,
  metric_name,
  max_steps_without_increase,
  eval_dir=None,
  min_steps=0,
  run_every_secs=60,
  run_every_steps=None,
):
  """Returns a hook that stops when a metric has not grown for many steps.

  Args:
    estimator: the Estimator that is trained.
    metric_name: str, a key of its evaluation's results.
    max_steps_without_increase: int, training steps from the best evaluation to
      the newest; more than those from one evaluation to the next.
    eval_dir, min_steps, run_every_secs, run_every_steps: as for
      `stop_if_higher_hook`.
  """
  verdict = _stalled(operator.gt, max_steps_without_increase, "increase")
  looks = (eval_dir, min_steps, run_every_secs, run_every_steps)
  return _watch(estimator, metric_name, verdict, *looks)


def stop_if_no_decrease_hook(
  estimator,
  metric_name,
  max_steps_without_decrease,
  eval_dir=None,
  min_steps=0,
  run_every_secs=60,
  run_every_steps=None,
):
  """Returns a hook that stops when a metric has not fallen for many steps.

  See `stop_if_no_increase_hook` for the arguments.
  """
  verdict = _stalled(operator.lt, max_steps_without_decrease, "decrease")
  looks = (eval_dir, min_steps, run_every_secs, run_every_steps)
  return _watch(estimator, metric_name, verdict, *looks)


def _beyond(compare, threshold, word):
  """Returns a verdict: the reason to stop in (name, history), or None."""

  def verdict(name, history):
    for step, value in history:
      if compare(value, threshold):
        return (
          f'At step {step}, metric "{name}" has value {value}, which is {word} '
          f"than the threshold ({threshold}) configured for early stopping."
        )
    return None

  return verdict


def _stalled(better, max_steps, word):
  """Returns a verdict: the reason to stop in (name, history), or None."""

  def verdict(name, history):
    best = best_step = None
    for step, value in history:
      if best is None or better(value, best):
        best, best_step = value, step
      if step - best_step >= max_steps:
        return (
          f'No {word} in metric "{name}" for {step - best_step} steps, which '
          f"is greater than or equal to max steps ({max_steps}) configured for "
          "early stopping."
        )
    return None

  return verdict


def _watch(estimator, name, verdict, eval_dir, min_steps, secs, steps):
  """Returns a hook that stops when a metric's history is given a verdict."""

  def should_stop():
    reason = verdict(name, _history(estimator, name, eval_dir, min_steps))
    if reason:
      _logger.info("%s", reason)
    return bool(reason)

  return make_early_stopping_hook(estimator, should_stop, secs, steps)


def _history(estimator, metric_name, eval_dir, min_steps):
  """Yields (step, value) of a metric from the evaluations so far."""
  directory = eval_dir or estimator.eval_dir()
  for step, metrics in summaries.read_eval_metrics(directory).items():
    if step < min_steps or "loss" not in metrics:
      continue  # Without a loss the evaluation is still under way.
    if metric_name not in metrics:
      raise ValueError(
        f"early stopping looks at the metric {metric_name!r}, but the "
        f"evaluation in {directory} gives {sorted(metrics)}; correct the name."
      )
    yield step, metrics[metric_name]

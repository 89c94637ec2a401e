"""One call of `Estimator.evaluate`, and its results."""

import time

import keras
import numpy as np
import tensorflow as tf

from estimators import fetches, interruption, op_errors, summaries
from estimators.hooks import Hook
from estimators.runner import Run, loop
from estimators.spec import ModeKeys

_logger = tf.get_logger()
_EVENTS = "the events of an evaluation"


def evaluate(estimator, loaded, plan, dataset, steps, hooks, path, name):
  """Evaluates the values that a model holds now; returns the results.

  Args:
    estimator: the Estimator.
    loaded: its `LoadedModel`.
    plan: the `Plan` of evaluation.
    dataset: `tf.data.Dataset`.
    steps, hooks, name: as for `Estimator.evaluate`.
    path: str, the checkpoint that the values are of, or None.
  """
  directory = estimator.eval_dir(name)
  writer = summaries.no_writer()
  if estimator.writes:
    writer = summaries.writer_for(directory)
  step = loaded.global_step
  run = Run(estimator, ModeKeys.EVAL, step, directory, writer)
  hooks = [*hooks, *plan.spec.hooks]
  if steps is not None:
    hooks.append(_ProgressHook(steps))
  timer = loaded.timer(("eval", name))
  block, state = loaded.blocks.evaluate(plan, fetches.names_of(hooks), writer)
  iterator = iter(dataset)

  def take_steps(n):
    nonlocal state
    interruption.check()
    with loaded.model.scope():
      taken, has_more, state = timer.timed(block, iterator, n, state)
    run.steps += taken
    run.examples = int(state["examples"])
    if run.examples:
      run.loss = float(state["loss"]) / run.examples
    return taken, has_more, state["fetched"]

  now = time.strftime("%Y-%m-%dT%H:%M:%S")
  _logger.info("Starting evaluation at %s", now)
  start = time.monotonic()
  with (
    loaded.model.fresh_metrics(),
    op_errors.full_disk_named(directory, _EVENTS),
  ):
    for hook in hooks:
      hook.begin(run)
    loop(run, hooks, plan.spec.hooks, take_steps, timer, steps)
    for hook in hooks:
      hook.end(run)
    if not run.examples:
      raise ValueError(
        "the evaluation input is empty: it gave no batch, so there is "
        "nothing to measure; check the files and filters of input_fn."
      )
    results = _results(plan.spec, state, run)
  _logger.info("Inference Time : %.5fs", time.monotonic() - start)
  now = time.strftime("%Y-%m-%dT%H:%M:%S")
  _logger.info("Finished evaluation at %s", now)
  line = ", ".join(
    f"{k} = {np.float32(v) if isinstance(v, float) else v!s}"
    for k, v in sorted(results.items())
  )
  _logger.info("Saving dict for global step %d: %s", step, line)
  if estimator.writes:
    summaries.replace(directory, step)
  with op_errors.full_disk_named(directory, _EVENTS):
    summaries.write_evaluation(writer, results, step, path)
  if path:
    _logger.info(
      "Saving 'checkpoint_path' summary for global step %d: %s", step, path
    )
  return results


class _ProgressHook(Hook):
  """Logs `Evaluation [k/N]`: each batch of a few, else about ten times."""

  def __init__(self, steps):
    self._steps = steps
    self._every = 1 if steps < 20 else steps // 10

  def next_step(self, step):
    return step + self._every - step % self._every

  def after_run(self, run):
    if run.step % self._every == 0 or run.step == self._steps:
      _logger.info("Evaluation [%d/%d]", run.step, self._steps)


def _results(spec, state, run):
  """Returns the results of an evaluation as Python numbers and arrays."""
  results = {"loss": float(state["loss"]) / run.examples}
  for name, metric in spec.eval_metric_ops.items():
    if isinstance(metric, keras.metrics.Metric):
      value = np.asarray(metric.result())
      results[name] = value if value.ndim else float(value)
    else:
      total, count = float(state["totals"][name]), float(state["counts"][name])
      results[name] = total / count if count else float("nan")
  results["global_step"] = run.global_step
  return results

"""Training with evaluations and exports in between."""

import os
import time

import tensorflow as tf

from estimators import checkpoints, cluster, input_position, training_lock
from estimators import hooks as hooks_lib
from estimators.continuous_evaluation import evaluate_continuously
from estimators.estimator import Estimator
from estimators.evaluations import Evaluation, results_of
from estimators.train_specs import TrainSpec, check_type, checked_eval_specs

_logger = tf.get_logger()


def train_and_evaluate(estimator, train_spec, eval_spec):
  """Trains, and evaluates checkpoints as they are written.

  A process alone does both in turn. The first checkpoint after the one at the
  start is evaluated, and later ones when throttle_secs have passed, or all with
  `EvalSpec(every_checkpoint=True)`. The last one is always evaluated, and then
  the exporters know that it is the final one. A process that is started again
  first makes up for what a killed one owes: the evaluation of the checkpoint
  that training goes on from, and its exports.

  In a cluster (see `RunConfig`) the chief and the workers train only, and the
  process whose task is `evaluator` evaluates beside them; see
  `evaluate_continuously`.

  Args:
    estimator: an Estimator.
    train_spec: a TrainSpec. Its saving_listeners are called in the chief.
    eval_spec: an EvalSpec, or a list of them with different names, for several
      evaluation sets.

  Returns:
    (results, exports): the results of the last evaluation (None when this
    had all been done before) and the paths its exporters returned.
    For a list of EvalSpecs the results are a dictionary by name. (None, None)
    in a cluster's chief and workers.

  Raises:
    TypeError: an argument is of a wrong type.
    ValueError: two EvalSpecs have the same name, or this is the process of a
      parameter server.
  """
  check_type("estimator", estimator, Estimator)
  check_type("train_spec", train_spec, TrainSpec)
  specs = checked_eval_specs(eval_spec)
  config = estimator.config
  if config.task_type == cluster.EVALUATOR:
    return evaluate_continuously(estimator, eval_spec, train_spec.max_steps)
  if config.cluster_spec and config.task_type != cluster.MASTER:
    _train(estimator, train_spec, ())
    return None, None
  evaluations = [Evaluation(estimator, spec) for spec in specs]
  listener = _EvaluatingListener(evaluations, train_spec.max_steps)
  with training_lock.kept(estimator):
    if not _has_ended(estimator, train_spec, evaluations):
      _train(estimator, train_spec, [listener])
    path = estimator.latest_checkpoint()
    if path is not None:
      for evaluation in evaluations:
        evaluation.evaluate(path, lambda: True)
  return results_of(evaluations, eval_spec)


def _has_ended(estimator, train_spec, evaluations):
  """Whether training had ended with its input, but not the last evaluation.

  Then the input is not to be read once more.
  """
  path = estimator.latest_checkpoint()
  if train_spec.max_steps is not None or path is None:
    return False
  owes = any(e.has_begun and not e.is_final for e in evaluations)
  if not owes or not input_position.has_ended(path):
    return False
  _logger.info(
    "Training had ended at step %d with its input; what is left to do is the "
    "last evaluation.",
    checkpoints.step_of(path),
  )
  return True


def _train(estimator, spec, listeners):
  estimator.train(
    spec.input_fn,
    hooks=spec.hooks,
    max_steps=spec.max_steps,
    saving_listeners=[*(spec.saving_listeners or ()), *listeners],
  )


class _EvaluatingListener(hooks_lib.CheckpointSaverListener):
  """Evaluates checkpoints when they have been saved, all but the first."""

  def __init__(self, evaluations, max_steps, clock=time.monotonic):
    self._evaluations = evaluations
    self._max_steps = max_steps
    self._clock = clock
    self._last_times = {}

  def begin(self, run):
    self._first_step = run.global_step
    for evaluation in self._evaluations:
      evaluation.begin(run.global_step)
    path = run.estimator.latest_checkpoint()
    if path is None or not run.global_step:
      return
    for evaluation in self._evaluations:
      if evaluation.owes_exports or _is_owed(evaluation, path, run):
        self._evaluate(evaluation, path)

  def after_save(self, run, global_step):
    if global_step == self._first_step or run.stop_requested:
      return
    if self._max_steps is not None and global_step >= self._max_steps:
      return  # The last one is evaluated when training has ended.
    path = run.estimator.latest_checkpoint()
    for evaluation in self._evaluations:
      if self._is_time_for(evaluation):
        self._evaluate(evaluation, path)

  def _evaluate(self, evaluation, path):
    evaluation.evaluate(path)
    self._last_times[evaluation] = self._clock()

  def _is_time_for(self, evaluation):
    spec, last_time = evaluation.spec, self._last_times.get(evaluation)
    if spec.every_checkpoint or last_time is None:
      return True
    if self._clock() - last_time >= spec.throttle_secs:
      return True
    _logger.info(
      "Skip the current checkpoint eval due to throttle secs (%s secs).",
      spec.throttle_secs,
    )
    return False


def _is_owed(evaluation, path, run):
  """Whether a run that was not killed has evaluated a checkpoint.

  That is not known for a cadence in seconds; then it is evaluated.
  """
  step, every = run.global_step, run.estimator.config.save_checkpoints_steps
  if evaluation.last_step >= step or (every and step % every):
    return False  # A signal, or the end of training, made this checkpoint.
  if evaluation.spec.every_checkpoint or evaluation.time is None:
    return True
  saved = os.stat(path + ".index").st_mtime
  return saved - evaluation.time >= evaluation.spec.throttle_secs

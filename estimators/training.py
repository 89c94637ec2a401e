"""One call of `Estimator.train`: its hooks, its loop and its end."""

import contextlib
import math
import os

import numpy as np
import tensorflow as tf

from estimators import (
  builtin_hooks,
  checkpoints,
  config_file,
  divergence,
  fetches,
  lockstep,
  op_errors,
  replay,
  summaries,
  training_status,
)
from estimators.interruption import Interruption
from estimators.progress import ProgressHook, progress_is_shown
from estimators.runner import TrainingRun, loop
from estimators.spec import ModeKeys

_logger = tf.get_logger()


def train(
  estimator,
  loaded,
  plan,
  dataset,
  path,
  hooks,
  listeners,
  steps,
  max_steps,
  is_part=False,
):
  """Trains a loaded model.

  Args:
    estimator: the Estimator.
    loaded: its `LoadedModel`, with the values of the checkpoint `path`.
    plan: the `Plan` of training.
    dataset: `tf.data.Dataset`.
    path: str, the checkpoint to go on from; None at the very start.
    hooks, listeners: tuples, as for `Estimator.train`.
    steps, max_steps: int or None, as for `Estimator.train`.
    is_part: bool, whether the dataset gives this worker's part of each batch.
  """
  together = lockstep.of(
    loaded.workers,
    estimator.model_dir,
    dataset,
    is_part,
    estimator.config.tf_random_seed,
  )
  position = together.position
  together.restore(path)
  _check_listeners(estimator.config, hooks + plan.spec.hooks, listeners)
  run = _start(estimator, loaded, plan, together, path, listeners)
  run.divergence = divergence.Divergence(
    run, divergence.path_of(estimator.model_dir, loaded.workers)
  )
  limit = steps if max_steps is None else max_steps - run.global_step
  hooks = _all_hooks(run, plan.spec, hooks, limit, together.is_chief)
  loaded.training = True
  status = training_status.Status(run)
  interruption = Interruption(run)
  try:
    with (
      together.watched(),
      _full_disk_named(estimator.model_dir),
      interruption.watched(),
    ):
      together.begin(run, interruption)
      has_more = _loop(run, loaded, plan, together, hooks, limit, interruption)
      _check_trained(run, together.is_restored(), has_more)
      position.finish(together.is_read(has_more))
      for hook in hooks:
        with interruption.breaking_off():
          hook.end(run)
      run.writer.flush()
      together.agree(0)
      _end_after_signal(run, together)
    run.divergence.clear()
    status.end()
  except BaseException as error:
    status.end(error)
    with contextlib.suppress(tf.errors.OpError):  # The first error counts.
      run.writer.flush()
    raise
  finally:
    loaded.training = False
    for hook in hooks:
      if isinstance(hook, ProgressHook):
        hook.close()
  if run.steps:
    _logger.info("Loss for final step: %s.", np.float32(run.loss))


def _full_disk_named(model_dir):
  def advice():
    return (
      "Make room, and start the same command again: it goes on from the newest "
      f"checkpoint, {checkpoints.newest(model_dir)}."
    )

  return op_errors.full_disk_named(model_dir, "the events of training", advice)


def _start(estimator, loaded, plan, together, path, listeners):
  """Returns the `Run`, after writing what model_dir holds from the start."""
  model_dir = estimator.model_dir
  variables = together.saved_variables(plan.variables)
  if not together.is_chief:
    return TrainingRun(
      estimator,
      ModeKeys.TRAIN,
      loaded.global_step,
      model_dir,
      summaries.no_writer(),
      saver=None,
      position=together.position,
      saved=None,
      saving_listeners=(),
    )
  summaries.go_on(model_dir, loaded.global_step, is_first=path is None)
  writer = summaries.writer_for(model_dir)
  os.makedirs(model_dir, exist_ok=True)
  run = TrainingRun(
    estimator,
    ModeKeys.TRAIN,
    loaded.global_step,
    model_dir,
    writer,
    saver=checkpoints.Saver(
      model_dir, estimator.config, variables, together.position
    ),
    position=together.position,
    saved=lambda saved: loaded.note_saved(saved, plan),
    saving_listeners=listeners,
  )
  if path:
    run.last_saved = (run.global_step, False)
  else:
    summaries.write_graph(writer, plan.graph)
    summaries.write_hparams(writer, estimator.params)
  config_file.write(estimator, goes_on=path is not None)
  return run


def _all_hooks(run, spec, hooks, limit, is_chief):
  """Returns all hooks of a call of train, in the order they are called."""
  every = run.estimator.config.log_step_count_steps
  given = hooks + spec.hooks
  first, last = [], []
  if is_chief:
    first += _saving_hooks(run, given) + list(spec.training_chief_hooks)
  has_bar = is_chief and progress_is_shown()
  if every:
    first.append(builtin_hooks.StepCounterHook(every, log=not has_bar))
  if not any(isinstance(h, builtin_hooks.NanTensorHook) for h in given):
    last.append(builtin_hooks.NanTensorHook())
  if has_bar:
    total = None if limit is None else run.global_step + limit
    last.append(ProgressHook(total))
  elif every:
    last.append(builtin_hooks.LossLoggingHook(every))
  every_hook = [*first, *hooks, *last, *spec.training_hooks]
  # Before a checkpoint, after which no kill makes them write a step once more.
  every_hook.sort(key=lambda hook: not _writes_summaries(hook))
  if is_chief:
    return every_hook
  return [h for h in every_hook if not _saves(h)]


def _writes_summaries(hook):
  return isinstance(
    hook, (builtin_hooks.StepCounterHook, builtin_hooks.SummarySaverHook)
  )


def _saves(hook):
  return isinstance(hook, builtin_hooks.CheckpointSaverHook)


def _saving_hooks(run, given):
  """Returns the hook that saves checkpoints, unless it was given, in a list."""
  config = run.estimator.config
  if any(_saves(h) for h in given):
    return []  # It takes the place of the one that the config asks for.
  if config.save_checkpoints_steps or config.save_checkpoints_secs:
    return [
      builtin_hooks.CheckpointSaverHook(
        config.save_checkpoints_secs or None,
        config.save_checkpoints_steps or None,
      )
    ]
  _logger.warning(
    "No checkpoints are saved, as both save_checkpoints_steps and "
    "save_checkpoints_secs are off: what is learned will be lost."
  )
  return []


def _check_listeners(config, hooks, listeners):
  """Refuses listeners of checkpoints when there are none, in all workers."""
  is_saved = config.save_checkpoints_steps or config.save_checkpoints_secs
  if listeners and not is_saved and not any(_saves(h) for h in hooks):
    raise ValueError(
      "saving_listeners were given, but no checkpoints are saved; set "
      "RunConfig(save_checkpoints_steps=...) or save_checkpoints_secs."
    )


def _loop(run, loaded, plan, together, hooks, limit, interruption):
  """Begins the hooks and takes the steps; returns whether there is more input.

  Raises:
    KeyboardInterrupt, SystemExit: after a signal, when a checkpoint is saved.
  """
  timer = loaded.timer("train")
  position = together.position
  summarizes = together.is_chief and run.estimator.config.save_summary_steps
  writer = run.writer if summarizes else None
  names = fetches.names_of(hooks)
  block = loaded.blocks.train(plan, names, writer, **together.arguments(plan))

  def take_steps(n):
    # Before the block: it may raise after it has taken some of the steps.
    loaded.note_steps()
    with loaded.model.scope():
      steps, has_more, state = timer.timed(block, position.iterator, n)
    if steps:
      position.advance(steps)
      run.steps += steps
      if run.steps == steps != limit:
        position.try_saving()
      run.global_step += steps
      run.examples += int(state["examples"])
      run.loss = float(state["loss"])
      run.last_batch = state["batch"]
      if not math.isfinite(run.loss):
        run.diagnosis = run.divergence.of_loss()
    together.after_block()
    return steps, has_more, state["fetched"]

  if replay.asked():
    replay.asked().take(run, loaded, plan, take_steps, limit)
  for hook in hooks:
    with interruption.breaking_off():
      hook.begin(run)
  has_more = loop(
    run,
    hooks,
    plan.spec.hooks,
    take_steps,
    timer,
    limit,
    together.agree,
    interruption.breaking_off,
  )
  _end_after_signal(run, together)
  return has_more


def _end_after_signal(run, together):
  """Saves a checkpoint and ends the program if one of the workers is to end."""
  if together.signal():
    run.save_checkpoint()
    together.leave()


def _check_trained(run, restored, has_more):
  """Refuses an empty training set; warns when the input had ended before."""
  if run.steps or has_more:
    return
  if restored:
    _logger.warning(
      "No step was taken: the input had ended where the checkpoint was made. "
      "The next call of train reads it from its beginning."
    )
    return
  raise ValueError(
    "the training input is empty: it gave no batch; check the files and "
    "filters of input_fn, and drop_remainder with a large batch_size."
  )

"""Exporters: SavedModels written after evaluations."""

import inspect
import math
import os

import tensorflow as tf

from estimators import atomic_files, export_folders

_logger = tf.get_logger()

_MEMORY = "best.json"
# More than the checkpoints that training may go back to.
_REMEMBERED = 100


class Exporter:
  """Base class: decides after an evaluation whether to export.

  Attributes:
    name: str, names the folder `<model_dir>/export/<name>`.
  """

  def __init__(self, name, serving_input_receiver_fn, assets_extra=None):
    if not name or not isinstance(name, str):
      raise ValueError(f"an exporter needs a name, a string: {name!r}.")
    self.name = name
    self._receiver_fn = serving_input_receiver_fn
    self._assets_extra = assets_extra

  def export(
    self,
    estimator,
    export_path,
    checkpoint_path,
    eval_result,
    is_the_final_export,
  ):
    """Exports if it is time; returns the path of the SavedModel, or None."""
    raise NotImplementedError

  def go_on(self, export_path, step):
    """Is called when training goes on from a step: forgets what is later."""

  def undo(self, export_path, step, known):
    """Removes what a process that was killed has exported of a step.

    Args:
      export_path: str, the exporter's folder.
      step: int, the global step, which is about to be exported once more.
      known: list of the names of the exports that were there before.
    """
    export_folders.remove_of_step(export_path, step, known)

  def _export(self, estimator, export_path, checkpoint_path):
    return estimator.export_saved_model(
      export_path,
      self._receiver_fn,
      assets_extra=self._assets_extra,
      checkpoint_path=checkpoint_path,
    )


class LatestExporter(Exporter):
  """Exports after every evaluation, and keeps the newest few.

  Args:
    name: str, names the folder.
    serving_input_receiver_fn: see `export`.
    assets_extra: dictionary of path in the SavedModel to source file.
    exports_to_keep: int, how many are kept; None for all.
  """

  def __init__(
    self,
    name,
    serving_input_receiver_fn,
    assets_extra=None,
    exports_to_keep=5,
  ):
    super().__init__(name, serving_input_receiver_fn, assets_extra)
    _check_exports_to_keep(exports_to_keep)
    self._exports_to_keep = exports_to_keep

  def export(
    self,
    estimator,
    export_path,
    checkpoint_path,
    eval_result,
    is_the_final_export,
  ):
    del eval_result, is_the_final_export
    path = self._export(estimator, export_path, checkpoint_path)
    export_folders.keep_newest(export_path, self._exports_to_keep)
    return path


class FinalExporter(Exporter):
  """Exports once, when training has ended cleanly."""

  def export(
    self,
    estimator,
    export_path,
    checkpoint_path,
    eval_result,
    is_the_final_export,
  ):
    del eval_result
    if not is_the_final_export:
      return None
    _logger.info("Performing the final export in the end of training.")
    return self._export(estimator, export_path, checkpoint_path)


def loss_smaller(best_eval_result, current_eval_result):
  """Whether the current loss is below the best one; any is below NaN.

  Raises:
    ValueError: there is no loss in one of the results.
  """
  for result in (best_eval_result, current_eval_result):
    if not result or "loss" not in result:
      raise ValueError(
        f"the evaluation's results must have a loss to compare: {result!r}."
      )
  best, current = best_eval_result["loss"], current_eval_result["loss"]
  return best > current or math.isnan(best)


class BestExporter(Exporter):
  """Exports when the evaluation is better than every one before.

  The results that were the best in their turn are kept in `best.json` beside
  the exports, so that a run that was started again goes on comparing with them.
  Where it goes on from an earlier checkpoint, later ones are forgotten; their
  exports, which may be in use, stay until newer ones take their places.

  Args:
    name: str, names the folder.
    serving_input_receiver_fn: see `export`.
    compare_fn: function of best_eval_result and current_eval_result (exactly
      these names), true when the current is better.
    assets_extra: dictionary of path in the SavedModel to source file.
    exports_to_keep: int, how many are kept; None for all.
  """

  def __init__(
    self,
    name="best_exporter",
    serving_input_receiver_fn=None,
    compare_fn=loss_smaller,
    assets_extra=None,
    exports_to_keep=5,
  ):
    super().__init__(name, serving_input_receiver_fn, assets_extra)
    _check_exports_to_keep(exports_to_keep)
    if serving_input_receiver_fn is None:
      raise ValueError("BestExporter needs a serving_input_receiver_fn.")
    try:
      inspect.signature(compare_fn).bind(
        best_eval_result={}, current_eval_result={}
      )
    except TypeError as error:
      raise ValueError(
        "compare_fn must be a function of best_eval_result and "
        f"current_eval_result, but is {compare_fn!r} ({error})."
      ) from None
    self._compare_fn = compare_fn
    self._exports_to_keep = exports_to_keep

  def export(
    self,
    estimator,
    export_path,
    checkpoint_path,
    eval_result,
    is_the_final_export,
  ):
    del is_the_final_export
    bests = _read_bests(export_path)
    if bests and not self._compare_fn(
      best_eval_result=bests[-1]["results"], current_eval_result=eval_result
    ):
      return None
    _logger.info("Performing best model export.")
    path = self._export(estimator, export_path, checkpoint_path)
    best = {
      "step": eval_result.get("global_step", -1),
      "export": os.path.basename(path),
      "results": eval_result,
    }
    _write_bests(export_path, [*bests, best])
    export_folders.keep_newest(export_path, self._exports_to_keep)
    return path

  def go_on(self, export_path, step):
    dropped = _drop_bests(export_path, after=step)
    if not dropped:
      return
    _logger.warning(
      "Training goes on from step %d, so the best evaluations of later steps, "
      "%s, are forgotten in %s; their exports %s stay.",
      step,
      [best["step"] for best in dropped],
      export_path,
      [best["export"] for best in dropped if best["export"]],
    )

  def undo(self, export_path, step, known):
    _drop_bests(export_path, after=step - 1)
    super().undo(export_path, step, known)


def _read_bests(folder):
  """Returns the best evaluations so far, oldest first; the last is the best."""
  path = os.path.join(folder, _MEMORY)
  if not os.path.exists(path):
    return []
  with open(path, errors="replace") as file:
    text = file.read()
  values = atomic_files.parsed(text, ())
  if values is None:
    _logger.warning(
      "%s must hold the best evaluations so far in JSON, but is damaged: %r. "
      "The next evaluation counts as the first, and is exported.",
      path,
      text[:80],
    )
    return []
  if "bests" in values:
    return values["bests"]
  # As earlier versions wrote it: the results of the best alone.
  step = values.get("global_step", -1)
  return [{"step": step, "export": None, "results": values}]


def _write_bests(folder, bests):
  atomic_files.write_json(
    os.path.join(folder, _MEMORY),
    {"bests": bests[-_REMEMBERED:]},
    default=lambda array: array.tolist(),
  )


def _drop_bests(folder, after):
  """Drops the bests of steps after one; returns them."""
  bests = _read_bests(folder)
  dropped = [best for best in bests if best["step"] > after]
  if dropped:
    _write_bests(folder, [best for best in bests if best["step"] <= after])
  return dropped


def _check_exports_to_keep(count):
  if count is not None and count <= 0:
    raise ValueError(
      f"exports_to_keep must be positive, or None for all: {count}."
    )

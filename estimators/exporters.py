"""Exporters: SavedModels written after evaluations."""

import inspect
import json
import math
import os
import shutil

import tensorflow as tf

from estimators import atomic_files

_logger = tf.get_logger()


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
    _keep_newest(export_path, self._exports_to_keep)
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

  The best results are kept in `best.json` beside the exports, so that a run
  that was started again goes on comparing with them.

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
    memory = os.path.join(export_path, "best.json")
    best = None
    if os.path.exists(memory):
      with open(memory) as file:
        best = json.load(file)
    if best is not None and not self._compare_fn(
      best_eval_result=best, current_eval_result=eval_result
    ):
      return None
    _logger.info("Performing best model export.")
    path = self._export(estimator, export_path, checkpoint_path)
    atomic_files.write_json(memory, eval_result, default=lambda a: a.tolist())
    _keep_newest(export_path, self._exports_to_keep)
    return path


def _check_exports_to_keep(count):
  if count is not None and count <= 0:
    raise ValueError(
      f"exports_to_keep must be positive, or None for all: {count}."
    )


def _keep_newest(folder, count):
  """Removes all but the newest exports, which are folders named by the time."""
  if count is None:
    return
  exports = [n for n in os.listdir(folder) if n.isdigit() and len(n) == 10]
  for name in sorted(exports)[:-count]:
    shutil.rmtree(os.path.join(folder, name))

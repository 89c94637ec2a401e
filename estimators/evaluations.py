"""The evaluations that one EvalSpec asks for, over all restarts."""

import os
import time

import numpy as np
import tensorflow as tf

from estimators import (
  atomic_files,
  checkpoints,
  export_folders,
  interruption,
)

_logger = tf.get_logger()


_FIELDS = ("step", "results", "exports", "is_exported", "is_final")
# What is noted when training begins.
_NOTHING = {"step": -1, "results": {}, "exports": [], "is_exported": True}


class Evaluation:
  """Evaluates checkpoints, each once, and hands the results to exporters.

  The file progress.json beside the events says what was evaluated last, with
  which results, and exported. Another process goes on from there: what an
  earlier one evaluated but did not export is exported only. One that is killed
  between the events and the file evaluates that step again, and one that is
  killed between an export and the file exports it again, in place of the first.

  Args:
    estimator: the Estimator.
    spec: the EvalSpec.

  Attributes:
    spec: the EvalSpec.
    results: the results of the last evaluation, or None when there was none in
      this process.
    exports: what the exporters returned after it, or None.
  """

  def __init__(self, estimator, spec):
    self.spec = spec
    self.results = self.exports = None
    self._estimator = estimator
    self._path = os.path.join(estimator.eval_dir(spec.name), "progress.json")
    self._progress = self._read()
    # Whether another process made the last evaluation, and may have exported.
    self._is_of_earlier = bool(self._progress)

  @property
  def last_step(self):
    """The last step that is done with, -1 when there is none."""
    return self._progress.get("step", -1)

  @property
  def has_begun(self):
    """Whether this, or an earlier process, has begun to train or evaluate."""
    return bool(self._progress)

  @property
  def owes_exports(self):
    """Whether the last step was evaluated, but not all exporters called."""
    return not self._progress.get("is_exported", True)

  @property
  def is_final(self):
    """Whether the exporters know that the last step was the final one."""
    return self._progress.get("is_final", False)

  @property
  def time(self):
    """When the last evaluation ended, in seconds of the clock; None before."""
    return self._progress.get("time")

  def begin(self, step):
    """Notes that training goes on from a step, or begins anew."""
    if self.last_step > step:
      _logger.warning(
        "%s is of step %d, but training begins at step %d; the evaluations "
        "begin anew.",
        self._path,
        self.last_step,
        step,
      )
      self._progress = {}
    self._progress = {**_NOTHING, **self._progress}
    self._note(is_final=False)
    for exporter in self.spec.exporters:
      exporter.go_on(self._folder(exporter), step)

  def evaluate(self, path, asks_final=lambda: False):
    """Evaluates a checkpoint and exports, as far as that was not done.

    Args:
      path: str, the checkpoint.
      asks_final: function that returns what the exporters are told: whether
        this is the final checkpoint. It is called after the evaluation. Those
        exporters that returned None for this checkpoint before it was the final
        one are called again.
    """
    step = checkpoints.step_of(path)
    if step != self.last_step or not self._progress["results"]:
      self._evaluate(path, step)
      self._is_of_earlier = False
    is_final = asks_final()
    if self.owes_exports or (is_final and not self.is_final):
      if self.results is None:
        self.results = _with_arrays(self._progress["results"])
      self._export(path, is_final)

  def _evaluate(self, path, step):
    spec = self.spec
    self.results = self._estimator.evaluate(
      spec.input_fn,
      steps=spec.steps,
      hooks=spec.hooks,
      checkpoint_path=path,
      name=spec.name,
    )
    self.exports = None
    self._progress = {"step": step, "is_final": False, "is_exported": False}
    self._note(
      results=self.results,
      exports=[None] * len(spec.exporters),
      known={
        exporter.name: export_folders.names(self._folder(exporter))
        for exporter in spec.exporters
      },
      time=time.time(),
    )

  def skip(self, step):
    """Notes that a step's checkpoint cannot be evaluated."""
    self._progress = {"step": step, "is_final": True, "is_exported": True}
    self._note(results={}, exports=[])

  def skip_exports(self):
    """Notes that the last step's checkpoint cannot be exported."""
    self._note(is_exported=True, is_final=True)

  def _export(self, path, is_final):
    done = self.exports or self._progress["exports"]
    if len(done) != len(self.spec.exporters):  # There are others now.
      done = [None] * len(self.spec.exporters)
    self.exports = list(done)
    for i, exporter in enumerate(self.spec.exporters):
      interruption.check()
      self.exports[i] = self.exports[i] or self._exported(
        exporter, path, is_final
      )
      self._note(exports=self.exports)
    self._note(is_exported=True, is_final=is_final)
    self._is_of_earlier = False

  def _exported(self, exporter, path, is_final):
    folder = self._folder(exporter)
    known = self._progress.get("known", {}).get(exporter.name)
    if self._is_of_earlier and known is not None:
      exporter.undo(folder, self.last_step, known)
    return exporter.export(
      estimator=self._estimator,
      export_path=folder,
      checkpoint_path=path,
      eval_result=self.results,
      is_the_final_export=is_final,
    )

  def _folder(self, exporter):
    return os.path.join(self._estimator.model_dir, "export", exporter.name)

  def _note(self, **fields):
    """Changes the progress, and writes it into the file in one go."""
    self._progress |= fields
    os.makedirs(os.path.dirname(self._path), exist_ok=True)
    atomic_files.write_json(self._path, self._progress, default=_as_json)

  def _read(self):
    try:
      with open(self._path, errors="replace") as file:
        text = file.read()
    except FileNotFoundError:
      return {}
    progress = atomic_files.parsed(text, _FIELDS)
    if progress is None:
      _logger.warning(
        "%s must hold %s in JSON, as an evaluator writes it, but is damaged: "
        "%r. The evaluations begin anew with the checkpoints that are there.",
        self._path,
        ", ".join(_FIELDS),
        text[:80],
      )
      return {}
    return progress


def results_of(evaluations, eval_spec):
  """Returns what `train_and_evaluate` does: (results, exports).

  Args:
    evaluations: list of `Evaluation`.
    eval_spec: the EvalSpec that they are of, or a list of them.
  """
  if isinstance(eval_spec, (list, tuple)):
    return (
      {e.spec.name: e.results for e in evaluations},
      [path for e in evaluations for path in e.exports or ()],
    )
  return evaluations[0].results, evaluations[0].exports


def _as_json(value):
  """Returns an array as a list, a NumPy number as Python's, a path as text."""
  return value.tolist() if hasattr(value, "tolist") else str(value)


def _with_arrays(results):
  return {
    name: np.array(value) if isinstance(value, list) else value
    for name, value in results.items()
  }

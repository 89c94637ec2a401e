"""Kills at every point of train_and_evaluate, and what comes out of a restart.

A kill is simulated: the folder is copied as it is at that moment, and the copy
is what another Estimator goes on with.
"""

import contextlib
import itertools
import json
import os
import shutil
import threading
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  BestExporter,
  Estimator,
  EvalSpec,
  FinalExporter,
  LatestExporter,
  RunConfig,
  TrainSpec,
  atomic_files,
  checkpoints,
  export_folders,
  stop_if_no_decrease_hook,
  train_and_evaluate,
)
from estimators.checkpoint_reader import SUFFIX
from tests.estimators import toys
from tests.estimators.helpers import new_folder, scalars, steps
from tests.estimators.serving import line_receiver_fn

X = np.float32([1.0, 0.5, 1.5, 0.8, 1.2, 0.9, 1.1])
TRAIN = toys.input_of(X, 3 * X)
# The error of the slope that is learned falls below 0.1, and then grows.
EVAL = toys.input_of([1.0, 2.0], np.float32([0.1, 0.2]))
_seconds = itertools.count(1_700_000_000)
RATES = ("global_step/sec", "examples/sec")


class Kill(BaseException):
  """What ends the process that is killed."""


class Killer:
  """Kills at the n-th time that one of several functions begins or ends.

  Args:
    model_dir: str.
    at: int, the number of that time; None never kills.

  Attributes:
    points: list of (name, "before" or "after"), the times that came.
    copy: str, the folder as it was left; None before.
  """

  def __init__(self, model_dir, at=None):
    self._model_dir, self._at = model_dir, at
    self.points, self.copy = [], None

  def patches(self):
    for owner, name in (
      (checkpoints.Saver, "save"),
      (Estimator, "evaluate"),
      (Estimator, "export_saved_model"),
      (atomic_files, "write_json"),
    ):
      yield mock.patch.object(owner, name, self._watched(owner, name))

  def _watched(self, owner, name):
    function = getattr(owner, name)

    def watched(*args, **kwargs):
      if threading.current_thread() is not threading.main_thread():
        return function(*args, **kwargs)  # It goes by the clock.
      self._pass((name, "before"))
      result = function(*args, **kwargs)
      self._pass((name, "after"))
      return result

    return watched

  def _pass(self, point):
    if self.copy:
      raise Kill  # On the way out of it.
    if self._at == len(self.points):
      self.copy = shutil.copytree(
        self._model_dir, os.path.join(new_folder(), "copy")
      )
      raise Kill
    self.points.append(point)


def small_export(self, base, receiver_fn, assets_extra, checkpoint_path):
  """Writes what is looked at of a SavedModel."""
  path = os.path.join(base, str(next(_seconds)))
  step = tf.Variable(checkpoints.step_of(checkpoint_path), dtype=tf.int64)
  tf.train.Checkpoint(model=tf.train.Checkpoint(global_step=step)).write(
    os.path.join(path, "variables", "variables")
  )
  return path


class KillsTest(tf.test.TestCase, parameterized.TestCase):
  def run_it(self, model_dir, max_steps=6, killer=None, stops=False):
    """Trains; returns what train_and_evaluate does."""
    config = RunConfig(
      save_checkpoints_steps=2, save_summary_steps=1, log_step_count_steps=1
    )
    estimator = Estimator(toys.line_fn, model_dir, config)
    hooks = []
    if stops:
      hooks.append(
        stop_if_no_decrease_hook(estimator, "loss", 2, run_every_steps=3)
      )
    exporters = [
      LatestExporter("latest", line_receiver_fn, exports_to_keep=2),
      BestExporter("best", line_receiver_fn),
      FinalExporter("final", line_receiver_fn),
    ]
    train = TrainSpec(TRAIN, max_steps=max_steps, hooks=hooks)
    evaluate = EvalSpec(EVAL, throttle_secs=0, exporters=exporters)
    with mock.patch.object(Estimator, "export_saved_model", small_export):
      with contextlib.ExitStack() as stack:
        for patch in killer.patches() if killer else ():
          stack.enter_context(patch)
        return train_and_evaluate(estimator, train, evaluate)

  def unbroken(self, **kwargs):
    model_dir = new_folder()
    killer = Killer(model_dir)
    self.run_it(model_dir, killer=killer, **kwargs)
    return state(model_dir), killer.points

  def restarted(self, at, **kwargs):
    """Returns the state of a run that was killed at a point, and restarted."""
    model_dir = new_folder()
    killer = Killer(model_dir, at)
    with self.assertRaises(Kill):
      self.run_it(model_dir, killer=killer, **kwargs)
    self.run_it(killer.copy, **kwargs)
    return state(killer.copy)

  def expect_same(self, every, offset, **kwargs):
    expected, points = self.unbroken(**kwargs)
    self.assertGreater(len(points), 30)
    # After the last all is done, and where the input alone sets the end another
    # run of the program reads it once more.
    for at in range(offset, len(points) - 1, every):
      with self.subTest(at=at, point=points[at]):
        self.assertEqual(self.restarted(at, **kwargs), expected)

  def test_a_few_points(self):
    self.expect_same(every=23, offset=15)

  @parameterized.parameters(
    {"max_steps": 6}, {"max_steps": None}, {"max_steps": 6, "stops": True}
  )
  @pytest.mark.slow
  def test_every_point(self, **kwargs):
    self.expect_same(every=1, offset=0, **kwargs)


def state(model_dir):
  """Returns what a run leaves: all that must not depend on a kill."""
  with open(os.path.join(model_dir, "eval", "progress.json")) as file:
    progress = json.load(file)
  folder = os.path.join(model_dir, "export")
  exports = {
    name: [
      export_folders.step_of(os.path.join(folder, name, export))
      for export in export_folders.names(os.path.join(folder, name))
    ]
    for name in sorted(os.listdir(folder))
  }
  with open(os.path.join(folder, "best", "best.json")) as file:
    bests = json.load(file)["bests"]
  values = tf.train.load_checkpoint(checkpoints.newest(model_dir))
  events = {}
  for part in (model_dir, os.path.join(model_dir, "eval")):
    found = scalars(part)
    events |= {
      (os.path.basename(part) == "eval", tag): list(found[tag].items())
      for tag in found
      if tag not in RATES
    }
    events[len(events)] = {
      tag: s for tag, s in steps(part).items() if tag not in RATES
    }
  return {
    "progress": {k: progress[k] for k in ("step", "results", "is_final")},
    "exports": exports,
    "bests": [(best["step"], best["results"]) for best in bests],
    "slope": float(np.squeeze(values.get_tensor(f"{toys.LINE}{SUFFIX}"))),
    "checkpoint": os.path.basename(checkpoints.newest(model_dir)),
    "events": events,
  }


if __name__ == "__main__":
  tf.test.main()

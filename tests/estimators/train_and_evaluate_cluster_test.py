"""Tests of what `train_and_evaluate` does in the tasks of a cluster."""

import json
import os
from unittest import mock

import numpy as np
import tensorflow as tf

from estimators import (
  CheckpointSaverListener,
  Estimator,
  EvalSpec,
  RunConfig,
  TrainSpec,
  train_and_evaluate,
)
from estimators.cluster import VARIABLE
from tests.estimators import toys
from tests.estimators.helpers import new_folder

ONES = toys.input_of(np.ones(5), np.ones(5, np.float32))
CHIEF = {"chief": ["c:1"]}


class Listener(CheckpointSaverListener):
  def __init__(self):
    self.steps = []

  def after_save(self, run, global_step):
    self.steps.append(global_step)


def estimator_of(cluster, task_type, index=0):
  """Returns the Estimator of a task."""
  task = {"type": task_type, "index": index}
  text = json.dumps({"cluster": cluster, "task": task})
  with mock.patch.dict(os.environ, {VARIABLE: text}):
    return Estimator(toys.line_fn, new_folder(), RunConfig())


class ClusterTest(tf.test.TestCase):
  def run_it(self, estimator, max_steps=None):
    self.listener = Listener()
    return train_and_evaluate(
      estimator,
      TrainSpec(ONES, max_steps, saving_listeners=[self.listener]),
      EvalSpec(ONES, start_delay_secs=0),
    )

  def test_the_chief_trains_only(self):
    estimator = estimator_of(CHIEF, "chief")
    self.assertEqual(self.run_it(estimator), (None, None))
    self.assertEqual(self.listener.steps, [0, 5])
    self.assertFalse(os.path.exists(estimator.eval_dir()))

  def test_workers_get_the_listeners(self):
    # They call none, but refuse them where no checkpoints are saved.
    estimator = estimator_of({"worker": ["a:1", "b:1"]}, "worker", 1)
    with mock.patch.object(Estimator, "train") as train:
      self.assertEqual(self.run_it(estimator), (None, None))
    self.assertEqual(
      train.call_args.kwargs["saving_listeners"], [self.listener]
    )

  def test_the_older_name_of_a_chief_evaluates_too(self):
    results, _ = self.run_it(estimator_of({"master": ["m:1"]}, "master"))
    self.assertEqual(results["global_step"], 5)

  def test_the_evaluator_evaluates_only(self):
    estimator = estimator_of(CHIEF, "evaluator")
    Estimator(toys.line_fn, estimator.model_dir).train(ONES)
    with mock.patch.object(Estimator, "train") as train:
      results, exports = self.run_it(estimator, max_steps=5)
    train.assert_not_called()
    self.assertEqual((results["global_step"], exports), (5, []))

  def test_parameter_servers_are_refused(self):
    cluster = CHIEF | {"ps": ["p:1"]}
    for task_type in ("ps", "chief"):
      with self.assertRaisesRegex(
        ValueError, "(?s)TF_CONFIG.*parameter server"
      ):
        self.run_it(estimator_of(cluster, task_type))


if __name__ == "__main__":
  tf.test.main()

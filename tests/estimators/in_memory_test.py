"""Tests of evaluation in the middle of training."""

import os

import numpy as np
import tensorflow as tf

from estimators import Estimator, InMemoryEvaluatorHook, RunConfig
from tests.estimators import toys
from tests.estimators.helpers import new_folder, scalars

X = np.linspace(0.5, 1.5, 20, dtype=np.float32)
TRAIN = toys.input_of(X, 2 * X)
EVAL = toys.input_of([1.0, 2.0, 3.0], np.float32([0, 0, 0]), batch_size=2)


class InMemoryEvaluatorTest(tf.test.TestCase):
  def estimator(self, model_fn=toys.line_fn, **config):
    return Estimator(model_fn, new_folder(), RunConfig(**config))

  def test_at_the_start_every_few_steps_and_at_the_end(self):
    estimator = self.estimator(save_checkpoints_steps=1000)
    hook = InMemoryEvaluatorHook(estimator, EVAL, every_n_iter=5)
    self.assertIsNone(hook.results)
    estimator.train(TRAIN, hooks=[hook], steps=12)
    errors = scalars(estimator.eval_dir())["error"]
    slopes = {
      step: toys.line_steps([([x], [2 * x]) for x in X[:step]])
      for step in (0, 5, 10, 12)
    }
    self.assertAllClose(errors, {step: 2 * w for step, w in slopes.items()})
    # The same as of the checkpoint; and no checkpoint was written for it.
    self.assertAllClose(hook.results, estimator.evaluate(EVAL))
    names = [n for n in os.listdir(estimator.model_dir) if "index" in n]
    self.assertCountEqual(names, ["model.ckpt-0.index", "model.ckpt-12.index"])

  def test_end_at_the_cadence_and_going_on(self):
    estimator = self.estimator()
    hook = InMemoryEvaluatorHook(estimator, EVAL, name="x", every_n_iter=5)
    estimator.train(TRAIN, hooks=[hook], steps=10)
    estimator.train(TRAIN, hooks=[hook], steps=2)
    errors = scalars(estimator.eval_dir("x"))["error"]
    self.assertEqual(sorted(errors), [0, 5, 10, 12])

  def test_steps_and_hooks(self):
    estimator = self.estimator()
    calls = toys.RecordingHook()
    hook = InMemoryEvaluatorHook(estimator, EVAL, 1, [calls], every_n_iter=9)
    estimator.train(TRAIN, hooks=[hook], steps=3)
    self.assertEqual(calls.steps(), [1, 1])
    # x = 1, 2 only.
    w = toys.line_steps([([x], [2 * x]) for x in X[:3]])
    self.assertAllClose(hook.results["error"], 1.5 * w)

  def test_all_kinds_of_state_under_a_strategy(self):
    strategy = toys.two_replicas()
    estimator = self.estimator(
      toys.network_fn, train_distribute=strategy, eval_distribute=strategy
    )
    data = toys.network_data()
    evaluation = toys.input_of(*data, batch_size=16)
    hook = InMemoryEvaluatorHook(estimator, evaluation, every_n_iter=4)
    estimator.train(toys.input_of(*data, batch_size=8), hooks=[hook])
    self.assertEqual(
      sorted(scalars(estimator.eval_dir())["accuracy"]), [0, 4, 5]
    )
    self.assertAllClose(hook.results, estimator.evaluate(evaluation))

  def test_training_goes_on_as_if_nothing_had_been(self):
    data = toys.network_data()
    estimators = []
    for hooked in (False, True):
      estimator = self.estimator(toys.network_fn, tf_random_seed=3)
      hook = InMemoryEvaluatorHook(
        estimator, toys.input_of(*data, batch_size=16), every_n_iter=2
      )
      estimator.train(
        toys.input_of(*data, batch_size=8), hooks=[hook] if hooked else []
      )
      estimators.append(estimator)
    plain, hooked = estimators
    for name in plain.get_variable_names():
      self.assertAllEqual(
        plain.get_variable_value(name), hooked.get_variable_value(name), name
      )

  def test_errors(self):
    estimator = self.estimator()
    for every_n_iter in (0, -1, None):
      with self.assertRaisesRegex(ValueError, f"positive: {every_n_iter}"):
        InMemoryEvaluatorHook(estimator, EVAL, every_n_iter=every_n_iter)
    for hook, message in (
      (InMemoryEvaluatorHook(self.estimator(), EVAL), "another Estimator"),
      (
        InMemoryEvaluatorHook(
          estimator, toys.input_of([1.0], np.float32([0]), repeat=True)
        ),
        "never ends",
      ),
      (InMemoryEvaluatorHook(estimator, EVAL, steps=0), "steps > 0"),
      (
        InMemoryEvaluatorHook(estimator, toys.input_of([], np.float32([]))),
        "empty",
      ),
    ):
      with self.assertRaisesRegex(ValueError, message):
        estimator.train(TRAIN, hooks=[hook])


if __name__ == "__main__":
  tf.test.main()

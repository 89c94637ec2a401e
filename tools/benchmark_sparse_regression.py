"""The programs of `python -m tools.benchmark sparse_regression`.

Both learn the invented problem of experiments/sparse_regression in 5 epochs,
with an L1 penalty: 400,000 rows in memory, a million features, 37 numbers in a
row. `estimator` is that experiment, with its defaults, but for four times as
many rows in a batch: the steps are then as many as with its own 100,000 rows.
`sgd` is scikit-learn's SGDClassifier, which takes a step for each row, on one
core. Its alpha is the best for accuracy of {3e-6, 1e-5, 2e-5, 3e-5, 5e-5, 1e-4}
on rows that are not those of the test.

Measured are the rows per second of a whole call that learns: `train`, not the
first, with its input and checkpoints, or `fit`; the share of the 80,000 rows of
the test that is right; and how many weights are not exactly zero.
"""

import math
import time

import numpy as np
from sklearn.linear_model import SGDClassifier

from estimators import RunConfig
from experiments.sparse_regression import inputs, reports
from experiments.sparse_regression.config import config_of
from experiments.sparse_regression.model import estimator_of

ALPHA = 3e-5
PROBLEM = dict(num_examples=400_000, batch_size=16_384)
# Which are compared; see tools/benchmark.py.
RATIOS = {"estimator_sparse_examples_over_sgd_sparse_examples": True}


class Ours:
  """The experiment. What it has learned is that of its first call."""

  def __init__(self, config, splits, model_dir):
    self._rows = config.num_epochs * len(splits.train)
    self._steps = math.ceil(self._rows / config.batch_size)
    self._input_fn = inputs.train_input_fn(splits.train, config)
    self._estimator = estimator_of(
      config,
      RunConfig(model_dir=model_dir, tf_random_seed=config.seed),
      splits.train.num_features,
    )
    self._train()
    results = self._estimator.evaluate(
      inputs.evaluation_input_fn(splits.test, config)
    )
    weights = reports.weights_of(self._estimator)
    self._learned = {
      "estimator_sparse_right": 100 * float(results["accuracy"]),
      "estimator_sparse_nonzero": int(np.count_nonzero(weights)),
    }

  def _train(self):
    self._estimator.train(self._input_fn, steps=self._steps)

  def measure(self):
    start = time.perf_counter()
    self._train()  # goes on with the model
    seconds = time.perf_counter() - start
    return {"estimator_sparse_examples": self._rows / seconds} | self._learned


class Sgd:
  """scikit-learn, which begins anew in each call."""

  def __init__(self, config, splits):
    self._config, self._splits = config, splits

  def measure(self):
    train, test = self._splits.train, self._splits.test
    classifier = SGDClassifier(
      loss="log_loss",
      penalty="l1",
      alpha=ALPHA,
      max_iter=self._config.num_epochs,
      tol=None,
      random_state=self._config.seed,
    )
    start = time.perf_counter()
    classifier.fit(train.x, train.labels)
    seconds = time.perf_counter() - start
    rows = self._config.num_epochs * len(train)
    return {
      "sgd_sparse_examples": rows / seconds,
      "sgd_sparse_right": 100 * classifier.score(test.x, test.labels),
      "sgd_sparse_nonzero": int(np.count_nonzero(classifier.coef_)),
    }


def programs(model_dir, **changes):
  """Returns the programs.

  Args:
    model_dir: str, an empty folder.
    **changes: fields of the experiment's Config, over those of `PROBLEM`.
  """
  config = config_of("classification", **PROBLEM | changes)
  splits = inputs.load(config)
  return [Ours(config, splits, model_dir), Sgd(config, splits)]

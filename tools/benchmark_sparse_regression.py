"""The programs of `python -m tools.benchmark sparse_regression`.

Both learn the invented problem of experiments/sparse_regression in 5 epochs,
with an L1 penalty: a million features, 37 numbers in a row, all in memory.
`sparse_100k` is the experiment with its defaults: 100,000 rows, in batches of
4,096. `sparse` has four times as many of both: the steps, and so what the
strengths mean, are as many.

`estimator` is that experiment; config.py there says how its learning rate and
l1 were chosen. `sgd` is scikit-learn's SGDClassifier, which takes a step for
each row, on one core. Its alpha is the one that leaves as many weights that are
not zero as ours. On 80,000 rows that are neither to train on nor of the test:

    rate                      alpha  accuracy (%)  nonzero weights
    "optimal", the default    3e-5          89.59           13,901
    0.5 / step^0.25           1e-5          90.69            5,246
                              3e-5          90.52            1,836
                              5e-5          90.21            1,672
    0.25 / step^0.25          3e-5          90.48            1,859
    1 / step^0.25             3e-5          90.30            1,795
    1 / step^0.35             3e-5          90.52            1,870

Measured are the rows per second of `fit`, and of a call of `train` that is not
the first: `examples` from its 20th step to its last, `examples_call` of the
whole call, with its start and its checkpoints. Of `sparse` also the share of
the 80,000 rows of the test that is right, and how many weights are not exactly
zero.
"""

import math
import os
import time

import numpy as np
from sklearn.linear_model import SGDClassifier

from estimators import RunConfig
from experiments.sparse_regression import inputs, reports
from experiments.sparse_regression.config import config_of
from experiments.sparse_regression.model import estimator_of
from tools.benchmark_programs import SteadyRate

SGD = dict(
  loss="log_loss",
  penalty="l1",
  alpha=3e-5,
  learning_rate="invscaling",
  eta0=0.5,
  power_t=0.25,
  tol=None,
)
PROBLEMS = {
  "sparse": dict(num_examples=400_000, batch_size=16_384),
  "sparse_100k": {},
}
# Of this one it is told what was learned.
_LEARNED = "sparse"
# Which are compared; see tools/benchmark.py.
RATIOS = {
  f"estimator_{name}_{what}_over_sgd_{name}_examples": True
  for name in PROBLEMS
  for what in ("examples", "examples_call")
}


class Ours:
  """The experiment. What it has learned is that of its first call."""

  def __init__(self, name, config, splits, model_dir):
    self._name = name
    self._rows = config.num_epochs * len(splits.train)
    self._batch_size = config.batch_size
    self._steps = math.ceil(self._rows / config.batch_size)
    self._input_fn = inputs.train_input_fn(splits.train, config)
    self._estimator = estimator_of(
      config,
      RunConfig(model_dir=model_dir, tf_random_seed=config.seed),
      splits.train.num_features,
    )
    self._train()
    self._learned = self._scored(splits, config) if name == _LEARNED else {}

  def _train(self):
    """Returns the steps per second once training is under way."""
    steady = SteadyRate(self._steps)
    self._estimator.train(self._input_fn, hooks=[steady], steps=self._steps)
    return steady.rate

  def _scored(self, splits, config):
    results = self._estimator.evaluate(
      inputs.evaluation_input_fn(splits.test, config)
    )
    weights = reports.weights_of(self._estimator)
    return {
      f"estimator_{_LEARNED}_right": 100 * float(results["accuracy"]),
      f"estimator_{_LEARNED}_nonzero": int(np.count_nonzero(weights)),
    }

  def measure(self):
    start = time.perf_counter()
    rate = self._train()  # goes on with the model
    seconds = time.perf_counter() - start
    return {
      f"estimator_{self._name}_examples": rate * self._batch_size,
      f"estimator_{self._name}_examples_call": self._rows / seconds,
    } | self._learned


class Sgd:
  """scikit-learn, which begins anew in each call."""

  def __init__(self, name, config, splits):
    self._name, self._config, self._splits = name, config, splits

  def measure(self):
    train, test = self._splits.train, self._splits.test
    classifier = SGDClassifier(
      **SGD, max_iter=self._config.num_epochs, random_state=self._config.seed
    )
    start = time.perf_counter()
    classifier.fit(train.x, train.labels)
    seconds = time.perf_counter() - start
    rows = self._config.num_epochs * len(train)
    rate = {f"sgd_{self._name}_examples": rows / seconds}
    if self._name != _LEARNED:
      return rate
    return rate | {
      f"sgd_{_LEARNED}_right": 100 * classifier.score(test.x, test.labels),
      f"sgd_{_LEARNED}_nonzero": int(np.count_nonzero(classifier.coef_)),
    }


def programs(model_dir, **changes):
  """Returns the programs.

  Args:
    model_dir: str, an empty folder.
    **changes: fields of the experiment's Config, over those of `PROBLEMS`.
  """
  found = []
  for name, fields in PROBLEMS.items():
    config = config_of("classification", **fields | changes)
    splits = inputs.load(config)
    found.append(Ours(name, config, splits, os.path.join(model_dir, name)))
    found.append(Sgd(name, config, splits))
  return found

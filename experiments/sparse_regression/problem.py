"""The invented problem: rows of common and rare features, some of which tell.

A row draws `NUM_DRAWS` features, with the value 1 each; what is drawn twice
stands there once. (The words of a text are such rows.) The feature of rank r =
0, 1, ..., V - 2 is drawn with the chance log(1 + 1 / (r + 1)) / log(V): half as
often where the rank is twice as high, as it is with words. Ranks are in no
order of the columns. The most frequent features are the informative ones: their
weights are normal with the standard deviation `WEIGHT_STDDEV`, all others are
zero. With z = x w the label is

    classification  1 with the chance 1 / (1 + exp(-z)), else 0
    regression      z + noise, normal with the standard deviation `NOISE_STDDEV`
"""

import dataclasses

import numpy as np
import scipy.sparse

from input_pipelines.svmlight import Examples

NUM_DRAWS = 40
WEIGHT_STDDEV = 1.5
NOISE_STDDEV = 1.0
MOST_FEATURES = 100_000_000  # 1.6 GB while they are drawn


@dataclasses.dataclass(frozen=True)
class Problem:
  """What is to be learned.

  Attributes:
    task: "classification" or "regression".
    columns: int32 [V], the column of each rank.
    weights: float32 [V], by column.
  """

  task: str
  columns: np.ndarray
  weights: np.ndarray

  def examples(self, num_examples, seed):
    """Draws `Examples`; other ones with another seed."""
    random = np.random.default_rng(seed)
    num_features = len(self.weights)
    draws = random.random((num_examples, NUM_DRAWS))
    ranks = np.minimum(num_features**draws, num_features).astype(np.int64) - 1
    x = _ones(self.columns[ranks], num_features)
    return Examples(x, self._labels(x @ self.weights, random))

  def best(self, examples):
    """Returns what who knows the weights gets: accuracy, or rmse."""
    z = examples.x @ self.weights
    if self.task == "classification":
      return float(np.mean((z > 0) == (examples.labels > 0)))
    return float(np.sqrt(np.mean((z - examples.labels) ** 2)))

  def _labels(self, z, random):
    if self.task == "regression":
      noise = random.normal(scale=NOISE_STDDEV, size=z.shape)
      return (z + noise).astype(np.float32)
    chances = 1 / (1 + np.exp(-z))
    return (random.random(z.shape) < chances).astype(np.float32)


def problem(task, num_features, num_informative, seed=0):
  """Returns a `Problem`, always the same one with the same arguments.

  Raises:
    ValueError: there are not more features than informative ones, or too many.
  """
  if not 2 <= num_features <= MOST_FEATURES:
    raise ValueError(
      f"the invented problem must have 2 to {MOST_FEATURES:,} features, but "
      f"--num_features={num_features}; leave it out for a million."
    )
  if not 1 <= num_informative < num_features:
    raise ValueError(
      "of the features of the invented problem, 1 or more must be informative, "
      f"but not all: num_features={num_features}, num_informative="
      f"{num_informative}; try --num_informative={max(num_features // 500, 1)}."
    )
  random = np.random.default_rng([seed, num_features])
  columns = random.permutation(num_features).astype(np.int32)
  weights = np.zeros(num_features, np.float32)
  weights[columns[:num_informative]] = random.normal(
    scale=WEIGHT_STDDEV, size=num_informative
  )
  return Problem(task, columns, weights)


def _ones(columns, num_features):
  """Returns CSR float32 [N, V] with ones at some columns of each row."""
  columns = np.sort(columns, axis=1)
  is_new = np.ones(columns.shape, bool)
  is_new[:, 1:] = columns[:, 1:] != columns[:, :-1]
  splits = np.concatenate([[0], np.cumsum(is_new.sum(axis=1))])
  found = columns[is_new]
  return scipy.sparse.csr_matrix(
    (np.ones(len(found), np.float32), found, splits),
    shape=(len(columns), num_features),
  )

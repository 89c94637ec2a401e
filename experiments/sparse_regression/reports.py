"""What is told of the weights, and what the self test asks of them."""

import numpy as np

# What the self test must reach; see config.SELF_TEST for its problem.
LARGEST_LOSS_OF_ACCURACY = 0.05  # against the true weights
LARGEST_FACTOR_OF_RMSE = 1.5
LARGEST_NONZERO_SHARE = 0.1
SMALLEST_FOUND = 0.8


def steps_done(estimator):
  """Returns the steps of earlier runs in the model_dir."""
  if estimator.latest_checkpoint() is None:
    return 0
  return int(estimator.get_variable_value("global_step"))


def weights_of(estimator):
  """Returns the weights of a trained model, float32 [V]."""
  return estimator.get_variable_value("weights")[:, 0]


def of_weights(estimator, splits):
  """Returns the metrics that are about the weights, a dictionary.

  Args:
    estimator: a trained Estimator of `model.estimator_of`.
    splits: `inputs.Splits`.
  """
  weights = weights_of(estimator)
  nonzero = int(np.count_nonzero(weights))
  metrics = {
    "weights": len(weights),
    "zero_weights": len(weights) - nonzero,
    "nonzero_share": nonzero / len(weights),
  }
  if splits.problem:
    metrics["best"] = splits.problem.best(splits.test)
    metrics["informative_found"] = found_share(weights, splits.problem.weights)
  return metrics


def of_test(results, labels):
  """Returns the metrics of the test, a dictionary.

  Args:
    results: what the Estimator's `evaluate` returned, without global_step.
    labels: float32 [N], of the rows of the test.
  """
  metrics = {f"test_{name}": float(value) for name, value in results.items()}
  if "auc" in results and len(np.unique(labels)) == 1:
    metrics["test_auc"] = None  # It is about pairs of one label each.
  return metrics


def found_share(weights, true_weights):
  """Returns the share of true weights (not zero) whose sign was learned."""
  true = np.flatnonzero(true_weights)
  return float(np.mean(np.sign(weights[true]) == np.sign(true_weights[true])))


def problems(metrics):
  """Returns one line for each thing that is wrong; none when all is well.

  Args:
    metrics: what `main.run` returns for a self test.
  """
  found = []

  def check(what, value, smallest, largest):
    if not smallest <= value <= largest:
      found.append(f"{what} should be {smallest} to {largest}, but is {value}")

  if metrics["task"] == "classification":
    lowest = metrics["best"] - LARGEST_LOSS_OF_ACCURACY
    check("test_accuracy", metrics["test_accuracy"], lowest, 1)
  else:
    highest = metrics["best"] * LARGEST_FACTOR_OF_RMSE
    check("test_rmse", metrics["test_rmse"], 0, highest)
  check("nonzero_share", metrics["nonzero_share"], 0, LARGEST_NONZERO_SHARE)
  check("informative_found", metrics["informative_found"], SMALLEST_FOUND, 1)
  return found

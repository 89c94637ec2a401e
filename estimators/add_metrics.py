"""More evaluation metrics for an Estimator that is there already."""

import dataclasses
import inspect

from estimators.estimator import Estimator
from estimators.spec import ModeKeys


def add_metrics(estimator, metric_fn):
  """Returns an Estimator with the same model_dir and more metrics.

  Args:
    estimator: the Estimator; it is not changed.
    metric_fn: function of any of features, labels, predictions and config that
      returns a dictionary as `EstimatorSpec.eval_metric_ops`. Its metrics take
      the place of the model function's of the same name.

  Raises:
    ValueError: metric_fn takes other arguments.
  """
  known = {"features", "labels", "predictions", "config"}
  names = set(inspect.signature(metric_fn).parameters)
  if not names <= known:
    raise ValueError(
      f"metric_fn may take {sorted(known)}, but takes {sorted(names)}."
    )
  inner = estimator.model_fn

  def model_fn(features, labels, mode, params, config):
    del params  # They are bound already.
    spec = inner(features=features, labels=labels, mode=mode, config=config)
    if mode != ModeKeys.EVAL:
      return spec
    values = {
      "features": features,
      "labels": labels,
      "predictions": spec.predictions,
      "config": config,
    }
    metrics = metric_fn(**{name: values[name] for name in names})
    return dataclasses.replace(
      spec, eval_metric_ops={**spec.eval_metric_ops, **metrics}
    )

  return Estimator(
    model_fn,
    config=estimator.config,
    params=estimator.params,
    warm_start_from=estimator.warm_start_from,
  )

"""Baselines: models that do not look at the features.

They learn the mean of the labels, or the frequencies of the classes, and say
what any real model has to do better than. The logits are one bias for each
unit.
"""

import keras
import tensorflow as tf

from estimators import replicas
from estimators.canned.common import checked_head, classification_head
from estimators.canned.optimizers import optimizer as make_optimizer
from estimators.canned.optimizers import setting_of
from estimators.estimator import Estimator
from estimators.heads.regression import RegressionHead
from estimators.objects import once, raw

LEARNING_RATE = 0.3


@once
def baseline(units):
  """Returns the dictionary of the one variable, float32 [units], zeros."""
  return {"bias": keras.Variable(tf.zeros([units]), name="bias")}


def baseline_model_fn(features, labels, mode, params):
  """The model function of the baselines."""
  if isinstance(features, dict) and not features:
    raise ValueError(
      "a baseline needs the features to see how large the batch is, but they "
      "are an empty dictionary; give any one feature."
    )
  units = params["head"].logits_dimension
  bias = baseline(units)["bias"]
  size = replicas.batch_size(features)
  return params["head"].create_estimator_spec(
    features,
    mode,
    tf.ones([size, 1]) * raw(bias),
    labels,
    optimizer=make_optimizer(params["optimizer"]),
    trainable_variables=[bias],
  )


class BaselineEstimator(Estimator):
  """A model that predicts the same for every example, with any head.

  Args:
    head: a head of `estimators`.
    model_dir, config: as for `Estimator`.
    optimizer: name, Keras optimizer, or function that returns one. By name its
      rate is 0.3.
  """

  def __init__(self, head, model_dir=None, optimizer="Ftrl", config=None):
    params = {
      "head": checked_head(head),
      "optimizer": setting_of(optimizer, LEARNING_RATE),
    }
    super().__init__(baseline_model_fn, model_dir, config, params)


class BaselineClassifier(BaselineEstimator):
  """Learns the frequencies of the classes.

  Args:
    model_dir, optimizer, config: as for `BaselineEstimator`.
    n_classes, weight_column, label_vocabulary, loss_reduction: as for
      `LinearClassifier`.
  """

  def __init__(
    self,
    model_dir=None,
    n_classes=2,
    weight_column=None,
    label_vocabulary=None,
    optimizer="Ftrl",
    config=None,
    loss_reduction="sum_over_batch_size",
  ):
    super().__init__(
      classification_head(
        n_classes, weight_column, label_vocabulary, loss_reduction
      ),
      model_dir,
      optimizer,
      config,
    )


class BaselineRegressor(BaselineEstimator):
  """Learns the mean of the labels.

  Args:
    model_dir, optimizer, config: as for `BaselineEstimator`.
    label_dimension, weight_column, loss_reduction: as for `LinearRegressor`.
  """

  def __init__(
    self,
    model_dir=None,
    label_dimension=1,
    weight_column=None,
    optimizer="Ftrl",
    config=None,
    loss_reduction="sum_over_batch_size",
  ):
    super().__init__(
      RegressionHead(label_dimension, weight_column, loss_reduction),
      model_dir,
      optimizer,
      config,
    )

"""Wide and deep models: the logits of a linear model and of a network, summed.

Source: Cheng et al. 2016, "Wide & deep learning for recommender systems",
arXiv:1606.07792.
"""

import math

from estimators.canned import dnn, linear, optimizers
from estimators.canned.common import (
  check_features,
  checked_head,
  classification_head,
  trainable_variables,
  write_activations,
)
from estimators.canned.optimizers import setting_of
from estimators.columns.cache import FeatureCache
from estimators.columns.linear_model import LinearModel, check_combiner
from estimators.estimator import Estimator
from estimators.heads.regression import RegressionHead
from estimators.objects import once
from estimators.spec import minimize

# That of tf.estimator: the linear part is to learn slowly beside the network.
LINEAR_LEARNING_RATE = 0.005


@once
def linear_optimizer(setting):
  """Returns the optimizer of the linear part."""
  return setting.make()


@once
def dnn_optimizer(setting):
  """Returns the optimizer of the network."""
  return setting.make()


def combined_model_fn(features, labels, mode, params):
  """The model function of the combined estimators."""
  check_features(features)
  parts = []  # of each part: logits, variables, `once` optimizer, its setting
  cache = FeatureCache(features)  # A feature of both parts is looked up once.
  if params["dnn"]:
    parts.append(_deep(cache, mode, params))
  if params["linear_feature_columns"]:
    parts.append(_wide(cache, params))
  logits = [part[0] for part in parts]

  def train_op(loss):
    if len(parts) == 1:  # As the model of that part alone has it.
      ((_, variables, _, setting),) = parts
      return minimize(loss, optimizers.optimizer(setting), variables)
    return [
      minimize(loss, optimizer(setting), variables)
      for _, variables, optimizer, setting in parts
    ]

  return params["head"].create_estimator_spec(
    features, mode, sum(logits[1:], logits[0]), labels, train_op_fn=train_op
  )


def _deep(cache, mode, params):
  layers = dnn.network_of(params["dnn"], params["head"].logits_dimension)
  logits = dnn.dnn_logits(cache, layers, mode)
  variables = trainable_variables(layers)
  return logits, variables, dnn_optimizer, params["dnn_optimizer"]


def _wide(cache, params):
  logits, layer = linear.linear_logits(
    cache,
    params["linear_feature_columns"],
    params["head"].logits_dimension,
    params["linear_sparse_combiner"],
  )
  write_activations({"linear": logits})
  variables = layer.trainable_variables
  return logits, variables, linear_optimizer, params["linear_optimizer"]


class DNNLinearCombinedEstimator(Estimator):
  """A linear model and a network, trained together, with any head.

  Each part has its own optimizer. Without columns for one of the parts the
  other is trained alone.

  Args:
    head: a head of `estimators`.
    model_dir, config, warm_start_from: as for `Estimator`. A model_dir of
      tf.estimator's may be given to warm_start_from.
    linear_feature_columns: list of feature columns of the linear part.
    linear_optimizer: name, Keras optimizer, or function that returns one. By
      name its rate is min(0.005, 1 / sqrt(number of columns)).
    dnn_feature_columns: list of dense feature columns of the network.
    dnn_optimizer: as linear_optimizer; by name its rate is 0.05, as for
      `DNNEstimator`.
    dnn_hidden_units, dnn_activation_fn, dnn_dropout, batch_norm: as for
      `DNNEstimator`.
    linear_sparse_combiner: as for `LinearEstimator`.
  """

  def __init__(
    self,
    head,
    model_dir=None,
    linear_feature_columns=None,
    linear_optimizer="Ftrl",
    dnn_feature_columns=None,
    dnn_optimizer="Adagrad",
    dnn_hidden_units=None,
    dnn_activation_fn="relu",
    dnn_dropout=None,
    config=None,
    batch_norm=False,
    linear_sparse_combiner="sum",
    warm_start_from=None,
  ):
    if not linear_feature_columns and not dnn_feature_columns:
      raise ValueError(
        "linear_feature_columns, dnn_feature_columns or both are needed, but "
        "neither was given: the model would have no input."
      )
    columns = linear_feature_columns and LinearModel.checked(
      linear_feature_columns
    )
    check_combiner(linear_sparse_combiner)
    params = {
      "head": checked_head(head),
      "linear_feature_columns": columns,
      "linear_optimizer": setting_of(
        linear_optimizer,
        _linear_learning_rate(columns),
        "linear_optimizer",
      ),
      "linear_sparse_combiner": linear_sparse_combiner,
      "dnn": dnn_feature_columns
      and dnn.dnn_params(
        dnn_feature_columns,
        dnn_hidden_units,
        dnn_activation_fn,
        dnn_dropout,
        batch_norm,
      ),
      "dnn_optimizer": setting_of(
        dnn_optimizer, dnn.LEARNING_RATE, "dnn_optimizer"
      ),
    }
    super().__init__(
      combined_model_fn, model_dir, config, params, warm_start_from
    )


def _linear_learning_rate(columns):
  return min(LINEAR_LEARNING_RATE, 1 / math.sqrt(len(columns or [None])))


class DNNLinearCombinedClassifier(DNNLinearCombinedEstimator):
  """A wide and deep model that tells two or more classes apart.

  Args:
    n_classes, weight_column, label_vocabulary, loss_reduction: as for
      `LinearClassifier`; all others as for `DNNLinearCombinedEstimator`.
  """

  def __init__(
    self,
    model_dir=None,
    linear_feature_columns=None,
    linear_optimizer="Ftrl",
    dnn_feature_columns=None,
    dnn_optimizer="Adagrad",
    dnn_hidden_units=None,
    dnn_activation_fn="relu",
    dnn_dropout=None,
    n_classes=2,
    weight_column=None,
    label_vocabulary=None,
    config=None,
    warm_start_from=None,
    loss_reduction="sum_over_batch_size",
    batch_norm=False,
    linear_sparse_combiner="sum",
  ):
    super().__init__(
      classification_head(
        n_classes, weight_column, label_vocabulary, loss_reduction
      ),
      model_dir,
      linear_feature_columns,
      linear_optimizer,
      dnn_feature_columns,
      dnn_optimizer,
      dnn_hidden_units,
      dnn_activation_fn,
      dnn_dropout,
      config,
      batch_norm,
      linear_sparse_combiner,
      warm_start_from,
    )


class DNNLinearCombinedRegressor(DNNLinearCombinedEstimator):
  """A wide and deep model that predicts one or more values.

  Args:
    label_dimension, weight_column, loss_reduction: as for `LinearRegressor`;
      all others as for `DNNLinearCombinedEstimator`.
  """

  def __init__(
    self,
    model_dir=None,
    linear_feature_columns=None,
    linear_optimizer="Ftrl",
    dnn_feature_columns=None,
    dnn_optimizer="Adagrad",
    dnn_hidden_units=None,
    dnn_activation_fn="relu",
    dnn_dropout=None,
    label_dimension=1,
    weight_column=None,
    config=None,
    warm_start_from=None,
    loss_reduction="sum_over_batch_size",
    batch_norm=False,
    linear_sparse_combiner="sum",
  ):
    super().__init__(
      RegressionHead(label_dimension, weight_column, loss_reduction),
      model_dir,
      linear_feature_columns,
      linear_optimizer,
      dnn_feature_columns,
      dnn_optimizer,
      dnn_hidden_units,
      dnn_activation_fn,
      dnn_dropout,
      config,
      batch_norm,
      linear_sparse_combiner,
      warm_start_from,
    )

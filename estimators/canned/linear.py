"""Linear models of feature columns.

Shapes: B batch, U units (the head's logits_dimension).
"""

import tensorflow as tf

from estimators import summaries
from estimators.canned.common import (
  check_features,
  checked_head,
  classification_head,
)
from estimators.canned.optimizers import optimizer as make_optimizer
from estimators.canned.optimizers import setting_of
from estimators.columns.linear_model import LinearModel, check_combiner
from estimators.estimator import Estimator
from estimators.heads.regression import RegressionHead
from estimators.objects import once, raw

LEARNING_RATE = 0.2


@once
def linear(feature_columns, units, sparse_combiner):
  """Returns the linear part of a model, as a dictionary of its one layer."""
  return {"linear_model": LinearModel(feature_columns, units, sparse_combiner)}


def linear_logits(features, feature_columns, units, sparse_combiner):
  """Returns (logits [B, U], the layer), and writes its summaries."""
  layer = linear(feature_columns, units, sparse_combiner)["linear_model"]
  logits = layer(features)
  summaries.when_recorded(lambda: _write_weights(layer))
  return logits, layer


def _write_weights(layer):
  """Writes the bias, and the share of weights that are exactly zero.

  In training they are those after the step: a value of before it, kept while
  the optimizer writes, would be a copy.
  """
  bias = raw(layer.bias)
  if bias.shape.num_elements() == 1:
    tf.summary.scalar("bias", bias[0])
  else:
    tf.summary.histogram("bias", bias)
  weights = [tf.reshape(raw(w), [-1]) for w in layer.column_weights.values()]
  tf.summary.scalar(
    "fraction_of_zero_weights", tf.math.zero_fraction(tf.concat(weights, 0))
  )


def linear_model_fn(features, labels, mode, params):
  """The model function of the linear estimators."""
  check_features(features)
  logits, layer = linear_logits(
    features,
    params["feature_columns"],
    params["head"].logits_dimension,
    params["sparse_combiner"],
  )
  return params["head"].create_estimator_spec(
    features,
    mode,
    logits,
    labels,
    optimizer=make_optimizer(params["optimizer"]),
    trainable_variables=layer.trainable_variables,
  )


class LinearEstimator(Estimator):
  """A linear model with any head.

  The weights of a categorical column are looked up by the category's id, and
  begin at zero.

  Args:
    head: a head of `estimators`.
    feature_columns: list of feature columns, of `feature_columns` or of
      `tf.feature_column`.
    model_dir, config, warm_start_from: as for `Estimator`. A model_dir of
      tf.estimator's may be given to warm_start_from.
    optimizer: name, Keras optimizer, or function that returns one. By name its
      rate is 0.2.
    sparse_combiner: "sum", "mean" or "sqrtn": how the weights of the several
      categories of a row are joined.
  """

  def __init__(
    self,
    head,
    feature_columns,
    model_dir=None,
    optimizer="Ftrl",
    config=None,
    sparse_combiner="sum",
    warm_start_from=None,
  ):
    columns = LinearModel.checked(feature_columns)
    check_combiner(sparse_combiner)
    params = {
      "head": checked_head(head),
      "feature_columns": columns,
      "optimizer": setting_of(optimizer, LEARNING_RATE),
      "sparse_combiner": sparse_combiner,
    }
    super().__init__(
      linear_model_fn, model_dir, config, params, warm_start_from
    )


class LinearClassifier(LinearEstimator):
  """Logistic regression: a linear model of two or more classes.

  Args:
    feature_columns, model_dir, optimizer, config, warm_start_from,
      sparse_combiner: as for `LinearEstimator`.
    n_classes: int, number of classes. Labels are 0 to n_classes - 1, or words
      of the label_vocabulary.
    weight_column: str or numeric column, the feature with a weight for each
      example; None for equal weights.
    label_vocabulary: list of str, the classes, in the order of their ids.
    loss_reduction: "sum_over_batch_size" (the mean) or "sum".
  """

  def __init__(
    self,
    feature_columns,
    model_dir=None,
    n_classes=2,
    weight_column=None,
    label_vocabulary=None,
    optimizer="Ftrl",
    config=None,
    warm_start_from=None,
    loss_reduction="sum_over_batch_size",
    sparse_combiner="sum",
  ):
    super().__init__(
      classification_head(
        n_classes, weight_column, label_vocabulary, loss_reduction
      ),
      feature_columns,
      model_dir,
      optimizer,
      config,
      sparse_combiner,
      warm_start_from,
    )


class LinearRegressor(LinearEstimator):
  """Linear regression of one or more values.

  Args:
    feature_columns, model_dir, optimizer, config, warm_start_from,
      sparse_combiner: as for `LinearEstimator`.
    label_dimension: int, the values of an example.
    weight_column, loss_reduction: as for `LinearClassifier`.
  """

  def __init__(
    self,
    feature_columns,
    model_dir=None,
    label_dimension=1,
    weight_column=None,
    optimizer="Ftrl",
    config=None,
    warm_start_from=None,
    loss_reduction="sum_over_batch_size",
    sparse_combiner="sum",
  ):
    super().__init__(
      RegressionHead(label_dimension, weight_column, loss_reduction),
      feature_columns,
      model_dir,
      optimizer,
      config,
      sparse_combiner,
      warm_start_from,
    )

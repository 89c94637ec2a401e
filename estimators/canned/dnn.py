"""Feed-forward networks on feature columns.

Shapes: B batch, U units (the head's logits_dimension).
"""

import keras

from estimators.canned.common import (
  check_features,
  checked_head,
  checked_sizes,
  classification_head,
  trainable_variables,
  write_activations,
)
from estimators.canned.optimizers import optimizer as make_optimizer
from estimators.canned.optimizers import setting_of
from estimators.columns.dense_features import DenseFeatures
from estimators.dropout import Dropout
from estimators.estimator import Estimator
from estimators.heads.regression import RegressionHead
from estimators.objects import once
from estimators.spec import ModeKeys

# The rate of tf.estimator 1.x, which its published figures come from. The 0.001
# of 2.x hardly moves Adagrad: two epochs on the census data leave the network
# at an AUC of 0.58, near that of a coin.
LEARNING_RATE = 0.05
# Keras's 0.99 makes the running means too noisy for small batches.
_BATCH_NORM_MOMENTUM = 0.999


@once
def dnn(
  feature_columns, hidden_units, units, activation_fn, dropout, batch_norm
):
  """Returns the layers of a network by name, from the input to the logits."""
  layers = {
    "input_from_feature_columns/input_layer": DenseFeatures(feature_columns)
  }
  for i, size in enumerate(hidden_units):
    name = f"hiddenlayer_{i}"
    layers[name] = keras.layers.Dense(size, activation_fn, name=name)
    if dropout is not None:
      layers[f"{name}/dropout"] = Dropout(dropout)
    if batch_norm:
      layers[f"{name}/batchnorm_{i}"] = keras.layers.BatchNormalization(
        momentum=_BATCH_NORM_MOMENTUM
      )
  layers["logits"] = keras.layers.Dense(units, name="logits")
  return layers


def network_of(params, units):
  """Returns the layers that `dnn_params` describe."""
  return dnn(
    params["feature_columns"],
    params["hidden_units"],
    units,
    params["activation_fn"],
    params["dropout"],
    params["batch_norm"],
  )


def dnn_logits(features, layers, mode):
  """Returns the logits, float32 [B, U], and writes the layers' summaries."""
  training = mode == ModeKeys.TRAIN
  names = iter(layers)
  net = layers[next(names)](features)
  outputs = {}
  for name in names:
    # Dropout and batch norm come after the activation of their layer.
    is_dense = isinstance(layers[name], keras.layers.Dense)
    how = {} if is_dense else {"training": training}
    net = layers[name](net, **how)
    outputs[f"dnn/{name.split('/')[0]}"] = net
  write_activations(outputs)
  return net


def dnn_params(
  feature_columns, hidden_units, activation_fn, dropout, batch_norm
):
  """Returns the description of a network, after checks.

  Raises:
    ValueError: hidden_units are not positive ints, dropout is no share, or
      Keras knows no such activation_fn.
  """
  hidden_units = checked_sizes(
    hidden_units,
    "hidden_units must be a list of positive ints, the size of each hidden "
    "layer ([100, 50])",
  )
  if dropout is not None and not 0 <= dropout < 1:
    raise ValueError(
      "dropout is the share of a layer's values that are dropped, in [0, 1), "
      f"but is {dropout!r}; use None for none."
    )
  try:
    activation_fn = keras.activations.get(activation_fn)
  except (TypeError, ValueError) as error:
    raise ValueError(
      "activation_fn must be a function of a tensor, or one of Keras's "
      f'activations by name ("relu"), but is {activation_fn!r}.'
    ) from error
  return {
    "feature_columns": DenseFeatures.checked(feature_columns),
    "hidden_units": hidden_units,
    "activation_fn": activation_fn,
    "dropout": dropout,
    "batch_norm": batch_norm,
  }


def dnn_model_fn(features, labels, mode, params):
  """The model function of the networks."""
  check_features(features)
  layers = network_of(params, params["head"].logits_dimension)
  logits = dnn_logits(features, layers, mode)
  return params["head"].create_estimator_spec(
    features,
    mode,
    logits,
    labels,
    optimizer=make_optimizer(params["optimizer"]),
    trainable_variables=trainable_variables(layers),
  )


class DNNEstimator(Estimator):
  """A feed-forward network with any head.

  Args:
    head: a head of `estimators`.
    hidden_units: list of int, the size of each hidden layer.
    feature_columns: list of dense feature columns; wrap categorical ones in
      `embedding_column` or `indicator_column`.
    model_dir, config, warm_start_from: as for `Estimator`. A model_dir of
      tf.estimator's may be given to warm_start_from.
    optimizer: name, Keras optimizer, or function that returns one. By name its
      rate is 0.05, as in tf.estimator 1.x.
    activation_fn: function of a tensor, or its name in Keras.
    dropout: float in [0, 1), the share of each hidden layer's values that a
      training step drops; None for none.
    batch_norm: bool, whether batch norm follows each hidden layer.
  """

  def __init__(
    self,
    head,
    hidden_units,
    feature_columns,
    model_dir=None,
    optimizer="Adagrad",
    activation_fn="relu",
    dropout=None,
    config=None,
    warm_start_from=None,
    batch_norm=False,
  ):
    params = dnn_params(
      feature_columns, hidden_units, activation_fn, dropout, batch_norm
    )
    params |= {
      "head": checked_head(head),
      "optimizer": setting_of(optimizer, LEARNING_RATE),
    }
    super().__init__(dnn_model_fn, model_dir, config, params, warm_start_from)


class DNNClassifier(DNNEstimator):
  """A feed-forward network that tells two or more classes apart.

  Args:
    hidden_units, feature_columns, model_dir, optimizer, activation_fn, dropout,
      config, warm_start_from, batch_norm: as for `DNNEstimator`.
    n_classes, weight_column, label_vocabulary, loss_reduction: as for
      `LinearClassifier`.
  """

  def __init__(
    self,
    hidden_units,
    feature_columns,
    model_dir=None,
    n_classes=2,
    weight_column=None,
    label_vocabulary=None,
    optimizer="Adagrad",
    activation_fn="relu",
    dropout=None,
    config=None,
    warm_start_from=None,
    loss_reduction="sum_over_batch_size",
    batch_norm=False,
  ):
    super().__init__(
      classification_head(
        n_classes, weight_column, label_vocabulary, loss_reduction
      ),
      hidden_units,
      feature_columns,
      model_dir,
      optimizer,
      activation_fn,
      dropout,
      config,
      warm_start_from,
      batch_norm,
    )


class DNNRegressor(DNNEstimator):
  """A feed-forward network that predicts one or more values.

  Args:
    hidden_units, feature_columns, model_dir, optimizer, activation_fn, dropout,
      config, warm_start_from, batch_norm: as for `DNNEstimator`.
    label_dimension, weight_column, loss_reduction: as for `LinearRegressor`.
  """

  def __init__(
    self,
    hidden_units,
    feature_columns,
    model_dir=None,
    label_dimension=1,
    weight_column=None,
    optimizer="Adagrad",
    activation_fn="relu",
    dropout=None,
    config=None,
    warm_start_from=None,
    loss_reduction="sum_over_batch_size",
    batch_norm=False,
  ):
    super().__init__(
      RegressionHead(label_dimension, weight_column, loss_reduction),
      hidden_units,
      feature_columns,
      model_dir,
      optimizer,
      activation_fn,
      dropout,
      config,
      warm_start_from,
      batch_norm,
    )

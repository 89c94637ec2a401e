"""A linear model of sparse rows, learned by Ftrl with an L1 strength.

B is the size of the batch, V the number of features. Features are {"x":
`tf.SparseTensor` float32 [B, V]}, those of `input_pipelines.svmlight`; labels
are float32 [B], 0 or 1 in classification. `params` are `config.model_params`.

    logits = x w + b + center                 [B]

The loss is the mean over the batch of

    classification  log(1 + exp(-s logits)), s = 1 or -1     nats
    regression      (logits - labels)^2 / 2

`w` [V, 1] and `b` [1] begin with zero. The bias has no L1 or L2 strength. In
regression `center` is the mean of the training labels, a constant: `b` would
not come far enough, since Ftrl's steps shrink, and Ftrl, which computes it anew
from sums, would not keep another first value.

The gradient of `w` is dense, V numbers: the product of the transposed x with
the derivatives of the B losses. Of a weight that no row of the batch has it is
zero, which Ftrl leaves as it is. With thousands of rows in a batch, each with
dozens of numbers, one pass in order over a million of weights is faster than
finding out which ones there are, and changing them one by one.
"""

import keras
import tensorflow as tf

from estimators import Estimator, EstimatorSpec, ModeKeys, minimize, once
from estimators.optimizers import Ftrl
from experiments.sparse_regression.config import model_params
from input_pipelines.svmlight import FEATURE


def estimator_of(config, run_config, num_features, center=0.0):
  """Returns the Estimator of a Config.

  Args:
    config: `config.Config`.
    run_config: RunConfig.
    num_features: int, V.
    center: float; see above.
  """
  params = model_params(config, num_features, center)
  return Estimator(model_fn, config=run_config, params=params)


@once
def weights(num_features):
  return tf.Variable(tf.zeros([num_features, 1]))


@once
def bias():
  return tf.Variable(tf.zeros([1]))


@once
def optimizer(params):
  return _ftrl(params, params["l1"], params["l2"])


@once
def bias_optimizer(params):
  return _ftrl(params, 0.0, 0.0)


@once
def auc():
  return keras.metrics.AUC(from_logits=True)


@once
def rmse():
  return keras.metrics.RootMeanSquaredError()


def model_fn(features, labels, mode, params):
  w, b = weights(params["num_features"]), bias()
  product = tf.sparse.sparse_dense_matmul(features[FEATURE], w)  # [B, 1]
  logits = product[:, 0] + b + params["center"]
  head = _HEADS[params["task"]]
  if mode == ModeKeys.PREDICT:
    return EstimatorSpec(mode, predictions=head.predictions(logits))
  loss = tf.reduce_mean(head.losses(logits, labels))
  if mode == ModeKeys.EVAL:
    metrics = head.metrics(logits, labels)
    return EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
  train_op = [
    minimize(loss, optimizer(params), [w]),
    minimize(loss, bias_optimizer(params), [b]),
  ]
  return EstimatorSpec(mode, loss=loss, train_op=train_op)


def _ftrl(params, l1, l2):
  return Ftrl(
    params["learning_rate"],
    initial_accumulator_value=params["initial_accumulator"],
    l1_regularization_strength=l1,
    l2_regularization_strength=l2,
  )


class _Classification:
  """From the logits of label 1 to what is told of them."""

  @staticmethod
  def predictions(logits):
    return {
      "logits": logits,
      "probabilities": tf.sigmoid(logits),
      "classes": tf.cast(logits > 0, tf.int64),
    }

  @staticmethod
  def losses(logits, labels):
    return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)

  @staticmethod
  def metrics(logits, labels):
    auc().update_state(labels, logits)
    return {
      "accuracy": tf.cast((logits > 0) == (labels > 0.5), tf.float32),
      "auc": auc(),
    }


class _Regression:
  """Logits are what is predicted."""

  @staticmethod
  def predictions(logits):
    return {"predictions": logits}

  @staticmethod
  def losses(logits, labels):
    return tf.square(logits - labels) / 2

  @staticmethod
  def metrics(logits, labels):
    rmse().update_state(labels, logits)
    return {"rmse": rmse()}


_HEADS = {"classification": _Classification, "regression": _Regression}

"""The models of the MNIST tutorials.

`linear` and `kernel` are canned estimators; the networks share one model
function.

B is the size of the batch. Features are {"x": float32 [B, 784] in [0, 1]},
labels int32 [B] in 0..9; the networks predict classes, int64 [B], and
probabilities, float32 [B, 10]. `params` are the fields of `config.Config` and
steps_per_epoch.
"""

import keras
import tensorflow as tf
from keras import layers
from keras.initializers import Constant, TruncatedNormal

from estimators import (
  Dropout,
  Estimator,
  EstimatorSpec,
  KernelLinearClassifier,
  LinearClassifier,
  ModeKeys,
  RandomFourierFeatureMapper,
  get_global_step,
  minimize,
  once,
)
from estimators import feature_columns as fc
from experiments.mnist.config import model_params

NUM_CLASSES = 10
REPORT_STEPS = 100  # steps from one report to the next


def estimator_of(config, run_config, num_examples):
  """Returns the Estimator of a Config.

  Args:
    config: `config.Config`.
    run_config: RunConfig.
    num_examples: int, the images to train on.
  """
  params = model_params(config, num_examples)
  match config.model:
    case "linear":
      return linear(config, run_config.replace(settings=params))
    case "kernel":
      return kernel(config, run_config.replace(settings=params))
    case _:
      return Estimator(model_fn, config=run_config, params=params)


def linear(config, run_config):
  """Returns a LinearClassifier: xW + b, from zero. 7,850 parameters."""
  return LinearClassifier(
    [_IMAGE],
    n_classes=NUM_CLASSES,
    optimizer=_ftrl(config),
    config=run_config,
  )


def kernel(config, run_config):
  """Returns a KernelLinearClassifier; 20,010 parameters with 2,000 features."""
  mapper = RandomFourierFeatureMapper(
    config.rffm_dim,
    config.rffm_stddev,
    config.seed,
    name="rffm",
    dtype="mixed_bfloat16" if config.use_fp16 else "float32",
  )
  return KernelLinearClassifier(
    n_classes=NUM_CLASSES,
    optimizer=_ftrl(config),
    config=run_config,
    kernel_mappers={_IMAGE: [mapper]},
  )


_IMAGE = fc.numeric_column("x", shape=784)


def _ftrl(config):
  return keras.optimizers.Ftrl(
    config.learning_rate, l2_regularization_strength=config.l2
  )


def softmax(params):
  """xW + b, from zero. 7,850 parameters."""
  return [layers.Dense(10, kernel_initializer="zeros")]


def fully_connected(params):
  """Two hidden layers. 104,938 parameters with 128 and 32 units."""

  def dense(units, fan_in, name, activation=None):
    initial = TruncatedNormal(stddev=fan_in**-0.5)
    return layers.Dense(
      units, activation, kernel_initializer=initial, name=name
    )

  hidden1, hidden2 = params["hidden1"], params["hidden2"]
  return [
    dense(hidden1, 784, "hidden1", "relu"),
    dense(hidden2, hidden1, "hidden2", "relu"),
    dense(10, hidden2, "softmax_linear"),
  ]


def deep(params):
  """Two convolutions and a wide layer. 3,274,634 parameters."""
  return [
    layers.Reshape([28, 28, 1]),
    *_convolution(32),
    *_convolution(64),
    layers.Flatten(),
    _dense(1024, "relu"),
    Dropout(params["dropout_rate"]),
    _dense(10),
  ]


def convolutional(params):
  """As `deep`, but narrower and with weight decay. 1,663,370 parameters."""
  return [
    layers.Rescaling(1, offset=-0.5),
    layers.Reshape([28, 28, 1]),
    *_convolution(32, bias=0),
    *_convolution(64),
    layers.Flatten(),
    _dense(512, "relu", params["l2"]),
    Dropout(params["dropout_rate"]),
    _dense(10, None, params["l2"]),
  ]


def cnn(params):
  """As `deep`, with the initial values of Keras. 3,274,634 parameters."""
  return [
    layers.Reshape([28, 28, 1]),
    layers.Conv2D(32, 5, padding="same", activation="relu"),
    layers.MaxPool2D(2),
    layers.Conv2D(64, 5, padding="same", activation="relu"),
    layers.MaxPool2D(2),
    layers.Flatten(),
    layers.Dense(1024, "relu"),
    Dropout(params["dropout_rate"]),
    layers.Dense(10),
  ]


def _convolution(filters, bias=0.1):
  convolution = layers.Conv2D(
    filters,
    kernel_size=5,
    padding="same",
    activation="relu",
    kernel_initializer=TruncatedNormal(stddev=0.1),
    bias_initializer=Constant(bias),
  )
  return convolution, layers.MaxPool2D(2)


def _dense(units, activation=None, l2=0):
  # tf.nn.l2_loss, which l2 is meant for, has half of Keras's sum of squares.
  decay = keras.regularizers.L2(l2 / 2) if l2 else None
  return layers.Dense(
    units,
    activation,
    kernel_initializer=TruncatedNormal(stddev=0.1),
    bias_initializer=Constant(0.1),
    kernel_regularizer=decay,
    bias_regularizer=decay,
  )


NETWORKS = {
  "softmax": softmax,
  "fully_connected": fully_connected,
  "deep": deep,
  "convolutional": convolutional,
  "cnn": cnn,
}


@once
def network(params):
  """Returns the keras.Sequential of params["model"], images to logits."""
  stack = NETWORKS[params["model"]](params)
  if params["use_fp16"]:
    for layer in stack[:-1]:  # the logits stay float32
      layer.dtype_policy = "mixed_bfloat16"
  return keras.Sequential([keras.Input([784]), *stack])


@once
def optimizer(params):
  """Returns the optimizer of params["optimizer"]."""
  rate = params["learning_rate"]
  if params["learning_rate_decay"] != 1:
    rate = keras.optimizers.schedules.ExponentialDecay(
      rate,
      decay_steps=params["steps_per_epoch"],
      decay_rate=params["learning_rate_decay"],
      staircase=True,
    )
  match params["optimizer"]:
    case "sgd":
      return keras.optimizers.SGD(rate)
    case "momentum":
      return keras.optimizers.SGD(rate, momentum=0.9)
    case "adam":
      return keras.optimizers.Adam(rate)


def model_fn(features, labels, mode, params):
  """Classifies handwritten digits; see the module's docstring."""
  images = features["x"]
  net = network(params)
  logits = net(images, training=mode == ModeKeys.TRAIN)
  predictions = {
    "classes": tf.argmax(logits, axis=1),
    "probabilities": tf.nn.softmax(logits, name="softmax_tensor"),
  }
  if mode == ModeKeys.PREDICT:
    return EstimatorSpec(mode, predictions=predictions)

  cross_entropy = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits),
    name="xentropy_mean",
  )
  loss = sum(net.losses, cross_entropy)  # plus the weight decay
  correct = _is_correct(labels, logits)  # [B]
  if mode == ModeKeys.EVAL:
    return EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": correct})

  _name_what_is_printed(params, images, labels, correct)
  return EstimatorSpec(
    mode, loss=loss, train_op=minimize(loss, optimizer(params))
  )


def _is_correct(labels, logits):
  return tf.cast(tf.argmax(logits, 1, labels.dtype) == labels, tf.float32)


def _name_what_is_printed(params, images, labels, correct):
  """Gives names to the tensors that the hooks of reports.py print."""
  tf.identity(correct, name="is_correct")  # [B]
  tf.identity(optimizer(params).learning_rate, name="current_learning_rate")
  if params["model"] == "deep":
    # A second pass, without dropout, so only in the steps that are printed.
    correct = tf.cond(
      get_global_step() % REPORT_STEPS == 0,
      lambda: _is_correct(labels, network(params)(images, training=False)),
      lambda: tf.fill(tf.shape(labels), float("nan")),
    )
    tf.identity(correct, name="is_correct_without_dropout")  # [B]

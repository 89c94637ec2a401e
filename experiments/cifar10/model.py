"""The network of the CIFAR-10 tutorial.

B is the size of the batch. Features are {"images": float32 [B, 24, 24, 3],
standardised}, labels int32 [B] in 0..9; predictions are classes, int64 [B], and
probabilities, float32 [B, 10]. `params` are those of `config.model_params`.

Source: Krizhevsky's cuda-convnet as cifar10.py, models/tutorials/image/cifar10
(2016), has it.
"""

import keras
import tensorflow as tf
from keras import layers
from keras.initializers import Constant, TruncatedNormal

from estimators import (
  EstimatorSpec,
  ModeKeys,
  export,
  get_global_step,
  minimize,
  move_averages,
  once,
)
from experiments.cifar10 import summaries
from experiments.cifar10.config import (
  LEARNING_RATE_DECAY,
  MOVING_AVERAGE_DECAY,
  WEIGHT_DECAY,
)
from experiments.cifar10.layers import (
  LocallyConnected2D,
  LocalResponseNormalization,
)

NUM_CLASSES = 10
IMAGE_SIZE = 24
# The layers whose weights are kept small.
DECAYED = ("local3", "local4")


def build_network(params):
  """Returns the network; with the dense top it has 1,068,298 parameters."""
  data_format = params["data_format"]
  policy = "mixed_bfloat16" if params["use_fp16"] else "float32"
  shape = [IMAGE_SIZE, IMAGE_SIZE, 3]
  if data_format == "channels_first":
    shape = [3, IMAGE_SIZE, IMAGE_SIZE]

  def convolution(name, bias):
    return layers.Conv2D(
      64,
      5,
      padding="same",
      activation="relu",
      kernel_initializer=TruncatedNormal(stddev=0.05),
      bias_initializer=Constant(bias),
      data_format=data_format,
      dtype=policy,
      name=name,
    )

  def pool(name):
    return layers.MaxPool2D(
      3, 2, "same", data_format=data_format, dtype=policy, name=name
    )

  def norm(name):
    return LocalResponseNormalization(
      data_format=data_format, dtype=policy, name=name
    )

  # The dense layers see rows, columns and channels in this order.
  to_last = [layers.Permute([2, 3, 1], dtype=policy, name="channels_last")]
  return keras.Sequential(
    [
      keras.Input(shape, dtype="float32"),
      convolution("conv1", 0.0),
      pool("pool1"),
      norm("norm1"),
      convolution("conv2", 0.1),
      norm("norm2"),
      pool("pool2"),
      *(to_last if data_format == "channels_first" else []),
      *_top(params["top"], policy),
      layers.Dense(
        NUM_CLASSES,
        kernel_initializer=TruncatedNormal(stddev=1 / 192),
        dtype="float32",
        name="softmax_linear",
      ),
    ]
  )


def _top(top, policy):
  """Returns the two layers between the convolutions and the classes."""
  settings = dict(
    activation="relu",
    kernel_initializer=TruncatedNormal(stddev=0.04),
    bias_initializer=Constant(0.1),
    dtype=policy,
  )
  flatten = layers.Flatten(dtype=policy, name="flatten")
  if top == "local":
    return [
      LocallyConnected2D(64, 3, name="local3", **settings),
      LocallyConnected2D(32, 3, name="local4", **settings),
      flatten,
    ]
  return [
    flatten,
    layers.Dense(384, name="local3", **settings),
    layers.Dense(192, name="local4", **settings),
  ]


@once
def network(params):
  return build_network(params)


@once
def averaged_network(params):
  """The network of the moving averages of `network`'s weights."""
  averaged = build_network(params)
  averaged.set_weights(network(params).get_weights())
  averaged.trainable = False
  return averaged


@once
def optimizer(params):
  schedule = keras.optimizers.schedules.ExponentialDecay(
    params["learning_rate"],
    params["decay_steps"],
    LEARNING_RATE_DECAY,
    staircase=True,
  )
  return keras.optimizers.SGD(schedule)


def model_fn(features, labels, mode, params):
  """See the module's text."""
  training = mode == ModeKeys.TRAIN
  use_averages = params["use_averages"] and not training
  net = (averaged_network if use_averages else network)(params)
  images = features["images"]
  if params["data_format"] == "channels_first":
    images = tf.transpose(images, [0, 3, 1, 2])
  activations = activations_of(net, images)
  logits = activations["softmax_linear"]
  classes = tf.argmax(logits, 1)
  if mode == ModeKeys.PREDICT:
    return _predictions(classes, logits)
  losses = {
    "cross_entropy": tf.reduce_mean(
      tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    ),
    **weight_losses(net),
  }
  loss = tf.add_n(list(losses.values()))
  if training:
    averages = summaries.loss_averages(
      losses | {"total_loss": loss}, get_global_step()
    )
    summaries.write(features["images"], activations, net, averages)
    update = minimize(loss, optimizer(params), summarize_gradients=True)
    move = move_averages(
      net, averaged_network(params), MOVING_AVERAGE_DECAY, warm_up=True
    )
    return EstimatorSpec(mode, loss=loss, train_op=[update, move])
  is_right = tf.equal(classes, tf.cast(labels, tf.int64))
  metrics = {"Precision @ 1": tf.cast(is_right, tf.float32)}
  return EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


def activations_of(net, images):
  """Returns what each layer gives: dictionary of its name to a tensor."""
  activations = {}
  for layer in net.layers:
    images = activations[layer.name] = layer(images)
  return activations


def weight_losses(net):
  """Returns the penalties: dictionary of `<layer>/weight_loss` to a scalar."""
  return {
    f"{name}/weight_loss": WEIGHT_DECAY
    * tf.nn.l2_loss(tf.cast(net.get_layer(name).kernel, tf.float32))
    for name in DECAYED
  }


def _predictions(classes, logits):
  predictions = {
    "classes": classes,
    "probabilities": tf.nn.softmax(logits),
  }
  outputs = {"classify": export.PredictOutput(predictions)}
  return EstimatorSpec(
    ModeKeys.PREDICT, predictions=predictions, export_outputs=outputs
  )

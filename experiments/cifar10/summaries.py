"""What the tutorial's TensorBoard page shows of a training step."""

import tensorflow as tf

from estimators import once
from experiments.cifar10.config import LOSS_AVERAGE_DECAY

# The layers whose output is shown.
SHOWN = ("conv1", "conv2", "local3", "local4", "softmax_linear")


@once
def loss_averages_variable(size):
  """The running averages of the losses, float32 [size], from zero."""
  return tf.Variable(
    tf.zeros(size),
    trainable=False,
    aggregation=tf.VariableAggregation.MEAN,
    name="averages",
  )


def loss_averages(losses, step):
  """Moves the averages of the losses a step on.

  Args:
    losses: dictionary of name to scalar.
    step: int scalar, the number of steps before this one.

  Returns:
    Dictionary of name to (loss, average). As the averages begin at zero, they
    are divided by the share that losses have in them: 1 - 0.9 ^ (step + 1).
  """
  values = tf.stack(list(losses.values()))
  averages = loss_averages_variable(len(losses))
  averages.assign_add((1 - LOSS_AVERAGE_DECAY) * (values - averages))
  share = 1 - LOSS_AVERAGE_DECAY ** tf.cast(step + 1, tf.float32)
  means = tf.unstack(averages / share, len(losses))
  pairs = zip(losses.values(), means, strict=True)
  return dict(zip(losses, pairs, strict=True))


def write(images, activations, net, averages):
  """Writes the summaries of a training step.

  Args:
    images: float32 [B, 24, 24, 3].
    activations: dictionary of layer name to tensor.
    net: the network, for histograms of its weights.
    averages: what `loss_averages` returns.
  """
  tf.summary.image("images", _shown(images), max_outputs=3)
  for name in SHOWN:
    values = tf.cast(activations[name], tf.float32)
    tf.summary.histogram(f"{name}/activations", values)
    tf.summary.scalar(f"{name}/sparsity", tf.math.zero_fraction(values))
  for layer in net.layers:
    for weight in layer.trainable_weights:
      tf.summary.histogram(f"{layer.name}/{weight.name}", weight.value)
  for name, (loss, average) in averages.items():
    tf.summary.scalar(f"{name} (raw)", loss)
    tf.summary.scalar(name, average)


def _shown(images):
  """Returns images spread over the range [0, 1] of pictures, each by itself."""
  low = tf.reduce_min(images, [1, 2, 3], keepdims=True)
  high = tf.reduce_max(images, [1, 2, 3], keepdims=True)
  return (images - low) / tf.maximum(high - low, 1e-6)

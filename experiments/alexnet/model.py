"""AlexNet as one Keras model, its two passes, and what they compute.

It is the variant of Krizhevsky 2014, "One weird trick for parallelizing
convolutional neural networks" (arXiv:1404.5997), without its dense layers and
its local response normalisation, as in the tutorial's alexnet_benchmark.py.

B is the size of the batch. Images are float32 [B, 224, 224, 3], random ones:
nothing is learned here.
"""

import math

import keras
import tensorflow as tf
from keras import layers

# The layers in order: (name, kernel, filters, stride) of a convolution with
# padding SAME, or (name,) of a maximum over 3x3 with stride 2, padding VALID.
LAYERS = (
  ("conv1", 11, 64, 4),
  ("pool1",),
  ("conv2", 5, 192, 1),
  ("pool2",),
  ("conv3", 3, 384, 1),
  ("conv4", 3, 256, 1),
  ("conv5", 3, 256, 1),
  ("pool5",),
)
STDDEV = 0.1  # Of the images and, truncated at twice that, of the weights.


def network(seed=1, image_size=224, dtype="float32"):
  """Returns the network, a Keras model. It has 2,469,696 parameters.

  Args:
    seed: int, of the weights; the biases are 0.
    image_size: int, the height and width of the images.
    dtype: str, of images and weights.
  """
  stack = [keras.Input([image_size, image_size, 3], dtype=dtype)]
  for number, (name, *convolution) in enumerate(LAYERS):
    if convolution:
      kernel, filters, stride = convolution
      layer = layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        activation="relu",
        kernel_initializer=keras.initializers.TruncatedNormal(
          stddev=STDDEV, seed=seed + number
        ),
        name=name,
        dtype=dtype,
      )
    else:
      layer = layers.MaxPool2D(3, 2, name=name, dtype=dtype)
    stack.append(layer)
  return keras.Sequential(stack, name="alexnet")


def random_images(batch_size, seed=1, image_size=224, dtype="float32"):
  """Returns a `tf.Variable` of normal numbers, [batch_size, size, size, 3]."""
  shape = [batch_size, image_size, image_size, 3]
  return tf.Variable(
    tf.random.stateless_normal(shape, [seed, 0], stddev=STDDEV, dtype=dtype),
    trainable=False,
  )


def activation_lines(net, batch_size):
  """Returns the tutorial's lines of the layers' outputs: name, shape."""
  return [
    f"{layer.name}   {[batch_size, *layer.output.shape[1:]]}"
    for layer in net.layers
  ]


def objective(net, images):
  """Returns half the sum of squares of the last layer's output, a scalar."""
  return tf.nn.l2_loss(net(images))


def gradients(net, images):
  """Returns the gradients of the objective, one for each weight."""
  weights = [variable.value for variable in net.trainable_variables]
  with tf.GradientTape() as tape:
    loss = objective(net, images)
  return tape.gradient(loss, weights)


def multiply_adds(net):
  """Returns the multiply-adds of each convolution for one image, by name.

  They follow from the shapes: each number of the output is a sum over the
  kernel and its input channels. The border counts in full, biases do not.
  """
  return {
    layer.name: math.prod(layer.output.shape[1:])
    * math.prod(layer.kernel.shape[:-1])
    for layer in net.layers
    if isinstance(layer, layers.Conv2D)
  }


def flops(net):
  """Returns the floating-point operations of the passes for one image.

  A multiply-add is two of them. Backward each convolution is done twice, for
  the gradients of its kernel and of its input, but the first has none of the
  latter: nothing asks for the gradient of the images.

  Returns:
    (forward, forward and backward), ints.
  """
  each = list(multiply_adds(net).values())
  forward = 2 * sum(each)
  return forward, 3 * forward - 2 * each[0]

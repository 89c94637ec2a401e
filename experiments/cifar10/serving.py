"""The exported model: it takes whole images as they come from a file."""

import tensorflow as tf

from estimators import export
from input_pipelines import cifar10
from input_pipelines.images import central_crop, standardize


def receiver_fn():
  """Returns features of raw images.

  Requests hold `images`, uint8 [B, 32, 32, 3]. Their middle is taken and
  standardised, as in evaluation.
  """
  images = tf.compat.v1.placeholder(tf.uint8, [None, 32, 32, 3], name="images")
  middle = standardize(central_crop(images, cifar10.CROP_SIZE))
  features = {"images": middle}
  return export.ServingInputReceiver(features, {"images": images})

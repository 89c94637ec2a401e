"""Crops, flips, brightness, contrast and standardisation of image batches.

All work on a whole batch at once: `images` is [B, H, W, C], of uint8 or
float32, and what differs from image to image is a tensor [B]. The `random_`
functions draw that tensor from an int64 [2] `seed` by tf.random.stateless_*, so
that the same seed gives the same batch in any process, and tf.data may run them
in parallel. Values are never clipped.

`distort` is the CIFAR-10 tutorial's whole distortion in few passes over memory,
and what input_pipelines.cifar10 uses. The single functions (crop, flip,
adjust_brightness, adjust_contrast and their `random_` forms) are for pipelines
of one's own.
"""

import tensorflow as tf


def crop(images, tops, lefts, size):
  """Returns the squares that begin at given places: [B, size, size, C].

  Args:
    images: [B, H, W, C].
    tops: int32 [B], the first row of each, at most H - size.
    lefts: int32 [B], the first column of each, at most W - size.
    size: int.
  """
  images = tf.convert_to_tensor(images)
  numbers = tf.range(tf.shape(images)[0])
  cropped = crop_rows(images, numbers, tops, lefts, False, size)
  return tf.cast(cropped, images.dtype)


def random_crop(images, size, seed):
  """Returns a square of each image, every place equally likely."""
  tops, lefts = _random_places(images.shape, tf.shape(images)[0], size, seed)
  return crop(images, tops, lefts, size)


def central_crop(images, size):
  """Returns the square in the middle: [B, size, size, C].

  It begins at row (H - size) // 2, as in tf.image.resize_with_crop_or_pad.
  """
  height, width = _check_size(images.shape, size)
  top, left = (height - size) // 2, (width - size) // 2
  return images[:, top : top + size, left : left + size]


def flip(images, flipped):
  """Mirrors left to right those images where `flipped`, bool [B], is true."""
  return tf.where(_per_image(flipped), tf.reverse(images, [2]), images)


def random_flip(images, seed):
  """Mirrors each image left to right with a chance of one half."""
  return flip(images, _random_flips(tf.shape(images)[0], seed))


def adjust_brightness(images, deltas):
  """Adds deltas, float32 [B], to all values of an image: float32."""
  return tf.cast(images, tf.float32) + _per_image(deltas)


def random_brightness(images, max_delta, seed):
  """Adds to each image a number in [-max_delta, max_delta): float32."""
  deltas = tf.random.stateless_uniform(
    [tf.shape(images)[0]], seed, -max_delta, max_delta
  )
  return adjust_brightness(images, deltas)


def adjust_contrast(images, factors):
  """Multiplies the distance from the mean of each image's channel: float32.

  As tf.image.adjust_contrast, with a factor for each image.

  Args:
    images: [B, H, W, C].
    factors: float32 [B].
  """
  images = tf.cast(images, tf.float32)
  means = tf.reduce_mean(images, [1, 2], keepdims=True)
  return (images - means) * _per_image(factors) + means


def random_contrast(images, lower, upper, seed):
  """Adjusts the contrast of each image by a factor in [lower, upper)."""
  factors = tf.random.stateless_uniform(
    [tf.shape(images)[0]], seed, lower, upper
  )
  return adjust_contrast(images, factors)


def standardize(images):
  """Gives each image a mean of 0 and a deviation of 1: float32.

  As tf.image.per_image_standardization: (x - mean) / max(deviation,
  1 / sqrt(n)), n being the image's number of values, so that a plain one stays
  finite.
  """
  images = tf.cast(images, tf.float32)
  images -= tf.reduce_mean(images, [1, 2, 3], keepdims=True)
  variances = tf.reduce_mean(tf.square(images), [1, 2, 3], keepdims=True)
  num_values = tf.size(images[0], tf.float32)
  return images * tf.math.rsqrt(tf.maximum(variances, 1 / num_values))


def crop_rows(images, numbers, tops, lefts, flipped, size):
  """Cuts squares straight out of a whole data set, mirrored if asked: float32.

  One pass over the pixels that are wanted, instead of one over whole images and
  more for the crop, the flip and the conversion; gathering pixel by pixel takes
  half as long again.

  Args:
    images: [N, H, W, C] with static H, W and C.
    numbers: integers [B], which images.
    tops: int32 [B], the first row of each, at most H - size.
    lefts: int32 [B], the first column of each, at most W - size.
    flipped: bool [B], whether to mirror it left to right.
    size: int.

  Returns:
    float32 [B, size, size, C].
  """
  height, width = _check_size(images.shape, size)
  # From the middle of the first pixel to that of the last, and a little inside:
  # what is a rounding error outside of the image would be black.
  inside, last = (0.01, size - 1.01) if size > 1 else (0, 0)
  tops, lefts = tf.cast(tops, tf.float32), tf.cast(lefts, tf.float32)
  rights = tf.where(flipped, lefts + inside, lefts + last)
  lefts = tf.where(flipped, lefts + last, lefts + inside)
  boxes = tf.stack([tops + inside, lefts, tops + last, rights], 1)
  ends = [max(height - 1, 1), max(width - 1, 1)]
  return tf.image.crop_and_resize(
    images,
    boxes / tf.constant(2 * ends, tf.float32),
    tf.cast(numbers, tf.int32),
    [size, size],
    method="nearest",
  )


def draw_distortions(batch_size, image_shape, size, seed, mirror=True):
  """Draws what `distort` needs for a batch.

  Args:
    batch_size: int, B.
    image_shape: (height, width, channels) of the images.
    size: int, of the crop.
    seed: int64 [2].
    mirror: bool, whether half of the images are flipped.

  Returns:
    tuple of tops int32 [B], lefts int32 [B], flipped bool [B], and contrast
    factors float32 [B] in [0.2, 1.8).
  """
  seeds = tf.unstack(tf.random.split(seed, 3))
  shape = [None, *image_shape]
  tops, lefts = _random_places(shape, batch_size, size, seeds[0])
  factors = tf.random.stateless_uniform([batch_size], seeds[2], 0.2, 1.8)
  flipped = _random_flips(batch_size, seeds[1])
  return tops, lefts, tf.logical_and(flipped, mirror), factors


def distort(images, numbers, draws, size):
  """The training distortion of the CIFAR-10 tutorial.

  The same, but for rounding, as a random crop, flip, brightness (a delta of up
  to 63), contrast and `standardize`, in this order, as float32 and unclipped.
  Brightness needs no work: it adds a number to a whole image, contrast leaves
  that in the mean, and standardisation takes the mean away. For a channel of
  mean m and a factor k, contrast gives k (x - m) + m, whose mean over the image
  is that of all m, and whose variance is k^2 mean((x - m)^2) + variance(m). So
  contrast and standardisation together are one multiplication and one addition.

  Args:
    images: [N, H, W, C], the whole data set, with static H, W and C.
    numbers: integers [B], which images.
    draws: what `draw_distortions` returned.
    size: int, of the crop.

  Returns:
    float32 [B, size, size, C].
  """
  tops, lefts, flipped, factors = draws
  channels = images.shape[3]
  num_values = size * size * channels
  # Rows stay whole: over channels alone, which are few, TensorFlow would work
  # number by number.
  x = crop_rows(images, numbers, tops, lefts, flipped, size)
  x = tf.reshape(x, [-1, size, size * channels])
  columns = tf.reshape(tf.reduce_mean(x, 1), [-1, size, channels])
  means = tf.reduce_mean(columns, 1)  # [B, C]
  x -= tf.tile(means, [1, size])[:, tf.newaxis]
  offsets = means - tf.reduce_mean(means, 1, keepdims=True)
  variances = tf.square(factors) * tf.reduce_mean(
    tf.square(tf.reshape(x, [-1, num_values])), 1
  ) + tf.reduce_mean(tf.square(offsets), 1)
  scales = tf.math.rsqrt(tf.maximum(variances, 1 / num_values))
  x *= (factors * scales)[:, tf.newaxis, tf.newaxis]
  x += tf.tile(offsets * scales[:, tf.newaxis], [1, size])[:, tf.newaxis]
  return tf.reshape(x, [-1, size, size, channels])


def _random_places(shape, batch_size, size, seed):
  """Returns int32 tops [B] and lefts [B] of squares within [_, H, W, C]."""
  height, width = _check_size(shape, size)
  seeds = tf.unstack(tf.random.split(seed))
  return [
    tf.random.stateless_uniform(
      [batch_size], one, 0, length - size + 1, tf.int32
    )
    for one, length in zip(seeds, (height, width), strict=True)
  ]


def _random_flips(batch_size, seed):
  return tf.random.stateless_uniform([batch_size], seed) < 0.5


def _per_image(values):
  return tf.reshape(values, [-1, 1, 1, 1])


def _check_size(shape, size):
  height, width = shape[1:3]
  if not 1 <= size <= min(height, width):
    raise ValueError(
      f"The size of a crop must be in 1..{min(height, width)}, as images are "
      f"{height}x{width}; got {size}. Take a smaller crop."
    )
  return height, width

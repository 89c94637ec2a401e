"""Images in one folder for each class, as FOLDER/<class>/<name>.jpg.

A file that is cut or is no image is an error. A JPEG whose middle is damaged is
not: libjpeg warns of it at most, and what it makes up there is read as a
picture. Files that may have been damaged need a check of their sums beforehand.
"""

import os

import numpy as np
import tensorflow as tf

from input_pipelines import common

ENDINGS = (".jpg", ".jpeg", ".png")
_DECODED_AT_ONCE = 500


def class_names(folder):
  """Returns the names of an image folder's classes, sorted; perhaps none.

  Raises:
    ValueError: there is no such folder.
  """
  return [
    name
    for name in _visible(folder)
    if os.path.isdir(os.path.join(folder, name))
  ]


def list_images(folder):
  """Finds the images of each class.

  Args:
    folder: str, whose folders are the classes. Hidden ones, and hidden files,
      are passed over.

  Returns:
    paths, list of str: class by class, each sorted by name; labels, int32 [N],
    numbers of the classes; class names, list of str, sorted.

  Raises:
    ValueError: there is no such folder, no class in it, no image in a class, or
      a file that is none by its ending.
  """
  folder = os.path.expanduser(folder)
  classes = class_names(folder)
  if not classes:
    raise ValueError(
      f"An image folder must have one folder for each class; {folder} has "
      "none. Name the folder above those of the classes."
    )
  paths, labels = [], []
  for label, name in enumerate(classes):
    found = _images(os.path.join(folder, name))
    paths += found
    labels += [label] * len(found)
  return paths, np.array(labels, np.int32), classes


def read_images(paths, shape):
  """Decodes JPEG and PNG files, many at once.

  Args:
    paths: list of str.
    shape: (height, width, channels) that each must have; with 3 channels, a
      grey image is read as one of three equal channels.

  Returns:
    uint8 [N, height, width, channels].

  Raises:
    ValueError: a file cannot be read or decoded, has another size, or a name
      that is not UTF-8; its name is in the message.
  """
  _check_names(paths)

  @common.no_autograph
  def decode(path):
    return tf.ensure_shape(_decode(path, shape[2]), shape)

  dataset = tf.data.Dataset.from_tensor_slices(paths)
  dataset = dataset.map(decode, common.PARALLEL_CALLS, deterministic=True)
  dataset = dataset.batch(_DECODED_AT_ONCE).with_options(common.plain_options())
  images = np.empty([len(paths), *shape], np.uint8)
  done = 0
  try:
    for batch in dataset.as_numpy_iterator():
      images[done : done + len(batch)] = batch
      done += len(batch)
  except tf.errors.OpError:
    # It does not name the file, which is one of the batch.
    for path in paths[done : done + _DECODED_AT_ONCE]:
      _check_image(path, shape)
    raise
  return images


def load(folder, shape):
  """Reads a whole image folder.

  Args:
    folder: str; see `list_images`.
    shape: (height, width, channels) of all images.

  Returns:
    images, uint8 [N, height, width, channels]; labels, int32 [N]; class names,
    list of str, sorted.

  Raises:
    ValueError: as in `list_images` and `read_images`.
  """
  paths, labels, classes = list_images(folder)
  return read_images(paths, shape), labels, classes


def _visible(folder):
  if not os.path.isdir(folder):
    raise ValueError(
      f"An image folder must be a folder; {folder} is none. Check the path."
    )
  return sorted(name for name in os.listdir(folder) if name[0] != ".")


def _images(folder):
  names = _visible(folder)
  if not names:
    raise ValueError(
      f"The folder of a class must have images; {folder} is empty. Add some, "
      "or delete it."
    )
  for name in names:
    if not name.lower().endswith(ENDINGS):
      raise ValueError(
        f"Images must end in one of {ENDINGS}; got {os.path.join(folder, name)}"
        ". Convert it, or move it away."
      )
  return [os.path.join(folder, name) for name in names]


def _check_names(paths):
  for path in paths:
    try:
      path.encode()
    except UnicodeEncodeError as error:
      raise ValueError(
        "The names of images must be UTF-8, as TensorFlow reads no others; "
        f"got {path!r}. Rename the file."
      ) from error


def _decode(path, channels):
  return tf.io.decode_image(
    tf.io.read_file(path), channels, expand_animations=False
  )


def _check_image(path, shape):
  """Raises a ValueError that names the file, if it is no image of the shape."""
  try:
    found = tuple(_decode(path, shape[2]).shape)
  except tf.errors.OpError as error:
    raise ValueError(
      f"{path} must be a whole JPEG or PNG file; decoding fails with: "
      f"{common.plain_message(error)} Replace it, or delete it."
    ) from error
  if found != tuple(shape):
    raise ValueError(
      f"{path} must have height, width and channels {tuple(shape)}; got "
      f"{found}. Resize it, or delete it."
    )

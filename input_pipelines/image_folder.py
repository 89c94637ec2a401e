"""Images in one folder for each class, as FOLDER/<class>/<name>.jpg.

A file that is cut or is no image is an error. A JPEG whose middle is damaged is
not: libjpeg warns of it at most, and what it makes up there is read as a
picture. Files that may have been damaged need a check of their sums beforehand.
"""

import functools
import os
import warnings

import numpy as np
import tensorflow as tf

from input_pipelines import common, plain_files

ENDINGS = (".jpg", ".jpeg", ".png")
_DECODED_AT_ONCE = 500
# The latter where TensorFlow's message has bytes of the file in it.
_DECODING_ERRORS = (tf.errors.OpError, UnicodeDecodeError)
_PNG = b"\x89PNG\r\n\x1a\n"  # its first bytes


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
  images, problems = _read(paths, shape, is_patient=False)
  if problems:
    raise ValueError(problems[0][1])
  return images


def load(folder, shape, on_bad_row="error"):
  """Reads a whole image folder.

  Args:
    folder: str; see `list_images`.
    shape: (height, width, channels) of all images.
    on_bad_row: what a file that is no image of this shape leads to: "error", or
      "skip", which leaves such files out and warns once, with their number and
      the first of them.

  Returns:
    images, uint8 [N, height, width, channels]; labels, int32 [N]; class names,
    list of str, sorted.

  Raises:
    ValueError: as in `list_images` and `read_images`; or all images of a class
      are left out.
  """
  common.check_on_bad_row(on_bad_row)
  paths, labels, classes = list_images(folder)
  if on_bad_row == "error":
    return read_images(paths, shape), labels, classes
  images, problems = _read(paths, shape, is_patient=True)
  if problems:
    good = np.ones(len(paths), bool)
    good[[number for number, _ in problems]] = False
    images, labels = images[good], labels[good]
    _check_classes(folder, labels, classes, problems[0][1])
    warnings.warn(
      f"{folder}: left out {len(problems)} of {len(paths)} images; the first: "
      f"{problems[0][1]}",
      stacklevel=2,
    )
  return images, labels, classes


def _check_classes(folder, labels, classes, problem):
  """Raises ValueError if a class has lost all of its images."""
  lost = sorted(set(range(len(classes))) - set(labels.tolist()))
  if lost:
    raise ValueError(
      f"Each class in {folder} must have an image; all those of "
      f"{classes[lost[0]]!r} are damaged. The first: {problem}"
    )


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


def _read(paths, shape, is_patient):
  """Decodes files.

  Args:
    paths: list of str.
    shape: (height, width, channels).
    is_patient: bool, whether to go on behind the first problem.

  Returns:
    images, uint8 [N, height, width, channels]; problems, list of (place in
    `paths`, str), whose images have no meaning.
  """
  images = np.empty([len(paths), *shape], np.uint8)
  problems = dict(_bad_files(paths))
  # Whoever reads a pipe may wait for ever.
  left = [number for number in range(len(paths)) if number not in problems]
  while left and (is_patient or not problems):
    try:
      files = [paths[number] for number in left]
      for batch in _batches(files, shape).as_numpy_iterator():
        images[left[: len(batch)]] = batch
        left = left[len(batch) :]
    except _DECODING_ERRORS:
      # It does not name the file, which is one of the batch.
      for number in left[:_DECODED_AT_ONCE]:
        try:
          images[number] = _one_image(paths[number], shape)
        except ValueError as error:
          problems[number] = str(error)
      left = left[_DECODED_AT_ONCE:]
  return images, sorted(problems.items())


def _bad_files(paths):
  """Returns (place, problem) of names that are not UTF-8, pipes and so on."""
  problems = []
  for number, path in enumerate(paths):
    try:
      path.encode()
      plain_files.check(path)
    except UnicodeEncodeError:
      problems.append(
        (
          number,
          "The names of images must be UTF-8, as TensorFlow reads no others; "
          f"got {path!r}. Rename the file.",
        )
      )
    except (OSError, ValueError) as error:
      problems.append((number, str(error)))
  return problems


def _batches(paths, shape):
  decode = _decoder(tuple(shape))
  dataset = tf.data.Dataset.from_tensor_slices(paths)
  dataset = dataset.map(
    common.no_autograph(decode), common.PARALLEL_CALLS, deterministic=True
  )
  return dataset.batch(_DECODED_AT_ONCE).with_options(common.plain_options())


@functools.cache
def _decoder(shape):
  """Returns a function of a path that returns its image, if of this shape.

  Traced once for all folders of such images.
  """

  @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
  def decode(path):
    return tf.ensure_shape(_decode(tf.io.read_file(path), shape), shape)

  return decode


def _decode(content, shape):
  """Returns the image of a file's content.

  Its size is looked up first: a file of 1 kB may claim 10 GB of pixels.
  """
  right = tf.reduce_all(tf.equal(_size(content), shape[:2]))
  with tf.control_dependencies([tf.debugging.Assert(right, ["another size"])]):
    return _pixels(content, shape)


def _pixels(content, shape):
  return tf.io.decode_image(content, shape[2], expand_animations=False)


def _size(content):
  """Returns height and width of a JPEG or PNG file: int32 [2]."""
  return tf.cond(
    tf.equal(tf.strings.substr(content, 0, 8), _PNG),
    lambda: _png_size(content),
    lambda: tf.image.extract_jpeg_shape(content)[:2],
  )


def _png_size(content):
  """Returns height and width as in a PNG's first chunk, int32 [2]."""
  width_and_height = tf.strings.substr(content, 16, 8)
  sizes = tf.io.decode_raw(width_and_height, tf.int32, little_endian=False)
  return tf.reshape(sizes, [2])[::-1]


def _one_image(path, shape):
  """Returns an image, or raises a ValueError that names the file."""
  for _, problem in _bad_files([path]):
    raise ValueError(problem)
  try:
    content = tf.io.read_file(path)
    size = tuple(_size(content).numpy().tolist())
    if size == tuple(shape[:2]):
      # Not by `_decoder`: of a graph, errors tell where in it they were, too.
      return _pixels(content, shape).numpy()
  except _DECODING_ERRORS as error:
    raise ValueError(
      f"{path} must be a whole JPEG or PNG file; decoding fails with: "
      f"{common.plain_message(error)} Replace it, or delete it."
    ) from error
  raise ValueError(
    f"{path} must have height and width {tuple(shape[:2])}; got {size}. Resize "
    "it, or delete it."
  )

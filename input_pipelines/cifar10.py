"""CIFAR-10: 60,000 small photographs of ten kinds of things.

`load` returns uint8 images [N, 32, 32, 3] and int32 labels [N], from either

  - the binary records of https://www.cs.toronto.edu/~kriz/cifar.html
    (Krizhevsky 2009; no licence stated): data_batch_1.bin to data_batch_5.bin
    and test_batch.bin, of any number of records, in the data folder or its
    folder cifar-10-batches-bin; or
  - image folders: train/<class>/*.jpg and test/<class>/*.jpg, also PNG.

Whole records go before image folders.

A record is a label byte, then 1,024 bytes each of red, green and blue, row by
row.

`train_input_fn` distorts as the tutorial does, and `evaluation_input_fn` takes
the middle of each image; both give features {"images": float32 [B, 24, 24, 3]},
standardised, and labels int32 [B].
"""

import functools
import os

import numpy as np
import tensorflow as tf

from input_pipelines import common, image_folder, images, plain_files
from input_pipelines.arrays import numpy_input_fn

IMAGE_SIZE = 32
CROP_SIZE = 24
IMAGE_SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3)
CLASS_NAMES = (
  "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
  "ship", "truck",
)  # fmt: skip
NUM_CLASSES = len(CLASS_NAMES)

FOLDER = "cifar-10-batches-bin"
FILES = {
  "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
  "test": ("test_batch.bin",),
}

_NUM_PIXELS = IMAGE_SIZE * IMAGE_SIZE
RECORD_BYTES = 1 + 3 * _NUM_PIXELS

# Batches made at once. A millisecond makes one of 128, so two are plenty; what
# waits is part of a checkpoint, 0.9 MB each.
_TRAIN_BUFFER = 2


def load(data_dir, split):
  """Loads a part of the data set, whichever form it is in.

  Args:
    data_dir: str, the folder; see the module's docstring.
    split: "train" or "test".

  Returns:
    images, uint8 [N, 32, 32, 3]; labels, int32 [N], numbers of `CLASS_NAMES`.

  Raises:
    ValueError: a file or folder is missing or damaged, or split is wrong.
  """
  if split not in FILES:
    raise ValueError(f"split must be one of {list(FILES)}; got {split!r}.")
  data_dir = os.path.expanduser(data_dir)
  if not _has_records(data_dir, split) and _has_classes(data_dir, split):
    return _load_folder(os.path.join(data_dir, split))
  parts = [read_records(path) for path in record_files(data_dir, split)]
  return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def record_files(data_dir, split):
  """Returns the paths of a part's binary records, list of str.

  Raises:
    ValueError: one of them is missing.
  """
  paths = _record_paths(data_dir, split)
  for path in paths:
    if not os.path.exists(path):
      raise ValueError(f"Failed to find file: {path}. {_advice(data_dir)}")
  return paths


def is_missing(data_dir):
  """Returns whether a part lacks a file of records, and image folders too.

  Image folders are there from the first class on; `load` tells what they lack.
  """
  data_dir = os.path.expanduser(data_dir)
  return not all(
    _has_records(data_dir, split) or _has_classes(data_dir, split)
    for split in FILES
  )


def read_records(path):
  """Reads a file of binary records.

  Args:
    path: str.

  Returns:
    images, uint8 [N, 32, 32, 3]; labels, int32 [N].

  Raises:
    ValueError: there is no such file, it is a folder or empty, a record is cut
      or a label is none of 0 to 9; tells the file and the byte at which.
  """
  if not os.path.exists(path):
    raise ValueError(
      f"Failed to find file: {path}. {_advice(os.path.dirname(path))}"
    )
  content = np.frombuffer(plain_files.read(path), np.uint8)
  if not len(content):
    raise ValueError(
      f"{path} must have records; the file is empty. Fetch it again."
    )
  rest = len(content) % RECORD_BYTES
  if rest:
    raise ValueError(
      f"{path}: a record must have {RECORD_BYTES} bytes; got {rest} at byte "
      f"{len(content) - rest}, the end of the file. Fetch it again."
    )
  records = content.reshape(-1, RECORD_BYTES)
  labels = records[:, 0]
  wrong = np.flatnonzero(labels >= NUM_CLASSES)
  if len(wrong):
    raise ValueError(
      f"{path}: a label must be in 0..{NUM_CLASSES - 1}; got "
      f"{labels[wrong[0]]} at byte {wrong[0] * RECORD_BYTES}. Fetch it again."
    )
  planes = records[:, 1:].reshape(-1, 3, IMAGE_SIZE, IMAGE_SIZE)
  return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.astype(
    np.int32
  )


def fake_separable(num_examples, seed=0):
  """Returns invented images and labels that a small network soon learns.

  Image i is of class i % 10: stripes that lie or stand, in one of five colours,
  with noise. Crops, flips and changes of contrast leave a class what it is.

  Args:
    num_examples: int.
    seed: int, of the noise.

  Returns:
    images, uint8 [N, 32, 32, 3]; labels, int32 [N].
  """
  labels = np.arange(num_examples, dtype=np.int32) % NUM_CLASSES
  colours = np.array(
    [[90, 0, 0], [0, 90, 0], [0, 0, 90], [90, 90, 0], [0, 90, 90]]
  )
  stripes = np.arange(IMAGE_SIZE) // 4 % 2 * 90
  lying, standing = np.meshgrid(stripes, stripes, indexing="ij")
  patterns = np.stack([lying, standing])[labels // 5]  # [N, 32, 32]
  noise = np.random.default_rng(seed).integers(
    0, 60, [num_examples, *IMAGE_SHAPE]
  )
  made = patterns[..., np.newaxis] + colours[labels % 5][:, None, None] + noise
  return made.astype(np.uint8), labels


def train_input_fn(
  pictures, labels, batch_size, seed=None, distort=True, mirror=True
):
  """Returns an input function of shuffled batches without end.

  Each epoch has an order of its own, and each image is distorted anew each
  time. The place in the data is saved and restored exactly.

  Args:
    pictures: uint8 [N, 32, 32, 3], or other sizes of at least 24.
    labels: integers [N] in 0..9.
    batch_size: int, images of a global batch.
    seed: int that fixes orders and distortions; or None, for others each time,
      which pipelines in several processes cannot have: then it is 0.
    distort: bool; False is for the middle of each image, as in evaluation.
    mirror: bool, whether distortions flip images left to right, which changes
      what a digit is.

  Returns:
    A function that takes a tf.distribute.InputContext or nothing and returns a
    tf.data.Dataset of features and labels. Input pipeline i of W gets the rows
    from b * i // W to b * (i + 1) // W of each global batch of b, and all
    together what one would get.

  Raises:
    TypeError: pictures or labels is no array.
    ValueError: the arrays or an argument are wrong.
  """
  labels = _checked_labels(pictures, labels)
  common.check_order(batch_size, None, True, seed)

  @functools.cache
  def tensors():
    with tf.device("cpu:0"):
      return tf.constant(pictures), tf.constant(labels)

  def input_fn(input_context=None):
    rows = common.row_batches(
      len(labels), batch_size, None, True, seed, input_context
    )
    draw = None
    if distort:
      draw = functools.partial(
        images.draw_distortions,
        batch_size,
        pictures.shape[1:],
        CROP_SIZE,
        mirror=mirror,
      )
    make = _maker(*tensors(), draw, seed, input_context)
    # A second stream of numbers, one for each batch.
    shared = common.shared_seed(seed, input_context)
    dataset = tf.data.Dataset.zip(rows, common.epoch_seeds(None, shared))
    dataset = dataset.map(make, _TRAIN_BUFFER, deterministic=True)
    dataset = dataset.prefetch(1)
    return dataset.with_options(common.plain_options())

  return input_fn


def evaluation_input_fn(pictures, labels, batch_size=500):
  """Returns an input function that gives the middle of every image once.

  Args:
    pictures: uint8 [N, 32, 32, 3], or other sizes of at least 24.
    labels: integers [N] in 0..9.
    batch_size: int.

  Returns:
    A function that returns a tf.data.Dataset of features and labels.

  Raises:
    TypeError: pictures or labels is no array.
    ValueError: the arrays or batch_size are wrong.
  """
  labels = _checked_labels(pictures, labels)
  whole = numpy_input_fn(pictures, labels, batch_size, shuffle=False)

  @common.no_autograph
  def middle(batch, batch_labels):
    return {"images": _middle(batch)}, batch_labels

  def input_fn():
    dataset = whole().map(middle, common.PARALLEL_CALLS, deterministic=True)
    dataset = dataset.prefetch(common.PREFETCHED_BATCHES)
    return dataset.with_options(common.plain_options())

  return input_fn


def _maker(pictures, labels, draw, seed, context):
  """Returns the function that makes a batch of row numbers and a number.

  Args:
    pictures, labels: tensors of the whole data set.
    draw: function of a seed that returns the draws of a global batch; or None,
      for no distortion.
    seed: int or None.
    context: tf.distribute.InputContext or None.
  """

  @common.no_autograph
  def make(numbers, batch_seed):
    chosen = tf.gather(labels, numbers)
    if draw is None:
      return {"images": _middle(tf.gather(pictures, numbers))}, chosen
    pair = tf.stack([tf.constant(seed or 0, tf.int64), batch_seed])
    # Drawn for the global batch, so that each image has the same distortion
    # whatever the number of pipelines.
    draws = [common.part(drawn, context) for drawn in draw(pair)]
    distorted = images.distort(pictures, numbers, draws, CROP_SIZE)
    return {"images": distorted}, chosen

  return make


def _middle(batch):
  return images.standardize(images.central_crop(batch, CROP_SIZE))


def _checked_labels(pictures, labels):
  """Returns the labels as int32, if they and the pictures are right."""
  for name, array in (("Images", pictures), ("Labels", labels)):
    if not isinstance(array, np.ndarray):
      raise TypeError(
        f"{name} must be a NumPy array; got {type(array).__name__}. Convert "
        "them with numpy.asarray, or pass what load() returns."
      )
  _check_pictures(pictures)
  if labels.shape != (len(pictures),) or not len(labels):
    raise ValueError(
      f"Labels must be [N], one for each of {len(pictures)} images, at least "
      f"one; got {labels.shape}. Pass what load() returns."
    )
  if not np.issubdtype(labels.dtype, np.integer):
    raise ValueError(
      f"Labels must be integers; got {labels.dtype}. Pass what load() returns."
    )
  wrong = np.flatnonzero((labels < 0) | (labels >= NUM_CLASSES))
  if len(wrong):
    raise ValueError(
      f"Labels must be in 0..{NUM_CLASSES - 1}; got {labels[wrong[0]]} in row "
      f"{wrong[0]}. Number the classes from 0."
    )
  return labels.astype(np.int32)


def _check_pictures(pictures):
  if (
    pictures.dtype != np.uint8
    or pictures.ndim != 4
    or min(pictures.shape[1:3]) < CROP_SIZE
    or pictures.shape[3] != IMAGE_SHAPE[2]
  ):
    raise ValueError(
      f"Images must be uint8 [N, H, W, {IMAGE_SHAPE[2]}] of at least "
      f"{CROP_SIZE}x{CROP_SIZE}; got {pictures.dtype} {pictures.shape}. Pass "
      "what load() returns."
    )


def _load_folder(folder):
  found, labels, class_names = image_folder.load(folder, IMAGE_SHAPE)
  if tuple(class_names) != CLASS_NAMES:
    raise ValueError(
      f"{folder} must have a folder for each of {list(CLASS_NAMES)}; got "
      f"{class_names}. Rename or delete what differs."
    )
  return found, labels


def _record_paths(data_dir, split):
  """Returns the paths of a part's records in the folder with most of them."""
  places = [
    [os.path.join(data_dir, folder, name) for name in FILES[split]]
    for folder in (FOLDER, "")
  ]
  return max(places, key=lambda paths: sum(map(os.path.exists, paths)))


def _has_records(data_dir, split):
  return all(map(os.path.exists, _record_paths(data_dir, split)))


def _has_classes(data_dir, split):
  folder = os.path.join(data_dir, split)
  return os.path.isdir(folder) and bool(image_folder.class_names(folder))


def _advice(data_dir):
  return (
    "Fetch the data set: python -m tools.download cifar10 "
    f"--data_dir={data_dir}"
  )

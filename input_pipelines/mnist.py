"""MNIST: handwritten digits, and small stand-ins of the same form.

`load` returns images as float32 [N, 784], rows of 28x28 pixels from the top
left, 0 (paper) to 1 (ink), and labels as int32 [N], 0 to 9:

    dataset  train    validation  test     what
    mnist    55,000   5,000       10,000   the first 5,000 images of the
                                           training file are for validation,
                                           as in TensorFlow's tutorials
    digits   1,297    200         300      scikit-learn's 8x8 digits, real
    fake     10,000   10,000      10,000   images of ones, label 0

Files are in the idx format of http://yann.lecun.com/exdb/mnist/ (LeCun,
Cortes, Burges; no licence stated, usually cited as CC BY-SA 3.0), compressed
or not. The digits come with scikit-learn (UCI Optical Recognition of
Handwritten Digits, test part; CC BY 4.0).
"""

import dataclasses
import gzip
import io
import math
import os
import zlib

import numpy as np

from input_pipelines import plain_files

IMAGE_SIZE = 28
NUM_PIXELS = IMAGE_SIZE * IMAGE_SIZE
NUM_CLASSES = 10

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

_IMAGES_MAGIC = 2051
_LABELS_MAGIC = 2049
_MAX_GZIP_RATIO = 1032  # of deflate
_NUM_FAKE = 10_000
_DIGITS_SEED = 66478
_NUM_DIGITS_VALIDATION = 200
_NUM_DIGITS_TEST = 300


@dataclasses.dataclass(frozen=True)
class Split:
  """Examples: images float32 [N, 784] in [0, 1], labels int32 [N] in 0..9."""

  images: np.ndarray
  labels: np.ndarray

  def __len__(self):
    return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Splits:
  """The three parts of a data set."""

  train: Split
  validation: Split
  test: Split


def read_images(path):
  """Reads an idx file of images.

  Args:
    path: str, the file; decompressed if it ends in .gz.

  Returns:
    uint8 [N, rows, columns], 0 is paper and 255 is ink.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is damaged, or not an idx file of images.
  """
  return _read_idx(path, _IMAGES_MAGIC, "image", num_dimensions=3)


def read_labels(path):
  """Reads an idx file of labels.

  Args:
    path: str, the file; decompressed if it ends in .gz.

  Returns:
    uint8 [N], each in 0..9.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is damaged, or not an idx file of digit labels.
  """
  labels = _read_idx(path, _LABELS_MAGIC, "label", num_dimensions=1)
  if labels.size and labels.max() >= NUM_CLASSES:
    _fail(path, f"labels must be in 0..9; got {labels.max()}")
  return labels


def write_images(path, images):
  """Writes an idx file of images.

  Args:
    path: str, the file to make; compressed if it ends in .gz.
    images: uint8 [N, rows, columns].

  Raises:
    ValueError: the dtype or the shape is another, or images have no pixels.
  """
  _check_array("images", images, num_dimensions=3)
  if not all(images.shape[1:]):
    raise ValueError(
      f"Images must have rows and columns; got shape {images.shape}. "
      "Pass [N, rows, columns]."
    )
  _write_idx(path, _IMAGES_MAGIC, images)


def write_labels(path, labels):
  """Writes an idx file of labels.

  Args:
    path: str, the file to make; compressed if it ends in .gz.
    labels: uint8 [N], each in 0..9.

  Raises:
    ValueError: the dtype, the shape or a label is another.
  """
  _check_array("labels", labels, num_dimensions=1)
  if labels.size and labels.max() >= NUM_CLASSES:
    raise ValueError(
      f"Labels must be in 0..9; got {labels.max()}. Number the classes from 0."
    )
  _write_idx(path, _LABELS_MAGIC, labels)


def load(data_dir=None, dataset="mnist", validation_size=5000):
  """Loads a data set.

  Args:
    data_dir: str, the folder of `FILES`; only "mnist" needs it.
    dataset: "mnist", "digits" or "fake"; see the module's docstring.
    validation_size: int, how many of "mnist"'s training images, from the
      first on, are kept for validation; fewer than there are.

  Returns:
    Splits.

  Raises:
    FileNotFoundError: a file of "mnist" is missing.
    ValueError: a file is damaged or an argument is wrong.
  """
  if dataset == "mnist":
    return _load_mnist(data_dir, validation_size)
  if dataset == "digits":
    return _load_digits()
  if dataset == "fake":
    return Splits(*(_fake_ones(_NUM_FAKE) for _ in range(3)))
  raise ValueError(
    f"dataset must be 'mnist', 'digits' or 'fake'; got {dataset!r}."
  )


def missing_files(data_dir):
  """Returns the list of those of `FILES` that `data_dir` lacks."""
  paths = [os.path.join(os.path.expanduser(data_dir), f) for f in FILES]
  return [path for path in paths if not os.path.exists(path)]


def fake_separable(num_examples):
  """Returns a Split that any model learns: image i is all i % 2, its label."""
  labels = np.arange(num_examples, dtype=np.int32) % 2
  images = np.repeat(labels[:, np.newaxis], NUM_PIXELS, axis=1)
  return Split(images.astype(np.float32), labels)


def _fake_ones(num_examples):
  return Split(
    np.ones([num_examples, NUM_PIXELS], np.float32),
    np.zeros([num_examples], np.int32),
  )


def _load_mnist(data_dir, validation_size):
  if not data_dir:
    raise ValueError(
      "data_dir must name the folder of the MNIST files; got "
      f"{data_dir!r}. Pass --data_dir."
    )
  data_dir = os.path.expanduser(data_dir)
  images, labels = _read_pair(data_dir, TRAIN_IMAGES, TRAIN_LABELS)
  if not 0 <= validation_size < len(labels):
    raise ValueError(
      "validation_size must leave images for training: it must be in "
      f"0..{len(labels) - 1}; got {validation_size}."
    )
  return Splits(
    train=_split(images[validation_size:], labels[validation_size:]),
    validation=_split(images[:validation_size], labels[:validation_size]),
    test=_split(*_read_pair(data_dir, TEST_IMAGES, TEST_LABELS)),
  )


def _read_pair(data_dir, images_name, labels_name):
  images_path = os.path.join(data_dir, images_name)
  images = read_images(images_path)
  labels = read_labels(os.path.join(data_dir, labels_name))
  if images.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
    _fail(images_path, f"images must be 28x28; got {images.shape[1:]}")
  if len(images) != len(labels):
    _fail(
      images_path,
      f"it must have as many images as {labels_name} has labels; got "
      f"{len(images)} images, {len(labels)} labels",
    )
  return images, labels


def _split(images, labels):
  """Makes a Split of uint8 [N, 28, 28] and uint8 [N]."""
  flat = images.reshape(len(images), NUM_PIXELS).astype(np.float32)
  flat *= np.float32(1 / 255)
  return Split(flat, labels.astype(np.int32))


def _load_digits():
  # Imported here: it takes a second, and only this data set needs it.
  from sklearn import datasets

  digits = datasets.load_digits()
  scaled = (digits.images / 16).astype(np.float32)  # [1797, 8, 8]
  # 8x8 becomes 24x24, amid a margin of 2.
  large = np.kron(scaled, np.ones([1, 3, 3], np.float32))
  images = np.pad(large, [(0, 0), (2, 2), (2, 2)]).reshape(-1, NUM_PIXELS)
  # In the file, neighbours are by one writer: mix before cutting.
  order = np.random.RandomState(_DIGITS_SEED).permutation(len(images))
  parts = np.split(
    order, [_NUM_DIGITS_TEST, _NUM_DIGITS_TEST + _NUM_DIGITS_VALIDATION]
  )
  test, validation, train = (
    Split(images[rows], digits.target[rows].astype(np.int32)) for rows in parts
  )
  return Splits(train, validation, test)


def _read_idx(path, magic, kind, num_dimensions):
  """Reads an idx file: big-endian uint32 magic and sizes, then uint8."""
  if not os.path.exists(path):
    folder = os.path.dirname(path) or "."
    raise FileNotFoundError(
      f"An MNIST {kind} file is needed; {path} is missing. Fetch it: "
      f"python -m tools.download mnist --data_dir={folder}"
    )
  print("Extracting", path)
  content = _Content(path)
  header_size = 4 * (1 + num_dimensions)
  header = content.read(header_size)
  if len(header) < header_size:
    _fail(path, f"it needs a header of {header_size} bytes; got {len(header)}")
  found, *shape = np.frombuffer(header, ">u4").tolist()
  if found != magic:
    raise ValueError(
      f"Invalid magic number {found} in MNIST {kind} file: {path}. It must be "
      f"{magic}. {_advice(path)}"
    )
  if not all(0 < size <= 1 << 16 for size in shape[1:]):
    _fail(path, f"images must have rows and columns; got sizes {shape}")
  if not shape[0]:
    _fail(path, f"it must have at least one {kind}; got none")
  needed = math.prod(shape)
  sizes = f"sizes {shape} in its header need {header_size + needed} bytes"
  if needed > content.most:
    _fail(path, f"{sizes}, more than it can hold")
  pixels = content.read(needed + 1)
  if len(pixels) > needed:
    _fail(path, f"{sizes}; it has more")
  if len(pixels) < needed:
    _fail(path, f"{sizes}; got {header_size + len(pixels)}")
  return np.frombuffer(pixels, np.uint8).reshape(shape)


class _Content:
  """The content of a file, decompressed if it ends in .gz.

  Nothing is decompressed that nobody asks for, so that a file cannot fill the
  memory. That a gzip file is whole is seen where its end is read.

  Attributes:
    most: int, the most bytes that it can have.
  """

  def __init__(self, path):
    self._path = path
    self._bytes = plain_files.read(path)
    self.most = len(self._bytes)
    self._stream = io.BytesIO(self._bytes)
    if path.endswith(".gz"):
      self.most *= _MAX_GZIP_RATIO
      self._stream = gzip.GzipFile(fileobj=self._stream)

  def read(self, size):
    """Returns the next `size` bytes; fewer where the content ends."""
    plain_files.check_size(self._path, min(size, self.most))
    try:
      return self._stream.read(size)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
      raise ValueError(
        f"{self._path} must be a whole gzip file; got {len(self._bytes)} bytes "
        f"that fail with: {error}. {_advice(self._path)}"
      ) from error


def _check_array(name, array, num_dimensions):
  if array.dtype != np.uint8 or array.ndim != num_dimensions:
    raise ValueError(
      f"{name} must be uint8 with {num_dimensions} dimensions; got "
      f"{array.dtype} {array.shape}. Use astype(numpy.uint8) and reshape()."
    )


def _write_idx(path, magic, array):
  header = np.array([magic, *array.shape], ">u4").tobytes()
  content = header + array.tobytes()
  if path.endswith(".gz"):
    # No time in the header: the same data gives the same file.
    content = gzip.compress(content, mtime=0)
  with open(path, "wb") as stream:
    stream.write(content)


def _fail(path, reason):
  raise ValueError(f"{path}: {reason}. {_advice(path)}")


def _advice(path):
  folder = os.path.dirname(path) or "."
  return (
    "Delete it and download it again: "
    f"python -m tools.download mnist --data_dir={folder}"
  )

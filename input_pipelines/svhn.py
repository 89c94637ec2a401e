"""SVHN: digits of house numbers, cropped to 32x32.

`load` returns what `cifar10.load` does, so that the same input functions take
it. The files are train_32x32.mat (73,257 digits) and test_32x32.mat (26,032) of
http://ufldl.stanford.edu/housenumbers/ (Netzer et al. 2011; for non-commercial
use only): MATLAB 5 files of X, uint8 [32, 32, 3, N], and y, [N, 1] in 1..10,
where 10 stands for the digit 0.
"""

import os

import numpy as np

from input_pipelines import mat_files

IMAGE_SHAPE = (32, 32, 3)
CLASS_NAMES = tuple("0123456789")
FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


def load(data_dir, split):
  """Loads a part of the data set.

  Args:
    data_dir: str, the folder of `FILES`.
    split: "train" or "test".

  Returns:
    images, uint8 [N, 32, 32, 3]; labels, int32 [N], the digits.

  Raises:
    ValueError: the file is missing or damaged, or split is wrong.
  """
  if split not in FILES:
    raise ValueError(f"split must be one of {list(FILES)}; got {split!r}.")
  return read(os.path.join(os.path.expanduser(data_dir), FILES[split]))


def is_missing(data_dir):
  """Returns whether `data_dir` lacks one of `FILES`."""
  data_dir = os.path.expanduser(data_dir)
  return not all(
    os.path.exists(os.path.join(data_dir, name)) for name in FILES.values()
  )


def read(path):
  """Reads a .mat file of cropped digits.

  Args:
    path: str.

  Returns:
    images, uint8 [N, 32, 32, 3]; labels, int32 [N], the digits.

  Raises:
    ValueError: no such file, a damaged one, or one of something else.
  """
  if not os.path.exists(path):
    raise ValueError(f"Failed to find file: {path}. Fetch it: {_command(path)}")
  try:
    content = mat_files.read(path)
  except ValueError as error:
    raise ValueError(f"{error} Or fetch it again: {_command(path)}") from error
  missing = sorted({"X", "y"} - content.keys())
  if missing:
    _fail(path, f"it must have arrays X and y; it lacks {missing}")
  x, y = content["X"], content["y"]
  if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != IMAGE_SHAPE:
    _fail(path, f"X must be uint8 [32, 32, 3, N]; got {x.dtype} {x.shape}")
  if not y.size or y.shape != (x.shape[3], 1):
    _fail(
      path,
      f"y must be [N, 1] with the N of X, at least 1; got {y.shape} for X "
      f"{x.shape}",
    )
  wrong = np.flatnonzero(~np.isin(y, np.arange(1, 11)))
  if len(wrong):
    _fail(
      path,
      f"labels must be in 1..10, 10 being the digit 0; got {y[wrong[0], 0]} in "
      f"row {wrong[0]}",
    )
  images = np.ascontiguousarray(x.transpose(3, 0, 1, 2))
  return images, y[:, 0].astype(np.int32) % 10


def _fail(path, reason):
  raise ValueError(f"{path}: {reason}. Fetch it again: {_command(path)}")


def _command(path):
  folder = os.path.dirname(path) or "."
  return f"python -m tools.download svhn --data_dir={folder}"

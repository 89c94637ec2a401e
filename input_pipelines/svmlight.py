"""Sparse rows in files of svmlight's format (libsvm's too), and their batches.

A line is a row: a label, then `id:value` for each number that is not zero, by
rising ids; what follows a # is a comment.

    1 3:1 17:0.5  # ids begin with 1 in most files, in some with 0
    -1 4:2.25

    train = svmlight.read("train.svm.gz", num_features=1_000_000)
    estimator.train(svmlight.input_fn(train, 4096, None, True, seed=1))

Features are {"x": `tf.SparseTensor` float32 [B, V]} and labels float32 [B], as
in the file: B rows of a batch, V features. Column j of `x` is the feature of id
j + 1, of id j where ids begin with 0. The indices of `x` are in order, as
`tf.sparse` wants them. A row without any number is a row of zeros.

Each epoch visits every row once, in an order of its own if shuffled, and
batches run on over the ends of epochs. The place in the data can be saved and
restored exactly, and each of several input pipelines gets its part: both as in
`arrays`. In memory, a number of the file takes 16 bytes.

Source of the format: Joachims, SVM-light, https://svmlight.joachims.org.
scikit-learn reads and writes the files.
"""

import bz2
import dataclasses
import functools
import gzip
import os
import zlib

import numpy as np
import scipy.sparse
import sklearn.datasets
import tensorflow as tf

from estimators.ops import sparse_rows
from input_pipelines import common

FEATURE = "x"
MOST_FEATURES = 2**31 - 1  # Columns are numbers of 32 bits.
_LONGEST_TOLD = 100  # characters of what scikit-learn says
_OPENERS = {".gz": gzip.open, ".bz2": bz2.open}


@dataclasses.dataclass(frozen=True)
class Examples:
  """Sparse rows with their labels.

  Attributes:
    x: scipy CSR matrix, float32 [N, V], as scikit-learn takes it; the columns
      of a row rise. V is at most 2^31 - 1.
    labels: float32 [N].

  Raises:
    ValueError: they are not like that.
  """

  x: scipy.sparse.csr_matrix
  labels: np.ndarray

  def __post_init__(self):
    if not scipy.sparse.issparse(self.x) or self.x.format != "csr":
      raise ValueError(
        f"x must be a CSR matrix of scipy, but is a {type(self.x).__name__}; "
        "make it by scipy.sparse.csr_matrix(x)."
      )
    if not self.x.has_canonical_format:
      raise ValueError(
        "the columns of each row of x must rise, but some come again or before "
        "lower ones; call x.sum_duplicates()."
      )
    if self.x.dtype != np.float32:
      raise ValueError(
        f"x must be float32, but is {self.x.dtype}; convert it by "
        "x.astype(numpy.float32)."
      )
    if self.x.shape[1] > MOST_FEATURES:
      raise ValueError(
        f"x must have at most {MOST_FEATURES:,} columns, but has "
        f"{self.x.shape[1]:,}; hash larger ids."
      )
    shape = self.x.shape[:1]
    if self.labels.dtype != np.float32 or self.labels.shape != shape:
      raise ValueError(
        f"labels must be float32 {list(shape)}, one for each row, but are "
        f"{self.labels.dtype} {list(self.labels.shape)}; convert or cut them."
      )

  def __len__(self):
    return self.x.shape[0]

  @property
  def num_features(self):
    return self.x.shape[1]


def read(path, num_features=None, zero_based=False):
  """Reads a file into memory.

  Args:
    path: str, the file; of gzip or bzip2 if it ends in .gz or .bz2.
    num_features: int, V; None for as many as the largest id says, which in
      another file of the same data may be another.
    zero_based: bool, whether ids begin with 0 instead of 1.

  Returns:
    `Examples`.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is not of the format, has no rows, an id that is out of
      range, or a value or label that is not finite.
  """
  if num_features is not None:
    common.check_count("num_features", num_features, " or None (for all ids)")
  x, labels = _loaded(path)
  if not len(labels):
    raise ValueError(
      f"an svmlight file must have at least one row, but {path} has none; "
      "check how it was written."
    )
  _check_finite(path, "values", x.data)
  with np.errstate(over="ignore"):
    labels = labels.astype(np.float32)  # Some become infinite.
  _check_finite(path, "labels", labels)
  first = 0 if zero_based else 1
  if num_features is None:
    num_features = max(x.shape[1] - first, 1)
  _check_ids(path, x.indices, first, num_features)
  return Examples(
    scipy.sparse.csr_matrix(
      (x.data, (x.indices - first).astype(np.int32), x.indptr),
      shape=(len(labels), num_features),
    ),
    labels,
  )


def write(path, examples, zero_based=False):
  """Writes a file that `read` reads to the same `Examples`.

  Args:
    path: str, the file to write; compressed if it ends in .gz or .bz2.
    examples: `Examples`.
    zero_based: bool, whether ids begin with 0 instead of 1.
  """
  opened = _OPENERS.get(os.path.splitext(path)[1], open)
  with opened(path, "wb") as file:
    sklearn.datasets.dump_svmlight_file(
      examples.x, examples.labels, file, zero_based=zero_based
    )


def input_fn(examples, batch_size, num_epochs=1, shuffle=None, seed=None):
  """Returns an input function that feeds sparse rows.

  Args:
    examples: `Examples`.
    batch_size, num_epochs, shuffle, seed: as for `arrays.numpy_input_fn`.

  Returns:
    A function that takes a tf.distribute.InputContext or nothing, and returns
    a tf.data.Dataset of the features and labels of this module.

  Raises:
    ValueError: there are no rows, or another argument is wrong.
  """
  if not len(examples):
    raise ValueError(
      "examples must have at least one row, but have none; check what was "
      "filtered out."
    )
  common.check_order(batch_size, num_epochs, shuffle, seed)
  tensors = functools.cache(lambda: _tensors(examples))

  def make(input_context=None):
    rows = common.row_batches(
      len(examples), batch_size, num_epochs, shuffle, seed, input_context
    )
    num_batches = tf.data.INFINITE_CARDINALITY
    if num_epochs is not None:
      num_batches = -(-num_epochs * len(examples) // batch_size)
    return _gather(tensors(), examples.num_features, rows, num_batches)

  kept = functools.cache(make)

  def rows_input_fn(input_context=None):
    if input_context is not None or (shuffle and seed is None):
      return make(input_context)
    return kept()  # Making one takes 50 ms.

  return rows_input_fn


def _loaded(path):
  """Returns what scikit-learn reads: CSR with the file's ids, and labels."""
  try:
    return sklearn.datasets.load_svmlight_file(
      path, dtype=np.float32, zero_based=True
    )
  except FileNotFoundError as error:
    raise FileNotFoundError(
      f"an svmlight file is needed, but {path} does not exist; check its name."
    ) from error
  except OverflowError as error:
    raise ValueError(
      f"the ids of an svmlight file must be at most {MOST_FEATURES - 1:,}, but "
      f"{path} has a larger one; hash larger ids."
    ) from error
  except ValueError as error:
    told = str(error)
    if not told.isprintable() or "\\x" in told:
      told = "something that is no text"
    raise ValueError(
      "a line of an svmlight file must be a label and id:value, with rising "
      f"ids, but {path} has another ({told[:_LONGEST_TOLD]}); mend it, and "
      "name a compressed file .gz or .bz2, no others."
    ) from error
  except (EOFError, OSError, zlib.error) as error:
    if getattr(error, "errno", None):
      raise  # The system says what is wrong.
    raise ValueError(
      "a file whose name ends in .gz or .bz2 must be a whole archive of that "
      f"kind, but {path} is another, cut off or damaged; fetch or compress it "
      "again, or name it as what it is."
    ) from error


def _check_finite(path, what, numbers):
  wrong = np.flatnonzero(~np.isfinite(numbers))
  if wrong.size:
    raise ValueError(
      f"the {what} of an svmlight file must be finite numbers of 32 bits, but "
      f"{wrong.size} of {path} are not, {numbers[wrong[0]]} the first; mend or "
      "leave out their rows."
    )


def _check_ids(path, ids, first, num_features):
  """Makes sure that ids are from `first` to `first + num_features - 1`."""
  last = first + num_features - 1
  wrong = ids[(ids < first) | (ids > last)]
  if not wrong.size:
    return
  remedy = f"take at least {wrong.max() - first + 1} features"
  if wrong.min() < first:
    remedy = "say that ids begin with 0 (zero_based)"
  raise ValueError(
    f"the ids of {path} must be {first} to {last} (for num_features="
    f"{num_features}), but {wrong.size} are not, {wrong[0]} the first; "
    f"{remedy}."
  )


def _tensors(examples):
  """Returns (columns, values, row_splits) for `sparse_rows`, and labels."""
  x = examples.x
  with tf.device("cpu:0"):
    matrix = (
      tf.constant(x.indices, tf.int32),
      tf.constant(x.data),
      tf.constant(x.indptr, tf.int64),
    )
    return matrix, tf.constant(examples.labels)


def _gather(tensors, num_features, rows, num_batches):
  """Returns batches, each gathered at once."""
  matrix, labels = tensors

  @common.no_autograph
  def batch(numbers):
    x = sparse_rows.gather(*matrix, numbers, num_features)
    return {FEATURE: x}, tf.gather(labels, numbers)

  dataset = rows.map(batch)
  # rebatch does not know how many batches it makes.
  cardinality = tf.data.experimental.assert_cardinality(num_batches)
  dataset = dataset.apply(cardinality).prefetch(common.PREFETCHED_BATCHES)
  return dataset.with_options(common.plain_options())

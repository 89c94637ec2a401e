"""The rows that a run trains on and is tested on: of files, or invented."""

import dataclasses
import os
import zlib

import numpy as np

from experiments.sparse_regression.problem import Problem, problem
from input_pipelines import svmlight

TRAIN_FILE, TEST_FILE = "train.svm", "test.svm"
TEST_SHARE = 5  # One row to test on for so many to train on.
_TRAIN_SEED, _TEST_SEED = 1, 3  # 2 was that of the rows to choose by


@dataclasses.dataclass(frozen=True)
class Splits:
  """Rows to train on and to test on, `svmlight.Examples`.

  Attributes:
    train, test: in classification with labels of 0 and 1.
    problem: what they were drawn from, or None when they come from files.
  """

  train: svmlight.Examples
  test: svmlight.Examples
  problem: Problem | None


def load(config):
  """Returns the `Splits` of a run; with write_data writes them as well.

  Raises:
    ValueError: one of the two files was given alone, or with write_data, a
      file is not as it should be, or a batch has more than all training rows.
    OSError: a file cannot be read or written.
  """
  _check_files(config)
  if config.train_data:
    files = map(_file(config), (config.train_data, config.test_data))
    splits = Splits(*files, None)
    _check_batch_size(config, len(splits.train))
    return splits
  _check_batch_size(config, config.num_examples)
  invented = problem(config.task, config.num_features, config.num_informative)
  splits = Splits(
    invented.examples(config.num_examples, _TRAIN_SEED),
    invented.examples(max(config.num_examples // TEST_SHARE, 1), _TEST_SEED),
    invented,
  )
  if config.write_data:
    write(config, splits)
  return splits


def settings(config, examples):
  """Returns the settings of RunConfig: what says which the training rows are.

  Who goes on in a model_dir must have the same.
  """
  checksum = 0
  for array, dtype in (
    (examples.x.indptr, "<i8"),
    (examples.x.indices, "<i4"),
    (examples.x.data, "<f4"),
    (examples.labels, "<f4"),
  ):
    checksum = zlib.crc32(np.ascontiguousarray(array, dtype), checksum)
  return {
    "zero_based": config.zero_based,
    "num_examples": len(examples),
    "num_values": examples.x.nnz,
    "crc32": checksum,
  }


def center(config, examples):
  """Returns what the logits begin with: in regression the mean label, else 0.

  Args:
    config: a Config.
    examples: `svmlight.Examples` to train on.
  """
  if config.task == "classification":
    return 0.0
  return float(np.mean(examples.labels, dtype=np.float64))


def train_input_fn(examples, config):
  """Returns the input_fn of shuffled batches without end."""
  return svmlight.input_fn(
    examples, config.batch_size, num_epochs=None, shuffle=True, seed=config.seed
  )


def evaluation_input_fn(examples, config):
  """Returns the input_fn that gives every row once."""
  return svmlight.input_fn(examples, config.batch_size, shuffle=False)


def write(config, splits):
  """Writes the splits into the folder write_data, as svmlight files."""
  os.makedirs(config.write_data, exist_ok=True)
  for name, examples in ((TRAIN_FILE, splits.train), (TEST_FILE, splits.test)):
    path = os.path.join(config.write_data, name)
    svmlight.write(path, examples, config.zero_based)
    print("Wrote", path, flush=True)


def binary(labels, path):
  """Returns labels of 0 and 1, given those or -1 and 1.

  Args:
    labels: float32 [N].
    path: str, the file that they are of, for the error.

  Raises:
    ValueError: there are others.
  """
  found = np.unique(labels)
  if not (np.isin(found, (0, 1)).all() or np.isin(found, (-1, 1)).all()):
    raise ValueError(
      "the labels of --task=classification must be 0 and 1, or -1 and 1, but "
      f"those of {path} are {found[:5].tolist()}{'...' * (len(found) > 5)}; "
      "take --task=regression, or write others."
    )
  return (labels > 0).astype(np.float32)


def _file(config):
  """Returns a function of a path that reads the file as the task wants it."""

  def read(path):
    found = svmlight.read(path, config.num_features, config.zero_based)
    if config.task == "regression":
      return found
    return svmlight.Examples(found.x, binary(found.labels, path))

  return read


def _check_batch_size(config, num_examples):
  if config.batch_size > num_examples:
    raise ValueError(
      "--batch_size must be at most the rows to train on, but is "
      f"{config.batch_size}, of {num_examples} rows; take smaller ones, which "
      "need a higher --l1: with 2,000 rows --batch_size=100 --l1=0.1 did well."
    )


def _check_files(config):
  given = {
    f"--{name}": getattr(config, name)
    for name in ("train_data", "test_data", "write_data", "self_test")
    if getattr(config, name)
  }
  with_files = {"--train_data", "--test_data"}
  if set(given) & with_files and set(given) != with_files:
    raise ValueError(
      "--train_data and --test_data must be given together and without "
      "--write_data and --self_test, which are for the invented problem, but "
      f"there are {', '.join(given)}; add or leave out what differs."
    )

"""The images that a run trains on and is evaluated on."""

import dataclasses

import numpy as np

from input_pipelines import cifar10, downloads, svhn

# The splits by the names that the tutorial gave them.
EVALUATED = {"test": "test", "train_eval": "train"}


@dataclasses.dataclass(frozen=True)
class Split:
  """A part of a data set.

  Attributes:
    images: uint8 [N, 32, 32, 3].
    labels: int32 [N], in 0..9.
  """

  images: np.ndarray
  labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Splits:
  """A data set: what is trained on, and what was kept apart; None if unread."""

  train: Split | None = None
  test: Split | None = None


def load(config, names=("train", "test")):
  """Returns the `Splits` of a run; those of the self test are invented.

  Args:
    config: a Config.
    names: which of the splits to read.
  """
  if config.self_test:
    return Splits(
      Split(*cifar10.fake_separable(512)),
      Split(*cifar10.fake_separable(128, seed=1)),
    )
  source = {"cifar10": cifar10, "svhn": svhn}[config.dataset]
  if config.download and source.is_missing(config.data_dir):
    downloads.download(config.dataset, config.data_dir)
  return Splits(
    **{name: Split(*source.load(config.data_dir, name)) for name in names}
  )


def train_input_fn(splits, config):
  """Returns the input_fn of shuffled and distorted batches without end."""
  return cifar10.train_input_fn(
    splits.train.images,
    splits.train.labels,
    config.batch_size,
    config.seed,
    mirror=config.dataset != "svhn",
  )


def evaluation_input_fn(splits, config):
  """Returns the input_fn that gives each image of eval_data once.

  Raises:
    ValueError: there are fewer images than num_examples.
  """
  split = getattr(splits, EVALUATED[config.eval_data])
  if (config.num_examples or 0) > len(split.labels):
    raise ValueError(
      f"num_examples must be at most the {len(split.labels)} images of "
      f"{config.eval_data}, but is {config.num_examples}; leave it out for all."
    )
  # Spread over the set, as image folders come class by class.
  size = config.num_examples or len(split.labels)
  rows = np.arange(size) * len(split.labels) // size
  return cifar10.evaluation_input_fn(split.images[rows], split.labels[rows])

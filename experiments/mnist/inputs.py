"""The images that a run trains on and is evaluated on."""

from input_pipelines import downloads, mnist
from input_pipelines.arrays import numpy_input_fn

EVALUATION_BATCH_SIZE = 500


def load(config):
  """Returns the `mnist.Splits` of a run.

  Those of the self test are the 256, 64 and 64 images of convolutional.py's
  fake_data; its values are half less, which the network sees to here.
  """
  if config.self_test:
    return mnist.Splits(*map(mnist.fake_separable, (256, 64, 64)))
  if config.dataset == "mnist" and config.download:
    if mnist.missing_files(config.data_dir):
      downloads.download("mnist", config.data_dir)
  return mnist.load(config.data_dir, dataset=config.dataset)


def train_input_fn(split, config):
  """Returns the input_fn of shuffled batches without end."""
  return numpy_input_fn(
    {"x": split.images},
    split.labels,
    batch_size=config.batch_size,
    num_epochs=None,
    shuffle=True,
    seed=config.seed,
  )


def evaluation_input_fn(split):
  """Returns the input_fn that gives every image once."""
  return numpy_input_fn(
    {"x": split.images},
    split.labels,
    batch_size=EVALUATION_BATCH_SIZE,
    num_epochs=1,
    shuffle=False,
  )

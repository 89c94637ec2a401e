"""The people that a run trains on and is evaluated on."""

import math

from input_pipelines import census, downloads

SELF_TEST_SIZES = (400, 200)  # invented people to train on, to be tested on


def load(config):
  """Returns the `census.Splits` of a run."""
  if config.self_test:
    train, test = SELF_TEST_SIZES
    return census.Splits(
      census.fake_split(train, seed=0), census.fake_split(test, seed=1)
    )
  if config.download and census.missing_files(config.data_dir):
    downloads.download("census", config.data_dir)
  return census.load(config.data_dir, config.on_bad_row)


def train_input_fn(split, config):
  """Returns the input_fn of shuffled batches without end.

  One input for all blocks of a run: the place in it is in the checkpoints, so
  that each epoch has an order of its own, in a run that was broken off too, and
  a run can be made longer.
  """
  return census.input_fn(
    split, config.batch_size, num_epochs=None, shuffle=True, seed=config.seed
  )


def evaluation_input_fn(split, config):
  """Returns the input_fn that gives every person once."""
  return census.input_fn(split, config.batch_size)


def blocks(config, num_examples):
  """Returns when to evaluate: a list of (epoch, global step).

  Batches run on over the ends of epochs, so a step may be a batch's rest later
  than the epoch. The last block is the end of training, and the shorter one
  where the others do not divide it.

  Args:
    config: a Config.
    num_examples: int, the people to train on.
  """
  per_epoch = num_examples / config.batch_size  # steps
  last = config.train_steps or math.ceil(config.train_epochs * per_epoch)
  found = []
  epoch = config.epochs_between_evals
  while (step := math.ceil(epoch * per_epoch)) < last:
    found.append((epoch, step))
    epoch += config.epochs_between_evals
  return [*found, (total_epochs(config, num_examples), last)]


def total_epochs(config, num_examples):
  """Returns the epochs of a whole run; a fraction with train_steps."""
  if config.train_steps is None:
    return config.train_epochs
  return round(config.train_steps * config.batch_size / num_examples, 2)

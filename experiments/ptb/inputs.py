"""The texts that a run trains on and is evaluated on."""

from input_pipelines import downloads, ptb

# Steps of a window of the test set, which is one row: a fifth faster than 100,
# and longer ones are no faster.
TEST_WINDOW = 1000


def load(config):
  """Returns (`ptb.Corpus`, entropy): nats per word in a self test, else None.

  Raises:
    FileNotFoundError, ValueError: the files are not as they should be.
  """
  if config.self_test:
    return ptb.fake(seed=config.seed)
  if config.download and ptb.is_missing(config.data_dir, config.prefix):
    if config.prefix == ptb.PREFIX:
      downloads.download("ptb", config.data_dir)
  corpus = ptb.load(config.data_dir, config.prefix)
  for split, count in corpus.dropped.items():
    if count:
      print(f"{split}: {count} words outside of the vocabulary are left out.")
  return corpus, None


def steps_per_epoch(corpus, config):
  """Returns the training steps of an epoch."""
  return ptb.windows_per_epoch(
    len(corpus.train), config.batch_size, config.num_steps
  )


def train_input_fn(corpus, config):
  """Returns the input_fn of the training text, epoch after epoch."""
  return ptb.train_input_fn(corpus.train, config.batch_size, config.num_steps)


def valid_input_fn(corpus, config):
  """Returns the input_fn of the validation text, in windows as in training."""
  return ptb.evaluation_input_fn(
    corpus.valid, config.batch_size, config.num_steps
  )


def test_input_fn(corpus):
  """Returns the input_fn of the test text: one row, word after word."""
  return ptb.evaluation_input_fn(corpus.test, 1, 1, window=TEST_WINDOW)

"""The texts that a run trains on and is evaluated on."""

import contextlib

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
  if ptb.END not in corpus.vocabulary:
    path = ptb.path_of(config.data_dir, "train", config.prefix)
    raise ValueError(
      f"the training text must have at least one line end, as texts begin "
      f"after one ({ptb.END}), but {path} has none in {len(corpus.train)} "
      "words; end its sentences with line ends."
    )
  for split, count in corpus.dropped.items():
    if count:
      print(f"{split}: {count} words outside of the vocabulary are left out.")
  return corpus, None


def steps_per_epoch(corpus, config):
  """Returns the training steps of an epoch."""
  return ptb.windows_per_epoch(
    len(corpus.train), config.batch_size, config.num_steps
  )


def input_fns(corpus, config):
  """Returns the input functions of the three texts, by their names.

  That of `train` gives epoch after epoch, that of `valid` windows as in
  training, and that of `test` one row, word after word.

  Raises:
    ValueError: a text is too short.
  """
  sizes = config.batch_size, config.num_steps
  with _named(config, "train"):
    train = ptb.train_input_fn(corpus.train, *sizes)
  with _named(config, "valid"):
    valid = ptb.evaluation_input_fn(corpus.valid, *sizes)
  with _named(config, "test"):
    test = ptb.evaluation_input_fn(corpus.test, 1, 1, window=TEST_WINDOW)
  return {"train": train, "valid": valid, "test": test}


@contextlib.contextmanager
def _named(config, split):
  """Puts the name of a text before the text of a ValueError."""
  try:
    yield
  except ValueError as error:
    name = ptb.path_of(config.data_dir, split, config.prefix)
    if config.self_test:
      name = f"the invented {split} text"
    raise ValueError(f"{name}: {error}") from error

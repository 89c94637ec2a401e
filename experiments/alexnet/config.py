"""The settings of the AlexNet benchmark, with the defaults of the tutorial."""

import dataclasses
import os

# What the self test measures: enough to see which pass is slower.
_SELF_TEST = {"batch_size": 2, "num_batches": 3}


@dataclasses.dataclass(frozen=True)
class Config:
  """One run.

  Attributes:
    batch_size: images in a batch.
    num_batches: how many batches of each pass are timed, after the burn-in.
    seed: of the images and the weights.
    csv_file: file to append a line for each pass to, or None.
    readme: whether to write the lines of csv_file into the README.
    self_test: whether to check the network and the timing on small batches.

  Raises:
    ValueError: readme without a csv_file.
  """

  batch_size: int = 128
  num_batches: int = 100
  seed: int = 1
  csv_file: str | None = None
  readme: bool = False
  self_test: bool = False

  def __post_init__(self):
    if self.readme and self.csv_file is None:
      raise ValueError(
        "--readme needs the file whose lines go into the README, and none was "
        "given; add --csv_file=experiments/alexnet/results.csv."
      )


def config_of(given):
  """Returns the Config of the flags that were given.

  Args:
    given: dictionary of field to value.
  """
  defaults = _SELF_TEST if given.get("self_test") else {}
  config = Config(**defaults | given)
  if config.csv_file is None:
    return config
  path = os.path.expanduser(config.csv_file)
  return dataclasses.replace(config, csv_file=path)

"""The flags of the program, and what it makes of them."""

import functools
import tempfile
import zlib

from absl import flags

from estimators import Estimator
from experiments import common_flags
from experiments.ptb import recurrent
from experiments.ptb.config import Config, model_params, published
from experiments.ptb.model import model_fn

FLAGS = flags.FLAGS
# What the tutorial's program called them.
ALIASES = {"data_path": "data_dir", "save_path": "model_dir"}
mistakes_in_one_line = functools.partial(
  common_flags.mistakes_in_one_line, "ptb"
)


def define_flags(values=FLAGS):
  """Defines the common flags, then those of PTB; None: as config.py."""
  common_flags.define_common_flags(values)
  flags.adopt_module_key_flags(common_flags, values)  # for --help
  for short, name in ALIASES.items():
    flags.DEFINE_alias(short, name, flag_values=values)
  for name, default, text in (
    ("model", "small", "The settings: small, medium, large or test."),
    ("prefix", None, "What the names of the three files begin with."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  for name, choices, text in (
    ("cell", ["lstm", "block", "gru"], "The recurrent layers."),
    (
      "rnn_backend",
      ["auto", *recurrent.BACKENDS],
      "What computes them; auto: what was the fastest on such a device.",
    ),
  ):
    flags.DEFINE_enum(name, None, choices, text, flag_values=values)
  for name, text in (
    (
      "max_epochs",
      "All epochs, fewer or more than published; the learning rates follow the "
      "same rule.",
    ),
    ("num_steps", "The words that gradients flow back through."),
    ("hidden_size", "Units of a layer."),
    ("num_layers", "Recurrent layers."),
  ):
    flags.DEFINE_integer(name, None, text, lower_bound=1, flag_values=values)
  flags.DEFINE_float(
    "keep_prob",
    None,
    "The share of units that dropout keeps.",
    lower_bound=0,
    upper_bound=1,
    flag_values=values,
  )


def config_from_flags(values):
  """Returns the Config that parsed flags stand for.

  Raises:
    ValueError: they stand for none.
  """
  return published(**common_flags.given_fields(values, Config))


def run_config(config):
  """Returns the RunConfig of a run, with a model_dir.

  Raises:
    ValueError: it would train on more than one device.
  """
  settings = common_flags.run_config(config)
  strategy = settings.train_distribute
  if strategy and strategy.num_replicas_in_sync > 1:
    raise ValueError(
      "PTB models train on one device, as the state of a row is carried from "
      f"batch to batch, but --distribution_strategy="
      f"{config.distribution_strategy} takes "
      f"{strategy.num_replicas_in_sync}; add --num_gpus=1, or leave it out."
    )
  if settings.model_dir is None:
    settings = settings.replace(model_dir=tempfile.mkdtemp())
  return settings


def estimator_of(config, settings, corpus, steps_per_epoch, **changes):
  """Returns the Estimator of a Config.

  Args:
    config: a Config.
    settings: RunConfig.
    corpus: `ptb.Corpus`.
    steps_per_epoch: int.
    **changes: what differs from `model_params`.
  """
  backend = recurrent.backend_of(
    config.cell, config.rnn_backend, config.use_fp16
  )
  params = model_params(
    config, len(corpus.vocabulary), steps_per_epoch, backend
  )
  params["training_text_crc32"] = zlib.crc32(corpus.train)
  return Estimator(model_fn, config=settings, params=params | changes)

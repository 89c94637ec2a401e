"""The flags of the three programs, and what they make of them."""

import functools

import tensorflow as tf
from absl import flags

from estimators import Estimator
from experiments import common_flags
from experiments.cifar10.config import Config, config_of, model_params
from experiments.cifar10.model import model_fn

FLAGS = flags.FLAGS
# What the tutorial's programs called them.
ALIASES = {
  "train_dir": "model_dir",
  "checkpoint_dir": "model_dir",
  "max_steps": "train_steps",
}
mistakes_in_one_line = functools.partial(
  common_flags.mistakes_in_one_line, "cifar10"
)


def define_flags(values=FLAGS):
  """Defines the common flags, then those of CIFAR-10; None: as config.py."""
  common_flags.define_common_flags(values)
  flags.adopt_module_key_flags(common_flags, values)  # for --help
  for name, choices, text in (
    ("dataset", ["cifar10", "svhn"], "The images to tell apart."),
    ("top", ["dense", "local"], "The layers between convolutions and classes."),
    (
      "data_format",
      ["channels_last", "channels_first"],
      "Order of dimensions; channels_first is for GPUs.",
    ),
    ("eval_data", ["test", "train_eval"], "Which images are evaluated."),
  ):
    flags.DEFINE_enum(name, None, choices, text, flag_values=values)
  for name, text in (
    ("log_frequency", "Steps from one line to the next."),
    ("num_examples", "How many images are evaluated; all when not given."),
  ):
    flags.DEFINE_integer(name, None, text, lower_bound=1, flag_values=values)
  flags.DEFINE_float(
    "eval_interval_secs",
    None,
    "The least seconds from one evaluation to the next.",
    lower_bound=0,
    flag_values=values,
  )
  for name, text in (
    ("use_averages", "Evaluate and export the moving averages of the weights."),
    ("run_once", "Evaluate the newest checkpoint only."),
    ("log_device_placement", "Log the device of each operation."),
  ):
    flags.DEFINE_bool(name, None, text, flag_values=values)
  for short, name in ALIASES.items():
    flags.DEFINE_alias(short, name, flag_values=values)


def config_from_flags(values, unused=(), **defaults):
  """Returns the Config that parsed flags stand for.

  Args:
    values: parsed `flags.FlagValues`.
    unused: names of the flags that the program has no use for.
    **defaults: the program's own defaults.

  Raises:
    ValueError: a flag was given that is not used.
  """
  given = common_flags.given_fields(values, Config)
  ignored = [f"--{n}" for n in unused if not values[n].using_default_value]
  if ignored:
    raise ValueError(
      f"flags must be the program's, but it has no use for "
      f"{', '.join(ignored)}; leave them out, or take main.py."
    )
  return config_of(**(defaults | given))


def run_config(config):
  """Returns the RunConfig of a run; call it first, before images are read."""
  if config.log_device_placement:
    tf.debugging.set_log_device_placement(True)
  return common_flags.run_config(config)


def estimator_of(config, settings, split=None, **params):
  """Returns the Estimator of a Config.

  Args:
    config: a Config.
    settings: RunConfig.
    split: `inputs.Split` to train on; None for evaluation alone.
    **params: what differs from `model_params`.
  """
  num_examples = None if split is None else len(split.labels)
  return Estimator(
    model_fn,
    config=settings,
    params=model_params(config, num_examples) | params,
  )

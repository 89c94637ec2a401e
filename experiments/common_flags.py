"""The flags that every experiment has, and what they mean to the runner."""

import contextlib
import dataclasses
import functools
import os
import signal
import sys
import tempfile

from absl import flags, logging

from estimators import (
  ModelDirInUseError,
  NanLossDuringTrainingError,
  RunConfig,
  atomic_files,
  distribution_strategy,
  training_lock,
)
from estimators.distribute import STRATEGIES

FLAGS = flags.FLAGS
_FOLDERS = ("data_dir", "model_dir", "export_dir", "output_dir")
# Fields of a Config that say nothing about what comes out of a run.
_OF_THE_RUN = ("output_dir", "self_test")


def define_common_flags(values=FLAGS):
  """Defines the common flags.

  Those with None for a default leave the choice to the experiment.

  Args:
    values: the `flags.FlagValues` to define them in; tests pass their own.
  """
  string, integer, number, boolean = (
    functools.partial(define, flag_values=values)
    for define in (
      flags.DEFINE_string,
      flags.DEFINE_integer,
      flags.DEFINE_float,
      flags.DEFINE_boolean,
    )
  )
  string("data_dir", None, "Folder of the data set's files.")
  boolean("download", True, "Download the files that data_dir lacks.")
  string(
    "model_dir",
    None,
    "Folder of checkpoints and TensorBoard events; a run goes on from the "
    "newest checkpoint there. A temporary folder when not given.",
  )
  integer(
    "train_steps",
    None,
    "Total training steps, counting those of earlier runs in model_dir.",
    lower_bound=1,
  )
  integer("batch_size", None, "Examples in a batch.", lower_bound=1)
  number("learning_rate", None, "Learning rate at the start.", lower_bound=0)
  integer(
    "seed",
    None,
    "Seed of initial weights, dropout, batches and what is invented.",
    lower_bound=0,
  )
  integer(
    "save_checkpoints_steps",
    None,
    "Steps between checkpoints; ten minutes when not given.",
    lower_bound=1,
  )
  string("export_dir", None, "Folder to export the trained model to.")
  boolean(
    "use_fp16",
    False,
    "Compute in bfloat16, in all layers but the last (a linear model has no "
    "others). It has the range of float32, so that, other than float16, it "
    "needs no loss scaling.",
  )
  flags.DEFINE_enum(
    "distribution_strategy",
    "off",
    STRATEGIES,
    "What to train on. off, one_device: one device. mirrored: the GPUs of this "
    "machine, or its logical CPUs. multi_worker: the same of all processes of "
    "the cluster in TF_CONFIG; its chief (or worker 0) alone evaluates and "
    "exports. Each device gets its slice of a batch of batch_size examples.",
    flag_values=values,
  )
  integer(
    "num_gpus",
    None,
    "How many GPUs of this machine the strategy takes; all when not given, 0 "
    "for none. It needs another --distribution_strategy than off.",
    lower_bound=0,
  )
  boolean(
    "deterministic",
    False,
    "Give the same bits in every run on such a machine, at the price of some "
    "speed.",
  )
  boolean(
    "overwrite_config",
    False,
    "Go on in model_dir with other settings than its model began with.",
  )
  boolean(
    "self_test",
    False,
    "Check the program on something small and invented: training must learn "
    "it, a simulation be right. The exit status is 1 when it is not.",
  )


def given_fields(values, config_class):
  """Returns what the flags say about the fields of a dataclass.

  Args:
    values: parsed `flags.FlagValues`.
    config_class: a dataclass; a flag goes to the field of its name.

  Returns:
    Dictionary of name to value, without the flags that are None. Folders have
    their ~ replaced, which shells leave alone in --model_dir=~/mnist.

  Raises:
    ValueError: a common flag was given that the experiment does not know.
  """
  names = {field.name for field in dataclasses.fields(config_class)}
  _check_used(values, names)
  given = {
    name: values[name].value
    for name in names & set(values)
    if values[name].value is not None
  }
  for name in given.keys() & _FOLDERS:
    given[name] = os.path.expanduser(given[name])
  return given


def distribution(config):
  """Returns the strategies of a run, arguments of RunConfig by name.

  In a cluster one process evaluates, without a strategy. Call it before
  TensorFlow computes anything, which multi_worker needs.

  Args:
    config: a Config with the fields distribution_strategy and num_gpus.

  Raises:
    ValueError: num_gpus was given without a strategy that takes GPUs.
  """
  name = config.distribution_strategy
  if name == "off" and config.num_gpus is not None:
    raise ValueError(
      "--num_gpus says what --distribution_strategy takes, which must not be "
      f"off then, but it is, with --num_gpus={config.num_gpus}; give "
      "--distribution_strategy=mirrored as well, or leave --num_gpus out."
    )
  strategy = distribution_strategy(name, config.num_gpus)
  return {
    "train_distribute": strategy,
    "eval_distribute": None if name == "multi_worker" else strategy,
  }


def run_config(config, **fields):
  """Returns the RunConfig of a run; call it first, as `distribution`.

  Args:
    config: a Config with the fields model_dir, export_dir, seed,
      save_checkpoints_steps, distribution_strategy, num_gpus, deterministic and
      overwrite_config.
    **fields: further fields of RunConfig; save_checkpoints_steps, when it is
      given, takes the place of save_checkpoints_secs.

  Raises:
    ValueError: as for `distribution`.
    OSError: model_dir or export_dir cannot be written.
  """
  settings = RunConfig(
    model_dir=config.model_dir,
    tf_random_seed=config.seed,
    deterministic=config.deterministic,
    overwrite_config=config.overwrite_config,
    **fields,
    **distribution(config),
  )
  if settings.is_chief:
    for name in ("model_dir", "export_dir"):
      if getattr(config, name) is not None:
        training_lock.check_writable(getattr(config, name), f"--{name}")
  if config.save_checkpoints_steps is None:
    return settings
  return settings.replace(save_checkpoints_steps=config.save_checkpoints_steps)


def output_folder(config):
  """Returns the folder of the files of a run that has no model_dir.

  Its settings are written into it, as config.json; call it before the work.

  Args:
    config: a Config with the field output_dir, None for a temporary folder.

  Raises:
    OSError: it cannot be made or written.
  """
  folder = config.output_dir or tempfile.mkdtemp()
  training_lock.check_writable(folder, "--output_dir")
  os.makedirs(folder, exist_ok=True)
  params = dataclasses.asdict(config)
  for name in _OF_THE_RUN:
    del params[name]
  path = os.path.join(folder, "config.json")
  atomic_files.write_json(path, {"params": params})
  return folder


@contextlib.contextmanager
def mistakes_in_one_line(name):
  """Ends the program with the text of a mistake, or with 130 after Ctrl-C.

  That is a ValueError, what the system says of files, a model_dir where another
  process trains, or a loss that is not finite. Its traceback is logged for
  those who ask: --verbosity=1.

  Args:
    name: str, of the experiment; it stands before the text.
  """
  try:
    yield
  except KeyboardInterrupt:
    print(f"{name}: stopped by Ctrl-C.", file=sys.stderr)
    sys.exit(128 + signal.SIGINT)
  except (
    ValueError,
    OSError,
    ModelDirInUseError,
    NanLossDuringTrainingError,
  ) as error:
    logging.debug("The place of the mistake:", exc_info=True)
    sys.exit(f"{name}: {error}")


def _check_used(values, names):
  """Makes sure that no common flag was given but those of some names."""
  common = flags.FlagValues()
  define_common_flags(common)
  unused = [
    f"--{name}"
    for name in sorted(set(common) & set(values) - names)
    if not values[name].using_default_value
  ]
  if unused:
    known = [f"--{name}" for name in sorted(names & set(values))]
    raise ValueError(
      f"flags must be the experiment's, but it has no use for "
      f"{', '.join(unused)}; it has {', '.join(known)}."
    )

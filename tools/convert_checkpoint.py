"""Makes a model_dir of this package from a checkpoint of tf.estimator.

    python -m tools.convert_checkpoint --from=OLD_MODEL_DIR --to=MODEL_DIR

An Estimator with the same model on MODEL_DIR evaluates, predicts and exports
what tf.estimator trained, and trains on from its global step with what its
optimizer had gathered. Variables go by their names, so the model need not be
known; hyperparameters are printed, to be given to the new optimizer. --from may
also be one checkpoint (.../model.ckpt-100) or a SavedModel, which has no
optimizer. MODEL_DIR must be new or empty. Exits non-zero when nothing was made.
"""

import os
import shutil
import sys

import numpy as np
import tensorflow as tf
from absl import app, flags

from estimators import checkpoint_files, checkpoints
from estimators.checkpoint_reader import Reader, find
from estimators.tf_estimator_names import GLOBAL_STEP

FLAGS = flags.FLAGS


def define_flags(values=FLAGS):
  """Defines this program's flags."""
  flags.DEFINE_string(
    "from", None, "What tf.estimator wrote.", flag_values=values
  )
  flags.DEFINE_string("to", None, "The new model_dir.", flag_values=values)
  flags.mark_flags_as_required(["from", "to"], values)


def convert(source, target):
  """Writes a model_dir with the variables of a checkpoint of tf.estimator.

  Args:
    source: str, its model_dir (the newest checkpoint), a checkpoint, or a
      SavedModel that it exported.
    target: str, the model_dir to make; new or empty.

  Returns:
    The lines of a report.

  Raises:
    ValueError: source is no checkpoint of tf.estimator, or target holds files.
  """
  source, target = os.path.expanduser(source), os.path.expanduser(target)
  path = find(source)
  if not path:
    raise ValueError(
      f"--from must name what tf.estimator wrote, but there is no checkpoint "
      f"at {source!r}; name a model_dir, a checkpoint (.../model.ckpt-100) or "
      "a SavedModel."
    )
  reader = Reader(path)
  if not reader.by_name:
    raise ValueError(
      f"--from must name what tf.estimator wrote, but {path} is object-based: "
      "it is one of ours or of Keras. Use it as it is: as model_dir, or with "
      "warm_start_from."
    )
  if os.path.exists(target) and not _is_empty_folder(target):
    raise ValueError(
      f"--to must be a new or empty folder, but {target} is neither; name "
      "another one."
    )
  written = _write(target, {name: reader.value(name) for name in reader.shapes})
  return [f"Converted {path} to {written}.", *_report(reader)]


def _is_empty_folder(path):
  return os.path.isdir(path) and not os.listdir(path)


def _write(target, values):
  """Writes a checkpoint and its folder, all or nothing; returns its path."""
  step = int(values.get(GLOBAL_STEP, 0))
  values[GLOBAL_STEP] = np.int64(step)
  variables = {name: tf.Variable(value) for name, value in values.items()}
  temporary = f"{os.path.abspath(target)}.temp-{os.getpid()}"
  os.makedirs(temporary)
  try:
    manager = tf.train.CheckpointManager(
      tf.train.Checkpoint(**checkpoints.tree(variables)),
      temporary,
      max_to_keep=None,
      checkpoint_name=checkpoint_files.NAME,
    )
    path = manager.save(
      checkpoint_number=step,
      options=tf.train.CheckpointOptions(
        experimental_write_callbacks=[checkpoint_files.seal]
      ),
    )
    os.rename(temporary, target)
  except BaseException:
    shutil.rmtree(temporary, ignore_errors=True)
    raise
  return os.path.join(target, os.path.basename(path))


def _report(reader):
  """Yields lines that say what became of everything in a checkpoint."""
  stored = {name: reader.stored_as(name) for name in sorted(reader.shapes)}
  same = [name for name, keys in stored.items() if keys == [name]]
  renamed = [
    f"{name} <- {', '.join(keys)}"
    for name, keys in stored.items()
    if keys and keys != [name]
  ]
  left_out = [
    key if value is None else f"{key} = {value}"
    for key, value in reader.left_out().items()
  ]
  for title, lines in (
    ("by the same name", same),
    ("by another name", renamed),
    ("with first values", [name for name, keys in stored.items() if not keys]),
    ("left out; give the new optimizer what of it you chose", left_out),
  ):
    if lines:
      yield f"{len(lines)} {title}:"
      yield from (f"  {line}" for line in lines)


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"Nothing but flags is known; got {argv[1:]}.")
  try:
    lines = convert(FLAGS["from"].value, FLAGS.to)
  except (ValueError, OSError, tf.errors.OpError) as error:
    sys.exit(f"tools.convert_checkpoint: {error}")
  print("\n".join(lines))


if __name__ == "__main__":
  define_flags()
  app.run(main)

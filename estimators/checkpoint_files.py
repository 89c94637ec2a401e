"""The files of checkpoints: put on the disk, with checksums, and verified.

A checkpoint `model.ckpt-N` is

    model.ckpt-N.data-00000-of-00001, model.ckpt-N.index
    model.ckpt-N.sha256   written last; `sha256sum -c` reads it too

and the file `checkpoint` lists those that are kept, as TensorFlow does. One
without checksums, which this package did not write, is taken for whole until
TensorFlow finds out.
"""

import glob
import hashlib
import os
import re
import shutil
import time

import tensorflow as tf

from estimators import atomic_files

_logger = tf.get_logger()

NAME = "model.ckpt"
LIST = "checkpoint"
INDEX, _DATA, SUMS = ".index", ".data-", ".sha256"
# What the names of a checkpoint's files have besides, but for the index.
_PART = re.compile(r"\.(data-\d+-of-\d+|sha256|sha256\.tmp)$")
_SUM_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def step_of(path):
  """Returns the global step in the name of a checkpoint."""
  return int(os.path.basename(path).rsplit("-", 1)[1])


def is_there(path):
  """Whether there is a checkpoint of that name."""
  return os.path.exists(path + INDEX)


def seal(path):
  """Puts a checkpoint that TensorFlow has written on the disk, with its sums.

  Args:
    path: str, the checkpoint.

  Raises:
    OSError: the checksums cannot be written.
  """
  lines = []
  for file in _files(path):
    atomic_files.sync(file)
    lines.append(f"{_sha256(file)}  {os.path.basename(file)}\n")
  with atomic_files.writing(path + SUMS) as stream:
    stream.write("".join(lines).encode())


_known = {}


def damage(path):
  """Returns what is wrong with a checkpoint, a str; None when it is whole.

  Its files are read when they have changed since they were looked at last.
  """
  stamp = tuple(map(_stamp, [*_files(path), path + SUMS]))
  if _known.get(path, (None, None))[0] != stamp:
    _known[path] = (stamp, _damage(path))
  return _known[path][1]


def _damage(path):
  try:
    with open(path + SUMS, "rb") as file:
      lines = file.read().decode("latin-1").splitlines()
  except FileNotFoundError:
    return None
  sums = [_SUM_LINE.fullmatch(line) for line in lines]
  if len(sums) < 2 or None in sums:
    return f"{path}{SUMS} does not hold checksums"
  sums = {match[2]: match[1] for match in sums}
  for file in _files(path):
    if sums.pop(os.path.basename(file), None) != _sha256(file):
      return f"{file} is not what its checksum says"
  return f"{sorted(sums)} is missing" if sums else None


def check(path):
  """Raises a ValueError if a checkpoint is damaged."""
  problem = damage(path)
  if problem:
    raise ValueError(
      f"the checkpoint {path} is cut or damaged ({problem}): copy it again, or "
      "use an earlier one."
    )


def newest(model_dir, or_earlier=True):
  """Returns the path of the newest checkpoint that is whole, or None.

  Those that are damaged are warned of, and the one before them is taken.

  Args:
    model_dir: str, the folder.
    or_earlier: bool, whether one before it is taken also where the newest is
      gone. Who follows a training on another machine may not see it as yet.

  Raises:
    ValueError: there are checkpoints, but all of them are damaged.
  """
  last = listed(model_dir)[-1:]
  if last and not or_earlier and not is_there(last[0]):
    return None
  problems = []
  for path in _candidates(model_dir):
    problem = damage(path)
    if problem is None:
      return path
    problems.append(problem)
    _warn_once(path, problem)
  if problems:
    raise ValueError(
      f"all checkpoints in {model_dir} are damaged ({'; '.join(problems)}), so "
      "there is nothing to go on from; copy one there from elsewhere, or begin "
      "anew with another model_dir."
    )
  return None


_lists = {}


def listed(model_dir):
  """Returns the checkpoints that the file `checkpoint` lists, oldest first.

  The file is parsed again only when it has changed. One that was cut or damaged
  lists nothing.
  """
  stamp = _stamp(os.path.join(model_dir, LIST))
  if stamp is None:
    return ()
  if _lists.get(model_dir, (None, ()))[0] != stamp:
    _lists[model_dir] = (stamp, _parsed_list(model_dir))
  return _lists[model_dir][1]


def _state(model_dir):
  """Returns what the file `checkpoint` holds, or None."""
  try:
    return tf.train.get_checkpoint_state(model_dir)
  except ValueError:  # It names none, or is not text.
    return None


def _parsed_list(model_dir):
  state = _state(model_dir)
  if state is None:
    return ()
  last = state.model_checkpoint_path
  # Who wants to go back may write an earlier one's name into the first line.
  before = [
    path
    for path in state.all_model_checkpoint_paths
    if path != last and _number(path) < _number(last)
  ]
  return (*before, last)


def _candidates(model_dir):
  """Returns the checkpoints to try, newest first."""
  paths = [path for path in listed(model_dir) if is_there(path)]
  if not paths and os.path.exists(os.path.join(model_dir, LIST)):
    # The list is damaged, or newer than what another machine sees.
    sums = glob.glob(os.path.join(glob.escape(model_dir), f"{NAME}-*{SUMS}"))
    paths = [path.removesuffix(SUMS) for path in sums]
    paths = sorted(filter(is_there, paths), key=_number)
  return reversed(paths)


def _number(path):
  """Returns the step in a name, -1 if there is none: it may be damaged."""
  number = os.path.basename(path).rpartition("-")[2]
  return int(number) if number.isdecimal() else -1


_warned = set()


def _warn_once(path, problem):
  if (path, problem) in _warned:
    return
  _warned.add((path, problem))
  _logger.warning(
    "The checkpoint %s is cut or damaged, and the one before it is used: %s. "
    "Its files are left where they are.",
    path,
    problem,
  )


def clear(model_dir):
  """Removes what a save that was killed has left, and mends the list.

  No other process may be training in the folder.
  """
  prefix = os.path.join(glob.escape(model_dir), NAME)
  for folder in glob.glob(f"{prefix}-*_temp*"):
    shutil.rmtree(folder)
  for file in glob.glob(f"{prefix}-*"):
    path = _PART.sub("", file)
    if path != file and not is_there(path):
      os.remove(file)
  for name in ("*.json.tmp", f"{LIST}.tmp*"):
    for file in glob.glob(os.path.join(glob.escape(model_dir), name)):
      os.remove(file)
  _mend_list(model_dir)


def _mend_list(model_dir):
  """Makes the list end with the newest checkpoint that is whole.

  Where the clock has gone back since, TensorFlow would forget what is listed,
  and never remove it: then the times are made anew, too.
  """
  path, paths, state = newest(model_dir), listed(model_dir), _state(model_dir)
  is_right = paths and paths[-1] == path
  if path is None or (
    is_right and state.last_preserved_timestamp <= time.time()
  ):
    return
  kept = [p for p in reversed(list(_candidates(model_dir))) if not damage(p)]
  names = [os.path.basename(path) for path in kept]
  now = time.time()
  state = tf.compat.v1.train.generate_checkpoint_state_proto(
    model_dir, names[-1], names, [now] * len(names), now - 1
  )
  with atomic_files.writing(os.path.join(model_dir, LIST)) as stream:
    stream.write(str(state).encode())


def remove_unfinished(path):
  """Removes what a save that has failed leaves."""
  shutil.rmtree(path + "_temp", ignore_errors=True)
  if not os.path.exists(path + SUMS):
    for file in _files(path):
      os.remove(file)


def remove(path):
  """Removes a checkpoint, its index first: without it the rest is none."""
  for file in [*reversed(_files(path)), path + SUMS]:
    if os.path.exists(file):
      os.remove(file)


def remove_sums(paths):
  """Removes the checksums of checkpoints that TensorFlow has removed."""
  for path in paths:
    if not is_there(path) and os.path.exists(path + SUMS):
      os.remove(path + SUMS)


def _files(path):
  """Returns the files that hold a checkpoint, but for its checksums."""
  # Python would keep a pattern of each checkpoint.
  folder, name = os.path.split(path)
  found = [
    os.path.join(folder, other)
    for other in os.listdir(folder or ".")
    if other.startswith(name + _DATA)
  ]
  return [*sorted(found), *([path + INDEX] if is_there(path) else [])]


def _stamp(file):
  """Returns what changes when a file is written; None without it."""
  try:
    status = os.stat(file)
  except (FileNotFoundError, NotADirectoryError):
    return None
  return status.st_mtime_ns, status.st_size, status.st_ino


def _sha256(file):
  with open(file, "rb") as stream:
    return hashlib.file_digest(stream, "sha256").hexdigest()

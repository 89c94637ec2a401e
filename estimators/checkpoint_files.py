"""The files of checkpoints: put on the disk, with checksums, and verified.

A checkpoint `model.ckpt-N` is

    model.ckpt-N.data-00000-of-00001, model.ckpt-N.index
    model.ckpt-N.sha256   written last; `sha256sum -c` reads it too

and the file `checkpoint` lists those that are kept, as TensorFlow does. One
without checksums, which this package did not write, is taken for whole until
TensorFlow finds out.
"""

import contextlib
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
# Beside one at whose step the input was found to have ended afterwards.
ENDED = ".ended"
_LOOKS = 5  # at a folder that changes meanwhile
# What the names of a checkpoint's files have besides, but for the index.
_PART = re.compile(r"\.(data-\d+-of-\d+|(sha256|ended)(\.tmp.*)?)$")
_SUM_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def step_of(path):
  """Returns the global step in the name of a checkpoint."""
  return int(os.path.basename(path).rsplit("-", 1)[1])


def is_there(path):
  """Whether there is a checkpoint of that name."""
  return os.path.exists(path + INDEX)


def is_sealed(path):
  """Whether there is a checkpoint of that name, and its checksums."""
  return is_there(path) and os.path.exists(path + SUMS)


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


# What is wrong with the checkpoints that were looked at, and their stamps then.
_known = {}


def damage(path):
  """Returns what is wrong with a checkpoint, a str; None when it is whole.

  Its files are read when they have changed since they were looked at last.
  """
  stamps = tuple(map(_stamp, [*_files(path), path + SUMS]))
  if _known.get(path, (None, None))[0] != stamps:
    _known[path] = (stamps, _damage(path))
  return _known[path][1]


def _damage(path):
  try:
    with open(path + SUMS, "rb") as file:
      lines = file.read().decode("latin-1").splitlines()
  except FileNotFoundError:
    return None
  except OSError as error:
    return f"{path}{SUMS} cannot be read: {error}"
  sums = [_SUM_LINE.fullmatch(line) for line in lines]
  if len(sums) < 2 or None in sums:
    return f"{path}{SUMS} does not hold checksums"
  sums = {match[2]: match[1] for match in sums}
  for file in _files(path):
    try:
      is_right = sums.pop(os.path.basename(file), None) == _sha256(file)
    except OSError as error:
      return f"{file} cannot be read: {error}"
    if not is_right:
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

  It is that of the highest step. Those that are damaged are warned of, and the
  one before them is taken.

  Args:
    model_dir: str, the folder.
    or_earlier: bool, whether one before it is taken also where the newest that
      is listed is gone. Who follows a training on another machine may not see
      it as yet.

  Raises:
    ValueError: there are checkpoints, but all of them are damaged.
  """
  path, problems = None, []
  for _ in range(_LOOKS):
    stamp = _stamp(os.path.join(model_dir, LIST))
    last = listed(model_dir)[-1:]
    if last and not or_earlier and not is_there(last[0]):
      return None
    path, problems = _newest_of(_candidates(model_dir))
    if path or stamp == _stamp(os.path.join(model_dir, LIST)):
      break  # Else training has removed what was looked at.
  if path is None and problems:
    raise ValueError(
      f"all checkpoints in {model_dir} are damaged ({'; '.join(problems)}), so "
      "there is nothing to go on from; copy one there from elsewhere, or begin "
      "anew with another model_dir."
    )
  if path and last and path != last[0] and is_there(last[0]):
    _warn_of_first_line(model_dir, last[0], path)
  return path


def _newest_of(paths):
  """Returns (the first path that is whole, or None; problems before it)."""
  problems = []
  for path in paths:
    problem = damage(path)
    if not is_there(path):
      continue  # It was removed meanwhile.
    if problem is None:
      return path, problems
    problems.append(problem)
    _warn_once(
      (path, problem),
      "The checkpoint %s is cut or damaged, and the one before it is used: %s. "
      "Its files are left where they are.",
    )
  return None, problems


def _warn_of_first_line(model_dir, named, path):
  if damage(named) is None:
    _warn_once(
      (os.path.join(model_dir, LIST), named, path),
      "The first line of %s names %s, but the newest checkpoint, %s, is used; "
      "to go back, remove the files of the later ones.",
    )


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
  return (*(p for p in state.all_model_checkpoint_paths if p != last), last)


def _candidates(model_dir):
  """Returns the checkpoints to try, newest first.

  They are those that are listed; those with checksums, as a kill may have come
  before one was listed; and where neither is there, all that look like one.
  """
  paths = [path for path in listed(model_dir) if is_there(path)]
  paths += [path for path in _with(model_dir, SUMS) if is_there(path)]
  if not paths:
    paths = _with(model_dir, INDEX)
  # A list of others may have names without a step, in the order of the list.
  return sorted(dict.fromkeys(paths), key=_number)[::-1]


def _with(model_dir, ending):
  """Returns the paths of our names that have a file of an ending."""
  pattern = os.path.join(glob.escape(model_dir), f"{NAME}-*{ending}")
  return [file.removesuffix(ending) for file in glob.glob(pattern)]


def _number(path):
  """Returns the step in a name, -1 if there is none: it may be damaged."""
  number = os.path.basename(path).rpartition("-")[2]
  return int(number) if number.isdecimal() else -1


_warned = set()


def _warn_once(what, text):
  if what not in _warned:
    _warned.add(what)
    _logger.warning(text, *what)


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
  for name in ("*.json.tmp*", f"{LIST}.tmp*"):
    for file in glob.glob(os.path.join(glob.escape(model_dir), name)):
      os.remove(file)
  last = max(map(_number, listed(model_dir)), default=-1)
  for path in _with(model_dir, INDEX) if last >= 0 else ():
    if not is_sealed(path) and _number(path) > last:
      remove(path)  # The save was killed before its checksums.
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
  # What training keeps for good is not listed, and may stay so.
  kept = {p for p in paths if is_there(p) and not damage(p)} | {path}
  names = [os.path.basename(p) for p in sorted(kept, key=_number)]
  now = time.time()
  state = tf.compat.v1.train.generate_checkpoint_state_proto(
    model_dir, names[-1], names, [now] * len(names), now - 1
  )
  with atomic_files.writing(os.path.join(model_dir, LIST)) as stream:
    stream.write(str(state).encode())


def remove_unfinished(path):
  """Removes what a save that has failed leaves."""
  shutil.rmtree(path + "_temp", ignore_errors=True)
  with contextlib.suppress(OSError):  # The folder itself may be gone.
    if not os.path.exists(path + SUMS):
      remove(path)


def remove(path):
  """Removes a checkpoint, its index first: without it the rest is none."""
  for file in [*reversed(_files(path)), path + SUMS, path + ENDED]:
    if os.path.exists(file):
      os.remove(file)
  _known.pop(path, None)


def remove_rest(paths):
  """Removes what is left of checkpoints that TensorFlow has removed."""
  for path in paths:
    if not is_there(path):
      remove(path)


def note_end(path):
  """Notes that the input had ended where a checkpoint was made.

  The checkpoint itself is not written once more: a kill could come amidst.
  """
  with atomic_files.writing(path + ENDED):
    pass


def is_end(path):
  """Whether the input was found to have ended where a checkpoint was made."""
  return os.path.exists(path + ENDED)


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

"""Event files of earlier processes: removing events that come once more.

A process that was killed has written events of steps that the next one takes
again. They are removed before it does, so that TensorBoard shows each step
once, and early stopping sees what it would have seen without the kill.

An event file is a row of records: the length (uint64) and its checksum
(uint32), a serialized `Event`, and its checksum.
"""

import collections
import glob
import math
import os
import shutil
import socket
import stat
import struct
import time

from google.protobuf.message import DecodeError
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from estimators import atomic_files, processes

# An event begins with its wall time (9 bytes) and its step (11 at most); one of
# so many bytes, as scalars have, is compared with its checksum, too.
_HEAD = 256
_HEADER, _FOOTER = 12, 4
# TensorBoard takes every file with "tfevents" in its name for one of these.
_REWRITTEN = "rewritten_events"
# A file of another machine that has not changed for so long has no writer.
QUIET_SECS = 60.0
_FILES_OF = "/proc/{}/fd"

_Record = collections.namedtuple("_Record", "start end head is_whole")


def remove(
  directory, first, last=math.inf, at_start=False, quiet_secs=QUIET_SECS
):
  """Removes the events of some steps from files that nobody writes any more.

  A record that a kill has cut goes as well, where a file is written anew, and
  so does a damaged one: TensorBoard reads nothing that comes after it.

  Args:
    directory: str, the folder of events; one that is missing holds none.
    first, last: the steps to remove, both inclusive.
    at_start: bool, whether the graph and the hyperparameters, which are written
      when training starts, are removed like the rest.
    quiet_secs: float, see `closed`.

  Returns:
    int, how many events were removed.

  Raises:
    OSError: a file cannot be read or written.
  """
  removed = 0
  for path in closed(directory, quiet_secs):

    def is_obsolete(record, stream):
      if not record.is_whole:
        return True
      if not first <= _step(record.head) <= last:
        return False
      stream.seek(record.start + _HEADER)
      data = stream.read(record.end - record.start - _HEADER - _FOOTER)
      try:
        return not _stays(event_pb2.Event.FromString(data), at_start)
      except DecodeError:
        return True

    removed += _rewrite(path, is_obsolete)
  return removed


def steps(path):
  """Returns the steps of a file's events, a set of ints."""
  with open(path, "rb") as stream:
    return {_step(r.head) for r in _records(stream) if r.is_whole}


# Open file of this process -> (bytes that were read, highest step in them).
_read = {}


def last_own_step(directory):
  """Returns the highest step in this process's open files of a folder.

  Each byte is read once, however often it is asked. Without events it is
  minus infinity.
  """
  own = f".{socket.gethostname()}.{os.getpid()}."
  free, last = closed(directory, quiet_secs=0), -math.inf
  for path in _paths(directory):
    if own in os.path.basename(path) and path not in free:
      end, highest = _read.get(path, (0, -math.inf))
      with open(path, "rb") as stream:
        for record in _records(stream, end):
          end, highest = record.end, max(highest, _step(record.head))
      _read[path] = (end, highest)
      last = max(last, highest)
  return last


def closed(directory, quiet_secs=QUIET_SECS):
  """Returns the event files in a folder that have no open writer, sorted.

  Args:
    directory: str.
    quiet_secs: float, for how many seconds a file of another machine must not
      have changed; 0 where no process of another machine can be writing.
  """
  paths = _paths(directory)
  return sorted(path for path in paths if not _is_open(path, quiet_secs))


def _paths(directory):
  return glob.glob(os.path.join(glob.escape(directory), "*tfevents*"))


def _rewrite(path, is_obsolete):
  """Writes a file anew without some events; returns how many they were."""
  ranges, num_obsolete, num_kept = [], 0, 0
  with open(path, "rb") as stream:
    for record in _records(stream):
      if is_obsolete(record, stream):
        num_obsolete += 1
        continue
      num_kept += 1
      if ranges and ranges[-1][1] == record.start:
        ranges[-1][1] = record.end
      else:
        ranges.append([record.start, record.end])
    if not num_obsolete:
      return 0
    if num_kept <= 1:  # Only the version of the format is left.
      os.remove(path)
      return num_obsolete
    scratch = os.path.join(os.path.dirname(path), _REWRITTEN)
    with atomic_files.writing(scratch) as target:
      for start, end in ranges:
        _copy(stream, start, end, target)
  shutil.copystat(path, scratch)
  os.replace(scratch, path)
  atomic_files.sync(os.path.dirname(path) or ".")
  return num_obsolete


def _copy(stream, start, end, target, size=1 << 20):
  stream.seek(start)
  while start < end:
    data = stream.read(min(size, end - start))
    target.write(data)
    start += len(data)


def _records(stream, start=0):
  """Yields the records of a file, up to the first that is not whole."""
  size = stream.seek(0, os.SEEK_END)
  while start + _HEADER + _FOOTER <= size:
    stream.seek(start)
    head = stream.read(_HEADER + _HEAD + _FOOTER)
    (length,) = struct.unpack_from("<Q", head)
    end = start + _HEADER + length + _FOOTER
    # A crash of the machine may leave zeros, or something else, at the end.
    if end > size or masked_crc32c(head[:8]) != _uint32(head, 8):
      return
    data = head[_HEADER : _HEADER + min(length, _HEAD)]
    is_whole = length > _HEAD or (
      masked_crc32c(data) == _uint32(head, _HEADER + length)
    )
    yield _Record(start, end, data, is_whole)
    start = end


def _uint32(data, position):
  return struct.unpack_from("<I", data, position)[0]


def _step(head):
  """Returns the step of an event, of which these are the first bytes.

  TensorFlow writes the fields in the order of their numbers: the wall time, and
  the step unless it is 0.
  """
  position = 9 if head[:1] == b"\x09" else 0
  if head[position : position + 1] != b"\x10":
    return 0
  step = shift = 0
  for byte in head[position + 1 :]:
    step |= (byte & 0x7F) << shift
    shift += 7
    if byte < 0x80:
      break
  return step - (1 << 64) if step >= 1 << 63 else step


def _stays(event, at_start):
  """Whether an event is not one of a step."""
  if event.HasField("file_version"):
    return True
  if at_start:
    return False
  return event.HasField("graph_def") or any(
    value.tag.startswith("_hparams_/") for value in event.summary.value
  )


def _is_open(path, quiet_secs):
  """Whether a process may still write to an event file.

  Its name is `events.out.tfevents.<seconds>.<host>.<pid>.<number>.v2`; the
  host may have dots as well.
  """
  name = os.path.basename(path)
  *_, pid, _, _ = ["", "", *name.split(".")]
  if f".{socket.gethostname()}.{pid}." not in name:
    return time.time() - os.stat(path).st_mtime < quiet_secs
  if not os.path.isdir(_FILES_OF.format("self")):
    return processes.is_alive(int(pid))  # This is no Linux.
  # Its number alone says little: after a restart another process may have it.
  folder = _FILES_OF.format(pid)
  try:
    names = os.listdir(folder)
  except FileNotFoundError:
    return False
  except PermissionError:
    return True
  return any(_writes(os.path.join(folder, name), path) for name in names)


def _writes(descriptor, path):
  """Whether a link in /proc/<pid>/fd is to this file, open for writing."""
  try:
    is_for_writing = os.lstat(descriptor).st_mode & stat.S_IWUSR
    return is_for_writing and os.path.samefile(descriptor, path)
  except OSError:
    return False  # It was closed meanwhile.

"""A lock that lets one process at a time train in a model_dir.

It is held on the file `<model_dir>/train.lock`, which says by whom: JSON with
pid, host and start. The system lets go of it when the process ends, in whatever
way: a file that nobody holds is what a killed training has left, and the next
one takes it over. To evaluate, predict or export nobody needs it.
"""

import contextlib
import contextvars
import errno
import fcntl
import json
import os
import socket
import time
import types

import tensorflow as tf

from estimators import atomic_files, processes, training_status

_logger = tf.get_logger()

FILE = "train.lock"
_FIELDS = ("pid", "host", "start")
# What a file system says that knows no locks.
_NO_LOCKS = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)
# For so long a status is watched there: a trainer writes several in this time.
_WATCH_SECS = 3 * training_status.REFRESH_SECS

# The locks that `kept` holds around this code, by folder.
_kept = contextvars.ContextVar("kept", default=types.MappingProxyType({}))
# All locks of this process.
_locks = set()


class ModelDirInUseError(RuntimeError):
  """Another process, or another Estimator of this one, trains there."""


@contextlib.contextmanager
def held(model_dir):
  """Holds the lock of a model_dir, which is made when it is missing.

  Args:
    model_dir: str.

  Raises:
    ModelDirInUseError: another training holds it.
    OSError: the folder cannot be written.
  """
  kept_lock = _kept.get().get(os.path.realpath(model_dir))
  if kept_lock is None:
    with contextlib.closing(_Lock(model_dir)):
      yield
    return
  if kept_lock.is_used:
    raise _in_use(model_dir, kept_lock.holder)
  kept_lock.is_used = True
  try:
    yield
  finally:
    kept_lock.is_used = False


@contextlib.contextmanager
def kept(estimator):
  """Holds the lock over several calls of an Estimator's `train`, one by one.

  It is for what a program does around and between them; what it calls in this
  thread finds the lock held. Where the process writes nothing, as one of
  several workers, nothing is held.

  Args:
    estimator: the Estimator.

  Raises:
    ModelDirInUseError, OSError: as for `held`.
  """
  if not estimator.writes:
    yield
    return
  with contextlib.closing(_Lock(estimator.model_dir)) as lock:
    locks = _kept.get() | {os.path.realpath(estimator.model_dir): lock}
    token = _kept.set(locks)
    try:
      yield
    finally:
      _kept.reset(token)


def is_kept_around(folder):
  """Whether `kept` holds, around this code, the lock above a folder.

  Then the process that trains there is this one, and it alone evaluates.

  Args:
    folder: str, a model_dir, or a folder within one.
  """
  folder = os.path.realpath(folder) + os.sep
  return any(folder.startswith(path + os.sep) for path in _kept.get())


def check_writable(folder, purpose):
  """Makes sure that a folder can be written, or made when it is missing.

  Args:
    folder: str.
    purpose: str, what it is, for the message.

  Raises:
    OSError: it cannot be written, or is none.
  """
  above = os.path.abspath(folder)
  while not os.path.lexists(above):
    above = os.path.dirname(above)
  with _clear_errors(folder, purpose):
    if os.path.exists(folder):
      probe = os.path.join(folder, f".probe-{os.getpid()}")
      with open(probe, "wb") as stream:
        stream.write(b"probe")
      os.remove(probe)
    elif not os.path.isdir(above):
      raise NotADirectoryError(errno.ENOTDIR, f"{above} is no folder")
    elif not os.access(above, os.W_OK | os.X_OK, effective_ids=True):
      raise PermissionError(errno.EACCES, f"{above} may not be written")


class _Lock:
  """A lock that is held until `close` is called.

  Attributes:
    holder: dictionary, what the file says.
    is_used: bool, whether a call of `train` is within `kept`.
  """

  def __init__(self, model_dir):
    self.is_used = False
    self.holder = {
      "pid": os.getpid(),
      "host": socket.gethostname(),
      "start": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    self._path = os.path.join(model_dir, FILE)
    with _clear_errors(model_dir, "model_dir"):
      os.makedirs(model_dir, exist_ok=True)
      self._descriptor = _open_locked(self._path)
      try:
        self._sign()
      except BaseException:
        os.close(self._descriptor)
        raise
    _locks.add(self)

  def close(self):
    """Lets go of it; does nothing in a child process, which holds none."""
    if self not in _locks:
      return
    _locks.remove(self)
    # Whoever has opened the file by now sees that it is not there any more.
    with contextlib.suppress(OSError):
      os.remove(self._path)
    # Not only closed: a child process may have got a copy.
    with contextlib.suppress(OSError):
      fcntl.flock(self._descriptor, fcntl.LOCK_UN)
    os.close(self._descriptor)

  def forget(self):
    """Closes the copy of a child process, which may outlive its parent."""
    os.close(self._descriptor)

  def _sign(self):
    before = _holder(self._path)
    if before:
      _logger.info(
        "%s is taken over: %s, which has left it, holds it no more.",
        self._path,
        _described(before),
      )
    os.truncate(self._descriptor, 0)
    os.pwrite(self._descriptor, json.dumps(self.holder).encode(), 0)


def _forget_in_child():
  for lock in _locks:
    lock.forget()
  _locks.clear()
  _kept.set(types.MappingProxyType({}))


os.register_at_fork(after_in_child=_forget_in_child)


def _open_locked(path):
  """Returns the descriptor of a file on which this process holds the lock."""
  while True:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
      _lock(descriptor, path)
      if _is_at(descriptor, path):
        return descriptor
      os.close(descriptor)  # Its holder has just ended, and removed it.
    except BaseException:
      os.close(descriptor)
      raise


def _lock(descriptor, path):
  model_dir = os.path.dirname(path)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError as error:
    raise _in_use(model_dir, _holder(path)) from error
  except OSError as error:
    if error.errno not in _NO_LOCKS:
      raise
    _check_quiet(model_dir)
    _logger.warning(
      "The file system of %s knows no locks (%s): see to it that no other "
      "process trains there.",
      model_dir,
      error,
    )


def _is_at(descriptor, path):
  """Whether an open file is still the one of a path."""
  try:
    found = os.stat(path)
  except FileNotFoundError:
    return False
  return os.path.samestat(os.fstat(descriptor), found)


def _check_quiet(model_dir):
  """Refuses a model_dir where the status of a training goes on changing."""
  follower = training_status.Follower(model_dir)
  if follower.status.get("state") != training_status.RUNNING:
    return
  while follower.quiet_secs < _WATCH_SECS:
    if follower.look() != training_status.RUNNING:
      return
    if follower.has_changed:
      raise _in_use(model_dir, follower.status)
    time.sleep(_WATCH_SECS / 50)


def _holder(path):
  """Returns what a lock file says, or None when it says nothing."""
  try:
    with open(path) as file:
      return atomic_files.parsed(file.read(), _FIELDS)
  except (OSError, UnicodeDecodeError):
    return None


def _described(holder):
  if not holder:
    return "another process"
  since = f" (since {holder['start']})" if "start" in holder else ""
  return f"process {holder['pid']} on {holder['host']}{since}"


def _in_use(model_dir, holder):
  is_here = holder and holder.get("host") == socket.gethostname()
  if is_here and not processes.is_alive(holder["pid"]):
    return ModelDirInUseError(
      "one training at a time may write to a model_dir, but in "
      f"{model_dir} {_described(holder)} has ended without its child "
      f"processes, of which one still holds {FILE}; end that one (fuser names "
      "it), or give another model_dir."
    )
  return ModelDirInUseError(
    "one training at a time may write to a model_dir, but in "
    f"{model_dir} {_described(holder)} trains already; wait for its end, stop "
    "it, or give another model_dir."
  )


@contextlib.contextmanager
def _clear_errors(folder, purpose):
  try:
    yield
  except OSError as error:
    raise type(error)(
      f"{purpose} must be a folder that can be written, but {folder} is not "
      f"({error.strerror or error}); see to its permissions and to the space "
      "on its disk, or give another."
    ) from error

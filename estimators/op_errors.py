"""What TensorFlow's errors say, for people."""

import contextlib
import re

import tensorflow as tf


def reason(error):
  """Returns the first line of an error's text, without TensorFlow's names.

  Args:
    error: an exception, perhaps a `tf.errors.OpError`.
  """
  text = getattr(error, "message", None) or str(error)
  # What came up in a graph begins with where the graph was made.
  where = ("Graph execution error", "Detected at node", " ")
  lines = [s for s in text.split("\n") if s and not s.startswith(where)]
  line = lines[0] if lines else text
  return re.sub(r"^\{\{.*?\}\} |\.? *\[Op:.*$", "", line)


def is_full_disk(error):
  """Whether an error says that something could not be written for want of room.

  TensorFlow does not give the system's number of the error, only its text.
  """
  texts = ("No space left on device", "Disk quota exceeded", "File too large")
  return any(text in str(error) for text in texts)


@contextlib.contextmanager
def full_disk_named(folder, what, advice=lambda: "Make room, and try again."):
  """Makes a clear error of what TensorFlow says when the disk is full.

  Args:
    folder: str, what is written to.
    what: str, what is written there.
    advice: function that returns what is to be done, a str.

  Raises:
    OSError: there is no room.
  """
  try:
    yield
  except tf.errors.OpError as error:
    if not is_full_disk(error):
      raise
    raise OSError(
      f"{what} must be written into {folder}, but there is no room: "
      f"{reason(error)}. {advice()}"
    ) from error

"""What TensorFlow's errors say, for people."""

import re


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

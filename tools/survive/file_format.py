"""What the fuzz of inputs must know of a format of files."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Format:
  """A format of files.

  Attributes:
    name: str.
    file: str, a path in a folder of the format's own.
    samples: two contents of valid files, bytes, or of what `wrap` takes.
    read: function of a path that returns what the file holds.
    oracle: function of a content that returns the same, or raises Damaged.
    wrap: function of bytes that makes a file's content of them;
      `bytes` leaves them as they are.
    is_lenient: bool, whether the reader may refuse what the oracle takes, and
      take what the oracle refuses if that is what was there before the damage:
      where decoders differ in how strict they are.
    is_stream: bool, whether it may come from a pipe.
    read_all: function of a list of paths that returns {path: what it holds, or
      the error that `read` raises}; None to read one by one.
  """

  name: str
  file: str
  samples: tuple
  read: Callable
  oracle: Callable
  wrap: Callable = bytes
  is_lenient: bool = False
  is_stream: bool = False
  read_all: Callable | None = None

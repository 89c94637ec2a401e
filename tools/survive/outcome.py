"""What a trial of reliability came to."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Outcome:
  """A line of RELIABILITY.md.

  Attributes:
    name: str, what was done.
    wanted: str, what must come out.
    got: str, the figure that came out.
    passed: bool.
    seconds: float, what it took.
  """

  name: str
  wanted: str
  got: str
  passed: bool
  seconds: float

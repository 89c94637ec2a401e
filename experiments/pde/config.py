"""The settings of the pond, with the tutorial's numbers."""

import dataclasses
import math

from experiments.pde import stability
from experiments.pictures import check_animation

# About 8 GB of memory, of which the energy takes most.
_MOST_CELLS = 2**26
# What the self test draws.
_SELF_TEST = {"size": 40, "num_drops": 5, "num_steps": 100}


@dataclasses.dataclass(frozen=True)
class Config:
  """One run.

  Attributes:
    size: cells along each side of the pond.
    num_drops: drops that hit it at the start.
    num_steps: steps in time.
    eps: length of a step in time.
    damping: share of its speed that water loses per unit of time.
    scheme: str, one of `stability.SCHEMES`.
    seed: of the drops.
    frame_every: steps from one frame of the animation to the next.
    animation: name of the animation's file in output_dir; .gif or .webp.
    output_dir: folder for the files; a temporary one when None.
    self_test: whether to check the simulation on a small pond.

  Raises:
    ValueError: the pond is too large, the step refused (see `stability.check`),
      or the animation cannot be written.
  """

  size: int = 500
  num_drops: int = 40
  num_steps: int = 1000
  eps: float = 0.03
  damping: float = 0.04
  scheme: str = "euler"
  seed: int = 1
  frame_every: int = 50
  animation: str = "pond.gif"
  output_dir: str | None = None
  self_test: bool = False

  def __post_init__(self):
    if self.size**2 > _MOST_CELLS:
      raise ValueError(
        f"--size must be at most {math.isqrt(_MOST_CELLS)} cells, since more "
        f"may not fit into memory, but is {self.size}; the tutorial's is 500."
      )
    stability.check(self.eps, self.damping, self.num_steps, self.scheme)
    check_animation(self.animation, self.size, self.size)


def config_of(given):
  """Returns the Config of the flags that were given.

  Args:
    given: dictionary of field to value.
  """
  defaults = _SELF_TEST if given.get("self_test") else {}
  return Config(**defaults | given)

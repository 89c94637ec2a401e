"""The settings of the pond, with the tutorial's numbers."""

import dataclasses

from experiments.pde import stability
from experiments.pictures import check_animation_name

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
    ValueError: the step is unstable (see `stability.check`), or the animation
      has another name.
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
    stability.check(self.eps, self.damping, self.num_steps, self.scheme)
    check_animation_name(self.animation)


def config_of(given):
  """Returns the Config of the flags that were given.

  Args:
    given: dictionary of field to value.
  """
  defaults = _SELF_TEST if given.get("self_test") else {}
  return Config(**defaults | given)

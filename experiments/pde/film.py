"""The states of the pond as pictures, for files and for TensorBoard."""

import numpy as np
import tensorflow as tf

from experiments.pde import simulate

# The heights that are black and white.
LOWEST, HIGHEST = -0.1, 0.1


def pixels(u):
  """Returns heights as greys, those out of the range as its ends.

  Args:
    u: floats [H, W].

  Returns:
    uint8 [H, W], NumPy; what is between two greys is the darker one.

  Raises:
    ValueError: a height is not finite.
  """
  u = np.asarray(u)
  if not np.isfinite(u).all():
    raise ValueError(
      f"heights must be finite to be drawn, but {np.sum(~np.isfinite(u))} of "
      f"{u.size} are not: the simulation has become unstable; take a smaller "
      "--eps."
    )
  greys = (u - LOWEST) / (HIGHEST - LOWEST) * 255
  return np.clip(greys, 0, 255).astype(np.uint8)


class Film:
  """Draws states one after the other, as they are asked for.

  Each also goes to the `tf.summary` writer in use: the picture as "pond", and
  the energy.

  Args:
    states: iterable of what `simulate.history` yields.

  Attributes:
    energies: list of floats, of the states so far.
    heights: the last state's u.
  """

  def __init__(self, states):
    self._states = states
    self.energies = []
    self.heights = None

  def __iter__(self):
    """Yields uint8 [H, W], NumPy."""
    for done, u, ut in self._states:
      picture = pixels(u)
      self.heights = np.asarray(u)
      self.energies.append(float(simulate.energy(u, ut)))
      tf.summary.image("pond", picture[np.newaxis, ..., np.newaxis], done)
      tf.summary.scalar("energy", self.energies[-1], done)
      yield picture

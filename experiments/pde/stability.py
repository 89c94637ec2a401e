"""Which lengths eps of a step a run may have, and how waves grow with them.

A wave sin(p x) sin(q y) stays one under the stencil L of `simulate`: L makes it
-k times as high, where k = 8 - 2 (1 + cos p) (1 + cos q) is between 0 and 8, 8
for waves that are two cells long. A step is hence a matrix [2, 2] for each k,
from (u, ut) to (u, ut):

  euler:          [1, eps], [-eps k, 1 - eps damping]
  semi_implicit:  [1 - eps^2 k, eps (1 - eps damping)],
                  [-eps k, 1 - eps damping]

and in the long run waves grow by the larger of its eigenvalues' absolute
values. Over k this is largest at one of the ends:

- euler: the sum of both is the same for all k. Real ones draw near each other
  as k rises, until they meet; then the square of the absolute value is the
  determinant, 1 - eps damping + eps^2 k, which rises.
- semi_implicit: the determinant, 1 - eps damping, is the same for all k, and
  the sum falls as k rises. A positive one is hence largest at k = 0, where it
  is 1; a negative one at k = 8.

At most 1 means that no wave grows for ever. On the way it still may: the matrix
is not normal. For semi_implicit `simulate.modified_energy` never rises, and for
each k it is, by s = sqrt(k) u,

  ((1 - eps damping / 2) ut^2 + s^2 - eps sqrt(k) s ut) / 2

while the energy is (ut^2 + s^2) / 2, and both are the same at the start, at
rest. At a share m of `stable_eps` the smaller eigenvalue of the former's matrix
is 1 - m at k = 8, and more for other k: the energy never is above the start's
divided by 1 - m.
"""

import math

import numpy as np

SCHEMES = ("euler", "semi_implicit")
LARGEST_K = 8.0
# How much the waves of euler may grow in a run. In the tutorial's it is 20.
MAX_GROWTH = 100.0
# How many times the start's energy that of semi_implicit may be on the way.
MAX_ENERGY = 4.0
# More means nothing, and its square may overflow.
_MOST_DAMPING = 1e6
# What is less is 0 for XLA.
_LEAST_EPS = float(np.finfo(np.float32).tiny)


def wave_growth(k, eps, damping, scheme):
  """Returns by how much the waves of one k grow in a step in the long run.

  Args:
    k: float in [0, 8].
    eps, damping: floats.
    scheme: str, one of `SCHEMES`.
  """
  kept = 1 - eps * damping
  if scheme == "euler":
    matrix = [[1, eps], [-eps * k, kept]]
  else:
    matrix = [[1 - eps**2 * k, eps * kept], [-eps * k, kept]]
  return float(np.abs(np.linalg.eigvals(matrix)).max())


def growth(eps, damping, scheme):
  """Returns by how much the wave that grows most does in a step, at least 1.

  Args:
    eps, damping, scheme: as for `wave_growth`.
  """
  return max(wave_growth(k, eps, damping, scheme) for k in (0, LARGEST_K))


def stable_eps(damping, scheme):
  """Returns the largest eps with which no wave grows for ever.

  Args:
    damping: float, not negative.
    scheme: str, one of `SCHEMES`.
  """
  if scheme == "semi_implicit":
    # Where an eigenvalue is -1: 8 eps^2 + 2 damping eps = 4.
    return 4 / (damping + math.sqrt(damping**2 + 4 * LARGEST_K))
  return _eps_of_euler(damping, 0)


def largest_eps(damping, num_steps, scheme):
  """Returns the largest eps that `check` allows.

  For semi_implicit that is the share of `stable_eps` with which the energy
  stays below `MAX_ENERGY` times the start's. For euler, whose waves grow as
  soon as eps > damping / 8, slowly at first, it is where the shortest grow
  `MAX_GROWTH` times in the run; but no more than 2 / damping, above which the
  speed of the longest overshoots, and they grow as well.

  Args:
    damping: float, not negative.
    num_steps: int.
    scheme: str, one of `SCHEMES`.
  """
  if scheme == "semi_implicit":
    return (1 - 1 / MAX_ENERGY) * stable_eps(damping, scheme)
  return _eps_of_euler(
    damping, math.expm1(2 * math.log(MAX_GROWTH) / num_steps)
  )


def check(eps, damping, num_steps, scheme):
  """Makes sure that the waves of a run stay bounded; arguments are the flags'.

  Raises:
    ValueError: damping is negative or above a million, eps is not positive in
      float32 or larger than `largest_eps`, or one is not a number.
  """
  if not 0 <= damping <= _MOST_DAMPING:
    raise ValueError(
      f"--damping must be between 0 and {_MOST_DAMPING:.0f}, but is {damping}; "
      "give 0 for none, or the tutorial's 0.04."
    )
  if not eps >= _LEAST_EPS:
    raise ValueError(
      f"--eps must be a number above 0, at least float32's {_LEAST_EPS:.4g}, "
      f"but is {eps}; give the tutorial's 0.03."
    )
  largest = largest_eps(damping, num_steps, scheme)
  if not eps <= largest:
    limit, reason, advice = _explanation(damping, num_steps, scheme)
    raise ValueError(
      f"--eps must be at most {_shown(largest)} for {limit}, since with a "
      f"longer one {reason}, but is {eps}; give one that is not longer{advice}."
    )


def _explanation(damping, num_steps, scheme):
  """Returns (what the limit depends on, the reason for it, other advice)."""
  limit = f"--scheme={scheme} and --damping={damping}"
  if scheme == "semi_implicit":
    reason = f"energy may rise to more than {MAX_ENERGY:g} times the start's"
    return limit, reason, ""
  largest = largest_eps(damping, num_steps, "semi_implicit")
  advice = (
    ", or fewer steps (no wave grows for ever up to "
    f"{stable_eps(damping, scheme):.4g}), or --scheme=semi_implicit, which may "
    f"have up to {_shown(largest)}"
  )
  return f"{limit} and --num_steps={num_steps}", "waves grow too much", advice


def _eps_of_euler(damping, allowed):
  """Returns where the determinant is 1 + allowed, or 2 / damping if less."""
  # 8 eps^2 - damping eps = allowed
  root = math.sqrt(damping**2 + 4 * LARGEST_K * allowed)
  largest = (damping + root) / (2 * LARGEST_K)
  # Above 2 / damping it overshoots: 1 - eps damping is below -1.
  return min(largest, 2 / damping) if damping else largest


def _shown(largest):
  """Returns a limit in four digits, rounded down so that it is allowed."""
  return f"{largest * (1 - 5e-4):.4g}"

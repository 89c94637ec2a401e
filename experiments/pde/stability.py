"""For which moments eps waves do not grow, and how they grow for others.

A wave sin(p x) sin(q y) stays one under the stencil L of `simulate`: L makes it
-k times as high, where k = 8 - 2 (1 + cos p) (1 + cos q) is between 0 and 8, 8
for waves that are two cells long. A step is hence a matrix [2, 2] for each k,
from (u, ut) to (u, ut):

  euler:          [1, eps], [-eps k, 1 - eps damping]
  semi_implicit:  [1 - eps^2 k, eps (1 - eps damping)],
                  [-eps k, 1 - eps damping]

and waves grow by the larger of its eigenvalues' absolute values. Over k this is
largest at one of the ends: two real ones draw near each other as k rises, until
they meet; then the square of the absolute value is the determinant. That is
1 - eps damping + eps^2 k for euler, which rises, and 1 - eps damping for
semi_implicit, until there are two real negative ones again, which part.
"""

import math

import numpy as np

SCHEMES = ("euler", "semi_implicit")
LARGEST_K = 8.0
# How much the waves of euler may grow in a run. In the tutorial's it is 20.
MAX_GROWTH = 100.0


def wave_growth(k, eps, damping, scheme):
  """Returns by how much the waves of one k grow in a step; below 1 they fall.

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


def largest_eps(damping, num_steps, scheme, max_growth=MAX_GROWTH):
  """Returns the largest eps that a run may have.

  With semi_implicit nothing grows up to it. With euler waves grow as soon as
  eps > damping / 8, slowly at first, up to it by max_growth in the run.

  Args:
    damping: float, not negative.
    num_steps: int.
    scheme: str, one of `SCHEMES`.
    max_growth: float, at least 1; semi_implicit has no use for it.
  """
  if scheme == "semi_implicit":
    # Where an eigenvalue is -1: 8 eps^2 + 2 damping eps = 4.
    return 4 / (damping + math.sqrt(damping**2 + 4 * LARGEST_K))
  # Where the determinant is (1 + allowed): 8 eps^2 - damping eps = allowed.
  allowed = math.expm1(2 * math.log(max_growth) / num_steps)
  root = math.sqrt(damping**2 + 4 * LARGEST_K * allowed)
  largest = (damping + root) / (2 * LARGEST_K)
  # Above 2 / damping it overshoots: 1 - eps damping is below -1.
  return min(largest, 2 / damping) if damping else largest


def check(eps, damping, num_steps, scheme):
  """Makes sure that the waves of a run stay bounded; arguments are the flags'.

  Raises:
    ValueError: damping is negative, eps is not positive, one is not finite, or
      eps is larger than `largest_eps`.
  """
  if not 0 <= damping < math.inf:
    raise ValueError(
      f"--damping must be a number that is not negative, but is {damping}; "
      "give 0 for none, or the tutorial's 0.04."
    )
  largest = largest_eps(damping, num_steps, scheme)
  if not 0 < eps <= largest:
    raise ValueError(
      f"--eps must be above 0 and at most {_shown(largest)} for "
      f"--scheme={scheme}, --damping={damping} and --num_steps={num_steps}, "
      f"since the waves of a longer one grow too much, but is {eps}; "
      f"{_advice(damping, num_steps, scheme)}."
    )


def _advice(damping, num_steps, scheme):
  if scheme == "semi_implicit":
    return "give one that is not longer"
  without_growth = largest_eps(damping, num_steps, scheme, max_growth=1)
  largest = largest_eps(damping, num_steps, "semi_implicit")
  return (
    "give one that is not longer, or fewer steps (nothing grows at all up to "
    f"{without_growth:.4g}), or --scheme=semi_implicit, which is stable up to "
    f"{_shown(largest)}"
  )


def _shown(largest):
  """Returns a limit in four digits, rounded down so that it is allowed."""
  return f"{largest * (1 - 5e-4):.4g}"

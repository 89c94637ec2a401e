"""What --self_test checks, besides that the program runs."""

import itertools
import os

import numpy as np

from experiments.pde import simulate, stability

# One shape for all, since each is compiled anew.
SIZE = 9
EPS, DAMPING = 0.1, 0.04
_STENCIL = np.array([[0.5, 1, 0.5], [1, -6, 1], [0.5, 1, 0.5]], np.float32)


def problems(paths):
  """Returns one line for each thing that is wrong; none when all is well.

  Args:
    paths: of the files that the run has written.
  """
  found = [
    f"{path} should be there, but is not"
    for path in paths
    if not os.path.exists(path)
  ]
  drop = np.pad(np.ones([1, 1], np.float32), 2)
  laplace = np.asarray(simulate.laplace(drop))
  if not np.array_equal(laplace, np.pad(_STENCIL, 1)):
    found.append(
      f"a drop should have the Laplacian\n{_STENCIL}, not\n{laplace}"
    )
  for step, (before, after) in enumerate(itertools.pairwise(_energies()), 1):
    if not 0 < after < before:
      found.append(
        "the modified energy should fall, and be above 0, but goes from "
        f"{before} to {after} in step {step} of semi_implicit"
      )
      break
  return found + sum(map(_problems_of, stability.SCHEMES), [])


def _problems_of(scheme):
  found = []
  still = np.zeros([SIZE, SIZE], np.float32)
  if np.any(simulate.run(still, still, EPS, DAMPING, 7, scheme)):
    found.append(f"still water should stay still by {scheme}")
  difference = _difference(scheme)
  if not difference < 1e-5:
    found.append(
      f"{scheme} should do what NumPy does, but is {difference} from it"
    )
  return found


def _energies():
  """Returns the modified energies of a small pond, after 0 to 30 steps."""
  u = simulate.drops(SIZE, 4, seed=1)
  return [
    float(simulate.modified_energy(*state, EPS, DAMPING))
    for _, *state in simulate.history(u, EPS, DAMPING, 30, 1, "semi_implicit")
  ]


def _difference(scheme, num_steps=20):
  """Returns the largest difference of heights and speeds by NumPy's loop."""
  u = simulate.drops(SIZE, 4, seed=3)
  ut = np.zeros_like(u)
  found = simulate.run(u, ut, EPS, DAMPING, num_steps, scheme)
  for _ in range(num_steps):
    new_ut = ut + EPS * (_laplace(u) - DAMPING * ut)
    u = u + EPS * (ut if scheme == "euler" else new_ut)
    ut = new_ut
  return float(np.abs(np.stack(found) - [u, ut]).max())


def _laplace(u):
  """Returns the Laplacian, cell by cell."""
  padded = np.pad(u, 1)
  return np.array(
    [
      [
        np.sum(_STENCIL * padded[row : row + 3, column : column + 3])
        for column in range(u.shape[1])
      ]
      for row in range(u.shape[0])
    ]
  )

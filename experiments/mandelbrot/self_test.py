"""Checks of the program against what is known of the set."""

import os
import tempfile

import numpy as np
from PIL import Image

from experiments import pictures
from experiments.mandelbrot import coloring, simulate
from experiments.mandelbrot.window import Window

_STEPS = 50
# The steps that points stay within 4, of _STEPS.
KNOWN = {0: 50, -1: 50, -2 - 1.3j: 1, 1: 1, 0.25: 50, -2: 50}


def numpy_counts(x, y, max_steps):
  """Returns the counts as the tutorial has them: all points, all steps.

  Args:
    x: float32 or float64 [C].
    y: the same, [R].
    max_steps: int.
  """
  c = x + np.array(1j, np.result_type(x, np.complex64)) * y[:, np.newaxis]
  z, counts = c.copy(), np.zeros(c.shape, np.float32)
  with np.errstate(over="ignore", invalid="ignore"):
    for _ in range(max_steps):
      z = z * z + c
      counts += np.abs(z) < simulate.RADIUS
  return counts


def problems():
  """Returns what is wrong, a list of sentences; none when all is well."""
  return [*_wrong_points(), *_wrong_counts(), *_wrong_files()]


def _wrong_points():
  # All at once: another shape would be compiled anew.
  x, y = np.unique(np.real([*KNOWN])), np.unique(np.imag([*KNOWN]))
  counts = simulate.escape_counts(x, y, _STEPS)
  for point, steps in KNOWN.items():
    found = counts[y == point.imag, x == point.real].item()
    if found != steps:
      yield f"the count of {point} should be {steps}, but is {found}"


def _wrong_counts():
  x, y = Window((-0.5, 0.0), 3.0, 60, 52).coordinates("float64")
  counts = simulate.escape_counts(x, y, _STEPS)
  wrong = (counts != numpy_counts(x, y, _STEPS)).sum()
  # Another order of rounding may move a point at the edge.
  if wrong > 3:
    yield f"counts should be NumPy's, but {wrong} of {counts.size} are not"
  # Row 0 has no partner, as the window's end is not in it.
  if not np.array_equal(counts[1:], counts[:0:-1]):
    yield "the picture should be symmetric about the real axis, but is not"


def _wrong_files():
  counts = np.float32([[0, 5], [12, _STEPS]])
  first = coloring.picture(counts, _STEPS, "published")
  with tempfile.TemporaryDirectory() as folder:
    paths = [os.path.join(folder, name) for name in ("a.png", "a.gif")]
    pictures.write_png(paths[0], first)
    pictures.write_animation(paths[1], iter([first, first[::-1]]), 2)
    for path, expected in zip(paths, (first, first[::-1]), strict=True):
      with Image.open(path) as image:
        image.seek(image.n_frames - 1)
        found = np.asarray(image.convert("RGB"))
      if not np.array_equal(found, expected):
        yield (
          f"{os.path.basename(path)} should end with a picture as it was "
          "written, but does not"
        )

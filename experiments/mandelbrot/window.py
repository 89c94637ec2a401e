"""Which points the pixels of a window are, and in how many digits."""

import dataclasses

import numpy as np

PRECISIONS = ("float32", "float64")
# Where pixels are so many units in the last place apart, float32 gives 1 to 2 %
# of the pixels of a busy window another count than float64; see README.md.
_FLOAT32_ULPS = 2**14
# Where they are fewer apart, neighbours begin to share their bits.
_LEAST_ULPS = 8
# Further out nothing is to be seen, and squares would grow beyond float32.
_FURTHEST = 100.0


@dataclasses.dataclass(frozen=True)
class Window:
  """A rectangle of the complex plane, and its pixels.

  Attributes:
    center: (x, y) of the middle, in the published picture (-0.5, 0).
    width: along the real axis; pixels are square.
    columns: pixels in a row.
    rows: rows of pixels.

  Raises:
    ValueError: a part of it is more than 100 away from an axis.
  """

  center: tuple[float, float]
  width: float
  columns: int
  rows: int

  def __post_init__(self):
    if not self._furthest() <= _FURTHEST:  # NaN neither.
      raise ValueError(
        f"--center, --size and --width (or --zoom_to) must keep the window "
        f"within {_FURTHEST:g} of both axes, but are "
        f"{self.center[0]},{self.center[1]}, {self.columns}x{self.rows} and "
        f"{self.width}; the set itself is within 2."
      )

  @property
  def spacing(self):
    """The distance of two pixels."""
    return self.width / self.columns

  def _furthest(self):
    half_height = self.spacing * self.rows / 2
    return max(
      abs(self.center[0]) + self.width / 2, abs(self.center[1]) + half_height
    )

  def _ulp(self, precision):
    """The unit in the last place where it is largest."""
    return float(np.spacing(np.dtype(precision).type(self._furthest())))

  def _ulps_apart(self, precision):
    """How many of those two pixels are apart."""
    return self.spacing / self._ulp(precision)

  def precision(self):
    """Returns float32 where it has digits to spare, else float64."""
    enough = self._ulps_apart("float32") >= _FLOAT32_ULPS
    return "float32" if enough else "float64"

  def warning(self, precision):
    """Returns what is wrong with a precision here, or None."""
    apart = self._ulps_apart(precision)
    if apart >= _LEAST_ULPS:
      return None
    least_width = _LEAST_ULPS * self._ulp(precision) * self.columns
    helps = self._ulps_apart("float64") >= _LEAST_ULPS
    return (
      f"pixels should be {_LEAST_ULPS} units in the last place of {precision} "
      f"apart, but at a width of {self.width:g} are {apart:.2g}, so that the "
      f"picture falls into blocks; take a width of {least_width:.1e} or more "
      f"at this --size and --center{' or --precision=float64' * helps}."
    )

  def coordinates(self, precision):
    """Returns the real parts [columns] and the imaginary parts [rows].

    For the published window these are float32 of the numbers of
    np.mgrid[-1.3:1.3:0.005, -2:1:0.005]. As there, the first row has the
    smallest imaginary part, and the end of the window is not in it.
    """
    # From the middle out, so that a deep window loses no more digits than the
    # sum must: the offsets are exact to their own last place.
    return tuple(
      (middle + (np.arange(size) - size / 2) * self.spacing).astype(precision)
      for middle, size in zip(
        self.center, (self.columns, self.rows), strict=True
      )
    )

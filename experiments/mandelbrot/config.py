"""The settings of a picture, with the defaults of the published one."""

import dataclasses
import math

import numpy as np

from experiments import pictures
from experiments.mandelbrot.coloring import COLORINGS
from experiments.mandelbrot.simulate import MAX_STEPS
from experiments.mandelbrot.window import PRECISIONS, Window

# About 3 GB of memory; a picture is computed as a whole.
_MOST_POINTS = 2**26
# Of a zoom, when no others are given.
_ZOOM = {"num_frames": 60, "animation": "zoom.webp"}
# More than six minutes; some formats keep all frames in memory.
_MOST_FRAMES = 10_000


@dataclasses.dataclass(frozen=True)
class Config:
  """One picture, and perhaps a zoom.

  Attributes:
    center: (x, y) of the middle of the window.
    width: of the window, along the real axis.
    size: (columns, rows), in pixels.
    max_steps: steps that each point takes at most.
    coloring: published or smooth.
    precision: auto, float32 or float64.
    output_dir: folder of the files, or None for a temporary one.
    zoom_to: width of the last frame of a zoom that begins at width, or None
      for no zoom.
    num_frames: frames of the zoom, or None.
    animation: name of its file in output_dir, ends in .gif or .webp; or None.
    self_test: whether to check the program first.

  Raises:
    ValueError: a value is out of range.
  """

  center: tuple[float, float] = (-0.5, 0.0)
  width: float = 3.0
  size: tuple[int, int] = (600, 520)
  max_steps: int = 200
  coloring: str = "published"
  precision: str = "auto"
  output_dir: str | None = None
  zoom_to: float | None = None
  num_frames: int | None = None
  animation: str | None = None
  self_test: bool = False

  def __post_init__(self):
    for name in ("width", "zoom_to"):
      value = getattr(self, name)
      if value is not None and not (math.isfinite(value) and value > 0):
        raise ValueError(
          f"--{name} must be finite and more than 0, but is {value}; the "
          "whole set has 3."
        )
    if min(self.size) < 1 or math.prod(self.size) > _MOST_POINTS:
      raise ValueError(
        f"--size must be 1x1 or more, and at most {_MOST_POINTS} points, but "
        f"is {self.size[0]}x{self.size[1]}; the published picture has 600x520."
      )
    _check_between("max_steps", self.max_steps, 1, MAX_STEPS)
    _check_among("coloring", self.coloring, COLORINGS)
    _check_among("precision", self.precision, ("auto", *PRECISIONS))
    self.window(self.width)  # Says when it is out of bounds.
    self._check_zoom()

  def _check_zoom(self):
    zoom = self.zoom_to, self.num_frames, self.animation
    if zoom == (None, None, None):
      return
    if None in zoom:
      raise ValueError(
        "--zoom_to, --num_frames and --animation make a zoom together, but are "
        f"{', '.join(map(str, zoom))}; give the width of the last frame, as "
        "--zoom_to=0.001."
      )
    _check_between("num_frames", self.num_frames, 2, _MOST_FRAMES)
    pictures.check_animation(self.animation, *self.size)
    self.window(self.zoom_to)

  def widths(self):
    """Returns the widths of the zoom's frames, of equal ratios; else width."""
    if self.zoom_to is None:
      return [self.width]
    return np.geomspace(self.width, self.zoom_to, self.num_frames).tolist()

  def window(self, width):
    """Returns the Window of that width."""
    return Window(self.center, width, *self.size)

  def precision_of(self, window):
    """Returns float32 or float64."""
    return window.precision() if self.precision == "auto" else self.precision


def config_of(given):
  """Returns the Config of the flags that were given.

  Args:
    given: dictionary of field to value; center and size are text.

  Raises:
    ValueError: a text is not what it must be, or a value is out of range.
  """
  parsed = dict(given)
  for name, parse, example in (
    ("center", _center, "-0.5,0"),
    ("size", _size, "600x520"),
  ):
    if name in parsed:
      try:
        parsed[name] = parse(parsed[name])
      except ValueError:
        raise ValueError(
          f"--{name} must be two numbers like {example}, but is "
          f"{given[name]!r}; write it like that."
        ) from None
  if "zoom_to" in parsed:
    parsed = _ZOOM | parsed
  return Config(**parsed)


def _center(text):
  x, y = map(float, text.split(","))
  return x, y


def _size(text):
  columns, rows = map(int, text.split("x"))
  return columns, rows


def _check_between(name, value, least, most):
  if not least <= value <= most:
    default = _ZOOM.get(name) or getattr(Config, name)
    raise ValueError(
      f"--{name} must be in {least}..{most}, but is {value}; the default is "
      f"{default}."
    )


def _check_among(name, value, known):
  if value not in known:
    raise ValueError(
      f"--{name} must be one of {', '.join(known)}, but is {value}; take one "
      "of them."
    )

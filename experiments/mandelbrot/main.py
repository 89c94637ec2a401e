"""The Mandelbrot set of the TensorFlow tutorials; 61,115 points stay.

    python -m experiments.mandelbrot.main --output_dir=/tmp/mandelbrot
    python -m experiments.mandelbrot.main --coloring=smooth --max_steps=2000 \\
      --center=-0.7436438870371587,0.13182590420531197 --width=3 \\
      --zoom_to=1e-4 --output_dir=/tmp/mandelbrot

The published picture takes some seconds, nearly all for the start of TensorFlow
and a second for XLA's compiling; the next frames of a zoom take milliseconds.
"""

import json
import os
import sys
import time

from absl import app, flags, logging

from experiments import common_flags, pictures
from experiments.mandelbrot import coloring, self_test, simulate
from experiments.mandelbrot.config import Config, config_of
from experiments.mandelbrot.window import PRECISIONS

FLAGS = flags.FLAGS
PICTURE = "mandelbrot.png"


def define_flags(values=FLAGS):
  """Defines the common flags, then those of the picture and of the zoom."""
  common_flags.define_common_flags(values)
  flags.adopt_module_key_flags(common_flags, values)  # for --help
  for name, text in {
    "center": "Middle of the window, x,y; else -0.5,0.",
    "size": "Columns x rows, in pixels; else 600x520.",
    "output_dir": "Folder of the files; else a temporary one.",
    "animation": "File of the zoom in output_dir, .webp or .gif; else "
    "zoom.webp.",
  }.items():
    flags.DEFINE_string(name, None, text, flag_values=values)
  for name, text in {
    "width": "Width of the window along the real axis; else 3.",
    "zoom_to": "Also zoom from width to this width, in an animated file.",
  }.items():
    flags.DEFINE_float(name, None, text, flag_values=values)
  for name, text in {
    "max_steps": "Steps that a point takes at most; else 200.",
    "num_frames": "Frames of the zoom; else 60.",
  }.items():
    flags.DEFINE_integer(name, None, text, flag_values=values)
  flags.DEFINE_enum(
    "coloring",
    "published",
    coloring.COLORINGS,
    "published: by whole counts; smooth: without edges between them.",
    flag_values=values,
  )
  flags.DEFINE_enum(
    "precision",
    "auto",
    ("auto", *PRECISIONS),
    "auto: float64 where float32 has too few digits for the window.",
    flag_values=values,
  )


def config_from_flags(values):
  """Returns the Config that parsed flags stand for.

  Raises:
    ValueError: a flag has no use here, or its value is out of range.
  """
  return config_of(common_flags.given_fields(values, Config))


def run(config):
  """Computes and writes the picture, and the zoom when there is one.

  Args:
    config: Config.

  Returns:
    Dictionary of what stands in the last line of the program: steps, the most
    that a point takes; points, those that stay `inside` (within 4, with smooth
    colours within 256), mean_steps and sum of the counts (None with smooth
    colours, whose counts are no steps), precision, seconds of the counts with
    XLA's compiling, and the paths picture and animation (None without).

  Raises:
    OSError: a file cannot be written.
  """
  folder = common_flags.output_folder(config)
  _warn(config)
  window = config.window(config.width)
  start = time.perf_counter()
  counts = _counts(config, window)
  seconds = time.perf_counter() - start
  whole = config.coloring != "smooth"
  metrics = {
    "steps": config.max_steps,
    "points": counts.size,
    "inside": int((counts == config.max_steps).sum()),
    "mean_steps": float(counts.mean(dtype=float)) if whole else None,
    "sum": float(counts.sum(dtype=float)) if whole else None,
    "precision": config.precision_of(window),
    "seconds": seconds,
    "picture": os.path.join(folder, PICTURE),
    "animation": None,
  }
  pixels = coloring.picture(counts, config.max_steps, config.coloring)
  pictures.write_png(metrics["picture"], pixels)
  print(f"wrote {metrics['picture']}", flush=True)
  if config.zoom_to is not None:
    metrics["animation"] = os.path.join(folder, config.animation)
    frames = map(lambda width: _frame(config, width), config.widths())
    pictures.write_animation(metrics["animation"], frames, config.num_frames)
    print(f"wrote {metrics['animation']}", flush=True)
  return metrics


def _warn(config):
  """Says, before the work, where the narrowest window has too few digits."""
  narrowest = config.window(min(config.widths()))
  warning = narrowest.warning(config.precision_of(narrowest))
  if warning:
    logging.warning("%s", warning)


def _counts(config, window):
  x, y = window.coordinates(config.precision_of(window))
  smooth = config.coloring == "smooth"
  return simulate.escape_counts(x, y, config.max_steps, smooth)


def _frame(config, width):
  counts = _counts(config, config.window(width))
  return coloring.picture(counts, config.max_steps, config.coloring)


def main(argv):
  del argv
  problems = []
  with common_flags.mistakes_in_one_line("mandelbrot"):
    config = config_from_flags(FLAGS)
    if config.self_test:
      problems = self_test.problems()
    metrics = run(config)
  print(json.dumps({"model": "mandelbrot", **metrics}), flush=True)
  for problem in problems:
    print(f"self test: {problem}", file=sys.stderr)
  return 1 if problems else 0


if __name__ == "__main__":
  define_flags()
  app.run(main)

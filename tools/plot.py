"""Draws the curves of training and evaluation of a model into one picture.

    python -m tools.plot --model_dir=/tmp/cifar10_train
    python -m tools.plot --model_dir=/tmp/mnist --tags='loss|rate' --smooth=0.9

There is one plot for each tag, over the global step: a line `train` of the
events in model_dir, and one for each folder eval* in it. By default the tags
are those of the evaluations, or without any all of training, 60 at most.
--smooth is for training alone, as an evaluation is over many examples already;
what was written is drawn faintly behind. Values over more than two powers of
ten, as perplexities, get a logarithmic scale. The picture is a PNG, or what the
end of --output stands for, as .pdf or .svg. Exits non-zero when there is
nothing to draw.
"""

import math
import os
import re
import sys

from absl import app, flags
from matplotlib import figure

from tools.event_curves import TRAIN, read_curves

FLAGS = flags.FLAGS

FILE = "curves.png"
_COLUMNS = 3
_PLOT_INCHES = (5, 3.5)
_FEW_POINTS = 30  # are marked
_WIDE_RANGE = 100  # the greatest value over the least; wider ones need a log
# A plot takes a tenth of a second: from the one on it is said, above the other
# nobody finds anything in the picture.
_MANY_PLOTS, _MOST_PLOTS = 20, 60
_SOME_TAGS = 10


def define_flags(values=FLAGS):
  """Defines this program's flags."""
  flags.DEFINE_string(
    "model_dir", None, "Folder of the model.", flag_values=values
  )
  flags.DEFINE_string(
    "tags", None, "Regular expression found in the tags to draw.",
    flag_values=values,
  )  # fmt: skip
  flags.DEFINE_float(
    "smooth", 0, "Weight of the past in training's moving average, below 1, "
    "as in TensorBoard; 0 is as it was written.",
    lower_bound=0, flag_values=values,
  )  # fmt: skip
  flags.DEFINE_string(
    "output", None, f"The picture to write; else {FILE} in model_dir.",
    flag_values=values,
  )  # fmt: skip
  flags.mark_flag_as_required("model_dir", values)
  flags.register_validator(
    "smooth", lambda weight: weight < 1, "must be below 1", values
  )


def chosen_tags(curves, pattern):
  """Returns which tags are drawn, sorted.

  Args:
    curves: what `read_curves` returned.
    pattern: str, a regular expression; or None, for the tags that evaluations
      have, or if there are none, all.

  Raises:
    ValueError: pattern is no regular expression, or found in no tag; or there
      are more tags than fit a picture.
  """
  if pattern is None:
    evaluated = [tag for tag, runs in curves.items() if runs.keys() - {TRAIN}]
    chosen = evaluated or list(curves)
  else:
    chosen = _matching(curves, pattern)
  if len(chosen) > _MOST_PLOTS:
    raise ValueError(
      f"A picture must have at most {_MOST_PLOTS} plots; got {len(chosen)} "
      f"tags, {sorted(chosen)[:_SOME_TAGS]} and others. Choose some of them "
      "with --tags=REGULAR_EXPRESSION."
    )
  return sorted(chosen)


def _matching(curves, pattern):
  try:
    chosen = [tag for tag in curves if re.search(pattern, tag)]
  except re.error as error:
    raise ValueError(
      f"--tags must be a regular expression; got {pattern!r}: {error}. Put a "
      "backslash before a sign that stands for itself."
    ) from error
  if not chosen:
    raise ValueError(
      f"--tags must be found in a tag; got {pattern!r}. The tags are "
      f"{sorted(curves)}."
    )
  return chosen


def smoothed(values, weight):
  """Returns the moving averages of numbers, as TensorBoard has them.

  Each is the mean of the numbers so far, those k before it weighed by
  weight ** k; numbers that are not finite stay, and count for nothing.

  Args:
    values: list of float.
    weight: float in [0, 1).
  """
  total, weights, averages = 0.0, 0.0, []
  for value in values:
    if math.isfinite(value):
      total = weight * total + value
      weights = weight * weights + 1
      value = total / weights
    averages.append(value)
  return averages


def is_wide(values):
  """Whether numbers are positive, and over so many powers of ten.

  Args:
    values: list of float; those that are not finite do not count.
  """
  finite = [value for value in values if math.isfinite(value)]
  least = min(finite, default=0)
  return least > 0 and max(finite) > _WIDE_RANGE * least


def picture_format(path):
  """Returns matplotlib's name of the format that a file's name ends in.

  Raises:
    ValueError: it knows none of this end.
  """
  known = figure.Figure().canvas.get_supported_filetypes()
  end = os.path.splitext(path)[1][1:].lower()
  if end not in known:
    raise ValueError(
      f"--output must end in one of {['.' + name for name in sorted(known)]}; "
      f"got {path!r}. Take .png if in doubt."
    )
  return end


def draw(curves, tags, smooth, path):
  """Writes the picture; a file of that name is whole, or as it was.

  Args:
    curves: what `read_curves` returned.
    tags: list of str, of the plots.
    smooth: float in [0, 1), weight of the past in the lines of training.
    path: str; its end is the format.

  Raises:
    ValueError: there is no such format.
    OSError: the file cannot be written.
    RuntimeError: the format needs a program that is not there, as .pgf does.
  """
  kind = picture_format(path)
  columns = min(len(tags), _COLUMNS)
  rows = -(-len(tags) // columns)
  width, height = _PLOT_INCHES
  picture = figure.Figure(
    (width * columns, height * rows), layout="constrained"
  )
  plots = picture.subplots(rows, columns, squeeze=False).flatten()
  # Each run has one colour in all plots.
  runs = sorted(set().union(*(curves[tag] for tag in tags)) - {TRAIN})
  colours = {run: f"C{number}" for number, run in enumerate([TRAIN, *runs])}
  for plot, tag in zip(plots, tags, strict=False):
    _draw_tag(plot, tag, curves[tag], smooth, colours)
  for plot in plots[len(tags) :]:
    plot.set_axis_off()
  unfinished = path + ".part"
  try:
    picture.savefig(unfinished, format=kind)
    os.replace(unfinished, path)
  except BaseException:
    if os.path.exists(unfinished):
      os.remove(unfinished)
    raise


def _draw_tag(plot, tag, runs, smooth, colours):
  for run in sorted(runs, key=list(colours).index):
    steps, values = list(runs[run]), list(runs[run].values())
    marker = "." if len(steps) < _FEW_POINTS else ""
    colour = colours[run]
    if smooth and run == TRAIN:
      plot.plot(steps, values, color=colour, alpha=0.25)
      values = smoothed(values, smooth)
    plot.plot(steps, values, color=colour, marker=marker, label=run)
  # A tag is no formula, whatever dollars are in it.
  plot.set_title(tag, parse_math=False)
  plot.set_xlabel("step")
  if is_wide([value for curve in runs.values() for value in curve.values()]):
    plot.set_yscale("log")
  plot.grid(alpha=0.3)
  plot.legend()


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"there are flags only; got {argv[1:]}")
  model_dir = os.path.expanduser(FLAGS.model_dir)
  output = os.path.expanduser(FLAGS.output or os.path.join(model_dir, FILE))
  try:
    picture_format(output)
    curves = read_curves(model_dir)
    tags = chosen_tags(curves, FLAGS.tags)
    if len(tags) >= _MANY_PLOTS:
      print(f"Drawing {len(tags)} plots ...", file=sys.stderr, flush=True)
    draw(curves, tags, FLAGS.smooth, output)
  except (ValueError, OSError, RuntimeError) as error:
    sys.exit(f"tools.plot: {error}")
  print(f"{output}: {', '.join(tags)}")


if __name__ == "__main__":
  define_flags()
  app.run(main)

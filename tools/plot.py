"""Draws the curves of training and evaluation of a model into one picture.

    python -m tools.plot --model_dir=/tmp/cifar10_train
    python -m tools.plot --model_dir=/tmp/mnist --tags='loss|rate' --smooth=0.9

There is one plot for each tag, over the global step: a line `train` of the
events in model_dir, and one for each folder eval* in it. By default the tags
are those of the evaluations, or without any all of training, 60 at most.
--smooth is for training alone, as an evaluation is over many examples already;
what was written is drawn faintly behind. The picture is a PNG, or what the end
of --output stands for, as .pdf or .svg. Exits non-zero when there is nothing to
draw.
"""

import collections
import glob
import math
import os
import re
import sys

import tensorflow as tf
import tqdm
from absl import app, flags
from matplotlib import figure

from input_pipelines import common

FLAGS = flags.FLAGS

FILE = "curves.png"
TRAIN = "train"
# Of a record, beside the event: its length and two checksums.
_RECORD_BYTES = 16
_COLUMNS = 3
_PLOT_INCHES = (5, 3.5)
_FEW_POINTS = 30  # are marked
# A plot takes a third of a second: from the one on it is said, above the other
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


def read_curves(model_dir):
  """Reads all scalars of a model's training and evaluations.

  Args:
    model_dir: str, folder with event files, with folders eval* of them, or
      both.

  Returns:
    Dictionary of tag to dictionary of run ("train", or the name of the
    evaluation's folder) to dictionary of step to float, steps ascending. A
    step that was written again, after a restart, has the later value.

  Raises:
    ValueError: there are no event files, no scalars in them, or one is damaged.
  """
  folders = {TRAIN: model_dir}
  for folder in sorted(
    glob.glob(os.path.join(glob.escape(model_dir), "eval*"))
  ):
    folders[os.path.basename(folder)] = folder
  files = {run: _event_files(folder) for run, folder in folders.items()}
  paths = sum(files.values(), [])
  if not paths:
    raise ValueError(
      f"model_dir must have event files, or folders eval* of them; {model_dir} "
      "has none. Check the path, or train the model first."
    )
  curves = collections.defaultdict(lambda: collections.defaultdict(dict))
  # Bar on a terminal only.
  with tqdm.tqdm(
    desc="Reading events",
    total=sum(map(os.path.getsize, paths)),
    unit="B",
    unit_scale=True,
    disable=None,
  ) as bar:
    for run in files:
      for path in files[run]:
        for tag, step, value in _scalars(path, bar):
          curves[tag][run][step] = value
  if not curves:
    raise ValueError(
      f"The events must have scalars; {model_dir} has {len(paths)} files of "
      "events without any. Train for more steps, or save summaries more often."
    )
  return {
    tag: {run: dict(sorted(points.items())) for run, points in runs.items()}
    for tag, runs in curves.items()
  }


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
  plot.grid(alpha=0.3)
  plot.legend()


def _event_files(folder):
  return sorted(glob.glob(os.path.join(glob.escape(folder), "*tfevents*")))


def _scalars(path, bar):
  """Yields tag, step and value of the scalars in an event file."""
  for record in _records(path):
    bar.update(len(record) + _RECORD_BYTES)
    event = tf.compat.v1.Event.FromString(record)
    for value in event.summary.value:
      if value.HasField("simple_value"):  # of TensorFlow 1
        yield value.tag, event.step, value.simple_value
      elif value.metadata.plugin_data.plugin_name == "scalars":
        yield value.tag, event.step, float(tf.make_ndarray(value.tensor))


def _records(path):
  """Yields the records of a file, up to one that is being written."""
  try:
    yield from tf.data.TFRecordDataset(path).as_numpy_iterator()
  except tf.errors.OpError as error:
    # TensorBoard's own reader takes damage for the end of the file.
    if (
      not isinstance(error, tf.errors.DataLossError)
      or "truncated record" not in error.message
    ):
      raise ValueError(
        f"{path} must be a whole file of events; reading it fails with: "
        f"{common.plain_message(error)}. Move it away to draw the others."
      ) from error


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

"""The scalars in the event files of a model's training and evaluations."""

import collections
import glob
import os

import tensorflow as tf
import tqdm

from input_pipelines import common

TRAIN = "train"
# Of a record, beside the event: its length and two checksums.
_RECORD_BYTES = 16


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

"""What the tests around the runner share: folders, events, exports."""

import atexit
import contextlib
import functools
import shutil
import tempfile

import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from tests.estimators import toys


@functools.cache
def _root():
  root = tempfile.mkdtemp()
  atexit.register(shutil.rmtree, root, ignore_errors=True)
  return root


def new_folder():
  """Returns a new empty folder, which goes when the process ends."""
  return tempfile.mkdtemp(dir=_root())


def events_of(directory):
  """Returns TensorBoard's reader of the event files in a folder."""
  return event_accumulator.EventAccumulator(
    directory, {event_accumulator.TENSORS: 0}
  ).Reload()


def plugins(directory):
  """Returns which plugin shows which tag: dictionary of tag to name."""
  events, found = events_of(directory), {}
  for tag in events.Tags()["tensors"]:
    with contextlib.suppress(KeyError):  # Arrays are for no plugin.
      found[tag] = events.SummaryMetadata(tag).plugin_data.plugin_name
  return found


def steps(directory):
  """Returns at which steps there are events: dictionary of tag to list."""
  events = events_of(directory)
  return {
    tag: [event.step for event in events.Tensors(tag)]
    for tag in events.Tags()["tensors"]
  }


def scalars(directory):
  """Returns the scalars in a folder: dictionary of tag to {step: value}."""
  events = events_of(directory)
  return {
    tag: {
      event.step: float(tf.make_ndarray(event.tensor_proto))
      for event in events.Tensors(tag)
    }
    for tag, plugin in plugins(directory).items()
    if plugin == "scalars"
  }


def slope_after(steps):
  """Returns the slope of `toys.line_fn` after steps on x = 1, y = 1."""
  return toys.line_steps([([1], [1])] * steps)

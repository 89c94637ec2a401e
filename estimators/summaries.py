"""What TensorBoard reads: writers, graph, hyperparameters, eval results."""

import collections
import contextlib
import contextvars
import glob
import math
import os

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.plugins.hparams import api as hparams_api

from estimators import event_files, training_lock

_logger = tf.get_logger()
_writers = {}
# Folder of evaluations -> the steps that are there of earlier processes.
_earlier = {}
# What waits for the end of `in_one_condition`.
_waiting = contextvars.ContextVar("estimators_waiting_summaries", default=None)


def writer_for(directory):
  """Returns the one `tf.summary` writer of a folder in this process.

  If its file was deleted meanwhile, with the folder or alone, there is a new
  one.
  """
  directory = os.path.abspath(directory)
  writer = _writers.get(directory)
  events = os.path.join(glob.escape(directory), "events.out.tfevents.*")
  if writer is None or not glob.glob(events):
    writer = tf.summary.create_file_writer(directory)
    _writers[directory] = writer
  return writer


def close_if_past(directory, step):
  """Closes this process's writer of a folder if it has written such steps.

  It does so in a training that goes back, as after an error: what was written
  can then be removed, and the next `writer_for` begins a new file. Functions
  that were traced with the writer are traced anew with that one.

  Args:
    directory: str.
    step: number, the first of the steps.
  """
  directory = os.path.abspath(directory)
  writer = _writers.get(directory)
  if writer is None:
    return
  writer.flush()
  if event_files.last_own_step(directory) >= step:
    writer.close()
    del _writers[directory]
    _earlier.pop(directory, None)


def no_writer():
  """Returns a `tf.summary` writer that writes nothing."""
  return tf.summary.create_noop_writer()


@contextlib.contextmanager
def in_one_condition():
  """Within this context `when_recorded` waits, and all is written at its end.

  It must end where the tensors that are written are at hand: in the same graph,
  on the same replica.
  """
  token = _waiting.set([])
  try:
    yield
    writes = _waiting.get()
  finally:
    _waiting.reset(token)
  if writes:
    when_recorded(lambda: [write() for write in writes])


def when_recorded(write):
  """Calls a function that writes summaries, in the steps that record any.

  Every `tf.summary` function has a condition of its own, at a tenth of the cost
  of a small model's step. Here all of a step share one, and what they compute
  is computed in it.

  Args:
    write: function without arguments that calls `tf.summary` functions.
  """
  waiting = _waiting.get()
  if waiting is not None:
    waiting.append(write)
    return
  recorded = tf.summary.should_record_summaries()
  known = tf.get_static_value(recorded)  # np.bool_, or None
  if known is not None and not known:
    return

  def write_now():
    # Without the empty scope they would be called `cond/loss`.
    with tf.name_scope(""), tf.summary.record_if(True):
      write()
    return tf.constant(True)

  tf.cond(recorded, write_now, lambda: tf.constant(False))


def go_on(model_dir, step, is_first=False):
  """Removes the events that training from a step on will write once more.

  They are those of a process that was killed after its last checkpoint, or that
  wrote a newer one which is not used; or of this process, after an error.
  Evaluations of later steps go as well. No other training may be under way in
  the folder.

  Args:
    model_dir: str.
    step: int, the global step that training goes on from.
    is_first: bool, whether there is no checkpoint of it, and the graph and the
      parameters are to be written.
  """
  first = -math.inf if is_first else step
  close_if_past(model_dir, first)
  # An event of training has the step before the one that it is of.
  removed = {
    model_dir: event_files.remove(
      model_dir, first, at_start=is_first, quiet_secs=0
    )
  }
  for directory in _eval_dirs(model_dir):
    close_if_past(directory, step + 1)
    removed[directory] = event_files.remove(
      directory, step + 1, quiet_secs=_quiet_secs(directory)
    )
  for directory, number in removed.items():
    if number:
      _logger.info(
        "Removed %d events from %s: training goes on from step %d, and writes "
        "those after it once more.",
        number,
        directory,
        step,
      )


def _quiet_secs(directory):
  """Returns for how long nothing must have come from another machine.

  An evaluator may be at work there, unless this process trains and evaluates.
  Then a file of another host is of this very run, which was moved.
  """
  if training_lock.is_kept_around(directory):
    return 0
  return event_files.QUIET_SECS


def _eval_dirs(model_dir):
  names = os.listdir(model_dir) if os.path.isdir(model_dir) else []
  return [
    os.path.join(model_dir, name)
    for name in sorted(names)
    if name == "eval" or name.startswith("eval_")
  ]


def write_graph(writer, graph):
  """Writes a `tf.Graph` for TensorBoard's Graphs tab."""
  with writer.as_default(step=0):
    tf.summary.graph(graph)


def write_hparams(writer, params):
  """Writes the parameters for TensorBoard's HParams tab.

  Values other than bool, int, float and str are written as text.
  """
  values = {
    str(key): value
    if isinstance(value, (bool, int, float, str))
    else repr(value)
    for key, value in params.items()
  }
  if values:
    with writer.as_default(step=0):
      hparams_api.hparams(values)


def replace(directory, step):
  """Removes an evaluation that an earlier process made of the same step.

  It was killed before it could note that, or one was asked for once more.

  Args:
    directory: str, the folder of the evaluation's events.
    step: int, the global step.
  """
  directory = os.path.abspath(directory)
  quiet_secs = _quiet_secs(directory)
  if directory not in _earlier:
    paths = event_files.closed(directory, quiet_secs)
    _earlier[directory] = frozenset().union(*map(event_files.steps, paths))
  if step in _earlier[directory]:
    event_files.remove(directory, step, step, quiet_secs=quiet_secs)


def write_evaluation(writer, results, step, checkpoint_path):
  """Writes the results of an evaluation and the checkpoint that they are of.

  Args:
    writer: `tf.summary` writer.
    results: dictionary of name to number or array.
    step: int, the global step.
    checkpoint_path: str, or None for values that were never saved.
  """
  with writer.as_default(step=step):
    # The loss comes last: a process that finds it finds the others as well.
    for name in sorted(results, key=lambda name: (name == "loss", name)):
      value = results[name]
      if name == "global_step":
        continue
      if np.ndim(value):
        tf.summary.write(name, value)
      else:
        tf.summary.scalar(name, value)
    if checkpoint_path:
      tf.summary.text("checkpoint_path", checkpoint_path)
  writer.flush()


def read_eval_metrics(eval_dir):
  """Reads the scalars of all event files in a folder.

  Args:
    eval_dir: str, folder of events; one that is missing holds none.

  Returns:
    Dictionary of global step to dictionary of metric name to float, in the
    order of the steps. Later values of a step take the place of earlier ones.
  """
  return _Reader.of(eval_dir).read()


class _Reader:
  """Reads a folder's event files, each byte once however often it is asked."""

  _readers = {}

  @classmethod
  def of(cls, directory):
    key = os.path.abspath(directory)
    return cls._readers.setdefault(key, cls(key))

  def __init__(self, directory):
    self._directory = directory
    self._begin_anew()

  def _begin_anew(self):
    self._loaders = {}  # by path and inode
    self._metrics = collections.defaultdict(dict)

  def read(self):
    files = self._files()
    if set(self._loaders) - set(files):
      # Files went away, or were written anew: what was read from them no longer
      # counts.
      self._begin_anew()
    for file in files:
      if file not in self._loaders:
        self._loaders[file] = event_file_loader.EventFileLoader(file[0])
      for event in self._loaders[file].Load():
        self._add(event)
    return dict(sorted(self._metrics.items()))

  def _files(self):
    found = []
    for path in glob.glob(os.path.join(self._directory, "*tfevents*")):
      with contextlib.suppress(FileNotFoundError):
        found.append((path, os.stat(path).st_ino))
    return sorted(found)

  def _add(self, event):
    for value in event.summary.value:
      if value.metadata.plugin_data.plugin_name == "scalars":
        number = tf.make_ndarray(value.tensor)
        self._metrics[event.step][value.tag] = float(number)

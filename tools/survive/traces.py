"""What a run has left behind, and how two of them differ."""

import dataclasses
import os

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_file_loader

from estimators import checkpoints

# What tells of the clock or of a place, and not of what was learned.
_METRICS_OF_THE_CLOCK = (
  "seconds",
  "words_per_sec",
  "words_per_second",
  "model_dir",
  "export",
  "picture",
)
_RATES = ("/sec", "_per_sec", "per_second")
_TAGS_OF_THE_PROCESS = ("_hparams_", "checkpoint_path", "__run_graph__")
# Of what a checkpoint holds: how often the process has saved; a graph of names;
# what an iterator read ahead, which depends on when it was asked.
_KEYS_OF_THE_PROCESS = (
  "save_counter",
  "_CHECKPOINTABLE_OBJECT_GRAPH",
  "ITERATOR_STATE",
)
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Trace:
  """What a run has left.

  Attributes:
    step: int, that of the last checkpoint.
    values: dictionary of the name of each variable in it to (dtype, shape,
      bytes).
    metrics: dictionary of its last line.
    events: dictionary of (folder, tag, step) to a list of bytes, one for each
      time that it was written.
  """

  step: int
  values: dict
  metrics: dict
  events: dict


def trace(model_dir, metrics):
  """Returns the `Trace` of a finished run.

  Args:
    model_dir: str.
    metrics: dictionary, that of its last line.
  """
  path = checkpoints.newest(model_dir)
  return Trace(
    checkpoints.step_of(path),
    variables(path),
    {k: v for k, v in metrics.items() if k not in _METRICS_OF_THE_CLOCK},
    events(model_dir),
  )


def variables(path):
  """Returns the variables of a checkpoint: name to (dtype, shape, bytes)."""
  reader = tf.train.load_checkpoint(path)
  found = {}
  for key in sorted(reader.get_variable_to_shape_map()):
    if any(part in key for part in _KEYS_OF_THE_PROCESS):
      continue
    value = np.asarray(reader.get_tensor(key))
    # Of texts the bytes would be addresses.
    content = repr(value) if value.dtype == object else value.tobytes()
    found[key] = (str(value.dtype), value.shape, content)
  return found


def events(model_dir):
  """Returns all values in the event files below a folder, as in `Trace`."""
  found = {}
  for folder, _, names in sorted(os.walk(model_dir)):
    for name in sorted(n for n in names if "tfevents" in n):
      path = os.path.join(folder, name)
      for event in event_file_loader.EventFileLoader(path).Load():
        for value in event.summary.value:
          key = (os.path.relpath(folder, model_dir), value.tag, event.step)
          found.setdefault(key, []).append(value.tensor.SerializeToString())
  return found


def differences(unbroken, broken, by_clock=False):
  """Returns how two runs differ, a list of lines; empty when they do not.

  Args:
    unbroken, broken: `Trace`.
    by_clock: bool, whether the runs write summaries every so many seconds: then
      only those that both have are compared.
  """
  found = []
  if unbroken.step != broken.step:
    found.append(f"last step {broken.step} instead of {unbroken.step}")
  found += _of_dicts("variable", unbroken.values, broken.values)
  found += _of_dicts("metric", unbroken.metrics, broken.metrics)
  return found + _of_events(unbroken.events, broken.events, by_clock)


def _of_dicts(kind, wanted, got):
  names = sorted(
    name
    for name in wanted.keys() | got.keys()
    if wanted.get(name) != got.get(name)
  )
  if not names:
    return []
  shown = ", ".join(map(str, names[:_SHOWN]))
  return [f"{len(names)} of {len(wanted)} {kind}s differ: {shown}"]


def _of_events(wanted, got, by_clock):
  repeated = sorted(key for key, values in got.items() if len(values) > 1)
  known = sorted(key for key, values in wanted.items() if len(values) > 1)
  found = []
  if repeated != known:
    shown = [key for key in repeated if key not in known][:_SHOWN]
    found.append(f"{len(repeated)} events are there repeatedly: {shown}")
  wanted, got = _comparable(wanted), _comparable(got)
  if by_clock:
    both = wanted.keys() & got.keys()
    wanted = {key: wanted[key] for key in both}
    got = {key: got[key] for key in both}
  return found + _of_dicts("event", wanted, got)


def _comparable(found):
  """Leaves out rates; of tags that tell of the process, only the values.

  A rate is over the steps of a process, so that there may be one less.
  """
  return {
    key: b""
    if any(part in key[1] for part in _TAGS_OF_THE_PROCESS)
    else values[-1]
    for key, values in found.items()
    if not any(rate in key[1] for rate in _RATES)
  }

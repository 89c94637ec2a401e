"""What is written when training has diverged: which step, and on which batch.

`<model_dir>/diverged.json` holds

    step: the global step that the step was taken from, as in the log
    loss: "NaN", "Inf" or "-Inf"; the number itself where that is finite
    variables: the variables that the step has made NaN or infinite
    checkpoint: the newest checkpoint, which is from before the step, or null
    fingerprint: a checksum of the batch; see `fingerprint`
    batch: dictionary of the name of a tensor to what `described` says of it
    tf_random_seed, versions, time (UTC)

Of several workers each has its own batch: worker i writes the same as
`<model_dir>/workers/<i>/diverged.json`. `python -m tools.replay` takes the step
again. A later training of the same model_dir that ends well removes the file.
"""

import contextlib
import hashlib
import json
import math
import os
import platform
import struct
import time

import keras
import numpy as np
import tensorflow as tf

from estimators import atomic_files
from estimators.hooks import NanLossDuringTrainingError
from estimators.model import split_batch
from estimators.spec import ModeKeys

_logger = tf.get_logger()

FILE = "diverged.json"


def path_of(model_dir, workers=None):
  """Returns the path of the file that this process writes."""
  if workers is None or workers.is_chief:
    return os.path.join(model_dir, FILE)
  return os.path.join(model_dir, "workers", str(workers.index), FILE)


class Divergence:
  """What a call of `train` says and writes when its last step has diverged.

  Args:
    run: `TrainingRun`; its `last_batch` is at hand when it has diverged.
    path: str, the file to write.
  """

  def __init__(self, run, path):
    self._run = run
    self._path = path
    self.happened = False

  def of_loss(self):
    """Writes the file of a loss that is not finite.

    Returns:
      str, sentences for the user: what is known of the cause, what to do.
    """
    return self._told(np.float32(self._run.loss), [])

  def of_variables(self, names):
    """Says which variables are NaN or infinite, after a step or before any.

    Raises:
      NanLossDuringTrainingError: always.
    """
    if self._run.last_batch is None:
      raise NanLossDuringTrainingError(
        f"training cannot begin at step {self._run.global_step} with variables "
        f"that are not finite: {names}; check their initializers, or the "
        "checkpoint of warm_start_from."
      )
    told = self._told(np.float32(self._run.loss), names)
    raise NanLossDuringTrainingError(
      f"after step {self._run.global_step} the variables {names} are not "
      f"finite, so no checkpoint of them is saved. {told}"
    )

  def clear(self):
    """Removes the file of an earlier training, as this one has ended well."""
    if not self.happened:
      with contextlib.suppress(OSError):
        os.remove(self._path)

  def _told(self, loss, names):
    self.happened = True
    batch = self._run.last_batch.get_value()
    tensors = described(batch)
    told = _of_data(tensors) or (
      "The batch of that step is finite; lower the learning rate, or give "
      "minimize a clip_norm."
    )
    checkpoint = self._run.estimator.latest_checkpoint()
    told += (
      f" The last checkpoint, {checkpoint}, is from before it."
      if checkpoint
      else " There is no checkpoint."
    )
    values = {
      "step": self._run.global_step - 1,
      "loss": named(loss),
      "variables": names,
      "checkpoint": checkpoint,
      "fingerprint": fingerprint(batch),
      "batch": tensors,
      "tf_random_seed": self._run.estimator.config.tf_random_seed,
      "versions": {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
      },
      "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    try:
      os.makedirs(os.path.dirname(self._path), exist_ok=True)
      atomic_files.write_json(self._path, values)
    except OSError as error:  # The divergence is the greater evil.
      return f"{told} ({self._path} cannot be written: {error}.)"
    return (
      f"{told} {self._path} describes the batch; python -m tools.replay "
      f"--model_dir={self._run.estimator.model_dir} takes the step again and "
      "names the first operation that is not finite."
    )


def _of_data(tensors):
  """Returns a sentence on what in a batch is not finite, "" when all is."""
  broken = [
    f"{tensor['not_finite']} values of {name}"
    for name, tensor in tensors.items()
    if tensor.get("not_finite")
  ]
  if not broken:
    return ""
  return (
    f"The data of that step is the likely cause: {', '.join(broken)} are NaN "
    "or infinite; clean them in input_fn."
  )


def named(number):
  """Returns a number as JSON can hold it: NaN and infinities by name."""
  number = number.item() if isinstance(number, np.generic) else number
  if isinstance(number, float) and not math.isfinite(number):
    return "NaN" if math.isnan(number) else "Inf" if number > 0 else "-Inf"
  return number


def fingerprint(batch):
  """Returns the SHA-256 of a batch, in hexadecimal.

  It goes over each tensor in the order of the names: a line of JSON with the
  list of name, dtype and shape; then the bytes of its values in row-major
  order, little-endian. A string is eight bytes of its length, then its own.

  Args:
    batch: features or (features, labels), an element of a training input.
  """
  digest = hashlib.sha256()
  for name, tensor in _tensors(batch):
    array = tensor.numpy()
    header = [name, tensor.dtype.name, list(tensor.shape)]
    digest.update(json.dumps(header).encode() + b"\n")
    if tensor.dtype == tf.string:
      for text in np.ravel(array):
        digest.update(struct.pack("<q", len(text)) + text)
    else:
      digest.update(np.ascontiguousarray(array).tobytes())
  return digest.hexdigest()


def described(batch):
  """Returns what there is in a batch.

  Returns:
    Dictionary of name to dictionary: `dtype`, `shape`; of numbers `min` and
    `max` of those that are finite (None without any), and `not_finite`, how
    many are not. The parts of a sparse or ragged tensor have its name and
    theirs: `features/x.values`.
  """
  return {name: _described(tensor) for name, tensor in _tensors(batch)}


def _described(tensor):
  what = {"dtype": tensor.dtype.name, "shape": list(tensor.shape)}
  if not (tensor.dtype.is_floating or tensor.dtype.is_integer):
    return what
  array = tensor.numpy()
  if tensor.dtype.is_floating:
    array = array.astype(np.float64)  # bfloat16 knows no nanmin.
    array, whole = array[np.isfinite(array)], array
    what["not_finite"] = whole.size - array.size
  what["min"] = array.min().item() if array.size else None
  what["max"] = array.max().item() if array.size else None
  return what


def _tensors(batch):
  """Returns the (name, tensor) of a batch, sorted by name."""
  features, labels = split_batch(batch, ModeKeys.TRAIN)
  parts = {"features": features}
  if labels is not None:
    parts["labels"] = labels
  found = []
  for path, value in keras.tree.flatten_with_path(parts):
    name = "/".join(map(str, path))
    if isinstance(value, tf.SparseTensor):
      found += [
        (f"{name}.indices", value.indices),
        (f"{name}.values", value.values),
        (f"{name}.dense_shape", value.dense_shape),
      ]
    elif isinstance(value, tf.RaggedTensor):
      found.append((f"{name}.flat_values", value.flat_values))
      found += [
        (f"{name}.row_splits_{i}", splits)
        for i, splits in enumerate(value.nested_row_splits)
      ]
    elif value is not None:
      found.append((name, value))
  return sorted(found, key=lambda pair: pair[0])

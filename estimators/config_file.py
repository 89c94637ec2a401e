"""config.json: what a model_dir was trained with, and who goes on must have.

It holds `params`; `run_config`, the fields of the `RunConfig`; and `command`:
the module and args of the program, file and args of a script, or null in a
notebook.
"""

import os
import re
import shlex
import sys
import zlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from estimators import atomic_files

_logger = tf.get_logger()

FILE = "config.json"
# The fields of a RunConfig that determine the result, as params do.
_FIELDS = ("tf_random_seed", "deterministic", "settings")
# Larger arrays stand there by their checksums.
_MAX_ELEMENTS = 100
_MAX_TEXT = 100
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def check(estimator):
  """Refuses to go on with other settings than model_dir was trained with.

  A file that is missing or damaged binds nobody.

  Args:
    estimator: the Estimator, whose model_dir has a checkpoint.

  Raises:
    ValueError: they differ, unless the RunConfig says overwrite_config.
  """
  changed = [] if estimator.config.overwrite_config else _changed(estimator)
  if changed:
    raise ValueError(
      f"the settings must be those that the model in {estimator.model_dir} "
      f"began with, but now there is {', '.join(changed)}; give the same, or "
      "another model_dir, or go on with the new ones: --overwrite_config, in "
      "Python RunConfig(overwrite_config=True)."
    )


def write(estimator, goes_on):
  """Writes the file; warns of the settings that change in it.

  Args:
    estimator: the Estimator.
    goes_on: bool, whether model_dir has a checkpoint.
  """
  changed = _changed(estimator) if goes_on else []
  if changed:
    _logger.warning(
      "The model in %s goes on with other settings: %s.",
      estimator.model_dir,
      ", ".join(changed),
    )
  values = _settings(estimator) | {"command": command()}
  atomic_files.write_json(_path(estimator), values)


def command():
  """Returns the program that runs: {"module": str, "args": list of str}.

  A script has no module, but a "file". None in a notebook.
  """
  main = sys.modules["__main__"]
  spec = getattr(main, "__spec__", None)
  if spec:
    name = spec.name.removesuffix(".__main__")
    return {"module": name, "args": sys.argv[1:]}
  if getattr(main, "__file__", None):
    return {"module": None, "file": main.__file__, "args": sys.argv[1:]}
  return None


def command_line():
  """Returns the program that runs as one types it; None in a notebook."""
  parts = command()
  if parts is None:
    return None
  name = ["-m", parts["module"]] if parts["module"] else [parts["file"]]
  return shlex.join(["python", *name, *parts["args"]])


def _path(estimator):
  return os.path.join(estimator.model_dir, FILE)


def _settings(estimator):
  return {
    "params": _plain(estimator.params),
    "run_config": _plain(estimator.config.as_dict()),
  }


def _changed(estimator):
  """Returns the settings that are not as they were, a list of texts."""
  before, now = _read(_path(estimator)), _settings(estimator)
  if before is None:
    return []
  changed = list(_differences(before["params"], now["params"]))
  for name in _FIELDS:
    # What a run did not know yet does not bind those that go on.
    if name in before["run_config"]:
      values = (x["run_config"].get(name) for x in (before, now))
      changed += _differences(*values, name)
  return changed


def _read(path):
  """Returns what the file says; None, with a warning, where it is damaged."""
  try:
    with open(path, encoding="utf-8", errors="replace") as file:
      values = atomic_files.parsed(file.read(), ("params", "run_config"))
  except FileNotFoundError:
    return None
  if values is None or not all(
    isinstance(values[name], dict) for name in ("params", "run_config")
  ):
    _logger.warning(
      "%s is damaged, and will be written anew; what the model there was "
      "trained with is not known.",
      path,
    )
    return None
  return values


def _differences(before, now, name=""):
  """Yields a text for each leaf of two values that differs."""
  if isinstance(before, dict) and isinstance(now, dict):
    for key in sorted(before.keys() | now.keys()):
      path = f"{name}.{key}" if name else key
      yield from _differences(before.get(key), now.get(key), path)
  elif (
    isinstance(before, list)
    and isinstance(now, list)
    and len(before) == len(now)
  ):
    for i, pair in enumerate(zip(before, now, strict=True)):
      yield from _differences(*pair, f"{name}[{i}]")
  # As text NaN is like itself.
  elif before != now and str(before) != str(now):
    before, now = _shortened(str(before), str(now))
    yield f"{name}={now} (it began with {before})"


def _shortened(*texts):
  """Returns two texts, cut to where they differ when they are long."""
  if max(map(len, texts)) <= _MAX_TEXT:
    return texts
  start = max(len(os.path.commonprefix(texts)) - _MAX_TEXT // 2, 0)
  return [
    ("..." if start else "")
    + text[start : start + _MAX_TEXT]
    + ("..." if start + _MAX_TEXT < len(text) else "")
    for text in texts
  ]


def _plain(value):
  """Returns a value as JSON holds it, the same in every process."""
  if value is None or isinstance(value, (bool, int, float, str)):
    return value
  if isinstance(value, np.generic):
    return _plain(value.item())
  if isinstance(value, np.ndarray):
    if value.size <= _MAX_ELEMENTS:
      return _plain(value.tolist())
    crc = zlib.crc32(np.ascontiguousarray(value).tobytes())
    return f"<{value.dtype}{list(value.shape)} array, crc32 {crc:08x}>"
  if isinstance(value, Mapping):
    return {str(key): _plain(element) for key, element in value.items()}
  if isinstance(value, (list, tuple)):
    return [_plain(element) for element in value]
  if isinstance(value, (set, frozenset)):
    return sorted((_plain(element) for element in value), key=str)
  return _ADDRESS.sub("", repr(value))

"""Files beside the checkpoints that say what these were trained on.

They are compared where there is a checkpoint. Before the first one they bind
nobody: a run that was refused or stopped early may be given otherwise.
"""

import json
import os

from estimators import atomic_files, checkpoints

LAYOUT_FILE = "layout.json"


def read(path):
  """Returns what a file says, bytes; None where it binds nobody.

  Args:
    path: str, of a file in a model_dir.
  """
  if checkpoints.newest(os.path.dirname(path)) is None:
    return None
  if not os.path.exists(path):
    return None
  with open(path, "rb") as stream:
    return stream.read()


def write_layout(model_dir, **layout):
  """Writes what the position in the text depends on, or compares it.

  The position is a number of steps: with other windows, epochs and learning
  rates would belong to other places.

  Args:
    model_dir: str, a folder; made when it is missing.
    **layout: int by name: batch_size, num_steps and so on.

  Raises:
    ValueError: the checkpoints were trained with another.
  """
  path = os.path.join(model_dir, LAYOUT_FILE)
  content = read(path)
  if content is None:
    os.makedirs(model_dir, exist_ok=True)
    atomic_files.write_json(path, layout)
    return
  before = json.loads(content)
  others = [name for name in layout if before.get(name) != layout[name]]
  if others:
    raise ValueError(
      f"{', '.join(others)} must be as the checkpoints in {model_dir} were "
      f"trained with, {_listed(before, others)}, but came as "
      f"{_listed(layout, others)}: a position in the text would be another. Go "
      "on with the same, or give another model_dir."
    )


def _listed(layout, names):
  return ", ".join(f"{name}={layout.get(name)}" for name in names)

"""Calling input functions with the random seed of the run.

`tf.random.set_seed` throws away what TensorFlow has prepared of all functions,
as operations that draw random numbers may be among it. To prepare the blocks of
steps again takes ten times as long as a small evaluation. So it is called only
if a number was drawn since it was called last.
"""

import contextlib

import tensorflow as tf

# There is no public way to learn whether a seed was drawn, or which operations
# are executed.
from tensorflow.python.eager import context
from tensorflow.python.framework import op_callbacks

# What the names of operations that may draw have in them. The last is that of a
# function, which may have such operations in it.
_DRAWS = (
  "Random",
  "Normal",
  "Multinomial",
  "Poisson",
  "Sampler",
  "__inference",
)
# The seed and the state of the seeds drawn from it, when it was set last; None
# if an operation with a state of its own may have drawn since.
_fresh = None


@contextlib.contextmanager
def seeded(seed):
  """Within this context random numbers are those that follow a seed.

  Args:
    seed: int; None leaves them alone.
  """
  global _fresh
  if seed is None:
    yield
    return
  if _fresh is None or _fresh[0] != seed or _fresh != _state():
    tf.random.set_seed(seed)
  fresh, drawn = _state(), []

  def note(op_type, *args, **kwargs):
    del args, kwargs
    if any(word in op_type for word in _DRAWS):
      if not op_type.startswith("Stateless"):
        drawn.append(op_type)

  op_callbacks.add_op_callback(note)
  try:
    yield
  finally:
    op_callbacks.remove_op_callback(note)
    _fresh = None if drawn else fresh


def _state():
  """Returns the global seed and the state of the seeds drawn from it."""
  generator = getattr(context.context(), "_rng", None)
  return context.global_seed(), generator and generator.getstate()

"""Arguments of ops that are no longer, or hardly, what is needed."""

import numpy as np
import tensorflow as tf

# What an op may say to them.
REFUSALS = (tf.errors.InvalidArgumentError, ValueError)


def mutated(rng, value, vocab_size):
  """Returns a tensor that is no longer, or hardly, what was needed."""
  value = np.array(value)
  kind = rng.randrange(7)
  if kind == 0:
    return value[:0] if value.ndim else value[None]
  if kind == 1:
    return value[None]
  if kind == 2:
    return value.reshape(-1)[0] if value.size else value
  if kind == 3:
    return np.concatenate([value.reshape(-1)] * 2)
  if kind == 4:
    return value[1:] if value.ndim else value
  extremes = (
    [np.nan, np.inf, -np.inf, 1e38, -1e38, 0.0]
    if value.dtype.kind == "f"
    else [-1, -2, vocab_size, *(np.iinfo(value.dtype).max - np.arange(2)),
          np.iinfo(value.dtype).min]
  )  # fmt: skip
  flat = value.reshape(-1).copy()
  for _ in range(rng.randrange(1, 4) if flat.size else 0):
    flat[rng.randrange(flat.size)] = rng.choice(extremes)
  return flat.reshape(value.shape)


def some_mutated(rng, arguments, vocab_size):
  """Mutates none, one, or two of the arguments."""
  names = rng.sample(sorted(arguments), rng.randrange(3))
  return arguments | {
    name: mutated(rng, arguments[name], vocab_size) for name in names
  }

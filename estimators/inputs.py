"""Input functions: calling them, and checking what they return."""

import inspect

import tensorflow as tf

from estimators.spec import ModeKeys

_KNOWN = ("mode", "params", "config", "input_context")


def takes_context(input_fn):
  """Whether an input function gives a worker's part of the global batch."""
  return "input_context" in _arguments(input_fn)


def dataset_from(input_fn, mode, params, config, context=None):
  """Calls an input function and returns its `tf.data.Dataset`.

  Args:
    input_fn: function of none or any of mode, params, config, input_context.
      It returns a Dataset of features or of (features, labels); or features,
      or (features, labels), as tensors: one batch, which training repeats.
    mode: one of `ModeKeys`.
    params, config: the Estimator's.
    context: `tf.distribute.InputContext` of a worker; None for a process that
      is alone.

  Raises:
    TypeError: input_fn is not a function.
    ValueError: it takes other arguments, or returns something else.
  """
  if not callable(input_fn):
    raise TypeError(
      f"input_fn must be a function that returns a tf.data.Dataset, but is "
      f"{input_fn!r}; wrap it: lambda: dataset."
    )
  values = {
    "mode": mode,
    "params": params,
    "config": config,
    "input_context": context or tf.distribute.InputContext(),
  }
  arguments = _arguments(input_fn)
  # Shuffling without a seed of its own is then the same in every run.
  if config.tf_random_seed is not None:
    tf.random.set_seed(config.tf_random_seed)
  with tf.device("/cpu:0"):
    result = input_fn(**{name: values[name] for name in arguments})
    if not isinstance(result, tf.data.Dataset):
      dataset = tf.data.Dataset.from_tensors(_as_batch(result))
      result = dataset.repeat() if mode == ModeKeys.TRAIN else dataset
  _check_element(result.element_spec)
  return result


def _arguments(input_fn):
  parameters = inspect.signature(input_fn).parameters.values()
  names = [
    p.name
    for p in parameters
    if p.name in _KNOWN
    or (
      p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    )
  ]
  unknown = sorted(set(names) - set(_KNOWN))
  if unknown:
    raise ValueError(
      f"input_fn may take {_KNOWN}, but has the arguments {unknown}; bind "
      "them: functools.partial(input_fn, name=value)."
    )
  return names


def _as_batch(result):
  if isinstance(result, list):
    result = tuple(result)
  if result is None or (isinstance(result, tuple) and len(result) != 2):
    raise ValueError(
      "input_fn must return a tf.data.Dataset, features, or the pair "
      f"(features, labels), but returned {result!r}."
    )
  return result


def _check_element(spec):
  if isinstance(spec, tuple) and len(spec) != 2:
    raise ValueError(
      "the input must give features or the pair (features, labels), but gives "
      f"a tuple of {len(spec)}: {spec}; put several features into a dictionary."
    )

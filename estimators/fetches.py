"""Tensors of the model function that somebody wants to see, by name.

While the model function is traced its graph is at hand, so that a tensor can be
found by the name of its operation (`"softmax_tensor"`).
"""

import difflib

import tensorflow as tf


def names_of(hooks):
  """Returns the names of the tensors that hooks ask for, as a frozenset."""
  return frozenset(
    name
    for hook in hooks
    for name in hook.tensors.values()
    if isinstance(name, str)
  )


def check_names(hooks):
  """Refuses tensors in hooks that were made outside of the model function.

  Raises:
    TypeError: a hook asks for a tensor otherwise than by its name.
  """
  for hook in hooks:
    for tag, name in hook.tensors.items():
      if not isinstance(name, str):
        raise TypeError(
          f"a hook asks for {name!r} as {tag!r}; give the tensor's name, or "
          "make the hook inside the model function and return it in the spec."
        )


def fetch(spec, names):
  """Returns the wanted tensors of the graph that is being traced.

  Args:
    spec: EstimatorSpec of the model function's call in this graph.
    names: set of str, tensors by name.

  Returns:
    Dictionary of key to tensor: of the name, for names; of `hook<i>/<tag>` for
    tensors that the hooks of the spec hold.
  """
  graph = tf.compat.v1.get_default_graph()
  context = tf.distribute.get_replica_context()
  replica = context and tf.get_static_value(context.replica_id_in_sync_group)
  found = {name: _by_name(graph, name, replica) for name in names}
  for index, hook in enumerate(spec.hooks):
    for tag, tensor in hook.tensors.items():
      if not isinstance(tensor, str):
        found[f"hook{index}/{tag}"] = tensor
  return found


def values_for(hook, fetched, index=None):
  """Returns a hook's fetched values as NumPy arrays by tag.

  Args:
    hook: the Hook.
    fetched: dictionary as `fetch` gave it.
    index: the hook's place among the hooks of the spec, None for others.
  """
  return {
    tag: fetched[t if isinstance(t, str) else f"hook{index}/{tag}"].numpy()
    for tag, t in hook.tensors.items()
  }


def fetched_specs(plan, names):
  """Returns the `tf.TensorSpec`s of what `fetch` will return in a plan's steps.

  A leading dimension that is the batch is left open (None), since the last
  batch may be short; no other leading dimension is.

  Raises:
    ValueError: there is no tensor of some name.
  """
  with plan.graph.as_default():
    found = fetch(plan.spec, names)
  sizes = {None} | {
    spec.shape[0]
    for spec in tf.nest.flatten(plan.element_spec)
    if spec.shape.rank
  }
  return {
    key: tf.TensorSpec(
      [None, *tensor.shape[1:]]
      if tensor.shape.rank and tensor.shape[0] in sizes
      else tensor.shape,
      tensor.dtype,
    )
    for key, tensor in found.items()
  }


def _by_name(graph, name, replica):
  full = name if ":" in name else f"{name}:0"
  if replica:
    full = f"replica_{replica}/{full}"
  try:
    return graph.get_tensor_by_name(full)
  except KeyError:
    known = [op.name for op in graph.get_operations()]
    near = difflib.get_close_matches(name, known, 5, 0.5)
    raise ValueError(
      f"a hook asks for the tensor {name!r}, but the model function makes no "
      f"tensor of that name (near it: {near}); give the operation that name: "
      f"tf.identity(tensor, name={name!r})."
    ) from None

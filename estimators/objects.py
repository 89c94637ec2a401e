"""`once`: Keras objects that a model function builds once per Estimator.

A model function is traced again and again: for training, evaluation and
prediction, and for every new shape of input. What it builds with plain calls
would be built anew each time. A function marked `@once` builds its object the
first time that an Estimator calls it and hands back the same object later:

    @once
    def network(params):
      return keras.Sequential([keras.layers.Dense(params["units"])])

The objects belong to the Estimator whose call is under way. Their variables
are named after the function (`network/dense/kernel`), whatever else the process
has built, and these are the names that checkpoints use.
"""

import collections
import contextlib
import contextvars
import functools
import random
import re
import zlib

import keras
import numpy as np
import tensorflow as tf

_current = contextvars.ContextVar("estimators_current_objects", default=None)


def once(fn):
  """Marks a function that builds an object of the model function.

  Args:
    fn: function that returns a Keras layer, model, optimizer, metric or lookup
      layer, a `tf.Variable`, a `tf.Module`, a lookup table, or a list, tuple
      or dictionary of these. Its name is the name of the object, and must
      differ from the names of the other `once` functions of the same model.

  Returns:
    A function with the same arguments. Within one Estimator every call must
    come with equal arguments, as there is one object only.

  Raises (when it is called):
    RuntimeError: no Estimator's model function is being called.
    ValueError: the arguments differ from those of the first call, an argument
      is a tensor, or another function has the same name.
  """

  @functools.wraps(fn)
  def get(*args, **kwargs):
    objects = _current.get()
    if objects is None:
      raise RuntimeError(
        f"{fn.__name__} is marked @once, so its object belongs to an "
        "Estimator, but it was called outside of a model function; call it "
        f"from a model_fn, or build the object with {fn.__name__}.__wrapped__."
      )
    return objects.get(fn, args, kwargs)

  return get


def get_global_step():
  """Returns the int64 scalar `tf.Variable` that counts finished steps.

  Within the step that is being taken it is the number of steps before it: 0 in
  the very first. The runner advances it. Only a model function (or what it
  calls) may ask for it; elsewhere RuntimeError is raised.
  """
  objects = _current.get()
  if objects is None:
    raise RuntimeError(
      "get_global_step() was called outside of a model function; elsewhere "
      'use estimator.get_variable_value("global_step").'
    )
  return objects.global_step


class Objects:
  """What the `once` functions of one Estimator have built, by name."""

  def __init__(self, seed=None):
    """Creates the global step; call it under the strategy's scope.

    Args:
      seed: int or None; with a seed every object starts with the same values
        in every process, whatever was built before it.
    """
    self._seed = seed
    self._entries = {}
    # The names of the objects that were asked for; the Model empties it.
    self.used = set()
    self.global_step = tf.Variable(
      0,
      trainable=False,
      dtype=tf.int64,
      name="global_step",
      aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )

  @contextlib.contextmanager
  def active(self):
    """Within this context `once` functions build and find their objects here.

    A context variable is used since MirroredStrategy calls the model function
    from one thread per replica.
    """
    token = _current.set(self)
    try:
      yield
    finally:
      _current.reset(token)

  def get(self, fn, args, kwargs):
    name = fn.__name__
    if name in _RESERVED:
      raise ValueError(
        f"a function marked @once may not be named {name!r}, since "
        "checkpoints use that name for something else; rename it."
      )
    self.used.add(name)
    _refuse_tensors(name, args, kwargs)
    entry = self._entries.get(name)
    if entry is None:
      with tf.init_scope(), _seeded(self._seed, name):
        value = fn(*args, **kwargs)
      entry = _Entry(fn.__code__, args, kwargs, value)
      self._entries[name] = entry
    if entry.code is not fn.__code__:
      raise ValueError(
        f"two functions marked @once have the name {name!r} "
        f"({_place(entry.code)} and {_place(fn.__code__)}); the name is the "
        "name of the object in checkpoints: rename one."
      )
    if not _equal((entry.args, entry.kwargs), (args, kwargs)):
      raise ValueError(
        f"{name} is marked @once: it was built with {entry.args} "
        f"{entry.kwargs} and was then called with {args} {kwargs}; call it "
        "with the same arguments, or return a list or dictionary of objects."
      )
    return entry.value

  def values(self):
    """Returns the built objects as a dictionary by name."""
    return {name: entry.value for name, entry in self._entries.items()}

  def of_type(self, cls):
    """Returns all objects of a class, also those inside lists and dicts."""
    return [x for _, x in self._leaves() if isinstance(x, cls)]

  def all_variables(self):
    """Returns every variable of every object, in or out of checkpoints."""
    found = [self.global_step]
    for _, value in self._leaves():
      found += [value] if _is_variable(value) else _variables_of(value)
    return found

  def trainable_variables(self, of):
    """Returns the trainable variables of some objects, without optimizers.

    Args:
      of: a set of names of objects.
    """
    found = []
    for name, value in self._leaves():
      if name.split("/")[0] not in of:
        continue
      if _is_variable(value):
        found += [value] if value.trainable else []
      elif not isinstance(value, keras.optimizers.Optimizer):
        found += list(getattr(value, "trainable_variables", []))
    return found

  def names_of_type(self, cls):
    """Returns the names of the variables of all objects of some classes."""
    owned = {id(v) for value in self.of_type(cls) for v in value.variables}
    return {n for n, v in self.variables().items() if id(v) in owned}

  def variables(self, of=None):
    """Returns the variables by name, among them `global_step`.

    Args:
      of: a set of names of objects, or None for all.

    Returns:
      Dictionary of str to `tf.Variable` or Keras variable. A name is the name
      of the object and the path inside it: `network/dense_1/kernel`,
      `optimizer/network/dense_1/kernel/momentum`.
    """
    names, weights, optimizers = {}, {}, []
    for name, value in self._leaves():
      if isinstance(value, keras.optimizers.Optimizer):
        optimizers.append((name, value))
        continue
      for path, variable in _relative_paths(value):
        key = f"{name}/{path}" if path else name
        # Of two networks whose layers have the same names, slots belong to the
        # one that is trained.
        if variable.trainable or _flat_path(variable) not in weights:
          weights[_flat_path(variable)] = key
        names[key] = variable
    for name, optimizer in optimizers:
      for path, variable in _slot_paths(optimizer, weights):
        names[f"{name}/{path}"] = variable
    if of is not None:
      names = {
        name: variable
        for name, variable in names.items()
        if name.split("/")[0] in of
      }
    names["global_step"] = self.global_step
    return names

  def _leaves(self):
    for name, entry in self._entries.items():
      yield from _flatten(name, entry.value)


# Names in a checkpoint that are not those of objects.
_RESERVED = ("global_step", "input_position", "root", "save_counter")
_Entry = collections.namedtuple("_Entry", "code args kwargs value")


def raw(variable):
  """Returns the `tf.Variable` behind a Keras variable, or the one given."""
  return variable.value if isinstance(variable, keras.Variable) else variable


@contextlib.contextmanager
def _seeded(seed, name):
  """Seeds Keras, TensorFlow, Python and NumPy from a seed and a name.

  Keras initializers draw their seeds from Python's generator. The states of
  Python's and NumPy's generators are put back afterwards.
  """
  if seed is None:
    yield
    return
  python_state, numpy_state = random.getstate(), np.random.get_state()
  keras.utils.set_random_seed(zlib.crc32(f"{seed}/{name}".encode()))
  try:
    yield
  finally:
    random.setstate(python_state)
    np.random.set_state(numpy_state)


def _refuse_tensors(name, args, kwargs):
  for value in tf.nest.flatten((args, kwargs)):
    if tf.is_tensor(value) and not isinstance(value, tf.Variable):
      raise ValueError(
        f"{name} is marked @once and builds an object, so it takes Python "
        f"values, but an argument is the tensor {value}; apply the object to "
        f"the tensor instead: {name}(...)(tensor)."
      )


def _equal(a, b):
  """Whether two nested structures of arguments are the same."""
  if a is b:
    return True
  if isinstance(a, dict) and isinstance(b, dict):
    return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
  if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
    return len(a) == len(b) and all(map(_equal, a, b))
  if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
    return np.array_equal(a, b)
  return bool(np.all(a == b))


def _place(code):
  return f"{code.co_filename}:{code.co_firstlineno}"


def _flatten(name, value):
  """Yields (name, object) for an object or a structure of objects."""
  if isinstance(value, dict):
    for key, item in value.items():
      yield from _flatten(f"{name}/{key}", item)
  elif isinstance(value, (list, tuple)):
    for index, item in enumerate(value):
      yield from _flatten(f"{name}/{index}", item)
  else:
    yield name, value


def _relative_paths(value):
  """Yields (path inside the object, variable) for an object's variables."""
  if _is_variable(value):
    yield "", value
    return
  variables = _variables_of(value)
  prefix = getattr(value, "name", None)
  # Layers whose variables are named by the user's data say that the names are
  # to stay: a column may well be called `dense_1`.
  exact = getattr(value, "exact_names", False)
  renamer = "/".join if exact else _Renamer()
  for variable in variables:
    segments = _path(variable).split("/")
    if len(segments) > 1 and segments[0] == prefix:
      segments = segments[1:]
    yield renamer(segments), variable


def _slot_paths(optimizer, weights):
  """Yields (path, variable) for an optimizer's variables.

  Keras names the slot of `sequential_3/dense_7/kernel` in one word:
  `sequential_3_dense_7_kernel_momentum`. It becomes `<weight>/momentum`.

  Args:
    optimizer: a Keras optimizer.
    weights: dictionary of the weights' flat paths to their names.
  """
  inner = getattr(optimizer, "inner_optimizer", None)
  renamer = _Renamer()
  for variable in optimizer.variables:
    word = variable.path.split("/")[-1]
    if word == "learning_rate":
      continue  # It is the program's: a changed one is to take effect.
    owners = [flat for flat in weights if word.startswith(flat + "_")]
    if owners:
      flat = max(owners, key=len)
      yield renamer([weights[flat], word[len(flat) + 1 :]]), variable
    elif inner is not None and any(variable is v for v in inner.variables):
      yield renamer(["inner", word]), variable
    else:
      yield renamer([word]), variable


def _is_variable(value):
  return isinstance(value, (tf.Variable, keras.Variable))


def _variables_of(value):
  return list(getattr(value, "variables", []))


def _path(variable):
  if isinstance(variable, keras.Variable):
    return variable.path
  return variable.name.split(":")[0]


def _flat_path(variable):
  """Returns the word by which a Keras optimizer names a variable's slots."""
  if isinstance(variable, keras.Variable):
    return variable.path.replace("/", "_")
  return variable.name.replace("/", "_").replace(":", "_")


class _Renamer:
  """Numbers automatic names within one object, in order of appearance.

  Keras numbers them over the whole process: what is `dense_7` here may be
  `dense_2` in another process that built the same network. Names that the user
  gave stay as they are. Equal paths are told apart by a number.
  """

  def __init__(self):
    self._automatic = _automatic_names()
    self._numbers = collections.defaultdict(dict)
    self._used = collections.Counter()

  def __call__(self, segments):
    renamed = []
    for segment in segments:
      base = re.sub(r"_\d+$", "", segment)
      if base in self._automatic:
        known = self._numbers["/".join(renamed), base]
        number = known.setdefault(segment, len(known))
        segment = f"{base}_{number}" if number else base
      renamed.append(segment)
    path = "/".join(renamed)
    self._used[path] += 1
    count = self._used[path]
    return path if count == 1 else f"{path}_{count - 1}"


def _automatic_names():
  """Returns the names, without number, that Keras gives on its own."""
  names, classes = {"variable", "seed_generator"}, [keras.Layer]
  while classes:
    cls = classes.pop()
    names.add(_snake_case(cls.__name__))
    classes += cls.__subclasses__()
  return names


def _snake_case(name):
  name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
  return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()

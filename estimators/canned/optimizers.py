"""The optimizers of the canned estimators: by name, or as users give them."""

import dataclasses
import inspect

import keras

from estimators.objects import once
from estimators.optimizers import Adagrad, Ftrl

# The names that tf.estimator knew.
_BY_NAME = {
  "Adagrad": Adagrad,
  "Adam": keras.optimizers.Adam,
  "Ftrl": Ftrl,
  "RMSProp": keras.optimizers.RMSprop,
  "SGD": keras.optimizers.SGD,
}
_FUSED = {keras.optimizers.Adagrad: Adagrad, keras.optimizers.Ftrl: Ftrl}


@dataclasses.dataclass(frozen=True)
class OptimizerSetting:
  """How to make an optimizer, as often as one is wanted.

  Keras's optimizers belong to the variables that they were first used with. So
  an instance that the user gives is never used itself: what is made is another
  one of the same configuration, for every Estimator and every call.

  Attributes:
    make: function without arguments that returns a Keras optimizer.
    description: str, for config.json and error messages.
  """

  make: object = dataclasses.field(repr=False, compare=False)
  description: str

  def __repr__(self):
    return self.description


def setting_of(optimizer, learning_rate, argument="optimizer", **defaults):
  """Returns the OptimizerSetting of what a canned estimator was given.

  Args:
    optimizer: "Adagrad", "Adam", "Ftrl", "RMSProp" or "SGD"; a Keras optimizer;
      or a function without arguments that returns one.
    learning_rate: float, the rate of an optimizer that is given by name.
    argument: str, what error messages call it.
    **defaults: more arguments of an optimizer that is given by name.

  Raises:
    ValueError: the name is not known, or a Keras optimizer of the user's own
      cannot be made again from its configuration.
    TypeError: it is something else.
  """
  if isinstance(optimizer, str):
    return _named(optimizer, learning_rate, argument, defaults)
  if isinstance(optimizer, keras.optimizers.Optimizer):
    return _like(optimizer, argument)
  if callable(optimizer) and not inspect.isclass(optimizer):
    return OptimizerSetting(lambda: _called(optimizer, argument), argument)
  raise TypeError(
    f"{argument} must be a name out of {sorted(_BY_NAME)}, a Keras optimizer "
    "(keras.optimizers.Adam(0.001)) or a function that returns one, but is "
    f"{optimizer!r}."
  )


def _named(name, learning_rate, argument, defaults):
  if name not in _BY_NAME:
    raise ValueError(
      f"{argument} must be one of {sorted(_BY_NAME)} when it is a name, but is "
      f"{name!r}; for others give an instance: keras.optimizers.Nadam(0.001)."
    )
  return OptimizerSetting(
    lambda: _BY_NAME[name](learning_rate, **defaults),
    f"{name}({learning_rate:g})",
  )


def _like(optimizer, argument):
  """Returns the setting that makes optimizers like a given one."""
  cls = _FUSED.get(type(optimizer), type(optimizer))

  def make():
    # Learning rate schedules are serialized in it and so are made anew too.
    return cls.from_config(optimizer.get_config())

  config = optimizer.get_config()
  try:
    _check_complete(config, optimizer)
    make()
  except Exception as error:
    raise ValueError(
      f"{argument} is a {type(optimizer).__name__} that cannot be made anew "
      f"from its configuration ({error}); give a function that makes it: "
      f"{argument}=lambda: {type(optimizer).__name__}(...)."
    ) from error
  return OptimizerSetting(make, f"{type(optimizer).__name__}({_rate(config)})")


def _rate(config):
  """Returns what a configuration says of the learning rate, in short."""
  rate = config.get("learning_rate", "")  # One around another has none.
  if isinstance(rate, dict):
    return rate["class_name"]  # of a schedule
  return f"{rate:g}" if isinstance(rate, float) else rate


def _check_complete(config, optimizer):
  """Raises ValueError when a constructor's argument is not in get_config()."""
  named = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
  )
  arguments = inspect.signature(type(optimizer)).parameters.values()
  lost = [p.name for p in arguments if p.kind in named and p.name not in config]
  if lost:
    raise ValueError(f"its get_config() lacks {lost}")


def _called(function, argument):
  optimizer = function()
  if not isinstance(optimizer, keras.optimizers.Optimizer):
    raise TypeError(
      f"the function given as {argument} must return a Keras optimizer, but "
      f"returned {optimizer!r}; a rate that changes is one of "
      "keras.optimizers.schedules."
    )
  if optimizer.built:
    raise ValueError(
      f"the function given as {argument} must return a new optimizer each time "
      f"that it is called, but returned one in use, {optimizer!r}; make it "
      "inside the function, or give the optimizer itself."
    )
  return optimizer


@once
def optimizer(setting):
  """Returns the one optimizer of a canned model."""
  return setting.make()

"""Optimizers as users give them: by name, as instances and as functions."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import LinearRegressor, WarmStartSettings, optimizers
from estimators import feature_columns as fc
from estimators.canned.optimizers import setting_of
from tests.estimators.canned import models
from tests.estimators.canned.models import input_of
from tests.estimators.helpers import new_folder, scalars

schedules = keras.optimizers.schedules
WEIGHTS = "linear/linear_model/x/weights"
NOTHING = input_of({"x": np.zeros([2], np.float32)}, np.zeros([2]))
TRAIN = input_of({"x": np.ones([2], np.float32)}, np.zeros([2]), repeat=True)


class Times(keras.optimizers.SGD):
  """An optimizer of the user's own whose configuration lacks an argument."""

  def __init__(self, learning_rate, factor=1, **kwargs):
    super().__init__(learning_rate, **kwargs)
    self.factor = factor

  def update_step(self, gradient, variable, learning_rate):
    super().update_step(self.factor * gradient, variable, learning_rate)


class Unmakeable(keras.optimizers.SGD):
  """One whose constructor takes nothing."""

  def __init__(self):
    super().__init__(0.1)


class Double(keras.optimizers.SGD):
  """One that can be made again, and doubles each step."""

  def update_step(self, gradient, variable, learning_rate):
    super().update_step(2 * gradient, variable, learning_rate)


def line(optimizer, **kwargs):
  """Returns a model y = w x + b that begins with w = 1, b = 0."""
  return models.given(
    LinearRegressor,
    {WEIGHTS: [[1.0]], "linear/linear_model/bias_weights": [0.0]},
    [fc.numeric_column("x")],
    optimizer=optimizer,
    **kwargs,
  )


def after(optimizer, steps=1):
  estimator = line(optimizer).train(TRAIN, steps=steps)
  return estimator.get_variable_value(WEIGHTS)[0, 0]


def sgd_by_hand(rates):
  w, b = 1.0, 0.0
  for rate in rates:  # The loss is (w + b)^2.
    gradient = 2 * (w + b)
    w, b = w - rate * gradient, b - rate * gradient
  return w


class SettingsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ("Adagrad", optimizers.Adagrad),
    ("Adam", keras.optimizers.Adam),
    ("Ftrl", optimizers.Ftrl),
    ("RMSProp", keras.optimizers.RMSprop),
    ("SGD", keras.optimizers.SGD),
  )
  def test_names(self, name, cls):
    setting = setting_of(name, 0.25, clipnorm=3.0)
    optimizer = setting.make()
    self.assertIs(type(optimizer), cls)
    self.assertEqual(float(optimizer.learning_rate), 0.25)
    self.assertEqual(optimizer.clipnorm, 3.0)
    self.assertEqual(repr(setting), f"{name}(0.25)")
    self.assertIsNot(setting.make(), optimizer)

  @parameterized.parameters(
    (keras.optimizers.Ftrl, optimizers.Ftrl),
    (keras.optimizers.Adagrad, optimizers.Adagrad),
    (keras.optimizers.Nadam, keras.optimizers.Nadam),
    (optimizers.Ftrl, optimizers.Ftrl),
    (Double, Double),
  )
  def test_instances(self, given, made):
    setting = setting_of(given(0.125, clipnorm=2.0), 9.0)
    optimizer = setting.make()
    self.assertIs(type(optimizer), made)
    self.assertEqual(float(optimizer.learning_rate), 0.125)
    self.assertEqual(optimizer.clipnorm, 2.0)
    self.assertEqual(repr(setting), f"{given.__name__}(0.125)")

  @parameterized.parameters(
    "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion Muon Nadam "
    "RMSprop SGD LossScaleOptimizer".split()
  )
  def test_all_of_keras(self, name):
    cls = getattr(keras.optimizers, name)
    is_wrapper = name == "LossScaleOptimizer"
    given = cls(keras.optimizers.SGD(0.5)) if is_wrapper else cls(0.5)
    made = setting_of(given, 9.0).make()
    self.assertEqual(made.get_config(), given.get_config())

  def test_all_of_the_configuration_is_kept(self):
    given = keras.optimizers.Ftrl(
      0.5, l1_regularization_strength=0.25, initial_accumulator_value=0.75
    )
    made = setting_of(given, 9.0).make()
    self.assertEqual(made.get_config(), given.get_config())

  def test_schedules(self):
    given = keras.optimizers.SGD(
      schedules.PiecewiseConstantDecay([0, 1], [0.25, 0.125, 0.0])
    )
    setting = setting_of(given, 9.0)
    self.assertEqual(repr(setting), "SGD(PiecewiseConstantDecay)")
    self.assertEqual(
      setting.make().get_config()["learning_rate"],
      given.get_config()["learning_rate"],
    )
    self.assertAllClose(after(given, 4), sgd_by_hand([0.25, 0.125]))

  def test_descriptions_of_rates_are_short(self):
    setting = setting_of(keras.optimizers.SGD(0.1), 9.0)
    self.assertEqual(repr(setting), "SGD(0.1)")

  def test_functions(self):
    made = []

    def make():
      made.append(keras.optimizers.SGD(0.25))
      return made[-1]

    setting = setting_of(make, 9.0, "dnn_optimizer")
    self.assertEqual(repr(setting), "dnn_optimizer")
    self.assertEmpty(made)
    self.assertIs(setting.make(), made[0])
    self.assertAllClose(after(make), sgd_by_hand([0.25]))


class TrainingTest(tf.test.TestCase):
  def test_one_instance_serves_any_number_of_calls_and_estimators(self):
    # tf.estimator raised RuntimeError in the second call.
    instance = Double(0.0625)
    expected = sgd_by_hand([0.125] * 3)
    for _ in range(2):
      estimator = line(instance).train(TRAIN, steps=1)
      estimator.evaluate(TRAIN, steps=1)
      estimator.train(TRAIN, steps=1).train(TRAIN, steps=1)
      self.assertAllClose(estimator.get_variable_value(WEIGHTS), [[expected]])
    self.assertFalse(instance.built)
    self.assertEqual(int(instance.iterations.numpy()), 0)

  def test_another_estimator_goes_on_with_its_slots(self):
    folder = new_folder()
    for steps in (1, 2):
      estimator = line(keras.optimizers.Adam(0.1), model_dir=folder)
      estimator.train(TRAIN, max_steps=steps)
    self.assertEqual(estimator.get_variable_value("optimizer/iteration"), 2)
    self.assertAllClose(
      estimator.get_variable_value(WEIGHTS),
      line(keras.optimizers.Adam(0.1))
      .train(TRAIN, steps=2)
      .get_variable_value(WEIGHTS),
    )

  def test_a_warm_start_is_not_undone_by_the_first_step_of_ftrl(self):
    # With fresh slots it would take w from 1 to about -0.2.
    step = 0.01 * 2 / np.sqrt(0.1 + 4)
    self.assertAllClose(after(optimizers.Ftrl(0.01)), 1 - step, 1e-5)

  def test_what_is_written_of_it(self):
    estimator = line(
      keras.optimizers.SGD(schedules.ExponentialDecay(0.5, 1, 0.5)),
      config=models.config_of(save_summary_steps=1),
      model_dir=None,
    ).train(TRAIN, steps=3)
    rates = scalars(estimator.model_dir)["learning_rate"]
    self.assertAllClose(rates, {0: 0.5, 1: 0.25, 2: 0.125})


class WarmStartTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    "Ftrl",
    keras.optimizers.Ftrl(0.2, l1_regularization_strength=0.5),
    lambda: keras.optimizers.Ftrl(0.2),
    keras.optimizers.LossScaleOptimizer(keras.optimizers.Ftrl(0.2)),
  )
  def test_a_step_without_gradient_keeps_the_weights(self, optimizer):
    estimator = line(optimizer).train(NOTHING, steps=1)
    self.assertAllClose(estimator.get_variable_value(WEIGHTS), [[1.0]])

  def test_slots_that_are_taken_over_stay(self):
    ftrl = keras.optimizers.Ftrl(0.2, l1_regularization_strength=9.0)
    columns = [fc.numeric_column("x")]
    source = LinearRegressor(columns, new_folder(), optimizer=ftrl)
    ones = np.ones([2], np.float32)
    source.train(input_of({"x": ones}, ones))  # a gradient of -2, below 9
    slot = f"optimizer/{WEIGHTS}/linear"
    gathered = source.get_variable_value(slot)
    self.assertAllEqual(source.get_variable_value(WEIGHTS), [[0.0]])
    self.assertAllClose(gathered, [[-2.0]])
    target = LinearRegressor(
      columns,
      new_folder(),
      optimizer=ftrl,
      warm_start_from=WarmStartSettings(source.model_dir, [".*"]),
    )
    target.train(NOTHING, steps=1)
    self.assertAllClose(target.get_variable_value(slot), gathered)


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ("adam", ValueError, "rate must be one of .*'Adam'.* is 'adam'"),
    ("Nadam", ValueError, r"instance: keras.optimizers.Nadam\(0.001\)"),
    (keras.optimizers.Adam, TypeError, "rate must be a name .* function that"),
    (0.1, TypeError, "rate must be a name .* but is 0.1"),
    (3, TypeError, "rate must be a name .* but is 3"),
    (None, TypeError, "rate must be a name .* but is None"),
    (
      Times(0.1, factor=2),
      ValueError,
      r"rate is a Times that cannot .*get_config\(\) lacks \['factor'\].*; "
      r".* rate=lambda: Times\(\.\.\.\)",
    ),
    (
      Unmakeable(),
      ValueError,
      "Unmakeable that cannot be made anew .*argument",
    ),
  )
  def test_what_is_no_optimizer(self, wrong, error, message):
    with self.assertRaisesRegex(error, message):
      setting_of(wrong, 0.1, "rate")

  def test_a_function_that_returns_none(self):
    estimator = line(lambda: 0.1)
    with self.assertRaisesRegex(TypeError, "optimizer must return .* 0.1"):
      estimator.train(TRAIN, steps=1)

  def test_a_function_that_returns_the_same_again(self):
    sgd = keras.optimizers.SGD(0.25)
    line(lambda: sgd).train(TRAIN, steps=1)
    with self.assertRaisesRegex(ValueError, "must return a new optimizer"):
      line(lambda: sgd).train(TRAIN, steps=1)

  def test_the_remedy_works(self):
    self.assertAllClose(
      after(lambda: Times(0.125, factor=2)), sgd_by_hand([0.25])
    )


if __name__ == "__main__":
  tf.test.main()

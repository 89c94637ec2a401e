import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  get_global_step,
  minimize,
  once,
)
from estimators.objects import Objects
from tests.estimators import toys


@once
def layer(units=2, **kwargs):
  """Builds a layer."""
  result = keras.layers.Dense(units, **kwargs)
  result.build([None, 3])
  return result


class OnceTest(parameterized.TestCase, tf.test.TestCase):
  def test_the_same_object_for_each_owner(self):
    one, other = Objects(), Objects()
    with one.active():
      first = layer(2)
      with other.active():
        second = layer(2)
      self.assertIs(layer(2), first)
    self.assertIsNot(first, second)
    self.assertEqual(one.values(), {"layer": first})
    self.assertEqual(layer.__doc__, "Builds a layer.")

  def test_outside_of_a_model_function(self):
    with self.assertRaisesRegex(RuntimeError, "outside.*layer.__wrapped__"):
      layer(2)
    with self.assertRaisesRegex(RuntimeError, "get_variable_value"):
      get_global_step()

  @parameterized.parameters(
    ([2], {}, [3], {}),
    ([2], {}, [], {"units": 2}),
    ([2], {}, [2], {"use_bias": False}),
    ([{"a": [1, 2]}], {}, [{"a": [1, 3]}], {}),
    ([np.array([1, 2])], {}, [np.array([1, 3])], {}),
    ([np.array([1, 2])], {}, [np.array([1, 2, 3])], {}),
    ([np.array([2, 2])], {}, [2], {}),
  )
  def test_arguments_that_differ(self, args, kwargs, other_args, other_kwargs):
    @once
    def variable(*args, **kwargs):
      return tf.Variable(1.0)

    with Objects().active():
      first = variable(*args, **kwargs)
      self.assertIs(variable(*args, **kwargs), first)
      with self.assertRaisesRegex(ValueError, "same arguments"):
        variable(*other_args, **other_kwargs)

  def test_two_functions_of_one_name(self):
    def variable():
      return tf.Variable(1.0)

    first = once(variable)

    def variable():  # noqa: F811
      return tf.Variable(2.0)

    with Objects().active():
      first()
      with self.assertRaisesRegex(ValueError, "name 'variable'.*rename one"):
        once(variable)()

  def test_tensors_are_no_arguments(self):
    with Objects().active():
      with self.assertRaisesRegex(ValueError, r"layer\(...\)\(tensor\)"):
        layer(tf.constant(2))

  @parameterized.parameters(
    (lambda: layer.__wrapped__(), {"made/kernel", "made/bias"}),
    (lambda: tf.Variable(1.0, name="v"), {"made"}),
    (
      lambda: {"a": [tf.Variable(1), tf.Variable(2)], "b": (tf.Variable(3),)},
      {"made/a/0", "made/a/1", "made/b/0"},
    ),
    (lambda: keras.metrics.Mean(name="m"), {"made/total", "made/count"}),
  )
  def test_names_of_variables(self, build, expected):
    @once
    def made():
      return build()

    objects = Objects()
    with objects.active():
      made()
    self.assertEqual(set(objects.variables()), expected | {"global_step"})

  def test_slots_are_named_after_their_weights(self):
    @once
    def first():
      return layer.__wrapped__(2, use_bias=False)

    @once
    def second():
      return layer.__wrapped__(2, use_bias=False, name="given")

    @once
    def optimizer():
      return keras.optimizers.SGD(0.1, momentum=0.9)

    objects = Objects()
    with objects.active():
      weights = [*first().variables, *second().variables]
      optimizer().build(weights)
    self.assertEqual(
      set(objects.variables()),
      {
        "global_step",
        "first/kernel",
        "second/kernel",
        "optimizer/iteration",
        "optimizer/first/kernel/momentum",
        "optimizer/second/kernel/momentum",
      },
    )
    found = objects.variables()["optimizer/second/kernel/momentum"]
    self.assertIs(found, optimizer_slot(objects, 1))
    self.assertEqual(
      set(objects.variables({"first"})), {"first/kernel", "global_step"}
    )

  def test_names_do_not_depend_on_what_else_was_built(self):
    def names():
      objects = Objects()
      with objects.active():
        toys.network()(np.zeros([1, 4], np.float32))
        toys.adam().build(objects.trainable_variables({"network"}))
      return {n: tuple(v.shape) for n, v in objects.variables().items()}

    first = names()
    for _ in range(3):
      keras.Sequential([keras.layers.Dense(3), keras.layers.Dropout(0.5)])
    keras.layers.BatchNormalization()
    self.assertEqual(names(), first)
    self.assertEqual(first["network/dense_1/kernel"], (8, 3))
    self.assertEqual(first["adam/network/dense/kernel/velocity"], (4, 8))
    self.assertIn("network/batch_normalization/moving_mean", first)

  def test_a_seed_decides_the_first_values(self):
    def kernel(seed, name="layer"):
      def build():
        return layer.__wrapped__(5)

      build.__name__ = name
      objects = Objects(seed)
      with objects.active():
        return once(build)().kernel.numpy()

    self.assertAllEqual(kernel(1), kernel(1))
    self.assertNotAllEqual(kernel(1), kernel(2))
    self.assertNotAllEqual(kernel(1), kernel(1, "other"))
    self.assertNotAllEqual(kernel(None), kernel(None))

  def test_a_seed_leaves_the_generators_of_others_alone(self):
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    with Objects(7).active():
      layer()
    self.assertEqual(np.random.rand(), expected)


def optimizer_slot(objects, index):
  """Returns the momentum of an SGD optimizer's weight."""
  return objects.values()["optimizer"].momentums[index]


class InAnEstimatorTest(parameterized.TestCase, tf.test.TestCase):
  def train(self, model_fn, model_dir=None, **config):
    config = RunConfig(model_dir or self.get_temp_dir(), **config)
    estimator = Estimator(model_fn, config=config)
    return estimator.train(toys.input_of([1, 2], np.float32([1, 2])))

  @parameterized.parameters(
    (lambda: keras.layers.Dense(1)(tf.ones([1, 1]))[0, 0], "dense|kernel"),
    (lambda: tf.Variable(2.0, name="lost"), "lost"),
  )
  def test_variables_made_outside_of_once(self, make, name):
    def model_fn(features, labels, mode):
      spec = toys.line_fn(features, labels, mode)
      return EstimatorSpec(
        mode, loss=spec.loss * make(), train_op=spec.train_op
      )

    with self.assertRaisesRegex(ValueError, f"outside of @once.*{name}"):
      self.train(model_fn)

  def test_metrics_made_outside_of_once(self):
    metric = keras.metrics.Mean()

    def model_fn(features, labels, mode):
      if mode == ModeKeys.TRAIN:
        return toys.line_fn(features, labels, mode)
      metric.update_state(features)
      loss = tf.reduce_mean(features)
      return EstimatorSpec(mode, loss=loss, eval_metric_ops={"a": metric})

    with self.assertRaisesRegex(ValueError, "metric 'a'.*not built by a @once"):
      self.train(model_fn).evaluate(toys.input_of([1], np.float32([1])))

  def test_the_global_step_is_that_of_the_step_under_way(self):
    @once
    def seen():
      return tf.Variable(tf.zeros([2], tf.int64), trainable=False)

    def model_fn(features, labels, mode):
      spec = toys.line_fn(features, labels, mode)
      step = get_global_step()
      seen().scatter_update(tf.IndexedSlices(step + 10, step))
      return spec

    estimator = self.train(model_fn)
    self.assertAllEqual(estimator.get_variable_value("seen"), [10, 11])

  def test_plain_variables_can_be_trained(self):
    @once
    def slope():
      return tf.Variable(0.0, name="other_name")

    @once
    def optimizer():
      return keras.optimizers.SGD(0.01, momentum=0.5)

    def model_fn(features, labels, mode):
      loss = tf.reduce_mean(tf.square(slope() * features - labels))
      return EstimatorSpec(
        mode, loss=loss, train_op=minimize(loss, optimizer())
      )

    estimator = self.train(model_fn)
    # Gradients 2 (w x - y) x, with momentum 0.5.
    velocity = 0.02
    w = velocity
    velocity = 0.5 * velocity - 0.01 * 2 * (w * 2 - 2) * 2
    w += velocity
    self.assertAllClose(estimator.get_variable_value("slope"), w)
    self.assertAllClose(
      estimator.get_variable_value("optimizer/slope/momentum"), velocity
    )

  def test_one_optimizer_for_any_number_of_calls(self):
    optimizers = []

    def model_fn(features, labels, mode):
      optimizers.append(toys.sgd())
      return toys.line_fn(features, labels, mode)

    estimator = Estimator(model_fn, self.get_temp_dir())
    input_fn = toys.input_of([1, 2, 3], np.float32([0, 1, 2]))
    for _ in range(3):
      estimator.train(input_fn, steps=1)
    batches = [([1], [0]), ([2], [1]), ([3], [2])]
    self.assertAllClose(
      estimator.get_variable_value(toys.LINE), [[toys.line_steps(batches)]]
    )
    self.assertEqual(estimator.get_variable_value("sgd/iteration"), 3)
    self.assertLen(set(map(id, optimizers)), 1)


if __name__ == "__main__":
  tf.test.main()

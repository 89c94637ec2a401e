import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import RunConfig
from estimators.checkpoints import Saver
from estimators.input_position import InputPosition


def shuffled(size=12):
  return tf.data.Dataset.range(size).shuffle(5).repeat(2)


def generated(size=24):
  def generate():
    yield from range(size)

  spec = tf.TensorSpec([], tf.int64)
  return tf.data.Dataset.from_generator(generate, output_signature=spec)


def symbolic(dataset):
  options = tf.data.Options()
  options.experimental_symbolic_checkpoint = True
  return dataset.with_options(options)


class InputPositionTest(parameterized.TestCase, tf.test.TestCase):
  def save(self, variables, position):
    """Writes a checkpoint of variables and an InputPosition."""
    saver = Saver(self.get_temp_dir(), RunConfig(), variables, position)
    return saver.save(7)

  def read(self, position, count):
    values = [next(position.iterator).numpy() for _ in range(count)]
    position.advance(count)
    return values

  @parameterized.parameters(
    (shuffled, "state"),
    (lambda: shuffled().map(lambda x: 3 * x).batch(1).prefetch(2), "state"),
    (generated, "count"),
    (lambda: generated().shuffle(5).batch(1), "count"),
    (
      lambda: shuffled().map(
        lambda x: tf.py_function(lambda x: x + 1, [x], tf.int64)
      ),
      "count",
    ),
  )
  def test_goes_on_where_it_stopped(self, make, how):
    def begin():
      tf.random.set_seed(1)
      return InputPosition(make())

    position = begin()
    self.save({}, position)
    self.read(position, 4)
    path = self.save({}, position)
    self.assertEqual(position.saves_state, how == "state")
    expected = self.read(position, 10)
    for _ in range(2):
      again = begin()
      again.restore(path)
      self.assertTrue(again.restored)
      self.assertAllEqual(self.read(again, 2), expected[:2])
      expected = expected[2:]
      path = self.save({}, again)

  def test_counting_is_warned_of_once(self):
    position = InputPosition(generated().shuffle(5))
    saver = Saver(self.get_temp_dir(), RunConfig(), {}, position)
    with self.assertNoLogs("tensorflow", "WARNING"):
      saver.save(0)  # Nothing was read, so there is no state as yet.
    self.read(position, 1)
    with self.assertLogs("tensorflow", "WARNING") as logs:
      saver.save(1)
      saver.save(2)
    self.assertLen(logs.output, 1)
    self.assertIn("cannot be saved", logs.output[0])

  @parameterized.parameters(
    (
      lambda d: d.map(lambda x: tf.random.uniform([])),
      "RandomUniform.*stateless",
    ),
    (lambda d: generated(), "PyFunc.*gives the same each time"),
    (lambda d: generated().shuffle(3), "PyFunc.*gives the same each time"),
    (lambda d: symbolic(generated()), "Generator.*gives the same each time"),
    (
      lambda d: d.flat_map(lambda x: tf.data.Dataset.range(3).shuffle(3)),
      "DummySeedGenerator.*reshuffle_each_iteration=False",
    ),
    (lambda d: symbolic(d.cache()), "Leave out the option experimental_symb"),
  )
  def test_what_cannot_be_saved_is_named_after_the_first_step(self, make, what):
    with self.assertLogs("tensorflow", "WARNING") as logs:
      position = InputPosition(make(tf.data.Dataset.range(9)))
      position.try_saving()
      self.read(position, 1)
      position.try_saving()
    self.assertLen(logs.output, 1)
    self.assertRegex(logs.output[0], what)
    self.assertFalse(position.saves_state)

  def test_random_numbers_that_symbols_would_lose(self):
    @symbolic
    @tf.data.Dataset.range(9).map
    def drawn(x):
      return tf.random.uniform([])

    with self.assertLogs("tensorflow", "WARNING") as logs:
      position = InputPosition(drawn)
    self.assertRegex(logs.output[0], "RandomUniform.*stateless")
    self.assertNotIn("iterator", position.trackables())

  def test_a_policy_that_ignores_state(self):
    drawn = tf.data.Dataset.range(9).map(lambda x: tf.random.uniform([]))
    options = tf.data.Options()
    options.experimental_external_state_policy = (
      tf.data.experimental.ExternalStatePolicy.IGNORE
    )
    with self.assertLogs("tensorflow", "WARNING") as logs:
      position = InputPosition(drawn.with_options(options))
    self.assertRegex(logs.output[0], "RandomUniform.*stateless")
    self.assertFalse(position.saves_state)

  def test_without_a_seed_the_order_may_be_another(self):
    for seed, count in ((None, 1), (1, 0)):
      with self.assertLogs("tensorflow", "WARNING") as logs:
        position = InputPosition(generated(), seed=seed)
        position.try_saving()
      self.assertEqual(logs.output[0].count("tf_random_seed"), count)

  def test_a_counted_input_that_ends_too_early(self):
    position = InputPosition(generated())
    position.try_saving()
    self.read(position, 20)
    path = self.save({}, position)
    again = InputPosition(generated(7))
    with self.assertLogs("tensorflow", "WARNING") as logs:
      again.restore(path)
    self.assertIn("ends after 7 batches, and 20 were read", logs.output[-1])
    self.assertEqual(self.read(again, 1), [0])

  def test_an_order_that_differs_is_warned_of(self):
    options = tf.data.Options()
    options.deterministic = False
    with self.assertLogs("tensorflow", "WARNING") as logs:
      InputPosition(shuffled().with_options(options))
    self.assertIn("deterministic=False", logs.output[0])

  def test_what_can_be_saved_is_not_warned_of(self):
    python = tf.data.Dataset.range(9).map(
      lambda x: tf.py_function(lambda x: x + 1, [x], tf.int64)
    )
    with self.assertNoLogs("tensorflow", "WARNING"):
      for dataset in (shuffled(), symbolic(shuffled()), symbolic(python)):
        position = InputPosition(dataset)
        self.read(position, 1)
        position.try_saving()
        self.assertTrue(position.saves_state)

  def test_begins_anew_after_a_clean_end(self):
    dataset = tf.data.Dataset.range(3)
    for has_more, batches, finished in (
      (False, 3, True),
      (True, 3, True),
      (True, 2, False),
    ):
      position = InputPosition(dataset)
      self.read(position, batches)
      position.finish(position.is_read(has_more))
      self.assertEqual(position.finished, finished)
      again = InputPosition(dataset)
      again.restore(self.save({}, position))
      self.assertEqual(again.restored, not finished)
      self.assertEqual(self.read(again, 1), [0 if finished else 2])

  def test_input_of_another_kind(self):
    position = InputPosition(tf.data.Dataset.range(30))
    self.read(position, 4)
    path = self.save({}, position)
    for other in (
      tf.data.Dataset.range(31),
      generated(),
      tf.data.Dataset.range(30).batch(1),
      # The same by its looks, but its operations cannot take the state.
      tf.data.Dataset.range(30)
      .interleave(lambda x: tf.data.Dataset.from_tensors(x))
      .apply(tf.data.experimental.assert_cardinality(30)),
    ):
      again = InputPosition(other)
      with self.assertLogs("tensorflow", "WARNING") as logs:
        again.restore(path)
      self.assertIn("not of the kind", logs.output[0])
      self.assertFalse(again.restored)
      self.assertAllEqual(np.ravel(self.read(again, 2)), [0, 1])

  def test_a_checkpoint_without_position(self):
    variable = tf.Variable(1)
    path = tf.train.Checkpoint(a=variable).save(self.get_temp_dir() + "/model")
    position = InputPosition(tf.data.Dataset.range(3))
    position.restore(path)
    self.assertFalse(position.restored)
    self.assertEqual(self.read(position, 1), [0])


if __name__ == "__main__":
  tf.test.main()

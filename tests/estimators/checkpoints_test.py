import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import RunConfig, checkpoints
from estimators.checkpoints import Saver
from estimators.input_position import InputPosition
from estimators.objects import Objects
from tests.estimators import named_checkpoints, toys


class CheckpointTest(parameterized.TestCase, tf.test.TestCase):
  def save(self, variables, position=None, step=7):
    """Writes a checkpoint of variables and an InputPosition."""
    config = RunConfig(keep_checkpoint_max=3)
    position = position or InputPosition(tf.data.Dataset.range(3))
    saver = Saver(self.get_temp_dir(), config, variables, position)
    return saver.save(step)


class VariablesTest(CheckpointTest):
  def variables(self):
    return {
      "a/b": tf.Variable([1.0, 2.0]),
      "a/c/d": tf.Variable(3),
      "e": tf.Variable("text"),
    }

  def test_names_and_values(self):
    path = self.save(self.variables())
    self.assertEqual(os.path.basename(path), "model.ckpt-7")
    self.assertEqual(checkpoints.step_of(path), 7)
    self.assertEqual(
      checkpoints.names(path), {"a/b": [2], "a/c/d": [], "e": []}
    )
    self.assertAllEqual(checkpoints.value(path, "a/b"), [1, 2])
    self.assertEqual(checkpoints.value(path, "e"), b"text")

  def test_restore(self):
    path = self.save(self.variables())
    changed = self.variables()
    changed["a/b"].assign([5, 6])
    changed["a/c/d"].assign(9)
    checkpoints.restore(path, {"a/b": changed["a/b"]})
    self.assertAllEqual(changed["a/b"], [1, 2])
    self.assertAllEqual(changed["a/c/d"], 9)

  def test_restore_of_keras_objects(self):
    objects = Objects()
    with objects.active():
      toys.network()(np.zeros([1, 4], np.float32))
      toys.adam().build(objects.trainable_variables({"network"}))
    values = {
      name: np.full(variable.shape, i + 1)
      for i, (name, variable) in enumerate(objects.variables().items())
    }
    for name, variable in objects.variables().items():
      variable.assign(values[name])
    path = self.save(objects.variables())
    for variable in objects.variables().values():
      variable.assign(np.zeros(variable.shape))
    checkpoints.restore(path, objects.variables())
    for name, variable in objects.variables().items():
      self.assertAllEqual(variable, values[name])

  def test_missing_values(self):
    path = self.save(self.variables())
    more = {"x": tf.Variable(1.0), **self.variables()}
    with self.assertRaisesRegex(ValueError, r"no value for \['x'\].*'a/b'"):
      checkpoints.restore(path, more)
    more["a/c/d"].assign(9)
    checkpoints.restore(path, more, optional={"x"})
    self.assertAllEqual(more["a/c/d"], 3)
    self.assertAllEqual(more["x"], 1.0)

  def test_another_shape(self):
    path = self.save(self.variables())
    with self.assertRaisesRegex(ValueError, r"a/b of shape \[2\].*\[3\]"):
      checkpoints.restore(path, {"a/b": tf.Variable([1.0, 2.0, 3.0])})

  def test_random_state_may_be_missing(self):
    path = self.save(self.variables())
    state = "a/seed_generator/seed_generator_state"
    more = {state: tf.Variable([1, 2]), **self.variables()}
    more["a/c/d"].assign(9)
    checkpoints.restore(path, more)
    self.assertAllEqual(more["a/c/d"], 3)
    self.assertAllEqual(more[state], [1, 2])

  def test_a_checkpoint_of_tf_estimator(self):
    folder = self.get_temp_dir() + "/named"
    path = named_checkpoints.write(folder, {"a/b": [1, 2]})
    with self.assertRaisesRegex(
      ValueError,
      rf"tools.convert_checkpoint --from={folder} .*warm_start_from",
    ):
      checkpoints.restore(path, {"a/b": tf.Variable([5.0, 6.0])})

  @parameterized.parameters([["a", "a/b"]], [["a/b", "a"]])
  def test_a_variable_cannot_be_a_folder(self, names):
    with self.assertRaisesRegex(ValueError, "'a.*rename one"):
      checkpoints.tree({name: tf.Variable(1) for name in names})

  def test_the_newest_are_kept_also_by_the_next_saver(self):
    for step in (0, 5, 5, 10):
      self.save(self.variables(), step=step)
    self.save(self.variables(), step=20)
    found = tf.train.get_checkpoint_state(self.get_temp_dir())
    self.assertEqual(
      [checkpoints.step_of(p) for p in found.all_model_checkpoint_paths],
      [5, 10, 20],
    )
    names = tf.io.gfile.glob(self.get_temp_dir() + "/*.index")
    self.assertLen(names, 3)


if __name__ == "__main__":
  tf.test.main()

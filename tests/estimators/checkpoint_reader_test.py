import os
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators.checkpoint_reader import Reader, find
from tests.estimators import named_checkpoints
from tests.estimators.helpers import new_folder

W = np.arange(10, dtype=np.float32).reshape(5, 2)


class ByNameTest(tf.test.TestCase):
  def test_values(self):
    path = named_checkpoints.write(
      new_folder(),
      {
        **named_checkpoints.step(),
        "a.b/c": [1, 2],
        "a.b/c/Adagrad": [3, 4],
        "words": np.array([b"x", b"y"]),
        "training/Ftrl/learning_rate": 0.5,
        "a.b/c/Mine": [5, 6],
      },
    )
    reader = Reader(path)
    self.assertTrue(reader.by_name)
    self.assertEqual(
      reader.shapes,
      {
        "global_step": [],
        "a.b/c": [2],
        "words": [2],
        "optimizer/a.b/c/accumulator": [2],
        "optimizer/iteration": [],
      },
    )
    self.assertAllEqual(reader.value("a.b/c"), [1, 2])
    self.assertAllEqual(reader.value("optimizer/a.b/c/accumulator"), [3, 4])
    self.assertEqual(reader.value("optimizer/iteration"), 30)
    self.assertEqual(reader.value("optimizer/iteration").dtype, np.int64)
    self.assertAllEqual(reader.value("words"), [b"x", b"y"])
    self.assertEqual(reader.stored_as("optimizer/iteration"), ["global_step"])
    self.assertEqual(
      reader.left_out(),
      {"a.b/c/Mine": None, "training/Ftrl/learning_rate": 0.5},
    )

  def test_a_partitioned_variable_of_tensorflow_1(self):
    path = os.path.join(new_folder(), "model.ckpt")
    with tf.Graph().as_default():
      v1 = tf.compat.v1
      v1.get_variable(
        "w",
        initializer=tf.constant(W),
        partitioner=v1.fixed_size_partitioner(2),
      )
      with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, path)
    reader = Reader(path)
    self.assertEqual(reader.shapes, {"w": [5, 2]})
    self.assertAllEqual(reader.value("w"), W)

  def test_parts_saved_apart(self):
    path = named_checkpoints.write(
      new_folder(), {"w/part_1": W[2:], "w/part_0": W[:2]}
    )
    self.assertEqual(Reader(path).shapes, {"w": [5, 2]})
    self.assertAllEqual(Reader(path).value("w"), W)

  def slots(self, rows):
    """Writes W and slots of it, -W, of which a part has `rows` rows."""
    keys = ["w/part_0/Adagrad", "w/part_1/Adagrad"]
    return named_checkpoints.write(
      new_folder(),
      {"w": W, keys[0]: -W[:rows], keys[1]: -W[rows:]},
      slices={
        keys[0]: ([5, 2], 0, rows),
        keys[1]: ([5, 2], rows, 5 - rows),
      },
    )

  def test_slots_of_a_partitioned_variable(self):
    # TensorFlow's partitioner makes the first parts the larger ones.
    reader = Reader(self.slots(3))
    self.assertEqual(reader.shapes["optimizer/w/accumulator"], [5, 2])
    self.assertAllEqual(reader.value("optimizer/w/accumulator"), -W)

  def test_slots_that_are_split_in_another_way(self):
    reader = Reader(self.slots(1))
    with self.assertRaisesRegex(ValueError, r"even shares .*\[5, 2\]"):
      reader.value("optimizer/w/accumulator")

  def test_slots_that_begin_anew(self):
    path = named_checkpoints.write(
      new_folder(),
      {
        "a_b_shared_embedding": W,
        "dnn/logits/bias": [1],
        "training/Adagrad/dnn/logits/bias/accumulator": [5],
      },
    )
    reader, scope = Reader(path), "dnn/input_from_feature_columns/input_layer"
    name = f"{scope}/a_b_shared_embedding/embedding_weights"
    self.assertAllEqual(reader.value(name), W)
    slot = reader.value(f"optimizer/{name}/accumulator")
    self.assertAllEqual(slot, np.full([5, 2], 0.1, np.float32))


class ObjectBasedTest(tf.test.TestCase):
  def test_names_with_dots(self):
    variables = {"a.b": {"c": tf.Variable([1.0, 2.0])}, "..": tf.Variable(3)}
    path = tf.train.Checkpoint(**variables).write(new_folder() + "/model")
    reader = Reader(path)
    self.assertFalse(reader.by_name)
    self.assertEqual(reader.shapes, {"a.b/c": [2], "..": []})
    self.assertAllEqual(reader.value("a.b/c"), [1, 2])
    self.assertEqual(reader.value(".."), 3)


def cut(content):
  return content[:-1]


def flipped(content):
  return bytes([content[0] ^ 1]) + content[1:]


class DamageTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    (".data-00000-of-00001", cut),
    (".data-00000-of-00001", flipped),
    (".index", cut),
  )
  def test_damage_is_one_error(self, file, damaged):
    path = named_checkpoints.write(new_folder(), {"w": W})
    file = pathlib.Path(path + file)
    file.write_bytes(damaged(file.read_bytes()))
    with self.assertRaisesRegex(
      ValueError, f"^{path} is cut or damaged .*: copy it again, or use an ear"
    ):
      Reader(path).value("w")

  def test_damage_of_what_is_left_out(self):
    path = named_checkpoints.write(
      new_folder(), {"training/Ftrl/learning_rate": 0.5}
    )
    os.truncate(path + ".data-00000-of-00001", 3)
    reader = Reader(path)
    with self.assertRaisesRegex(ValueError, f"^{path} is cut or damaged"):
      reader.left_out()

  def test_damage_of_a_part(self):
    keys = ["w/part_0/Adagrad", "w/part_1/Adagrad"]
    path = named_checkpoints.write(
      new_folder(),
      {"w": W, keys[0]: W[:3], keys[1]: W[3:]},
      slices={keys[0]: ([5, 2], 0, 3), keys[1]: ([5, 2], 3, 2)},
    )
    os.truncate(path + ".data-00000-of-00001", 3)
    with self.assertRaisesRegex(ValueError, f"^{path} is cut or damaged"):
      Reader(path).value("optimizer/w/accumulator")


class FindTest(tf.test.TestCase):
  def test_find(self):
    folder = new_folder()
    self.assertIsNone(find(folder))
    self.assertIsNone(find(folder + "/model.ckpt-30"))
    path = named_checkpoints.write(folder, {"w": W})
    named_checkpoints.write(folder, {"w": W}, "model.ckpt-40")
    self.assertEqual(find(folder), folder + "/model.ckpt-40")
    self.assertEqual(find(path), path)
    exported = new_folder()
    path = named_checkpoints.write(
      exported, {"w": W}, named_checkpoints.SAVED_MODEL
    )
    self.assertEqual(find(exported), path)


if __name__ == "__main__":
  tf.test.main()

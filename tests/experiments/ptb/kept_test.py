import json
import os

import tensorflow as tf

from experiments.ptb import kept
from tests.estimators import helpers


class LayoutTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = os.path.join(helpers.new_folder(), "new")
    kept.write_layout(self.folder, batch_size=20, num_steps=20, words=900)

  def save(self):
    path = os.path.join(self.folder, "model.ckpt")
    tf.train.Checkpoint(x=tf.Variable(1)).save(path)

  def layout(self):
    with open(os.path.join(self.folder, kept.LAYOUT_FILE)) as file:
      return json.load(file)

  def test_the_file(self):
    self.assertEqual(os.listdir(self.folder), [kept.LAYOUT_FILE])
    expected = {"batch_size": 20, "num_steps": 20, "words": 900}
    self.assertEqual(self.layout(), expected)

  def test_what_differs_is_named(self):
    self.save()
    kept.write_layout(self.folder, batch_size=20, num_steps=20, words=900)
    before = self.layout()
    with self.assertRaisesRegex(
      ValueError,
      "^num_steps, words must be as .* were trained with, num_steps=20, "
      "words=900, but came as num_steps=35, words=901: .*another model_dir",
    ):
      kept.write_layout(self.folder, batch_size=20, num_steps=35, words=901)
    self.assertEqual(self.layout(), before)

  def test_without_a_checkpoint_it_binds_nobody(self):
    kept.write_layout(self.folder, batch_size=20, num_steps=35, words=900)
    self.assertEqual(self.layout()["num_steps"], 35)

  def test_checkpoints_without_the_file_get_one(self):
    os.remove(os.path.join(self.folder, kept.LAYOUT_FILE))
    self.save()
    kept.write_layout(self.folder, batch_size=7)
    self.assertEqual(self.layout(), {"batch_size": 7})


if __name__ == "__main__":
  tf.test.main()

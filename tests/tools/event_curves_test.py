import os

import tensorflow as tf

from tests.estimators.helpers import new_folder
from tools import event_curves


def write_scalars(folder, tag, points):
  with tf.summary.create_file_writer(folder).as_default():
    for step, value in points:
      tf.summary.scalar(tag, value, step=step)


class EventCurvesTest(tf.test.TestCase):
  def test_later_values_of_a_step_count(self):
    model_dir = new_folder()
    write_scalars(model_dir, "a", [(1, 1.0), (2, 2.0), (3, 3.0), (2, 5.0)])
    self.assertEqual(
      {"a": {"train": {1: 1.0, 2: 5.0, 3: 3.0}}},
      event_curves.read_curves(model_dir),
    )

  def test_reads_scalars_of_tensorflow_1(self):
    model_dir = new_folder()
    with tf.io.TFRecordWriter(os.path.join(model_dir, "tfevents")) as writer:
      event = tf.compat.v1.Event(step=3)
      event.summary.value.add(tag="loss", simple_value=0.5)
      event.summary.value.add(tag="weights", histo={"num": 1})
      writer.write(event.SerializeToString())
    self.assertEqual(
      {"loss": {"train": {3: 0.5}}}, event_curves.read_curves(model_dir)
    )

  def test_a_file_that_is_being_written_is_drawn(self):
    model_dir = new_folder()
    write_scalars(model_dir, "loss", [(step, 1.0) for step in range(9)])
    (name,) = os.listdir(model_dir)
    path = os.path.join(model_dir, name)
    os.truncate(path, os.path.getsize(path) - 7)
    points = event_curves.read_curves(model_dir)["loss"]["train"]
    self.assertEqual(list(range(8)), list(points))


if __name__ == "__main__":
  tf.test.main()

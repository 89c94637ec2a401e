import os

import tensorflow as tf

from estimators import json_files


class JsonFilesTest(tf.test.TestCase):
  def test_written_in_one_go(self):
    folder = self.get_temp_dir()
    path = os.path.join(folder, "a.json")
    for value in (3, "x" * 10):
      json_files.write(path, {"a": value, "b": {1}}, default=list)
      with open(path) as file:
        self.assertEqual(
          json_files.parsed(file.read(), ["a"]), {"a": value, "b": [1]}
        )
    with self.assertRaises(TypeError):
      json_files.write(path, {"a": {1}})
    with open(path) as file:  # The old one is still whole.
      self.assertIn("xxx", file.read())

  def test_what_is_not_whole(self):
    for text in ("", "{", "3", '["a"]', '{"b": 1}', "{'a': 1}"):
      self.assertIsNone(json_files.parsed(text, ["a"]))


if __name__ == "__main__":
  tf.test.main()

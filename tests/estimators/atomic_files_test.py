import os

import tensorflow as tf

from estimators import atomic_files


class AtomicFilesTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = self.get_temp_dir()
    self.path = os.path.join(self.folder, "a.json")

  def _content(self):
    with open(self.path, "rb") as file:
      return file.read()

  def test_written_in_one_go(self):
    for value in (3, "x" * 10):
      atomic_files.write_json(self.path, {"a": value, "b": {1}}, default=list)
      self.assertEqual(
        atomic_files.parsed(self._content(), ["a"]), {"a": value, "b": [1]}
      )
    with self.assertRaises(TypeError):
      atomic_files.write_json(self.path, {"a": {1}})
    self.assertIn(b"xxx", self._content())  # The old one is still whole.

  def test_an_error_on_the_way_leaves_what_was_there(self):
    with atomic_files.writing(self.path) as stream:
      stream.write(b"old")
    with self.assertRaises(OSError), atomic_files.writing(self.path) as stream:
      stream.write(b"new")
      stream.flush()
      self.assertEqual(self._content(), b"old")
      names = ["a.json", f"a.json.tmp-{os.getpid()}"]
      self.assertCountEqual(os.listdir(self.folder), names)
      raise OSError("No space left on device")
    self.assertEqual(self._content(), b"old")
    self.assertEqual(os.listdir(self.folder), ["a.json"])

  def test_a_folder_that_is_missing(self):
    with self.assertRaises(FileNotFoundError):
      atomic_files.write_json(os.path.join(self.folder, "b", "c.json"), 1)

  def test_what_is_not_whole(self):
    for text in ("", "{", "3", '["a"]', '{"b": 1}', "{'a': 1}", b"\xff"):
      self.assertIsNone(atomic_files.parsed(text, ["a"]))


if __name__ == "__main__":
  tf.test.main()

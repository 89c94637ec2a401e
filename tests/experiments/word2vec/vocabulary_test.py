import os
import pathlib
import tempfile

from absl.testing import absltest, parameterized

from experiments.word2vec import vocabulary


class VocabularyTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.path = pathlib.Path(folder, vocabulary.FILE)

  def test_what_is_written(self):
    vocabulary.write(self.path, ["UNK", "the", "naïve"], [7, 40, 2])
    self.assertEqual(
      self.path.read_bytes(), "UNK 7\nthe 40\nnaïve 2\n".encode()
    )

  def test_read_gives_what_was_written(self):
    # Python has more line ends and spaces than the corpus.
    words = ["UNK", "a\u2028b", "c\u00a0d", "e\x85"]
    vocabulary.write(self.path, words, [4, 3, 2, 1])
    self.assertEqual(vocabulary.read(self.path), (words, [4, 3, 2, 1]))

  def test_an_error_leaves_the_file_as_it_was(self):
    vocabulary.write(self.path, ["UNK"], [1])
    with self.assertRaises(ValueError):
      vocabulary.write(self.path, ["UNK", "a"], [1])
    self.assertEqual(vocabulary.read(self.path), (["UNK"], [1]))
    self.assertEqual(os.listdir(self.path.parent), [vocabulary.FILE])

  @parameterized.parameters(
    (b"UNK 1\nthe\n", "vocab.txt:2 must be"),
    (b"UNK 1\nthe 1 2\n", "vocab.txt:2 must be"),
    (b"UNK 1\nthe x\n", "vocab.txt:2 must be"),
    (b"UNK 1\nth\xff 3\n", "vocab.txt:2 must be"),
    (b"the 3\n", r"first line .* its word is \['the'\]"),
    (b"", "first line"),
  )
  def test_damaged_file(self, content, message):
    self.path.write_bytes(content)
    with self.assertRaisesRegex(ValueError, message):
      vocabulary.read(self.path)

  def test_missing_file(self):
    with self.assertRaisesRegex(FileNotFoundError, "name the model_dir"):
      vocabulary.read(self.path)


if __name__ == "__main__":
  absltest.main()

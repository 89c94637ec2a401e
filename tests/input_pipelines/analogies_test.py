import os
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from input_pipelines import analogies

WORDS = "UNK athens greece baghdad iraq he she brother sister".split()
TEXT = """: capitals
Athens Greece Baghdad Iraq
Athens Greece Oslo Norway

: nothing here
Oslo Norway Bern Switzerland
: Family ties
he  she\tbrother sister
: capitals
Baghdad Iraq Athens Greece\r
"""


class AnalogiesTest(tf.test.TestCase, parameterized.TestCase):
  def read(self, content, words=WORDS):
    self.path = os.path.join(self.get_temp_dir(), "questions.txt")
    content = content.encode() if isinstance(content, str) else content
    pathlib.Path(self.path).write_bytes(content)
    return analogies.read(self.path, words)

  def test_questions_of_known_words_by_section(self):
    found = self.read(TEXT)
    self.assertAllEqual(found.questions, [[1, 2, 3], [5, 6, 7], [3, 4, 1]])
    self.assertAllEqual(found.answers, [4, 8, 2])
    self.assertAllEqual(found.sections, [0, 1, 0])
    self.assertEqual(found.section_names, ("capitals", "family ties"))
    for array in (found.questions, found.answers, found.sections):
      self.assertEqual(array.dtype, np.int32)

  def test_report(self):
    self.assertEqual(
      analogies.report(self.read(TEXT)),
      [f"Eval analogy file: {self.path}", "Questions: 3", "Skipped: 2"],
    )

  def test_questions_before_any_section(self):
    found = self.read("he she brother sister\n: b\nshe he sister brother")
    self.assertEqual(found.section_names, (analogies.UNNAMED, "b"))
    self.assertAllEqual(found.sections, [0, 1])

  def test_letters_other_than_ascii_are_lower_cased_and_do_not_separate(self):
    space = "a\u00a0b"  # a no-break space, within a word of the corpus
    found = self.read(f"ÖL C {space} d", ["UNK", "öl", "c", space, "d"])
    self.assertAllEqual(found.questions, [[1, 2, 3]])

  @parameterized.parameters(
    (b"he she brother\n", r"questions.txt:1 .* has 3 words: 'he she brother'"),
    (b": a\n\na b c d e\n", r"questions.txt:3 .* has 5 words: 'a b c d e'"),
    (b"he she brother sister\nhe \xff a b", r"questions.txt:2 must be UTF-8"),
    (b"he she brother\0 sister\n", r"questions.txt .*byte 15 of line 1 is NUL"),
    (b"", "has 0 questions, and the vocabulary 9 words"),
    (b"he she brother norway", "has 1 questions, and the vocabulary 9 words"),
  )
  def test_bad_file(self, content, message):
    with self.assertRaisesRegex(ValueError, message):
      self.read(content)

  def test_missing_file(self):
    folder = self.get_temp_dir()
    message = f"Fetch it: .* word2vec --data_dir={folder}"
    with self.assertRaisesRegex(FileNotFoundError, message):
      analogies.read(os.path.join(folder, "no.txt"), WORDS)

  def test_every_question_once_in_order(self):
    batches = list(analogies.input_fn(self.read(TEXT), batch_size=2)())
    self.assertLen(batches, 2)
    for batch, rows in zip(batches, (slice(0, 2), slice(2, 3)), strict=True):
      features, labels = batch
      questions = [[1, 2, 3], [5, 6, 7], [3, 4, 1]][rows]
      self.assertAllEqual(features["questions"], questions)
      self.assertAllEqual(features["sections"], [0, 1, 0][rows])
      self.assertAllEqual(labels, [4, 8, 2][rows])
      self.assertEqual(labels.dtype, tf.int32)


@absltest.skipUnless("TEST_DATA_DIR" in os.environ, "no TEST_DATA_DIR")
class PublishedQuestionsTest(absltest.TestCase):
  """questions-words.txt of word2vec.c."""

  def test_all_questions(self):
    path = os.path.join(
      os.environ["TEST_DATA_DIR"], "word2vec", "questions-words.txt"
    )
    if not os.path.exists(path):
      self.skipTest(f"no {path}")
    words = pathlib.Path(path).read_text().lower().split()
    found = analogies.read(path, ["UNK", *dict.fromkeys(words)])
    self.assertLen(found.answers, 19544)
    self.assertEqual(found.skipped, 0)
    self.assertLen(found.section_names, 14)
    self.assertEqual(found.section_names[0], "capital-common-countries")
    self.assertEqual(list(found.sections).count(0), 506)


if __name__ == "__main__":
  tf.test.main()

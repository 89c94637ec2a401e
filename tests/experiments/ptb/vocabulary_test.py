import os

import tensorflow as tf

from experiments.ptb import vocabulary
from tests.estimators import helpers


class VocabularyTest(tf.test.TestCase):
  def tables(self, *words):
    folder = os.path.join(self.get_temp_dir(), "-".join(words))
    vocabulary.write(folder, words)
    make = vocabulary.vocabulary_tables.__wrapped__
    return make(vocabulary.path_in(folder))

  def test_words_and_ids(self):
    tables = self.tables("the", "<unk>", "Ä")
    ids = vocabulary.ids_of(tables, tf.constant([["Ä", "the"], ["no", "the"]]))
    self.assertAllEqual(ids, [[2, 0], [1, 0]])
    self.assertEqual(ids.dtype, tf.int32)
    words = tables["words"].lookup(tf.constant([2, 0], tf.int64))
    self.assertAllEqual(words, ["Ä".encode(), b"the"])

  def test_unknown_words_without_unk(self):
    tables = self.tables("the", "end")
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "(?s)must be in the vocabulary.*other"
    ):
      vocabulary.ids_of(tables, tf.constant(["the", "other"]))

  def test_checkpoints_keep_their_words(self):
    folder = helpers.new_folder()
    vocabulary.write(folder, ["c"])  # It binds nobody yet.
    vocabulary.write(folder, ["a", "b"])
    self.assertEqual(os.listdir(folder), [vocabulary.FILE])
    tf.train.Checkpoint(x=tf.Variable(1)).save(os.path.join(folder, "model"))
    vocabulary.write(folder, ["a", "b"])
    with open(vocabulary.path_in(folder)) as file:
      self.assertEqual(file.read(), "a\nb\n")
    with self.assertRaisesRegex(ValueError, "2 words, but is another"):
      vocabulary.write(folder, ["b", "a"])


if __name__ == "__main__":
  tf.test.main()

import numpy as np
import tensorflow as tf

from estimators.heads import vocabulary


class VocabularyTest(tf.test.TestCase):
  def test_thousands_of_words(self):
    words = tuple(f"word {i}" for i in range(5000))
    ids = np.random.RandomState(0).randint(5000, size=[100, 7])
    labels = tf.constant(np.array(words)[ids])
    for lookup in (vocabulary.ids_of, tf.function(vocabulary.ids_of)):
      found, known = lookup(labels, words)
      self.assertAllEqual(found, ids)
      self.assertEqual(found.dtype, tf.int64)
      self.assertTrue(known)

  def test_every_unknown_word_is_noticed(self):
    words = ("a", "b", "", "ü")
    for word in [f"unknown {i}" for i in range(100)] + ["A", " a", "u"]:
      self.assertFalse(vocabulary.ids_of(tf.constant(["a", word]), words)[1])
    found, known = vocabulary.ids_of(tf.constant([["ü"], [""]]), words)
    self.assertAllEqual(found, [[3], [2]])
    self.assertTrue(known)

  def test_no_words(self):
    found, known = vocabulary.ids_of(tf.constant([], tf.string), ("a",))
    self.assertEqual(found.shape, [0])
    self.assertTrue(known)

  def test_described(self):
    self.assertEqual(vocabulary.described(("a", "b")), "one of a, b")
    many = vocabulary.described(tuple(map(str, range(1000))))
    self.assertIn(" 19 and 980 more", many)

import os
import struct

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from gensim.models import KeyedVectors

from experiments.word2vec import vectors, vocabulary

WORDS = ["the", "naïve", "#1", "a\u00a0b"]
TEXT = b"2 3\nthe 1 -0.5 1e-3 \nof 0.1 nan inf\n"
BINARY = b"2 2\nthe %s\nof %s\n" % (
  struct.pack("<2f", 1, -0.5),
  struct.pack("<2f", 0.25, struct.unpack("<f", b"\n \n ")[0]),
)


def some(count, size=5):
  """Returns float32 [count, size] of all magnitudes."""
  random = np.random.RandomState(0)
  scale = 10.0 ** random.randint(-30, 30, [count, size])
  return (random.randn(count, size) * scale).astype(np.float32)


class VectorsTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.path = os.path.join(self.get_temp_dir(), "vectors")

  def write(self, content):
    with open(self.path, "wb") as stream:
      stream.write(content)

  def test_text_by_hand(self):
    vectors.write(self.path, ["a", "b"], [[1, -0.5], [0.1, 1e-20]])
    with open(self.path, "rb") as stream:
      self.assertEqual(
        stream.read(), b"2 2\na 1 -0.5\nb 0.100000001 9.99999968e-21\n"
      )

  def test_binary_by_hand(self):
    self.path += ".bin"
    vectors.write(self.path, ["a", "é"], [[1], [2]])
    with open(self.path, "rb") as stream:
      self.assertEqual(
        stream.read(), b"2 1\na \0\0\x80\x3f\n\xc3\xa9 \0\0\0\x40\n"
      )

  def test_reads_text(self):
    self.write(TEXT)
    found = vectors.read(self.path)
    self.assertEqual(found.words, ["the", "of"])
    self.assertAllEqual(
      found.vectors,
      np.array([[1, -0.5, 1e-3], [0.1, np.nan, np.inf]], np.float32),
    )
    self.assertEqual(found.vectors.dtype, np.float32)

  def test_reads_binary_with_bytes_that_look_like_text(self):
    self.write(BINARY)
    found = vectors.read(self.path)
    self.assertEqual(found.words, ["the", "of"])
    self.assertAllEqual(found.vectors[:, 0], [1, 0.25])
    self.assertEqual(found.vectors[1, 1].tobytes(), b"\n \n ")

  @parameterized.product(binary=[False, True], size=[1, 5, 40])
  def test_the_same_bits_come_back(self, binary, size):
    given = some(len(WORDS), size)
    vectors.write(self.path, WORDS, given, binary)
    self.assertEqual(vectors.read(self.path, binary).words, WORDS)
    for format_given in (binary, None)[: 1 if size == 1 else 2]:
      self.assertAllEqual(vectors.read(self.path, format_given).vectors, given)

  @parameterized.parameters(False, True)
  def test_gensim_reads_ours(self, binary):
    given = np.random.RandomState(3).randn(30, 8).astype(np.float32)
    words = [*WORDS, *(f"w{i}" for i in range(26))]
    vectors.write(self.path, words, given, binary)
    peer = KeyedVectors.load_word2vec_format(self.path, binary=binary)
    self.assertEqual(peer.index_to_key, words)
    self.assertAllEqual(peer.vectors, given)
    original = KeyedVectors(8)
    original.add_vectors(words, given)
    self.assertEqual(peer.most_similar("the"), original.most_similar("the"))

  @parameterized.parameters(False, True)
  def test_ours_reads_gensims(self, binary):
    given = some(len(WORDS))
    peer = KeyedVectors(5)
    peer.add_vectors(WORDS, given)
    peer.save_word2vec_format(self.path, binary=binary)
    found = vectors.read(self.path)
    self.assertEqual(found.words, WORDS)
    self.assertAllEqual(found.vectors, given)

  @parameterized.named_parameters(
    ("empty", b"", "`V D` at byte 0"),
    ("no_header", b"the 0.1 0.2\n", "`V D` at byte 0, but has b'the 0.1"),
    ("no_words", b"0 3\n", "`V D` at byte 0"),
    ("more_promised", b"9999999999 300\n" + TEXT, "9999999999 words with 300"),
    (
      "numbers",
      TEXT.replace(b"-0.5 ", b""),
      "3 numbers at byte 4, but has 2 n",
    ),
    ("no_number", TEXT.replace(b"0.1", b"ten"), "byte 21, .* float: b'ten'"),
    ("no_word", TEXT.replace(b"of", b""), "word in UTF-8 at byte 21"),
    ("not_utf8", TEXT.replace(b"of", b"\xff"), "byte 21, .* decode byte 0xff"),
    ("cut_text", TEXT[:27], "3 numbers at byte 21, but has 1 numbers"),
    ("longer_text", TEXT + b"and 1 2 3", "2 words at byte 36, but has more"),
    ("cut_binary", BINARY[:-2], "2 float32 at byte 16, but has the end"),
    ("longer_binary", BINARY + b"x", "2 words at byte 28, but has more"),
    ("shifted", BINARY.replace(b"the ", b"the x "), "word in UTF-8 at byte 16"),
    (
      "no_space",
      b"1 2\nthequickfox\n",
      "2 numbers at byte 4, but has 0 numbers",
    ),
  )
  def test_damage_is_named(self, content, message):
    self.write(content)
    with self.assertRaisesRegex(ValueError, f"{self.path} must .*{message}"):
      vectors.read(self.path)

  @parameterized.parameters(
    (["a", "b c"], [[1], [2]], r"these have some: \['b c'\]"),
    (["a", ""], [[1], [2]], "these have some"),
    (["a", "a"], [[1], [2]], "1 come twice"),
    (["a"], [[1], [2]], r"1 words and vectors of shape \(2, 1\)"),
    ([], np.zeros([0, 2]), "at least one word"),
    (["a"], [1], r"shape \(1,\)"),
  )
  def test_what_no_file_can_hold(self, words, given, message):
    with self.assertRaisesRegex(ValueError, message):
      vectors.write(self.path, words, given)
    self.assertEmpty(os.listdir(self.get_temp_dir()))


class ModelTest(tf.test.TestCase):
  """The vectors of a model_dir."""

  def setUp(self):
    super().setUp()
    self.folder = self.get_temp_dir()
    self.emb = some(3)

  def train(self, words=("UNK", "the", "of"), **variables):
    path = os.path.join(self.folder, vocabulary.FILE)
    vocabulary.write(path, words, [1] * len(words))
    saved = tf.train.Checkpoint(
      **{k: tf.Variable(v) for k, v in variables.items()}
    )
    # The newest counts.
    manager = tf.train.CheckpointManager(saved, self.folder, 2)
    manager.save(1)

  def test_load(self):
    self.train(emb=0 * self.emb)
    self.train(emb=self.emb)
    found = vectors.load(self.folder)
    self.assertEqual(found.words, ["UNK", "the", "of"])
    self.assertAllEqual(found.vectors, self.emb)

  def test_export_leaves_out_unk(self):
    self.train(emb=self.emb)
    for name, binary in (("v.txt", False), ("v.bin", True)):
      path = os.path.join(self.folder, name)
      vectors.export(self.folder, path)
      peer = KeyedVectors.load_word2vec_format(path, binary=binary)
      self.assertEqual(peer.index_to_key, ["the", "of"])
      self.assertAllEqual(peer.vectors, self.emb[1:])

  def test_no_vocabulary(self):
    with self.assertRaisesRegex(FileNotFoundError, "vocab.txt"):
      vectors.load(self.folder)

  def test_no_checkpoint(self):
    vocabulary.write(os.path.join(self.folder, vocabulary.FILE), ["UNK"], [1])
    with self.assertRaisesRegex(ValueError, "must hold a checkpoint"):
      vectors.load(self.folder)

  def test_vocabulary_of_another_model(self):
    self.train(words=["UNK", "the"], emb=self.emb)
    with self.assertRaisesRegex(ValueError, r"the 2 words .* is \[3, 5\]"):
      vectors.load(self.folder)

  def test_another_kind_of_model(self):
    self.train(weights=self.emb)
    with self.assertRaisesRegex(ValueError, "variable emb .* shape is None"):
      vectors.load(self.folder)


if __name__ == "__main__":
  tf.test.main()

"""Random input at the border of the ops: an error or a result, no crash."""

import os
import random
import unittest

import numpy as np
import tensorflow as tf

from estimators.ops import word2vec
from tests.estimators.ops.random_input import REFUSALS, some_mutated

CALLS = int(os.environ.get("OPS_RANDOM_CALLS", 400))
VOCAB_SIZE = 11
DIM = 5


@unittest.skipIf(word2vec._ops() is None, "there is no C++ compiler")
class RandomInputTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.noise = word2vec.noise_table(tf.range(1, VOCAB_SIZE + 1))
    self.refused = self.done = 0

  def call(self, op, variables, arguments):
    """Calls an op; a refused call must leave the variables as they were."""
    before = [variable.numpy() for variable in variables]
    handles = [variable.handle for variable in variables]
    if handles and "same" in arguments:
      handles = [handles[0]] * 2
    arguments = {k: v for k, v in arguments.items() if k != "same"}
    try:
      op(*handles, **arguments)
      self.done += 1
    except REFUSALS:
      self.refused += 1
      for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)

  def assertSawBoth(self):
    self.assertGreater(self.done, CALLS // 10)
    self.assertGreater(self.refused, CALLS // 10)

  def variables(self, rng):
    shapes = [[VOCAB_SIZE, DIM]] * 2
    if rng.random() < 0.1:
      shapes[rng.randrange(2)] = rng.choice(
        [[], [VOCAB_SIZE], [0, DIM], [VOCAB_SIZE, 0], [3, 3], [1, 2, 3]]
      )
    return [tf.Variable(tf.ones(shape)) for shape in shapes]

  def test_train_sentences(self):
    op = word2vec._ops().estimators_train_sentences_word2vec
    rng, numbers = random.Random(1), np.random.default_rng(1)
    for _ in range(CALLS):
      batch, length = rng.randrange(4), rng.randrange(20)
      arguments = {
        "sentences": numbers.integers(
          -1, VOCAB_SIZE, [batch, length], np.int32
        ),
        "positions": numbers.integers(0, 10**12, [batch]),
        "learning_rates": numbers.random(batch, np.float32),
        "keep": numbers.random(VOCAB_SIZE, np.float32),
        "noise_thresholds": self.noise.thresholds,
        "noise_aliases": self.noise.aliases,
      }
      settings = {
        "window_size": rng.choice([1, 2, 5, 40, 10**6]),
        "num_negative_samples": rng.choice([0, 1, 5, 100, 10**9]),
        "num_threads": rng.randrange(4),
        "seed": rng.choice([0, -1, 2**62]),
      }
      self.call(
        op,
        self.variables(rng),
        some_mutated(rng, arguments, VOCAB_SIZE) | settings,
      )
    self.assertSawBoth()

  def test_neg_train(self):
    op = word2vec._ops().estimators_neg_train_word2vec
    rng, numbers = random.Random(2), np.random.default_rng(2)
    for _ in range(CALLS):
      batch = rng.randrange(6)
      arguments = {
        "examples": numbers.integers(0, VOCAB_SIZE, [batch], np.int32),
        "labels": numbers.integers(0, VOCAB_SIZE, [batch], np.int32),
        "learning_rate": np.float32(rng.random()),
        "noise_thresholds": self.noise.thresholds,
        "noise_aliases": self.noise.aliases,
        "first_example": np.int64(rng.randrange(10**12)),
      }
      settings = {
        "num_negative_samples": rng.choice([0, 1, 29, 2**31 - 1]),
        "seed": -7,
      }
      if rng.random() < 0.1:
        settings["same"] = True
      self.call(
        op,
        self.variables(rng),
        some_mutated(rng, arguments, VOCAB_SIZE) | settings,
      )
    self.assertSawBoth()

  def test_skipgram(self):
    op = word2vec._ops().estimators_skipgram_word2vec
    rng = random.Random(3)
    path = os.path.join(self.get_temp_dir(), "corpus")
    with open(path, "w") as file:
      file.write("a b c d e f g a b a " * 8)
    for _ in range(CALLS):
      arguments = {
        "position": np.array([rng.randrange(10**6), 0]),
        "shard": np.array([rng.randrange(3), 3]),
      }
      settings = {
        "batch_size": rng.choice([1, 16, 5000]),
        "window_size": rng.choice([1, 5, 8]),
        "min_count": rng.choice([0, 1, 9, 10**6]),
        "subsample": rng.choice([0.0, 1e-3, 1.0, 1e30, float("inf")]),
        "seed": rng.randrange(-5, 5),
        "filename": path,
      }
      self.call(op, [], some_mutated(rng, arguments, VOCAB_SIZE) | settings)
    self.assertSawBoth()

  def test_corpus(self):
    op = word2vec._ops().estimators_corpus_word2vec
    rng = random.Random(4)
    path = os.path.join(self.get_temp_dir(), "corpus")
    expected = 0
    for _ in range(CALLS):
      alphabet = rng.choice([b"ab \n", b"a\xc3\xa4 ", bytes(range(256))])
      content = bytes(rng.choices(alphabet, k=rng.randrange(200)))
      with open(path, "wb") as file:
        file.write(content)
      self.call(op, [], {"filename": path, "min_count": 1, "window_size": 1})
      try:
        content.decode()
        is_text = True
      except UnicodeDecodeError:
        is_text = False
      # Python says which bytes are text, too.
      enough = len(content.split()) >= 10
      expected += is_text and enough
      self.assertEqual(self.done, expected)
    self.assertSawBoth()

  def test_a_handle_that_is_none(self):
    variable = tf.Variable(tf.ones([VOCAB_SIZE, DIM]))

    @tf.function
    def train(begin):
      nothing = tf.stack([variable.handle])[begin:begin]
      return word2vec._ops().estimators_neg_train_word2vec(
        nothing, variable.handle, [1], [2], 0.1, *self.noise,
        tf.constant(0, tf.int64), num_negative_samples=1,
      )  # fmt: skip

    with self.assertRaises((ValueError, tf.errors.InvalidArgumentError)):
      train(tf.constant(1))

  def test_a_pipe_is_no_corpus(self):
    path = os.path.join(self.get_temp_dir(), "pipe")
    os.mkfifo(path)
    with self.assertRaisesRegex(tf.errors.NotFoundError, "is no file"):
      word2vec.load_corpus(path)

  def test_rooms_for_large_windows_are_as_large_as_needed(self):
    # Windows of 1,000 words of 65,536 numbers would take 0.5 GB.
    shape = [3, 1 << 16]
    w_in, w_out = tf.Variable(tf.ones(shape)), tf.Variable(tf.zeros(shape))
    word2vec.train_sentences(
      w_in, w_out, [[1, 2, 1]], [0], [0.1], tf.ones([3]),
      word2vec.noise_table(tf.constant([0, 1, 1])), window_size=1000,
      num_negatives=1, num_threads=1,
    )  # fmt: skip
    self.assertGreater(float(tf.reduce_max(tf.abs(w_out))), 0.0)


if __name__ == "__main__":
  tf.test.main()

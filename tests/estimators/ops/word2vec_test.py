"""The C++ ops against their twins in TensorFlow, NumPy, and autodiff."""

import collections
import os
import pathlib
import random
import shutil
import unittest
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators.ops import word2vec, word2vec_twin

NO_OPS = word2vec._ops() is None
TEXT = """the quick brown fox jumped over the lazy dog and the dog did not jump
over the fox because the dog was lazy and the fox was not"""


def corpus_file(test, content=TEXT):
  path = pathlib.Path(test.get_temp_dir(), "corpus")
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  return str(path)


def random_text(num_words, vocab_size=30, seed=0):
  """Words w0, w1, ... of which the first are much more frequent."""
  rng = random.Random(seed)
  return " ".join(
    f"w{int(vocab_size * rng.random() ** 3)}" for _ in range(num_words)
  )


def variables(vocab_size, dim, seed=0):
  rng = np.random.default_rng(seed)
  return [
    tf.Variable(rng.normal(0, 0.3, [vocab_size, dim]).astype(np.float32))
    for _ in range(2)
  ]


@unittest.skipIf(NO_OPS, "there is no C++ compiler")
class LoadCorpusTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(1, 2, 3)
  def test_equals_a_counter(self, min_count):
    corpus = word2vec.load_corpus(corpus_file(self), min_count, 1)

    text = TEXT.split()
    counts = collections.Counter(text)
    frequent = sorted(
      (w for w in counts if counts[w] >= min_count),
      key=lambda word: (-counts[word], word),
    )
    rare = sum(n for w, n in counts.items() if w not in frequent)
    words = ["UNK", *frequent]
    self.assertEqual([w.decode() for w in corpus.words.numpy()], words)
    self.assertEqual(
      corpus.counts.numpy().tolist(), [rare, *(counts[w] for w in frequent)]
    )
    ids = {word: i for i, word in enumerate(words)}
    self.assertEqual(
      corpus.ids.numpy().tolist(), [ids.get(word, 0) for word in text]
    )

  def test_equals_the_twin_on_odd_text(self):
    text = "  a\tUNK b\n\nä a\x0bb ä\r\na UNK\x0c Ω a 日本 UNK rare" * 3 + " "
    path = corpus_file(self, text)

    ours = word2vec.load_corpus(path, 4, 1)
    twin = word2vec_twin.load_corpus(path, 4, 1)

    for field in ("words", "counts", "ids"):
      np.testing.assert_array_equal(
        getattr(ours, field), getattr(twin, field), field
      )

  def test_a_byte_order_mark_is_no_part_of_a_word(self):
    path = corpus_file(self, "\ufeffab " + "cd \ufeff " * 10)
    for module in (word2vec, word2vec_twin):
      corpus = module.load_corpus(path, 1, 1)
      self.assertEqual(
        corpus.words.numpy().tolist(), [b"UNK", b"cd", b"\xef\xbb\xbf", b"ab"]
      )

  def test_the_twin_refuses_nul(self):
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "without NUL, but byte 3 of"
    ):
      word2vec_twin.load_corpus(corpus_file(self, b"abc\0 " * 100))

  def test_text_at_the_end_of_a_page(self):
    # The bytes after the text's last are in no page of memory.
    text = ("ab " * 2000)[:4096]
    corpus = word2vec.load_corpus(corpus_file(self, text), 1, 1)
    self.assertEqual(corpus.counts.numpy().tolist(), [0, 1365, 1])
    self.assertEqual(corpus.words.numpy().tolist(), [b"UNK", b"ab", b"a"])

  @parameterized.named_parameters(
    ("empty", b"", "too little data: 0 words"),
    ("short", b"one two three", "at least 50 words.*too little data: 3 words"),
    ("latin", b"caf\xe9 " * 100, "without NUL, but byte 3 of"),
    ("cut", b"abc " * 100 + b"\xe6\x97", "without NUL, but byte 400 of"),
    ("overlong", b"\xc0\x80 " * 100, "without NUL, but byte 0 of"),
    ("surrogate", b"a \xed\xa0\x80 " * 100, "without NUL, but byte 2 of"),
    ("nul", "abc ".encode("utf-16-le") * 100, "without NUL, but byte 1 of"),
    ("too_high", b"a \xf4\x90\x80\x80 " * 100, "without NUL, but byte 2 of"),
  )
  def test_refuses(self, content, message):
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, message):
      word2vec.load_corpus(corpus_file(self, content))

  def test_refuses_what_is_no_file(self):
    folder = self.get_temp_dir()
    for path, message in {
      folder: "is no file",
      folder + "/none": "No such file",
    }.items():
      with self.assertRaisesRegex(tf.errors.NotFoundError, message):
        word2vec.load_corpus(path)


@unittest.skipIf(NO_OPS, "there is no C++ compiler")
class SkipgramTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.product(
    batch_size=(7, 500),
    shard=((0, 1), (1, 3)),
    subsample=(0.0, 0.05),
    num_words=(60, 1500),
  )
  def test_equals_the_twin(self, batch_size, shard, subsample, num_words):
    path = corpus_file(self, random_text(num_words))
    settings = {
      "batch_size": batch_size,
      "window_size": 3,
      "min_count": 20,
      "subsample": subsample,
      "seed": 5,
    }
    ours = twins = [0, 0]
    for _ in range(30 if batch_size > 7 else 5):
      one = word2vec.skipgram(path, ours, shard, **settings)
      other = word2vec_twin.skipgram(path, twins, shard, **settings)
      for field in one._fields:
        np.testing.assert_array_equal(
          getattr(one, field), getattr(other, field), field
        )
      ours, twins = one.next_position, other.next_position

  def test_the_stream_does_not_depend_on_the_batch(self):
    path = corpus_file(self, random_text(3000))

    def stream(batch_size):
      position, pairs = [0, 0], []
      for _ in range(12_000 // batch_size):
        batch = word2vec.skipgram(
          path, position, batch_size=batch_size, min_count=1
        )
        position = batch.next_position
        pairs += zip(batch.examples.numpy(), batch.labels.numpy(), strict=True)
      return pairs

    self.assertEqual(stream(12_000), stream(3))

  def test_a_position_of_another_stream_is_refused(self):
    path = corpus_file(self)
    for position in ([0, 10**6], [0, -1], [-5, 0], [2**60, 0]):
      with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, "position must be"
      ):
        word2vec.skipgram(path, position, batch_size=1, window_size=1)

  def test_a_shard_that_is_none_is_refused(self):
    for shard in ((1, 1), (-1, 2), (0, 0), (0, 1000)):
      with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, "shard must be"
      ):
        word2vec.skipgram(
          corpus_file(self), [0, 0], shard, batch_size=1, window_size=1
        )

  def test_subsampling_that_leaves_nothing_is_refused(self):
    for module in (word2vec, word2vec_twin):
      with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, "raise subsample"
      ):
        module.skipgram(
          corpus_file(self), [0, 0], batch_size=1, window_size=1, min_count=1,
          subsample=1e-12,
        )  # fmt: skip
    with self.assertRaisesRegex(ValueError, "0 to keep all, but is -1"):
      word2vec.skipgram(corpus_file(self), [0, 0], batch_size=1, subsample=-1.0)

  def test_a_changed_file_is_read_anew(self):
    path = corpus_file(self, "old " * 50)
    settings = {"batch_size": 1, "min_count": 1}
    old = word2vec.skipgram(path, [0, 0], **settings, seed=1)
    corpus_file(self, "newer " * 50)
    # Another seed makes another kernel.
    new = word2vec.skipgram(path, [0, 0], **settings, seed=2)
    self.assertEqual(old.vocab_word.numpy().tolist(), [b"UNK", b"old"])
    self.assertEqual(new.vocab_word.numpy().tolist(), [b"UNK", b"newer"])

  def test_another_window_may_want_more_of_the_text(self):
    path = corpus_file(self, "word " * 50)
    word2vec.skipgram(path, [0, 0], batch_size=1, window_size=5)
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "at least 60 words.*too little data: 50"
    ):
      word2vec.skipgram(path, [0, 0], batch_size=1, window_size=6)

  def test_subsampling_keeps_the_share_that_it_should(self):
    # `often` is half of the text, the others are some hundred times rarer.
    rng = random.Random(1)
    words = [f"w{rng.randrange(300)}" for _ in range(50_000)]
    text = " ".join(f"often {word}" for word in words)
    path = corpus_file(self, text)
    pairs = word2vec.skipgram(
      path, [0, 0], batch_size=200_000, window_size=1, min_count=1,
      subsample=0.01,
    )  # fmt: skip
    # With a window of 1 each word but the ends is the example of two pairs.
    share = np.mean(pairs.examples.numpy() == 1)
    keep = np.sqrt(0.01 / 0.5) + 0.01 / 0.5  # 0.161; the others are all kept
    expected = keep / (keep + 1)
    deviation = np.sqrt(expected * (1 - expected) / 100_000)
    self.assertAlmostEqual(share, expected, delta=4 * deviation)


@unittest.skipIf(NO_OPS, "there is no C++ compiler")
class NegTrainTest(tf.test.TestCase, parameterized.TestCase):
  def test_one_step_is_the_gradient_of_the_loss(self):
    # Of 50 words all of the same noise, five differ with this seed.
    w_in, w_out = variables(50, 12)
    noise = word2vec.noise_table(tf.ones([50], tf.int32))
    negatives = word2vec_twin.negatives(noise, 9, 5, seed=3)
    self.assertLen(set(negatives.numpy()) | {7}, 6)
    with tf.GradientTape() as tape:
      v = tf.gather(w_in, 4)
      logits = tf.linalg.matvec(tf.gather(w_out, [7, *negatives.numpy()]), v)
      loss = tf.reduce_sum(
        tf.nn.sigmoid_cross_entropy_with_logits([1.0] + [0.0] * 5, logits)
      )
    gradients = tape.gradient(loss, [w_in, w_out])
    expected = [
      w - 0.1 * tf.convert_to_tensor(g)
      for w, g in zip([w_in, w_out], gradients, strict=True)
    ]

    word2vec.neg_train(
      w_in, w_out, [4], [7], 0.1, noise, 9, num_negatives=5, seed=3
    )

    for w, value in zip([w_in, w_out], expected, strict=True):
      np.testing.assert_allclose(w, value, rtol=0, atol=1e-6)

  @parameterized.parameters((1, 0), (13, 5), (32, 25))
  def test_equals_the_twin(self, dim, num_negatives):
    noise = word2vec.noise_table(tf.constant([0, 50, 20, 9, 1, 1]))
    rng = np.random.default_rng(1)
    examples, labels = rng.integers(0, 6, [2, 40]).astype(np.int32)
    results = []
    for module in (word2vec, word2vec_twin):
      w_in, w_out = variables(6, dim)
      module.neg_train(
        w_in, w_out, examples, labels, 0.3, noise, 7,
        num_negatives=num_negatives, seed=2,
      )  # fmt: skip
      results.append((w_in.numpy(), w_out.numpy()))
    np.testing.assert_allclose(results[0], results[1], rtol=0, atol=2e-6)


def train_arguments(vocab_size=40, batch_size=3, length=60, seed=0):
  """Returns sentences and the rest that `train_sentences` takes."""
  rng = np.random.default_rng(seed)
  sentences = (vocab_size * rng.random([batch_size, length]) ** 2).astype(
    np.int32
  )
  sentences[-1, length // 2 :] = -1
  counts = np.bincount(sentences[sentences >= 0], minlength=vocab_size)
  counts = tf.constant(counts + 1, tf.int32)
  return {
    "sentences": sentences,
    "positions": 5000 + length * np.arange(batch_size),
    "learning_rates": np.linspace(0.02, 0.04, batch_size, dtype=np.float32),
    "keep": word2vec.keep_probability(counts, 0.02),
    "noise": word2vec.noise_table(counts),
  }


@unittest.skipIf(NO_OPS, "there is no C++ compiler")
class TrainSentencesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters((1, 1, 1), (7, 5, 2), (45, 5, 25), (16, 11, 3))
  def test_equals_the_twin(self, dim, window_size, num_negatives):
    results, losses = [], []
    for module in (word2vec, word2vec_twin):
      w_in, w_out = variables(40, dim)
      loss = module.train_sentences(
        w_in, w_out, **train_arguments(), window_size=window_size,
        num_negatives=num_negatives, seed=4, num_threads=1,
      )  # fmt: skip
      losses.append(float(loss))
      results.append((w_in.numpy(), w_out.numpy()))
    np.testing.assert_allclose(results[0], results[1], rtol=0, atol=1e-5)
    self.assertAlmostEqual(*losses, places=4)

  @parameterized.parameters("avx2", "avx512", "best")
  def test_instruction_sets_agree(self, instructions):
    # 205 = 12 * 16 + 8 + 4 + 1: all widths and a rest.
    results = []
    for choice in (instructions, "scalar"):
      w_in, w_out = variables(40, 205)
      arguments = train_arguments(batch_size=1, length=200)
      noise = arguments.pop("noise")
      try:
        word2vec._ops().estimators_train_sentences_word2vec(
          w_in.handle, w_out.handle, **arguments, num_threads=1,
          noise_thresholds=noise.thresholds, noise_aliases=noise.aliases,
          num_negative_samples=5, instructions=choice,
        )  # fmt: skip
      except tf.errors.UnimplementedError:
        self.skipTest(f"this machine has no {choice}")
      results.append((w_in.numpy(), w_out.numpy()))
    np.testing.assert_allclose(results[0], results[1], rtol=0, atol=1e-5)

  def test_one_thread_gives_the_same_bits_again(self):
    results = []
    for _ in range(2):
      w_in, w_out = variables(40, 20)
      word2vec.train_sentences(w_in, w_out, **train_arguments(), num_threads=1)
      results.append((w_in.numpy(), w_out.numpy()))
    np.testing.assert_array_equal(results[0], results[1])

  def test_threads_train_every_sentence(self):
    # Sentences without a word in common can be trained in any order.
    def train(num_threads):
      w_in, w_out = variables(400, 20)
      sentences = np.arange(400, dtype=np.int32).reshape(100, 4)
      word2vec.train_sentences(
        w_in, w_out, sentences, 4 * np.arange(100), np.full(100, 0.1, "f"),
        tf.ones([400]), word2vec.noise_table(tf.ones([400], tf.int32)),
        num_negatives=0, num_threads=num_threads,
      )  # fmt: skip
      return w_in.numpy(), w_out.numpy()

    np.testing.assert_array_equal(train(0), train(1))

  def test_a_tensor_that_was_read_does_not_change(self):
    w_in, w_out = variables(40, 20)
    before = w_in.read_value()
    copy = np.array(before)
    word2vec.train_sentences(w_in, w_out, **train_arguments())
    np.testing.assert_array_equal(before, copy)
    self.assertNotAllClose(w_in, copy)

  def test_learns_who_stands_beside_whom(self):
    # Even words stand beside even ones only, odd ones beside odd ones.
    rng = np.random.default_rng(0)
    sentences = (2 * rng.integers(1, 10, [200, 50])).astype(np.int32)
    sentences[::2] -= 1
    w_in, w_out = variables(20, 10)
    losses = [
      float(
        word2vec.train_sentences(
          w_in,
          w_out,
          sentences,
          50 * np.arange(200),
          np.full(200, 0.1, "f"),
          tf.ones([20]),
          word2vec.noise_table(tf.ones([20], tf.int32)),
          num_negatives=5,
          seed=epoch,
        )  # fmt: skip
      )
      for epoch in range(6)
    ]
    self.assertLess(losses[-1], losses[0])
    unit = tf.math.l2_normalize(w_in, 1).numpy()[1:-1]
    cosines = unit @ unit.T
    beside, apart = cosines[::2, ::2].mean(), cosines[::2, 1::2].mean()
    self.assertGreater(beside - apart, 0.4)

  def test_the_loss_of_untrained_vectors(self):
    # All logits are 0: a pair and each of its negatives cost log 2.
    w_in, w_out = tf.Variable(tf.ones([40, 8])), tf.Variable(tf.zeros([40, 8]))
    sentences = np.arange(16, dtype=np.int32)[None]  # one window is measured
    loss = word2vec.train_sentences(
      w_in, w_out, sentences, [0], [0.1], tf.ones([40]),
      # The noise is word 39 alone, so that none is left out.
      word2vec.noise_table(tf.one_hot(39, 40, 100, 0, dtype=tf.int32)),
      num_negatives=3,
    )  # fmt: skip
    self.assertAlmostEqual(float(loss), 4 * np.log(2), places=5)


@unittest.skipIf(NO_OPS, "there is no C++ compiler")
class ShapesTest(tf.test.TestCase, parameterized.TestCase):
  """Mistakes surface while a function is traced."""

  @parameterized.parameters(
    ("sentences", [3]),
    ("positions", [4]),
    ("positions", [3, 1]),
    ("learning_rates", []),
    ("keep", [39]),
    ("noise_thresholds", [41]),
    ("noise_aliases", [40, 1]),
  )
  def test_train_sentences(self, name, shape):
    arguments = train_arguments()
    noise = arguments.pop("noise")
    arguments |= {
      "noise_thresholds": noise.thresholds,
      "noise_aliases": noise.aliases,
    }
    dtype = tf.convert_to_tensor(arguments[name]).dtype
    arguments[name] = tf.zeros(shape, dtype)
    w_in, w_out = variables(40, 4)

    @tf.function
    def train():
      return word2vec._ops().estimators_train_sentences_word2vec(
        w_in.handle, w_out.handle, **arguments, num_negative_samples=1
      )

    with self.assertRaisesRegex(ValueError, "must be|must have"):
      train.get_concrete_function()

  @parameterized.parameters(
    ("examples", [2, 1]),
    ("labels", [3]),
    ("learning_rate", [1]),
    ("first_example", [1]),
    ("noise_aliases", [6]),
  )
  def test_neg_train(self, name, shape):
    noise = word2vec.noise_table(tf.ones([5], tf.int32))
    arguments = {
      "examples": [1, 2],
      "labels": [3, 4],
      "learning_rate": 0.1,
      "noise_thresholds": noise.thresholds,
      "noise_aliases": noise.aliases,
      "first_example": tf.constant(0, tf.int64),
    }
    dtype = tf.convert_to_tensor(arguments[name]).dtype
    arguments[name] = tf.zeros(shape, dtype)
    w_in, w_out = variables(5, 4)

    @tf.function
    def train():
      word2vec._ops().estimators_neg_train_word2vec(
        w_in.handle, w_out.handle, **arguments, num_negative_samples=1
      )

    with self.assertRaisesRegex(ValueError, "must be|must have"):
      train.get_concrete_function()

  def test_skipgram_says_its_shapes(self):
    path = corpus_file(self)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
    def pairs(position):
      return word2vec.skipgram(path, position, batch_size=7, window_size=1)

    found = pairs.get_concrete_function().structured_outputs
    shapes = [tensor.shape.as_list() for tensor in found]
    self.assertEqual(shapes, [[None], [None], [], [], [], [7], [7], [2]])

    with self.assertRaisesRegex(ValueError, "must be|Dimensions"):
      tf.function(
        lambda: word2vec.skipgram(path, [0, 0, 0], batch_size=7)
      ).get_concrete_function()


class LoadingTest(tf.test.TestCase):
  @unittest.skipUnless(
    any(map(shutil.which, word2vec.build.COMPILERS))
    and os.environ.get("ESTIMATORS_OPS") != "off",
    "there is no C++ compiler, or the ops are off",
  )
  def test_the_ops_are_there_where_a_compiler_is(self):
    # Else the other tests would all be skipped.
    self.assertFalse(NO_OPS)

  def test_a_damaged_library_is_one_warning(self):
    path = pathlib.Path(self.get_temp_dir(), "damaged.so")
    path.write_bytes(b"\x7fELF")
    word2vec._ops.cache_clear()
    self.addCleanup(word2vec._ops.cache_clear)
    with (
      mock.patch.object(word2vec.build, "library", return_value=str(path)),
      self.assertLogs("tensorflow", "WARNING") as logs,
    ):
      corpus = word2vec.load_corpus(corpus_file(self), 1, 1)
    self.assertIn(f"Delete {path}", logs.output[0])
    self.assertEqual(int(tf.reduce_sum(corpus.counts)), len(TEXT.split()))


if __name__ == "__main__":
  tf.test.main()

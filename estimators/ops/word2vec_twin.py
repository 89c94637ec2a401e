"""The word2vec ops by TensorFlow's own ops: for machines without a compiler.

Each function takes, gives and draws what the one of the same name in
word2vec.py does, which says what it means. They show what the C++ computes, and
it is tested against them. They are slow: they loop over words in the graph.
"""

import codecs
import collections
import functools

import tensorflow as tf

from estimators.ops.word2vec_types import Corpus, Skipgram, keep_probability

_SENTENCE_WORDS = 1000
_LOSS_EVERY = 16  # windows
_LEAST_KEPT = 1e-3
_MOST_WORDS = 2**50
_KEEP, _REACH, _NEGATIVE = range(3)  # the streams of draws


# Draws: see word2vec_random.h.


def _mix(z):
  """The finaliser of SplitMix64, of a uint64 tensor."""
  shifted = tf.bitwise.right_shift
  for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
    z = tf.bitwise.bitwise_xor(z, shifted(z, tf.constant(shift, z.dtype)))
    z *= tf.constant(factor, tf.uint64)
  return tf.bitwise.bitwise_xor(z, shifted(z, tf.constant(31, z.dtype)))


def _draws(seed, stream, numbers):
  """Returns the draws (uint64) of some numbers (int64)."""
  start = (seed + (stream + 1) * 0xD1B54A32D192ED03) % 2**64
  key = _mix(tf.constant(start, tf.uint64))
  step = tf.constant(0x9E3779B97F4A7C15, tf.uint64)
  return _mix(key + (tf.cast(numbers, tf.uint64) + 1) * step)


def _below(draws, n):
  """Returns draws as int32 from 0 to n - 1."""
  half = tf.constant(32, tf.uint64)
  high = tf.bitwise.right_shift(draws, half)
  scaled = tf.bitwise.right_shift(high * tf.constant(n, tf.uint64), half)
  return tf.cast(scaled, tf.int32)


def _is_kept(keep, ids, numbers, seed):
  bits = tf.bitwise.right_shift(
    _draws(seed, _KEEP, numbers), tf.constant(40, tf.uint64)
  )
  return tf.cast(bits, tf.float32) * 2.0**-24 < tf.gather(keep, ids)


def _reach(numbers, window_size, seed):
  return 1 + _below(_draws(seed, _REACH, numbers), window_size)


def negatives(noise, numbers, num_negatives, seed):
  """Returns the negatives of some numbers (int64), int32 [..., negatives]."""
  numbers = tf.cast(numbers, tf.int64)[..., None] * num_negatives
  draws = _draws(
    seed, _NEGATIVE, numbers + tf.range(num_negatives, dtype=tf.int64)
  )
  buckets = _below(draws, noise.aliases.shape[0])
  low = tf.bitwise.bitwise_and(draws, tf.constant(2**32 - 1, tf.uint64))
  own = tf.cast(low, tf.int64) < tf.gather(noise.thresholds, buckets)
  return tf.where(own, buckets, tf.gather(noise.aliases, buckets))


# The text.


def load_corpus(filename, min_count=5, window_size=5):
  text = _words(filename, 10 * window_size)
  counts = collections.Counter(text)
  counts.pop(b"UNK", None)  # It is id 0, as are the rare words.
  frequent = sorted(
    (word for word, count in counts.items() if count >= min_count),
    key=lambda word: (-counts[word], word),
  )
  kept = [counts[word] for word in frequent]
  ids = {word: i for i, word in enumerate(frequent, 1)}
  return Corpus(
    tf.constant([b"UNK", *frequent], tf.string),
    tf.constant([len(text) - sum(kept), *kept], tf.int32),
    tf.constant([ids.get(word, 0) for word in text], tf.int32),
  )


def _words(filename, min_words):
  """Returns the words of a file, bytes between ASCII white space."""
  try:
    with open(filename, "rb") as file:
      content = file.read()
    content.decode()
    place = content.find(b"\0")
    if place >= 0:
      raise UnicodeDecodeError("utf-8", content, place, place + 1, "NUL")
  except OSError as error:
    raise tf.errors.NotFoundError(
      None,
      None,
      "the corpus must be a readable text file, but reading it failed: "
      f"{error}; check the path",
    ) from error
  except UnicodeDecodeError as error:
    raise tf.errors.InvalidArgumentError(
      None,
      None,
      "the corpus must be text in UTF-8 without NUL, but byte "
      f"{error.start} of {filename} is not; convert the file (iconv), or "
      "unpack it",
    ) from error
  words = content.removeprefix(codecs.BOM_UTF8).split()
  if len(words) < min_words:
    raise tf.errors.InvalidArgumentError(
      None,
      None,
      f"the corpus must have at least {min_words} words, but {filename} "
      f"contains too little data: {len(words)} words; give a longer text, or a "
      "smaller window_size",
    )
  return words


# Reading it again for each batch, where it runs eagerly, would take for ever.
_known_corpus = functools.lru_cache(maxsize=2)(load_corpus)


def skipgram(
  filename,
  position,
  shard=(0, 1),
  *,
  batch_size,
  window_size=5,
  min_count=5,
  subsample=1e-3,
  seed=0,
):
  with tf.init_scope():
    corpus = _known_corpus(filename, min_count, window_size)
  keep = keep_probability(corpus.counts, subsample)
  _check_kept(keep, corpus.counts)
  position, shard = tf.cast(position, tf.int64), tf.cast(shard, tf.int64)
  num_words = tf.size(corpus.ids, tf.int64)
  _check(
    (shard[0] >= 0) & (shard[0] < shard[1]) & (shard[1] <= num_words),
    "shard must be (index, count) with 0 <= index < count, but is",
    shard,
  )
  place = _places(num_words, shard)

  def is_short(word, pair, pairs):
    return tf.shape(pairs)[1] < batch_size

  def add_sentence(word, pair, pairs):
    end, found = _sentence(word, corpus.ids, keep, place, window_size, seed)
    _check_position(word, pair, tf.shape(found, tf.int64)[1])
    wanted = batch_size - tf.shape(pairs, tf.int64)[1]
    stop = tf.minimum(pair + wanted, tf.shape(found, tf.int64)[1])
    pairs = tf.concat([pairs, found[:, pair:stop]], axis=1)
    is_done = stop == tf.shape(found, tf.int64)[1]
    return (
      tf.where(is_done, end, word),
      tf.where(is_done, tf.constant(0, tf.int64), stop),
      pairs,
    )

  word, pair, pairs = tf.while_loop(
    is_short,
    add_sentence,
    (position[0], position[1], tf.zeros([3, 0], tf.int64)),
    shape_invariants=(
      tf.TensorShape([]),
      tf.TensorShape([]),
      tf.TensorShape([3, None]),
    ),
  )
  examples, labels, words = tf.unstack(tf.ensure_shape(pairs, [3, batch_size]))
  return Skipgram(
    vocab_word=corpus.words,
    vocab_freq=corpus.counts,
    words_per_epoch=tf.size(corpus.ids, tf.int64),
    current_epoch=tf.cast(words[-1] // place(words[-1])[2], tf.int32),
    total_words_processed=words[-1] + 1,
    examples=tf.cast(examples, tf.int32),
    labels=tf.cast(labels, tf.int32),
    next_position=tf.stack([word, pair]),
  )


def _check(condition, message, value):
  tf.debugging.Assert(condition, [message, value])


def _check_position(word, pair, num_pairs):
  _check(
    (word >= 0) & (word <= _MOST_WORDS) & (pair >= 0) & (pair <= num_pairs),
    "position must be [0, 0] or the next_position of a call with the same "
    "arguments, but is",
    [word, pair],
  )


def _check_kept(keep, counts):
  kept = tf.reduce_sum(keep * tf.cast(counts, tf.float32))
  share = kept / tf.reduce_sum(tf.cast(counts, tf.float32))
  _check(
    share >= _LEAST_KEPT,
    "subsampling must leave at least 0.1 % of the words; raise subsample, or "
    "turn it off by 0. It leaves the share",
    share,
  )


def _places(num_words, shard):
  """Returns the function of a word's number in its shard.

  It gives the word's index in the text, its number in the whole training, and
  the size of the shard.
  """
  begin = num_words * shard[0] // shard[1]
  size = num_words * (shard[0] + 1) // shard[1] - begin

  def place(word):
    index = begin + word % size
    return index, word // size * num_words + index, size

  return place


def _sentence(word, ids, keep, place, window_size, seed):
  """Returns where the next sentence begins, and the pairs of this one.

  The pairs are int64 [3, pairs]: examples, labels, numbers of the examples.
  """

  def is_short(word, kept):
    return tf.size(kept) < _SENTENCE_WORDS

  def add(word, kept):
    words = word + tf.range(_SENTENCE_WORDS, dtype=tf.int64)
    index, number, _ = place(words)
    is_kept = _is_kept(keep, tf.gather(ids, index), number, seed)
    kept = tf.concat([kept, tf.boolean_mask(words, is_kept)], axis=0)
    return word + _SENTENCE_WORDS, kept

  _, kept = tf.while_loop(
    is_short,
    add,
    (word, tf.zeros([0], tf.int64)),
    shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
  )
  kept = kept[:_SENTENCE_WORDS]
  index, number, _ = place(kept)
  kept_ids = tf.gather(ids, index)
  offsets = [d for d in range(-window_size, window_size + 1) if d]
  neighbours = tf.range(_SENTENCE_WORDS)[:, None] + offsets
  is_near = (
    (tf.abs(offsets) <= _reach(number, window_size, seed)[:, None])
    & (neighbours >= 0)
    & (neighbours < _SENTENCE_WORDS)
  )
  examples = tf.where(is_near)[:, 0]  # in the order of the words
  labels = tf.boolean_mask(neighbours, is_near)
  pairs = [
    tf.cast(tf.gather(kept_ids, examples), tf.int64),
    tf.cast(tf.gather(kept_ids, labels), tf.int64),
    tf.gather(kept, examples),
  ]
  return kept[-1] + 1, tf.stack(pairs)


# Training.


def neg_train(
  w_in,
  w_out,
  examples,
  labels,
  learning_rate,
  noise,
  first_example=0,
  *,
  num_negatives=25,
  seed=0,
):
  examples, labels = tf.cast(examples, tf.int32), tf.cast(labels, tf.int32)
  numbers = tf.cast(first_example, tf.int64) + tf.range(
    tf.size(examples, tf.int64)
  )
  drawn = negatives(noise, numbers, num_negatives, seed)

  def train_target(v, label, target, truth):
    """Changes the target's row; returns what the example's row gets."""
    u = w_out.sparse_read(target)
    g = learning_rate * (truth - tf.sigmoid(tf.tensordot(v, u, 1)))
    g = tf.where((truth == 0) & (target == label), 0.0, g)
    w_out.scatter_add(tf.IndexedSlices((g * v)[None], target[None]))
    return g * u

  def train_pair(i):
    v = w_in.sparse_read(examples[i])
    change = train_target(v, labels[i], labels[i], 1.0)

    def add_negative(j, change):
      return j + 1, change + train_target(v, labels[i], drawn[i, j], 0.0)

    _, change = tf.while_loop(
      lambda j, _: j < num_negatives, add_negative, (0, change)
    )
    w_in.scatter_add(tf.IndexedSlices(change[None], examples[i][None]))
    return (i + 1,)

  done = tf.while_loop(lambda i: i < tf.size(examples), train_pair, (0,))
  return tf.group(done)


def train_sentences(
  w_in,
  w_out,
  sentences,
  positions,
  learning_rates,
  keep,
  noise,
  *,
  window_size=5,
  num_negatives=25,
  seed=0,
  num_threads=0,
):
  del num_threads  # TensorFlow's own are used.
  sentences = tf.cast(sentences, tf.int32)
  positions = tf.cast(positions, tf.int64)

  def train_sentence(b, loss, pairs):
    ids, numbers = _kept_words(sentences[b], positions[b], keep, seed)
    reach = _reach(numbers, window_size, seed)
    drawn = negatives(noise, numbers, num_negatives, seed)
    size = tf.size(ids)

    def train_word(i, loss, pairs):
      near = tf.range(tf.maximum(i - reach[i], 0), i + reach[i] + 1)
      near = tf.boolean_mask(near, (near != i) & (near < size))
      targets = tf.concat([ids[i][None], drawn[i]], axis=0)
      losses = _train_window(
        w_in, w_out, tf.gather(ids, near), targets, learning_rates[b]
      )
      is_measured = i % _LOSS_EVERY == 0
      loss += tf.where(is_measured, tf.reduce_sum(losses), 0)
      pairs += tf.where(is_measured, tf.size(near), 0)
      return i + 1, loss, pairs

    _, loss, pairs = tf.while_loop(
      lambda i, loss, pairs: i < size, train_word, (0, loss, pairs)
    )
    return b + 1, loss, pairs

  _, loss, pairs = tf.while_loop(
    lambda b, loss, pairs: b < tf.shape(sentences)[0],
    train_sentence,
    (0, tf.constant(0, tf.float64), 0),
  )
  mean = tf.math.divide_no_nan(loss, tf.cast(pairs, tf.float64))
  return tf.cast(mean, tf.float32)


def _kept_words(sentence, position, keep, seed):
  """Returns the ids of a sentence's kept words, and their numbers."""
  length = tf.argmax(tf.concat([sentence, [-1]], axis=0) == -1)
  ids = sentence[:length]
  numbers = position + tf.range(length)
  is_kept = _is_kept(keep, ids, numbers, seed)
  return tf.boolean_mask(ids, is_kept), tf.boolean_mask(numbers, is_kept)


def _train_window(w_in, w_out, contexts, targets, learning_rate):
  """Trains neighbours against a word and its negatives.

  Args:
    contexts: int32 [m], the neighbours.
    targets: int32 [1 + negatives], the word first.

  Returns:
    float64 [m, 1 + negatives], the losses before the update.
  """
  x, t = w_in.sparse_read(contexts), w_out.sparse_read(targets)
  logits = tf.matmul(x, t, transpose_b=True)
  truth = tf.one_hot(0, tf.size(targets))
  used = tf.cast((truth == 1) | (targets != targets[0]), tf.float32)
  errors = learning_rate * used * (truth - tf.sigmoid(logits))
  w_out.scatter_add(
    tf.IndexedSlices(tf.matmul(errors, x, transpose_a=True), targets)
  )
  w_in.scatter_add(tf.IndexedSlices(tf.matmul(errors, t), contexts))
  losses = used * tf.nn.sigmoid_cross_entropy_with_logits(
    tf.broadcast_to(truth, tf.shape(logits)), logits
  )
  return tf.cast(losses, tf.float64)

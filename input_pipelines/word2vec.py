"""A text as sentences or as pairs of words, one epoch at a time.

N is the number of words of the text, B the size of a batch, L the words of a
sentence. Words are ids, int32, in the vocabulary of
`estimators.ops.word2vec.load_corpus`. There are features only, no labels.

`sentences` cuts the text into runs of L words:

    sentences  int32 [B, L]  ids; the last sentence of the text ends in -1s
    positions  int64 [B]     the number of each sentence's first word in the
                             whole training: epoch * N + its place in the text

`pairs` gives out what `estimators.ops.word2vec.skipgram` finds, after
subsampling:

    examples         int32 [B]  words
    labels           int32 [B]  a neighbour of each
    words_processed  int64      the words of the text, over all epochs, up to
                                the end of this batch

Epochs count from 0. Both are functions of their arguments alone: no state, and
no random numbers but those drawn by a word's place. Iterators can be saved, and
go on exactly. A dataset may be restored from a state in which that of the epoch
before it has ended: then it begins at its beginning, or is empty once. So it
does with another number of shards.
"""

import tensorflow as tf

from estimators.ops import word2vec
from input_pipelines import common

SENTENCE_WORDS = 1000  # as word2vec.c and the seed's op have it


def sentences(ids, epoch, batch_size=100, sentence_words=SENTENCE_WORDS):
  """Returns the dataset of an epoch's sentences, in the order of the text.

  Args:
    ids: int32 [N], the text. As a tensor it is used as it is; an array is
      copied once.
    epoch: int.
    batch_size: int, B; the last batch may be smaller.
    sentence_words: int, L.
  """
  _check({"batch_size": batch_size, "sentence_words": sentence_words}, epoch)
  with tf.device("cpu:0"):
    # A tensor from outside is handed to `batch`, an array would be written
    # into its graph.
    ids = tf.convert_to_tensor(ids, tf.int32)
  num_words = int(tf.size(ids))
  batch_words = batch_size * sentence_words

  @common.no_autograph
  def batch(number):
    start = number * batch_words
    words = ids[start : start + batch_words]
    missing = -tf.size(words) % sentence_words
    words = tf.pad(words, [[0, missing]], constant_values=-1)
    found = tf.reshape(words, [-1, sentence_words])
    places = start + sentence_words * tf.range(tf.shape(found, tf.int64)[0])
    return {"sentences": found, "positions": epoch * num_words + places}

  dataset = tf.data.Dataset.range(-(-num_words // batch_words)).map(batch)
  dataset = dataset.prefetch(common.PREFETCHED_BATCHES)
  return dataset.with_options(common.plain_options())


def pairs(filename, epoch, num_words, batch_size=500, num_shards=1, **settings):
  """Returns the dataset of an epoch's pairs.

  It ends with the batch in which the epoch's last word is a pair's example;
  what else is in that batch comes again in the next epoch.

  Args:
    filename: str, the text.
    epoch: int.
    num_words: int, N.
    batch_size: int, B.
    num_shards: int, the parts of the text that are read side by side, each
      batch from the one of which most is left; at most N.
    **settings: window_size, min_count, subsample and seed of `skipgram`.
  """
  _check({"batch_size": batch_size, "num_shards": num_shards}, epoch)
  if num_shards > num_words:
    raise ValueError(
      f"each shard must have a word, but there are {num_shards} shards of "
      f"{num_words} words; take at most num_shards={num_words}."
    )
  shards = _Shards(epoch, num_words, num_shards)

  @common.no_autograph
  def next_batch(state, _):
    state = shards.of_this_epoch(state)
    shard = shards.most_left(state)
    found = word2vec.skipgram(
      filename,
      state["positions"][shard],
      (shard, num_shards),
      batch_size=batch_size,
      **settings,
    )
    is_over = shards.is_over(state)
    state = shards.after(state, shard, found)
    batch = {
      "examples": found.examples,
      "labels": found.labels,
      "words_processed": shards.words_processed(state),
    }
    return state, (is_over, batch)

  # Nothing is drawn from the counter: it only makes `scan` go on.
  dataset = tf.data.Dataset.range(tf.int64.max)
  dataset = dataset.scan(shards.start(), next_batch)
  dataset = dataset.take_while(lambda is_over, batch: ~is_over)
  dataset = dataset.map(lambda is_over, batch: batch)
  dataset = dataset.prefetch(common.PREFETCHED_BATCHES)
  return dataset.with_options(common.plain_options())


class _Shards:
  """The state of `pairs`: how far each shard was read.

  It is a dictionary: `epoch`, int64 [2], of which epoch it is, and of how many
  shards; `positions`, int64 [shards, 2], as `skipgram` takes and gives them;
  `words`, int64 [shards], the words of the shard, over all epochs, up to the
  end of the last batch from it.
  """

  def __init__(self, epoch, num_words, num_shards):
    bounds = [num_words * i // num_shards for i in range(num_shards + 1)]
    sizes = [
      end - begin for begin, end in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    self._epoch = [epoch, num_shards]
    self._words_before = epoch * num_words
    self._begins = [epoch * size for size in sizes]
    self._ends = [(epoch + 1) * size for size in sizes]

  def start(self):
    return {
      "epoch": tf.constant(self._epoch, tf.int64),
      "positions": tf.constant(
        [[begin, 0] for begin in self._begins], tf.int64
      ),
      "words": tf.constant(self._begins, tf.int64),
    }

  def of_this_epoch(self, state):
    """Returns the state, or that of the start if it is of another epoch."""
    is_this = tf.reduce_all(state["epoch"] == self._epoch)
    return tf.cond(is_this, lambda: state, self.start)

  def most_left(self, state):
    return tf.argmax(self._ends - state["words"])

  def is_over(self, state):
    return tf.reduce_all(state["words"] >= self._ends)

  def after(self, state, shard, found):
    """Returns the state after a batch of `Skipgram` from a shard."""
    changes = {
      "positions": found.next_position,
      "words": found.total_words_processed,
    }
    return state | {
      name: tf.tensor_scatter_nd_update(state[name], [[shard]], [change])
      for name, change in changes.items()
    }

  def words_processed(self, state):
    here = tf.minimum(state["words"], self._ends) - self._begins
    return self._words_before + tf.reduce_sum(here)


def _check(counts, epoch):
  for name, count in counts.items():
    common.check_count(name, count)
  if epoch < 0:
    raise ValueError(f"epoch must be at least 0, the first; got {epoch}.")

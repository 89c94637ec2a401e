"""Words to class ids without a lookup table.

Heads are made anew in each call of a model function, so they hold no tables. A
word is found by a binary search for its fingerprint among those of the
vocabulary, and is then compared with the word that stands there.
"""

import functools

import numpy as np
import tensorflow as tf

# tf.strings.to_hash_bucket_fast gives a fingerprint modulo this.
_LARGEST = 2**63 - 1


def ids_of(labels, vocabulary):
  """Returns the ids of words.

  Args:
    labels: string tensor of any shape.
    vocabulary: tuple of V str, all different.

  Returns:
    (ids, known): int64 of the labels' shape, each at least 0 and less than V,
    and a bool scalar, whether every word is in the vocabulary. The id of a word
    that is not means nothing.
  """
  fingerprints, order = _index(vocabulary)
  flat = tf.reshape(labels, [1, -1])
  places = tf.raw_ops.LowerBound(
    sorted_inputs=fingerprints, values=_fingerprints(flat), out_type=tf.int32
  )
  ids = tf.gather(order, places)
  known = tf.reduce_all(tf.equal(tf.gather(words_of(vocabulary), ids), flat))
  return tf.reshape(ids, tf.shape(labels)), known


def words_of(vocabulary):
  """Returns a vocabulary as a string tensor [V]."""
  return tf.constant(vocabulary, tf.string)


def described(vocabulary):
  """Returns what a label may be, for errors; graphs would escape quotes."""
  words = ", ".join(vocabulary[:20])
  more = len(vocabulary) - 20
  return f"one of {words}" + (f" and {more} more" if more > 0 else "")


@functools.lru_cache(maxsize=64)
def _index(vocabulary):
  """Returns the fingerprints in order, int64 [1, V], and their ids [V + 1].

  There is an id more, for what is greater than all fingerprints.
  """
  with tf.init_scope():
    fingerprints = _fingerprints(words_of(vocabulary)).numpy()
  order = np.argsort(fingerprints)
  return fingerprints[None, order], np.append(order, 0)


def _fingerprints(words):
  return tf.strings.to_hash_bucket_fast(words, _LARGEST)

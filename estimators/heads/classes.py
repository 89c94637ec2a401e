"""What the heads of classes share: predictions of ids and words."""

import tensorflow as tf

from estimators.heads import vocabulary


def check_words(labels):
  """Raises ValueError unless labels are strings."""
  if labels.dtype != tf.string:
    raise ValueError(
      "labels must be strings, as the head has a label_vocabulary, but are "
      f"{labels.dtype.name}; leave out the vocabulary when they are ids."
    )


def predictions(logits, words):
  """Returns the predictions of one class of several, by key.

  Args:
    logits: float32 [D0, ..., DN, n], a logit for each class.
    words: tuple of n str, or None.

  Returns:
    `probabilities` float32 [D0, ..., DN, n]; `class_ids` int64 and `classes`
    string [D0, ..., DN, 1]; `all_class_ids` int32 and `all_classes` string
    [D0, n].
  """
  class_ids = tf.argmax(logits, -1, name="class_ids")[..., None]
  if words is None:
    classes = tf.strings.as_string(class_ids, name="str_classes")
  else:
    classes = tf.gather(vocabulary.words_of(words), class_ids)
  all_ids = tf.range(logits.shape[-1])
  return {
    "probabilities": tf.nn.softmax(logits, name="probabilities"),
    "class_ids": class_ids,
    "classes": classes,
    "all_class_ids": for_each(logits, all_ids),
    "all_classes": all_classes(logits, words),
  }


def all_classes(logits, words):
  """Returns the names of all classes for each example, string [D0, n]."""
  if words is None:
    words = [str(index) for index in range(logits.shape[-1])]
  return for_each(logits, vocabulary.words_of(words))


def for_each(logits, row):
  """Returns a row [n] once for each example, [D0, n]."""
  return tf.tile(row[None], [tf.shape(logits)[0], 1])

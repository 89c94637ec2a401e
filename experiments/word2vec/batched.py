"""word2vec.py: a batch of pairs against negatives that the whole batch shares.

B is the size of a batch, V that of the vocabulary, D that of a vector, S the
number of negatives.

A pair's label is told from the negatives by logistic regression. Plain gradient
descent changes the rows that the batch is about, and no others.

Source: models/tutorials/embedding/word2vec.py, TensorFlow 0.12.
"""

import tensorflow as tf

NOISE_POWER = 0.75


def train_pairs(emb, weights, biases, features, negatives, learning_rate):
  """Takes one step of gradient descent.

  Args:
    emb, weights: `tf.Variable` float32 [V, D], of examples and of labels.
    biases: `tf.Variable` float32 [V], of labels.
    features: {"examples": int32 [B], "labels": int32 [B]}.
    negatives: int32 [S].
    learning_rate: float32 scalar.

  Returns:
    The loss in nats, the mean over the batch before the update; and the
    operation of the update.
  """
  words = tf.concat([features["labels"], negatives], axis=0)
  places = [
    (emb, features["examples"]),
    (weights, words),
    (biases, words),
  ]
  rows = [tf.gather(variable, ids) for variable, ids in places]
  with tf.GradientTape() as tape:
    tape.watch(rows)
    loss = loss_of(*rows)
  updates = [
    # Where a word comes twice, both changes count.
    variable.scatter_sub(tf.IndexedSlices(learning_rate * gradient, ids))
    for (variable, ids), gradient in zip(
      places, tape.gradient(loss, rows), strict=True
    )
  ]
  return loss, tf.group(*updates)


def loss_of(inputs, weights, biases):
  """Returns the loss of a batch in nats.

  Each pair has the cross entropy of its label being the true one, and of the S
  negatives, also where one of these is the label, being none.

  Args:
    inputs: float32 [B, D].
    weights: float32 [B + S, D], of the labels and then of the negatives.
    biases: float32 [B + S], likewise.

  Returns:
    float32 scalar, the mean over the pairs of the sum over their words.
  """
  size = tf.shape(inputs)[0]
  true_logits = tf.reduce_sum(inputs * weights[:size], axis=1) + biases[:size]
  noise_logits = (
    tf.matmul(inputs, weights[size:], transpose_b=True) + biases[size:]
  )  # [B, S]
  true = tf.nn.sigmoid_cross_entropy_with_logits(
    tf.ones_like(true_logits), true_logits
  )
  noise = tf.nn.sigmoid_cross_entropy_with_logits(
    tf.zeros_like(noise_logits), noise_logits
  )
  return (tf.reduce_sum(true) + tf.reduce_sum(noise)) / tf.cast(
    size, tf.float32
  )

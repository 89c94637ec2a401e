"""word2vec_basic: vectors that tell a word's neighbours from random words.

B is the size of a batch, V that of the vocabulary, D that of a vector, S the
number of sampled words.

The loss is noise-contrastive estimation, the sampled words being drawn by
Zipf's law without repeats, the same for the whole batch. Plain gradient
descent changes the vectors of these words alone. The draws depend on the seed
and the global step, so that a resumed run goes on as it would have.

Source: "Vector representations of words", TensorFlow 0.12 (word2vec_basic.py).
"""

import tensorflow as tf

from estimators import get_global_step, once
from experiments.word2vec import sampling, similarity

NUM_SAMPLED = 64
LEARNING_RATE = 1.0
INITIAL_BOUND = 1.0  # `emb` begins uniform within -1 and 1.

REPORT_STEPS = 2_000  # The losses of as many steps are averaged.
NEAREST_STEPS = 10_000
# The words whose neighbours are shown: how many, out of the most common ones.
NUM_SHOWN, SHOWN_OF = 16, 100
NUM_NEAREST = 8


@once
def nce_weights(vocab_size, embedding_dim):
  shape = [vocab_size, embedding_dim]
  stddev = embedding_dim**-0.5
  return tf.Variable(tf.random.truncated_normal(shape, stddev=stddev))


@once
def nce_biases(vocab_size):
  return tf.Variable(tf.zeros([vocab_size]))


@once
def average_loss():
  """The sum of the losses since the last report, and the mean it reported."""
  return {
    name: tf.Variable(0.0, trainable=False) for name in ("sum", "reported")
  }


def loss_and_train_op(
  emb,
  features,
  learning_rate=LEARNING_RATE,
  num_sampled=NUM_SAMPLED,
  seed=0,
  report_steps=REPORT_STEPS,
  nearest_steps=NEAREST_STEPS,
):
  """Takes one step on a batch, in mode TRAIN.

  It names two tensors for `basic_reports.hooks`: `average_loss` and `nearest`.

  Args:
    emb: `tf.Variable` float32 [V, D], which is changed in place.
    features: {"examples": int32 [B], "labels": int32 [B]}.
    learning_rate: float.
    num_sampled: int, S, at most V.
    seed: int, of the sampled words and of those that are shown.
    report_steps, nearest_steps: int, as for `basic_reports.hooks`.

  Returns:
    The loss in nats, a scalar, the mean over the batch before the update, all
    replicas' parts of it; and the operation of the update.
  """
  vocab_size, embedding_dim = emb.shape
  weights = nce_weights(vocab_size, embedding_dim)
  biases = nce_biases(vocab_size)
  with tf.GradientTape() as tape:
    loss = nce_loss(emb, weights, biases, features, num_sampled, seed)
  variables, updates = [emb, weights, biases], []
  # The model is built where there are no replicas yet to update.
  if not tf.distribute.in_cross_replica_context():
    loss, gradients = _of_all_replicas(
      loss, tape.gradient(loss, variables), tf.size(features["examples"])
    )
    updates = [
      # Where a word comes twice, both changes count.
      variable.scatter_sub(
        tf.IndexedSlices(learning_rate * gradient.values, gradient.indices)
      )
      for variable, gradient in zip(variables, gradients, strict=True)
    ]
  step = get_global_step().read_value()
  tf.identity(_average(loss, step, report_steps), name="average_loss")
  shown = shown_words(vocab_size, seed)
  tf.identity(_nearest(emb, shown, step, nearest_steps), name="nearest")
  return loss, tf.group(*updates)


def _of_all_replicas(loss, gradients, num_pairs):
  """Returns the loss and gradients of the batch that replicas have parts of.

  Args:
    loss, gradients: those of this replica's pairs; `tf.IndexedSlices`.
    num_pairs: int32 scalar, how many these are.
  """
  context = tf.distribute.get_replica_context()
  if context.num_replicas_in_sync == 1:
    return loss, gradients

  def total(value):
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)

  num_pairs = tf.cast(num_pairs, tf.float32)
  share = num_pairs / total(num_pairs)
  return total(share * loss), [
    total(tf.IndexedSlices(share * g.values, g.indices, g.dense_shape))
    for g in gradients
  ]


def nce_loss(emb, weights, biases, features, num_sampled, seed):
  """Returns the mean over the batch of the loss in nats, a scalar.

  Args:
    emb, weights: `tf.Variable` float32 [V, D].
    biases: `tf.Variable` float32 [V].
    features, num_sampled, seed: as for `loss_and_train_op`.
  """
  cumulative = sampling.log_uniform(emb.shape[0])
  seeds = tf.stack(
    [tf.constant(seed, tf.int64), get_global_step().read_value()]
  )
  sampled, num_tries = sampling.unique_samples(cumulative, num_sampled, seeds)
  labels = features["labels"][:, None]
  losses = tf.nn.nce_loss(
    weights=weights,
    biases=biases,
    labels=labels,
    inputs=tf.gather(emb, features["examples"]),
    num_sampled=num_sampled,
    num_classes=emb.shape[0],
    sampled_values=(
      sampled,
      sampling.expected_counts(cumulative, labels, num_tries),
      sampling.expected_counts(cumulative, sampled, num_tries),
    ),
  )
  return tf.reduce_mean(losses)


def shown_words(vocab_size, seed):
  """Returns the ids whose neighbours are shown, int32 [at most NUM_SHOWN].

  They are common ones, in a random order; UNK, which is no word, is not among
  them, other than in the tutorial.
  """
  common = tf.range(1, min(SHOWN_OF + 1, vocab_size))
  return tf.random.experimental.stateless_shuffle(common, [seed, 0])[:NUM_SHOWN]


def num_nearest(vocab_size):
  """Returns how many neighbours are looked for: the word itself is one."""
  return min(NUM_NEAREST + 1, vocab_size)


def _average(loss, step, report_steps):
  """Notes a loss; returns the mean of the last report.

  There is a report at step 0, of that step alone, and at each multiple of
  report_steps, of as many steps up to and including it.
  """
  state = average_loss()
  total = state["sum"] + loss
  is_due = step % report_steps == 0
  count = tf.where(step == 0, 1.0, float(report_steps))
  state["sum"].assign(tf.where(is_due, 0.0, total))
  return state["reported"].assign(
    tf.where(is_due, total / count, state["reported"])
  )


def _nearest(emb, words, step, nearest_steps):
  """Returns the words with the largest cosines, where step has a report.

  Returns:
    int32 [words, `num_nearest`], the largest first; -1 in other steps.
  """
  k = num_nearest(emb.shape[0])
  return tf.cond(
    step % nearest_steps == 0,
    lambda: similarity.nearest(emb, tf.gather(emb, words), k)[1],
    lambda: tf.fill([words.shape[0], k], -1),
  )

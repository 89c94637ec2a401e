"""The model function of the three programs, and its Estimator.

V is the size of the vocabulary, D that of a vector, B that of a batch. The
vectors that are judged, exported and shown are `emb`, [V, D]; what else is
learned only helps to train them. Features and labels are, in training, those of
`input_pipelines.word2vec` or `input_pipelines.word2vec_basic`, in evaluation
those of `input_pipelines.analogies`, and in prediction {"word": string [B]}.
"""

import os

import tensorflow as tf

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  get_global_step,
  once,
)
from experiments import common_flags
from experiments.word2vec import (
  basic,
  batched,
  optimized,
  sampling,
  serving,
  similarity,
  vocabulary,
)
from experiments.word2vec.config import model_params

LOWEST_RATE = 1e-4  # of the rate at the start


@once
def emb(vocab_size, embedding_dim, bound):
  """Uniform between -bound and bound."""
  shape = [vocab_size, embedding_dim]
  with tf.device("cpu:0"):  # where the ops of training are
    return tf.Variable(tf.random.uniform(shape, -bound, bound))


@once
def sm_w_t(vocab_size, embedding_dim):
  with tf.device("cpu:0"):
    return tf.Variable(tf.zeros([vocab_size, embedding_dim]))


@once
def sm_b(vocab_size):
  with tf.device("cpu:0"):
    return tf.Variable(tf.zeros([vocab_size]))


@once
def words_processed():
  """The words of the text that were trained on, over all epochs."""
  return tf.Variable(0, dtype=tf.int64, trainable=False)


def estimator_of(config, text):
  """Returns the Estimator of a run.

  Args:
    config: a Config.
    text: `inputs.Text`.
  """
  run_config = common_flags.run_config(
    config,
    # Hooks report by the clock instead; see reports.py.
    save_summary_steps=None,
    log_step_count_steps=None,
    save_checkpoints_secs=config.checkpoint_interval,
  )
  return Estimator(
    model_fn_of(config, text), config=run_config, params=model_params(config)
  )


def model_fn_of(config, text):
  """Returns the model function of a run.

  What is as large as the vocabulary is handed to it here: `params` are written
  to files.
  """
  train = {
    "basic": train_basic,
    "batched": train_batched,
    "optimized": train_optimized,
  }[config.model](config, text)
  vocab_size = len(text.words)

  def model_fn(features, labels, mode, params, config):
    embedding_dim = params["embedding_size"]
    bound = 0.5 / embedding_dim
    if params["model"] == "basic":
      bound = basic.INITIAL_BOUND
    vectors = emb(vocab_size, embedding_dim, bound)
    if mode == ModeKeys.PREDICT:
      path = os.path.join(config.model_dir, vocabulary.FILE)
      return serving.prediction_spec(vectors, features, path)
    if mode == ModeKeys.EVAL:
      names = text.questions.section_names
      return similarity.evaluation_spec(vectors, features, labels, names)
    words, rate, loss, train_op = train(vectors, features)
    tf.identity(words, name="words_processed")
    tf.identity(rate, name="learning_rate")
    train_op = tf.group(train_op, words_processed().assign(words))
    return EstimatorSpec(mode, loss=loss, train_op=train_op)

  return model_fn


def train_basic(config, text):
  """Returns a function of `emb` and features that takes a step.

  It returns the words processed after it, the learning rate, the loss and the
  operation of the update. So do the functions that the next two return.
  """
  words_of_batch = config.batch_size // config.num_skips
  rate = tf.constant(config.learning_rate)

  def step(vectors, features):
    words = (get_global_step().read_value() + 1) * words_of_batch
    loss, train_op = basic.loss_and_train_op(
      vectors,
      features,
      config.learning_rate,
      config.num_neg_samples,
      config.seed,
    )
    return words, rate, loss, train_op

  return step


def train_batched(config, text):
  """See `train_basic`."""
  cumulative = sampling.power_law(text.corpus.counts, batched.NOISE_POWER)

  def step(vectors, features):
    words = features["words_processed"]
    rate = decayed(config, text, words)
    step = get_global_step().read_value()
    negatives, _ = sampling.unique_samples(
      cumulative,
      config.num_neg_samples,
      tf.stack([tf.constant(config.seed, tf.int64), step]),
    )
    weights, biases = sm_w_t(*vectors.shape), sm_b(vectors.shape[0])
    loss, train_op = batched.train_pairs(
      vectors, weights, biases, features, negatives, rate
    )
    return words, rate, loss, train_op

  return step


def train_optimized(config, text):
  """See `train_basic`."""
  draws = optimized.draws_of(text.corpus.counts, config)

  def step_of_sentences(vectors, features):
    words = optimized.words_processed(features)
    loss, train_op = optimized.train_sentences(
      vectors,
      sm_w_t(*vectors.shape),
      features,
      decayed(config, text, features["positions"]),
      draws,
      config.window_size,
      config.concurrent_steps,
    )
    return words, decayed(config, text, words), loss, train_op

  def step_of_pairs(vectors, features):
    words = features["words_processed"]
    rate = decayed(config, text, words)
    step = get_global_step().read_value()
    loss, train_op = optimized.train_pairs(
      vectors, sm_w_t(*vectors.shape), features, rate, draws, step
    )
    return words, rate, loss, train_op

  return step_of_pairs if config.kernel == "pairs" else step_of_sentences


def decayed(config, text, words):
  """Returns the learning rate after some words.

  It falls linearly over all epochs, but not below `LOWEST_RATE` of the start.

  Args:
    config: a Config.
    text: `inputs.Text`.
    words: int64, of any shape.

  Returns:
    float32 of that shape.
  """
  share = words / (text.num_words * config.epochs_to_train)
  left = tf.cast(tf.maximum(1 - share, LOWEST_RATE), tf.float32)
  return config.learning_rate * left

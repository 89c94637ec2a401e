"""LSTM language models: they say how likely each word is to come next.

Zaremba, Sutskever and Vinyals 2014, "Recurrent neural network regularization",
arXiv:1409.2329, as in the TensorFlow tutorial "Recurrent neural networks":
vectors of words, layers of LSTM, and a softmax over the vocabulary. Dropout is
outside of the recurrence only. The state is carried from window to window, so
that gradients end at a window's beginning, but what the layers remember does
not.

L layers, S states of a layer, T steps, B rows of the batch, H units, V words.
Inside, time is the first dimension.

    features {"words": int32 [B, T], "is_first": bool [B], whether rows begin}
    labels   int32 [B, T], the word after each

What PREDICT takes and gives is in `serving.py`.
"""

import keras
import tensorflow as tf

from estimators import EstimatorSpec, ModeKeys, minimize, once, optimizers
from estimators.summaries import when_recorded
from experiments.ptb import generation, network, serving, vocabulary
from experiments.ptb.carry import Carry
from input_pipelines.ptb import END


@once
def training_carry(params):
  return Carry(network.state_shape(params), name="training_carry")


@once
def evaluation_carry(params):
  return Carry(network.state_shape(params), name="evaluation_carry")


@once
def optimizer(params):
  return optimizers.SGD(EpochSchedule(params))


class EpochSchedule(keras.optimizers.schedules.LearningRateSchedule):
  """The learning rate of each epoch.

  learning_rate * lr_decay ^ max(epoch + 1 - max_epoch, 0), epochs from 0
  """

  def __init__(self, params):
    self._params = params

  def __call__(self, step):
    params = self._params
    epoch = tf.cast(step, tf.int64) // params["steps_per_epoch"]
    power = tf.maximum(epoch + 1 - params["max_epoch"], 0)
    decay = tf.constant(params["lr_decay"], tf.float32)
    return params["learning_rate"] * decay ** tf.cast(power, tf.float32)

  def get_config(self):
    return {"params": self._params}


def model_fn(features, labels, mode, params, config):
  """See the module's text."""
  vocabulary_path = vocabulary.path_in(config.model_dir)
  if mode == ModeKeys.PREDICT:
    return serving.prediction_spec(features, params, vocabulary_path)
  training = mode == ModeKeys.TRAIN
  carry = (training_carry if training else evaluation_carry)(params)
  net = network.network(params)
  ids, targets = tf.transpose(features["words"]), tf.transpose(labels)
  outputs, state = network.run_layers(
    net,
    ids,
    carry.state_before(features["is_first"]),
    params["rnn_backend"],
    network.dropout(params) if training else None,
  )
  losses = network.word_losses(net, outputs, targets, training)
  loss = tf.reduce_sum(tf.reduce_mean(losses, axis=1))
  carry.update_state(
    tf.stop_gradient(state), loss, tf.shape(ids)[0], features["is_first"]
  )
  if not training:
    if params["sample_words"]:
      _write_sample(params, vocabulary_path)
    return EstimatorSpec(mode, loss=loss, eval_metric_ops={"perplexity": carry})
  perplexity = tf.cast(carry.result(), tf.float32)
  tf.identity(perplexity, name="perplexity")  # For `reports.py`.
  tf.summary.scalar("perplexity", perplexity)
  update = minimize(loss, optimizer(params), clip_norm=params["max_grad_norm"])
  return EstimatorSpec(mode, loss=loss, train_op=update)


def _write_sample(params, vocabulary_path):
  """Writes a text that the model makes up, where summaries are recorded.

  The same numbers are drawn each time, so that the texts show the model's ways.
  """
  tables = vocabulary.vocabulary_tables(vocabulary_path)
  begin = vocabulary.ids_of(tables, tf.constant([[END]]))
  net = network.network(params)

  def step(ids, state):
    outputs, state = network.run_layers(
      net, tf.transpose(ids), state, params["rnn_backend"]
    )
    return network.next_logits(net, outputs[-1]), state

  def write():
    ids = generation.generate(
      step,
      tf.zeros(network.state_shape(params, batch_size=1)),
      begin,
      params["sample_words"],
      seed=params["seed"],
    )
    words = tables["words"].lookup(tf.cast(ids[0], tf.int64))
    text = tf.strings.reduce_join(words, separator=" ")
    lines = tf.strings.regex_replace(text, f" ?{END} ?", "\n\n")
    tf.summary.text("sample", lines)

  when_recorded(write)

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
"""

import keras
import tensorflow as tf

from estimators import EstimatorSpec, ModeKeys, minimize, once
from estimators.ops import language_model
from experiments.ptb import recurrent
from experiments.ptb.carry import Carry


@once
def network(params):
  """Returns the layers; 4,651,600 parameters of `small` with 10,000 words.

  Returns:
    {"embedding": [V, H], "rnn": list of L recurrent layers, "softmax": dense
    layer [H, V]}, all built.
  """
  policy = "mixed_bfloat16" if params["use_fp16"] else "float32"
  units, vocab_size = params["hidden_size"], params["vocab_size"]
  bound = params["init_scale"]
  uniform = keras.initializers.RandomUniform
  embedding = keras.layers.Embedding(
    vocab_size, units, uniform(-bound, bound), dtype=policy, name="embedding"
  )
  embedding.build()
  softmax = keras.layers.Dense(
    vocab_size,
    kernel_initializer=uniform(-bound, bound),
    bias_initializer=uniform(-bound, bound),
    dtype="float32",
    name="softmax",
  )
  softmax.build([None, units])
  layers = [
    recurrent.layer(params["cell"], units, units, bound, policy)
    for _ in range(params["num_layers"])
  ]
  return {"embedding": embedding, "rnn": layers, "softmax": softmax}


@once
def dropout(params):
  """Returns the layers' dropouts: of the words' vectors, and of each output."""
  rate = 1 - params["keep_prob"]
  return [keras.layers.Dropout(rate) for _ in range(params["num_layers"] + 1)]


@once
def training_carry(params):
  return Carry(state_shape(params), name="training_carry")


@once
def evaluation_carry(params):
  return Carry(state_shape(params), name="evaluation_carry")


@once
def optimizer(params):
  return keras.optimizers.SGD(EpochSchedule(params))


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


def state_shape(params, batch_size=None):
  """Returns [L, S, B, H]; B is params["batch_size"] when not given."""
  return [
    params["num_layers"],
    recurrent.NUM_STATES[params["cell"]],
    params["batch_size"] if batch_size is None else batch_size,
    params["hidden_size"],
  ]


def run_layers(params, ids, state, training=False):
  """Runs the layers over words.

  Args:
    params: the params of the model function.
    ids: int32 or int64 [T, B].
    state: float32 [L, S, B, H], before the first word.
    training: bool, whether to apply dropout.

  Returns:
    (outputs float32 [T, B, H] of the last layer, state after the last word).
  """
  net = network(params)
  drops = [tf.identity] * (params["num_layers"] + 1)
  if training and params["keep_prob"] < 1:
    drops = [lambda x, drop=d: drop(x, training=True) for d in dropout(params)]
  # A gather of the variable itself reads the rows that it needs alone.
  vectors = tf.gather(net["embedding"].embeddings.value, ids)
  x = drops[0](tf.cast(vectors, net["rnn"][0].compute_dtype))
  states = []
  for i, layer in enumerate(net["rnn"]):
    x, last = recurrent.run(layer, x, state[i], params["rnn_backend"])
    x = drops[i + 1](x)
    states.append(last)
  return tf.cast(x, tf.float32), tf.stack(states)


def word_losses(params, outputs, targets):
  """Returns -log p of each word, float32 [T, B], in nats.

  Args:
    params: the params of the model function.
    outputs: float32 [T, B, H], from `run_layers`.
    targets: int32 [T, B], the words to come.
  """
  softmax = network(params)["softmax"]
  losses = language_model.softmax_losses(
    tf.reshape(outputs, [-1, outputs.shape[-1]]),
    softmax.kernel.value,
    softmax.bias.value,
    tf.reshape(targets, [-1]),
  )
  return tf.reshape(losses, tf.shape(targets))


def next_logits(params, output):
  """Returns the logits of the next word, float32 [B, V].

  Args:
    params: the params of the model function.
    output: float32 [B, H], what the last layer gave for the word before.
  """
  softmax = network(params)["softmax"]
  return tf.matmul(output, softmax.kernel.value) + softmax.bias.value


def model_fn(features, labels, mode, params):
  """See the module's text."""
  training = mode == ModeKeys.TRAIN
  carry = (training_carry if training else evaluation_carry)(params)
  ids, targets = tf.transpose(features["words"]), tf.transpose(labels)
  outputs, state = run_layers(
    params, ids, carry.state_before(features["is_first"]), training
  )
  losses = word_losses(params, outputs, targets)
  loss = tf.reduce_sum(tf.reduce_mean(losses, axis=1))
  carry.update_state(
    tf.stop_gradient(state), loss, tf.shape(ids)[0], features["is_first"]
  )
  if not training:
    return EstimatorSpec(mode, loss=loss, eval_metric_ops={"perplexity": carry})
  perplexity = tf.cast(carry.result(), tf.float32)
  tf.identity(perplexity, name="perplexity")  # For `reports.py`.
  tf.summary.scalar("perplexity", perplexity)
  update = minimize(loss, optimizer(params), clip_norm=params["max_grad_norm"])
  return EstimatorSpec(mode, loss=loss, train_op=update)

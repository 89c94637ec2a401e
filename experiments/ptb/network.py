"""The network of a language model: words' vectors, layers, softmax.

L layers, S states of a layer, T steps, B rows of the batch, H units, V words.
Time is the first dimension.
"""

import functools

import keras
import tensorflow as tf

from estimators import once
from estimators.ops import language_model, language_model_twin
from experiments.ptb import recurrent


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
  """Returns the dropouts of training, or None when there are none.

  Returns:
    List of L + 1 Keras layers: for the words' vectors and each layer's output.
  """
  if params["keep_prob"] == 1:
    return None
  rate, count = 1 - params["keep_prob"], params["num_layers"] + 1
  return [keras.layers.Dropout(rate) for _ in range(count)]


def state_shape(params, batch_size=None):
  """Returns [L, S, B, H]; B is params["batch_size"] when not given."""
  return [
    params["num_layers"],
    recurrent.NUM_STATES[params["cell"]],
    params["batch_size"] if batch_size is None else batch_size,
    params["hidden_size"],
  ]


def run_layers(net, ids, state, backend, dropouts=None):
  """Runs the layers over words.

  Args:
    net: what `network` returned.
    ids: int32 or int64 [T, B].
    state: float32 [L, S, B, H], before the first word.
    backend: str, what computes the layers; see `recurrent.py`.
    dropouts: in training, what `dropout` returned.

  Returns:
    (outputs float32 [T, B, H] of the last layer, state after the last word).
  """

  def drop(index, x):
    return dropouts[index](x, training=True) if dropouts else x

  # A gather of the variable itself reads the rows that it needs alone.
  vectors = tf.gather(net["embedding"].embeddings.value, ids)
  x = drop(0, tf.cast(vectors, net["rnn"][0].compute_dtype))
  states = []
  for i, layer in enumerate(net["rnn"]):
    x, last = recurrent.run(layer, x, state[i], backend)
    x = drop(i + 1, x)
    states.append(last)
  return tf.cast(x, tf.float32), tf.stack(states)


def word_losses(net, outputs, targets, training):
  """Returns -log p of each word, float32 [T, B], in nats.

  A C++ op computes them, which is for the CPU; TensorFlow's own ops where there
  is a GPU.

  Args:
    net: what `network` returned.
    outputs: float32 [T, B, H], from `run_layers`.
    targets: int32 [T, B], the words to come.
    training: bool, whether gradients will be taken.
  """
  if recurrent.has_gpu():
    losses_of = language_model_twin.softmax_losses
  else:
    losses_of = functools.partial(
      language_model.softmax_losses, differentiable=training
    )
  losses = losses_of(
    tf.reshape(outputs, [-1, outputs.shape[-1]]),
    net["softmax"].kernel.value,
    net["softmax"].bias.value,
    tf.reshape(targets, [-1]),
  )
  return tf.reshape(losses, tf.shape(targets))


def next_logits(net, outputs):
  """Returns the logits of the words to come, float32 [..., V].

  Args:
    net: what `network` returned.
    outputs: float32 [..., H], from `run_layers`.
  """
  softmax = net["softmax"]
  return tf.tensordot(outputs, softmax.kernel.value, 1) + softmax.bias.value

"""What language_model.py computes, in TensorFlow's own ops.

The letters for sizes are those of language_model.py.
"""

import tensorflow as tf


def lstm(inputs, kernel, recurrent_kernel, bias, h, c):
  """As `language_model.lstm`; the steps are unrolled when T is known."""
  gates = tf.einsum("tbd,dg->tbg", inputs, kernel) + bias

  def step(h, c, gates):
    i, f, g, o = tf.split(gates + tf.matmul(h, recurrent_kernel), 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c

  if inputs.shape[0] is not None:
    outputs = []
    for gates_now in tf.unstack(gates):
      h, c = step(h, c, gates_now)
      outputs.append(h)
    return tf.stack(outputs), h, c
  outputs, states = tf.scan(
    lambda state, gates_now: step(*state, gates_now), gates, (h, c)
  )
  return outputs, outputs[-1], states[-1]


def softmax_losses(hidden, weights, bias, targets):
  """As `language_model.softmax_losses`."""
  logits = tf.matmul(hidden, weights) + bias
  return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)

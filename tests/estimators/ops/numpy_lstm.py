"""An LSTM layer in NumPy: a second opinion on all others."""

import numpy as np


def lstm(inputs, kernel, recurrent_kernel, bias, h, c):
  """Returns (outputs [T, B, H], h, c) of inputs [T, B, D], in float64.

  The equations of Zaremba et al. 2014, arXiv:1409.2329, step by step; gates are
  in Keras's order.
  """
  outputs = []
  for x in inputs.astype(np.float64):
    gates = x @ kernel + h @ recurrent_kernel + bias
    i, f, g, o = np.split(gates, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    outputs.append(h)
  return np.stack(outputs), h, c


def sigmoid(x):
  return 1 / (1 + np.exp(-x))

"""The two parts of a language model that take its time: LSTM and softmax.

T is the number of time steps, B the batch, D the size of the input, H the
number of units, N the number of words to predict, V the size of the vocabulary.
"""

from estimators.ops import language_model_twin


def is_native():
  """Whether the C++ ops are there."""
  return False


def lstm(inputs, kernel, recurrent_kernel, bias, h, c):
  """Returns what an LSTM layer gives for a sequence, and its state after it.

      i, f, g, o = split(x_t kernel + h recurrent_kernel + bias)
      c = sigmoid(f) c + sigmoid(i) tanh(g);  h = sigmoid(o) tanh(c)

  Args:
    inputs: float32 [T, B, D].
    kernel: float32 [D, 4 H], for the gates i, f, g, o in Keras's order.
    recurrent_kernel: float32 [H, 4 H].
    bias: float32 [4 H].
    h, c: float32 [B, H], the state before the first step.

  Returns:
    (outputs float32 [T, B, H], h, c): the state is that after the last step.

  Source: Hochreiter and Schmidhuber 1997, "Long short-term memory", with the
  forget gate of Gers et al. 2000; equations as in Zaremba et al. 2014,
  arXiv:1409.2329.
  """
  return language_model_twin.lstm(inputs, kernel, recurrent_kernel, bias, h, c)


def softmax_losses(hidden, weights, bias, targets):
  """Returns -log softmax(hidden weights + bias) at the targets.

  Args:
    hidden: float32 [N, D].
    weights: float32 [D, V].
    bias: float32 [V].
    targets: int32 [N], in 0..V-1.

  Returns:
    float32 [N], in nats.
  """
  return language_model_twin.softmax_losses(hidden, weights, bias, targets)

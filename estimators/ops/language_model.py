"""The two parts of a language model that take its time: LSTM and softmax.

T is the number of time steps, B the batch, D the size of the input, H the
number of units, N the number of words to predict, V the size of the vocabulary.

The ops are written in C++ and built when they are first used; see build.py.
Without a compiler TensorFlow's own ops do the same, in language_model_twin.py.
They compute on the CPU, in float32, and give the same bits on any number of
threads.
"""

import functools

import tensorflow as tf

from estimators.ops import build, language_model_twin


@functools.cache
def _ops():
  """Returns the module of the C++ ops, or None where they cannot be built."""
  return build.load("language_model")


def is_native():
  """Whether the C++ ops are there."""
  return _ops() is not None


def lstm(inputs, kernel, recurrent_kernel, bias, h, c, *, instructions="best"):
  """Returns what an LSTM layer gives for a sequence, and its state after it.

      i, f, g, o = split(x_t kernel + h recurrent_kernel + bias)
      c = sigmoid(f) c + sigmoid(i) tanh(g);  h = sigmoid(o) tanh(c)

  Args:
    inputs: float32 [T, B, D].
    kernel: float32 [D, 4 H], for the gates i, f, g, o in Keras's order.
    recurrent_kernel: float32 [H, 4 H].
    bias: float32 [4 H].
    h, c: float32 [B, H], the state before the first step.
    instructions: str, those of the machine to use: best, scalar, avx2 or
      avx512. The twin has no choice.

  Returns:
    (outputs float32 [T, B, H], h, c): the state is that after the last step.

  Raises:
    tf.errors.InvalidArgumentError, ValueError: the shapes do not fit, or a
      dimension is 0.

  Source: Hochreiter and Schmidhuber 1997, "Long short-term memory", with the
  forget gate of Gers et al. 2000; equations as in Zaremba et al. 2014,
  arXiv:1409.2329.
  """
  ops = _ops()
  if ops is None:
    return language_model_twin.lstm(
      inputs, kernel, recurrent_kernel, bias, h, c
    )
  outputs, states, _ = ops.estimators_lstm(
    inputs=inputs,
    kernel=kernel,
    recurrent_kernel=recurrent_kernel,
    bias=bias,
    first_h=h,
    first_c=c,
    instructions=instructions,
  )
  return outputs, outputs[-1], states[-1]


def softmax_losses(
  hidden, weights, bias, targets, *, differentiable=True, instructions="best"
):
  """Returns -log softmax(hidden weights + bias) at the targets.

  The logits are made, used and forgotten a few words of the vocabulary at a
  time, while they are in the processor's cache.

  Args:
    hidden: float32 [N, D].
    weights: float32 [D, V].
    bias: float32 [V].
    targets: int32 [N], in 0..V-1.
    differentiable: bool; False saves 4 N V bytes where no gradient is needed.
    instructions: as for `lstm`.

  Returns:
    float32 [N], in nats.

  Raises:
    tf.errors.InvalidArgumentError, ValueError: the shapes do not fit, a
      dimension is 0, or a target is out of its range. (The twin's losses are
      NaN then.)
  """
  ops = _ops()
  if ops is None:
    return language_model_twin.softmax_losses(hidden, weights, bias, targets)
  return ops.estimators_softmax_losses(
    hidden=hidden,
    weights=weights,
    bias=bias,
    targets=targets,
    differentiable=differentiable,
    instructions=instructions,
  ).losses


@tf.RegisterGradient("Estimators>Lstm")
def _lstm_gradient(op, h_gradient, c_gradient, gates_gradient):
  del gates_gradient  # They are not given to anybody.
  return _ops().estimators_lstm_grad(
    *op.inputs,
    *op.outputs,
    h_gradient,
    c_gradient,
    instructions=op.get_attr("instructions"),
  )


@tf.RegisterGradient("Estimators>SoftmaxLosses")
def _softmax_gradient(op, loss_gradients, *others):
  del others  # They are not given to anybody.
  if not op.get_attr("differentiable"):
    raise ValueError(
      "a gradient needs softmax_losses(differentiable=True), but it was called "
      "with False; leave it out where gradients are taken."
    )
  gradients = _ops().estimators_softmax_losses_grad(
    *op.inputs,
    *op.outputs[1:],
    loss_gradients,
    instructions=op.get_attr("instructions"),
  )
  return [*gradients, None]

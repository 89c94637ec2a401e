"""Recurrent layers, and the several ways to compute them.

All of them use the variables of Keras's layers, so a checkpoint fits any:

  native: the C++ op of estimators/ops; LSTM, on a CPU.
  keras: Keras's own loop over the steps; cuDNN on a GPU.
  unrolled: the steps one by one in the graph.
  unrolled_xla: the same, compiled by XLA.
  block: TensorFlow's BlockLSTM op.

Where the steps are more than `MAX_UNROLLED`, or their number is not known when
the graph is made, unrolled layers are computed by Keras's loop.

T steps, B rows of the batch, D the size of the input, H units, S states of a
layer: an LSTM's h and c, a GRU's h.
"""

import keras
import tensorflow as tf

from estimators.ops import language_model, language_model_twin

BACKENDS = ("native", "keras", "unrolled", "unrolled_xla")
MAX_UNROLLED = 100  # Each step is a dozen operations of the graph.
NUM_STATES = {"lstm": 2, "block": 2, "gru": 1}


def backend_of(cell, choice="auto", use_fp16=False):
  """Returns the name of the backend that a run takes.

  Args:
    cell: lstm, block or gru.
    choice: one of `BACKENDS`, or auto for the fastest.
    use_fp16: bool, whether layers compute in bfloat16.

  Raises:
    ValueError: the choice cannot compute such a cell.
  """
  if cell == "block" and use_fp16:
    raise ValueError(
      "--cell=block is computed by TensorFlow's BlockLSTM, which needs "
      "float32, but came with --use_fp16; take --cell=lstm, which is the same "
      "model, or leave --use_fp16 out."
    )
  if cell == "block" and choice != "auto":
    raise ValueError(
      "--cell=block is computed by TensorFlow's BlockLSTM, so --rnn_backend "
      f"must be auto, but is {choice}; take --cell=lstm, which is the same "
      "model, to choose."
    )
  if choice == "native" and (cell == "gru" or use_fp16):
    raise ValueError(
      "--rnn_backend=native is for --cell=lstm in float32, but came with "
      f"--cell={cell} and use_fp16={use_fp16}; take --rnn_backend=auto."
    )
  if choice != "auto":
    return choice
  if cell == "block":
    return "block"
  if has_gpu():
    return "keras"
  return "unrolled" if cell == "gru" or use_fp16 else "native"


def has_gpu():
  """Returns whether there is a GPU: the C++ ops would leave it waiting."""
  return bool(tf.config.list_physical_devices("GPU"))


def layer(cell, num_units, input_size, bound, dtype):
  """Returns a built Keras layer.

  Args:
    cell: lstm, block or gru.
    num_units: int, H.
    input_size: int, D.
    bound: float, kernels begin between minus this and this; biases with 0, that
      of the forget gate too.
    dtype: str, Keras's policy.
  """
  uniform = keras.initializers.RandomUniform
  settings = dict(
    kernel_initializer=uniform(-bound, bound),
    recurrent_initializer=uniform(-bound, bound),
    return_sequences=True,
    return_state=True,
    dtype=dtype,
  )
  if cell == "gru":
    made = keras.layers.GRU(num_units, name="gru", **settings)
  else:
    made = keras.layers.LSTM(
      num_units, unit_forget_bias=False, name="lstm", **settings
    )
  made.build([None, None, input_size])
  return made


def run(layer, inputs, state, backend):
  """Applies a layer to a sequence.

  Args:
    layer: what `layer` returned.
    inputs: [T, B, D], of the layer's compute dtype.
    state: float32 [S, B, H], before the first step.
    backend: the name of one.

  Returns:
    (outputs [T, B, H], state float32 [S, B, H] after the last step).
  """
  if backend.startswith("unrolled") and not (
    inputs.shape[0] and inputs.shape[0] <= MAX_UNROLLED
  ):
    backend = "keras"
  outputs, last = {
    "native": _native,
    "keras": _keras,
    "unrolled": _unrolled,
    "unrolled_xla": _unrolled_xla,
    "block": _block,
  }[backend](layer, inputs, tf.cast(state, inputs.dtype))
  # The shape is lost on some of the ways.
  return outputs, tf.ensure_shape(tf.cast(last, tf.float32), state.shape)


def _weights(layer, dtype):
  """Returns (kernel [D, G H], recurrent kernel [H, G H], bias)."""
  cell = layer.cell
  variables = cell.kernel, cell.recurrent_kernel, cell.bias
  return [tf.cast(variable.value, dtype) for variable in variables]


def _native(layer, inputs, state):
  weights = _weights(layer, inputs.dtype)
  outputs, h, c = language_model.lstm(inputs, *weights, *tf.unstack(state))
  return outputs, tf.stack([h, c])


def _keras(layer, inputs, state):
  outputs, *last = layer(
    tf.transpose(inputs, [1, 0, 2]), initial_state=tf.unstack(state)
  )
  return tf.transpose(outputs, [1, 0, 2]), tf.stack(last)


def _block(layer, inputs, state):
  kernel, recurrent_kernel, bias = _weights(layer, inputs.dtype)
  h, c = tf.unstack(state)
  no_peephole = tf.zeros_like(bias[: c.shape[1]])
  # BlockLSTMV2 has the gates in Keras's order, but a wrong gradient: that of
  # this op, with two of the gates exchanged (TensorFlow 2.21).
  _, cs, _, _, _, _, hs = tf.raw_ops.BlockLSTM(
    seq_len_max=tf.shape(inputs, tf.int64)[0],
    x=inputs,
    cs_prev=c,
    h_prev=h,
    w=_gates_icfo(tf.concat([kernel, recurrent_kernel], 0)),
    wci=no_peephole,
    wcf=no_peephole,
    wco=no_peephole,
    b=_gates_icfo(bias),
    forget_bias=0.0,
    cell_clip=-1.0,
  )
  return hs, tf.stack([hs[-1], cs[-1]])


def _gates_icfo(weights):
  """Returns weights [..., 4 H] with the gates i, f, c, o as i, c, f, o."""
  i, f, c, o = tf.split(weights, 4, axis=-1)
  return tf.concat([i, c, f, o], axis=-1)


def _unrolled(layer, inputs, state):
  weights = _weights(layer, inputs.dtype)
  if isinstance(layer, keras.layers.GRU):
    return _unrolled_gru(inputs, state, *weights)
  outputs, h, c = language_model_twin.lstm(inputs, *weights, *tf.unstack(state))
  return outputs, tf.stack([h, c])


def _unrolled_xla(layer, inputs, state):
  compiled = tf.function(
    lambda inputs, state: _unrolled(layer, inputs, state),
    autograph=False,
    jit_compile=True,
  )
  return compiled(inputs, state)


def _unrolled_gru(inputs, state, kernel, recurrent_kernel, bias):
  """The reset gate comes after the product (Keras's reset_after, cuDNN's)."""
  h = state[0]
  outputs = []
  for x in tf.unstack(tf.tensordot(inputs, kernel, 1) + bias[0]):
    xz, xr, xg = tf.split(x, 3, axis=1)
    hz, hr, hg = tf.split(tf.matmul(h, recurrent_kernel) + bias[1], 3, axis=1)
    z = tf.sigmoid(xz + hz)
    h = z * h + (1 - z) * tf.tanh(xg + tf.sigmoid(xr + hr) * hg)
    outputs.append(h)
  return tf.stack(outputs), h[None]

"""What is carried from window to window: the layers' state, and the cost.

L layers, S states of a layer (an LSTM's h and c, a GRU's h), B rows of the
batch, H units.
"""

import keras
import tensorflow as tf


class Carry(keras.metrics.Metric):
  """The state after the last window, and the perplexity of the epoch so far.

  It is a metric as those have just the life that it needs: what training has
  carried is in its checkpoints, and an evaluation begins with zeros.

  Args:
    shape: [L, S, B, H].

  Attributes:
    state: float32 [L, S, B, H].
    cost: float64, the sum of the windows' losses since the epoch began.
    steps: float64, the steps of these windows.
  """

  def __init__(self, shape, **kwargs):
    super().__init__(**kwargs)
    zeros = "zeros"
    self.state = self.add_variable(shape, zeros, "float32", name="state")
    # In float32 the sum would lose what a window of one word adds.
    self.cost = self.add_variable([], zeros, "float64", name="cost")
    self.steps = self.add_variable([], zeros, "float64", name="steps")

  def state_before(self, is_first):
    """Returns the state to begin a window with, float32 [L, S, B, H].

    Args:
      is_first: bool [B], the rows that begin here, with zeros.
    """
    return tf.where(is_first[:, None], 0.0, self.state.value)

  def update_state(self, state, cost, num_steps, is_first):
    """Takes up what a window has given.

    Args:
      state: float32 [L, S, B, H], after its last step.
      cost: scalar, its loss in nats: the sum over time, mean over the batch.
      num_steps: int scalar, its steps.
      is_first: bool [B], as for `state_before`: an epoch begins where the first
        row does.
    """
    self.state.assign(tf.ensure_shape(state, self.state.shape))
    before = tf.where(is_first[0], tf.zeros([], tf.float64), 1.0)
    self.cost.assign(before * self.cost + tf.cast(cost, tf.float64))
    self.steps.assign(before * self.steps + tf.cast(num_steps, tf.float64))

  def result(self):
    """Returns the perplexity, float64: exp of the mean loss of a word."""
    return tf.exp(self.cost.value / self.steps.value)

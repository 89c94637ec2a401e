"""Rain drops on a pond: waves on a square of water, step by step.

The height of the water u and its speed ut, how fast it rises, are of one shape,
[H, W], and one dtype, float32 or float64. They follow

  u_tt = L u - damping * u_t

with L the stencil of `laplace`. Around the pond the height is 0. Source: the
TensorFlow tutorial "Partial differential equations".
"""

import numpy as np
import tensorflow as tf

# What a call of the compiled loop does at most: Ctrl-C waits for its end.
_STEPS_A_CALL = 1000
_CELLS_A_CALL = 2**29


def laplace(u):
  """Returns L u: how much higher its neighbours are than each cell.

  The stencil is [[0.5, 1, 0.5], [1, -6, 1], [0.5, 1, 0.5]], twice the Laplacian
  of waves that are long.

  Args:
    u: floats [H, W].

  Returns:
    The same shape and dtype.
  """
  return _laplace_inside(_with_border(u))


def step(u, ut, eps, damping, scheme="euler", laplace=laplace):
  """Returns u and ut a moment later.

  Args:
    u, ut: floats [H, W].
    eps: number, the moment.
    damping: number, the share of its speed that water loses per unit of time.
    scheme: str, one of `stability.SCHEMES`: euler takes both from the old
      state, as the tutorial does, semi_implicit the height from the new speed.
    laplace: function of u.
  """
  new_ut = ut + eps * (laplace(u) - damping * ut)
  return u + eps * (ut if scheme == "euler" else new_ut), new_ut


def run(u, ut, eps, damping, num_steps, scheme="euler"):
  """Returns u and ut after some steps.

  It is compiled once for each shape, dtype and scheme. Ctrl-C is answered after
  the last step.

  Args:
    u, ut, eps, damping, scheme: as for `step`.
    num_steps: int, below 2**31.
  """
  u = tf.convert_to_tensor(u)
  eps, damping = tf.constant(eps, u.dtype), tf.constant(damping, u.dtype)
  return _run(u, ut, eps, damping, tf.constant(num_steps), scheme)


def history(u, eps, damping, num_steps, frame_every, scheme="euler"):
  """Yields (steps done, u, ut): the start at rest, then after some steps each.

  Ctrl-C is answered after at most 1,000 steps, fewer of a large pond.

  Args:
    u: floats [H, W], NumPy.
    eps, damping, scheme: as for `run`.
    num_steps: int.
    frame_every: int, how many steps; the last time it may be fewer.
  """
  most = min(_STEPS_A_CALL, max(1, _CELLS_A_CALL // u.size))
  ut = tf.zeros_like(u)
  yield 0, u, ut
  for done in range(0, num_steps, frame_every):
    steps = min(frame_every, num_steps - done)
    for first in range(0, steps, most):
      call = min(most, steps - first)
      u, ut = run(u, ut, eps, damping, call, scheme)
    yield done + steps, u, ut


def drops(size, num_drops, seed):
  """Returns the height of a pond that some drops have just hit.

  Args:
    size: int, cells along each side.
    num_drops: int; one that falls where another did takes its place.
    seed: int.

  Returns:
    float32 [size, size], NumPy: 0, and in the cells that were hit uniform in
    [0, 1).
  """
  random = np.random.default_rng(seed)
  u = np.zeros([size, size], np.float32)
  for _ in range(num_drops):
    row, column = random.integers(size, size=2)
    u[row, column] = random.random()
  return u


def energy(u, ut):
  """Returns the energy of the water, a float64 scalar that is not negative.

  That is (sum of ut^2 - sum of u * L u) / 2. The equation changes it by
  -damping * (sum of ut^2) per unit of time, so that it can only fall. A step,
  which is not the equation, may raise it; see `modified_energy`.
  """
  u, ut = tf.cast(u, tf.float64), tf.cast(ut, tf.float64)
  return (tf.reduce_sum(ut**2) - tf.reduce_sum(u * laplace(u))) / 2


def modified_energy(u, ut, eps, damping):
  """Returns the energy that steps of semi_implicit never raise.

  It is that of `energy`, plus eps (sum of ut * L u) / 2, minus
  eps damping (sum of ut^2) / 4. A step changes it by exactly
  -eps damping (sum of (old ut + new ut)^2) / 4: multiply both sides of

    new ut - old ut = eps (L u - damping * old ut)

  by old ut + new ut, and note that eps (old ut + new ut) is the new u minus the
  u before the old one. It is positive for eps below `stability.stable_eps`.

  Args:
    u, ut, eps, damping: as for `step`.

  Returns:
    A float64 scalar.
  """
  whole = energy(u, ut)
  u, ut = tf.cast(u, tf.float64), tf.cast(ut, tf.float64)
  mixed = tf.reduce_sum(ut * laplace(u)) / 2
  return whole + eps * mixed - eps * damping * tf.reduce_sum(ut**2) / 4


@tf.function(jit_compile=True, autograph=False)
def _run(u, ut, eps, damping, num_steps, scheme):
  """As `run`, on tensors.

  All the while both arrays have a border of zeros: to give them one in each
  step would take longer than the rest of it.
  """

  def bordered_laplace(u):
    return _with_border(_laplace_inside(u))

  def body(i, u, ut):
    return i + 1, *step(u, ut, eps, damping, scheme, bordered_laplace)

  start = (0, _with_border(u), _with_border(ut))
  _, u, ut = tf.while_loop(lambda i, *_: i < num_steps, body, start)
  return u[1:-1, 1:-1], ut[1:-1, 1:-1]


def _with_border(u):
  return tf.pad(u, [[1, 1], [1, 1]])


def _laplace_inside(u):
  """Returns L u for all cells but those of the border, [H - 2, W - 2]."""
  above_and_below = u[:-2] + u[2:]
  corners = above_and_below[:, :-2] + above_and_below[:, 2:]
  sides = above_and_below[:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
  return 0.5 * corners + sides - 6.0 * u[1:-1, 1:-1]

"""How many steps each point stays near zero: z <- z*z + c, from z = c.

R is the number of rows, C of columns, P of points.

All points take a few steps. Those that have escaped by then, and those that
provably never will, need no more: in the published picture 19 points of 20. The
others are gathered and taken further in rounds, each of five times as many
steps. A round begins at c again, which costs a quarter more steps than going
on, and saves moving the state.

Source: the tutorial "Mandelbrot set" of TensorFlow 1.5, where all points take
all steps.
"""

import os

import numpy as np
import tensorflow as tf

RADIUS = 4.0
# Larger, since the error of a smooth count falls with its square.
SMOOTH_RADIUS = 256.0
# A call is not stopped by Ctrl-C; with so many steps that of a chunk takes two
# seconds in float32 and four in float64.
MAX_STEPS = 500_000

_FIRST_STEPS = 16
# A shorter round would not pay for its call.
_LEAST_STEPS = 200
_GROWTH = 5
# Found by measurement. XLA makes one function of the loop over a tile only
# while its arrays are small; else each step goes through the thread pool.
_TILE = 256
_UNROLLED = 8
# Steps between looks at whether a tile still has a point that stays.
_LOOK_STEPS = 4 * _UNROLLED
# Tiles of one XLA call; calls run side by side.
_CHUNK = 8
# Steps of all points of a call together, about a second; but each processor
# gets a chunk.
_STEPS_PER_CALL = 2**30
# Fills the last tile: escapes at once.
_OUTSIDE = 9.0


def escape_counts(x, y, max_steps, smooth=False, radius=None):
  """Returns how many steps the points stay within the radius.

  In float32 whole counts are those of NumPy for complex64, all of them where
  both have fused multiply-adds: see `_next`. Smooth ones round in another
  order.

  Args:
    x: float32 or float64 [C], real parts of the points, NumPy, within 100 of 0.
    y: imaginary parts [R], of the same dtype.
    max_steps: int in 1..MAX_STEPS, steps to take.
    smooth: whether to give escaped points a fraction, so that there are no
      edges between counts: count - log2(ln|z| / ln 4), where z is the first
      value beyond the radius. It hardly depends on the radius; for 4 it is less
      than the count by about 0 to 1. The points must be within the radius.
    radius: float in 4..256; RADIUS or SMOOTH_RADIUS when not given. Who is
      beyond 4 and further from zero than c never returns.

  Returns:
    float32 [R, C]. Without smooth these are whole numbers, of the steps after
    which |z| < radius; the first step makes c*c + c. Points that have not
    escaped have max_steps.
  """
  if radius is None:
    radius = SMOOTH_RADIUS if smooth else RADIUS
  limits = [tf.constant(limit, x.dtype) for limit in (max_steps, radius**2)]
  counts = _first_counts(x, y, *limits, smooth).numpy()
  flat = counts.reshape(-1)
  steps = _FIRST_STEPS
  live = np.flatnonzero(flat == steps)
  while live.size and steps < max_steps:
    steps = _round_up(min(max(steps * _GROWTH, _LEAST_STEPS), max_steps))
    points = x[live % x.size], y[live // x.size]
    found = _counts(_chunks(points), steps, *limits, smooth)[: live.size]
    flat[live] = found
    live = live[found == steps]
  return counts


def _round_up(steps):
  """Returns the next multiple of the steps that are taken together."""
  return -(-steps // _UNROLLED) * _UNROLLED


def surely_inside(x, y):
  """Returns whether points never escape, as bool; false says nothing.

  These are the two largest parts of the set, of the points whose z comes to
  rest (a cardioid) or swings between two values (a disc). A margin of 0.04 %
  keeps those out that rounding could put on the wrong side of the edge. Near
  -0.75, where both meet, it is enough since no difference here loses digits;
  in the usual form, q + x - 0.25 where q is (x - 0.25)**2 + y**2, one does.
  """
  q = (x - 0.25) ** 2 + y * y
  cardioid = q * ((x + 0.75) * (x - 0.25) + y * y) <= 0.2499 * y * y
  return cardioid | ((x + 1) ** 2 + y * y <= 0.0624)


def _chunks(points):
  """Returns coordinates [2, P] as [chunks, 2, _CHUNK, _TILE], filled up."""
  size = points[0].size
  num_chunks = -(-size // (_CHUNK * _TILE))
  filled = np.full([2, num_chunks * _CHUNK * _TILE], _OUTSIDE, points[0].dtype)
  filled[:, :size] = points
  return filled.reshape(2, num_chunks, _CHUNK, _TILE).swapaxes(0, 1)


def _counts(chunks, steps, *limits_and_smooth):
  """Returns values [P] of chunks, few in a call, for Ctrl-C between them."""
  per_call = max(_STEPS_PER_CALL // (steps * _CHUNK * _TILE), os.cpu_count())
  found = [
    _chunk_counts(chunks[n : n + per_call], np.int32(steps), *limits_and_smooth)
    for n in range(0, len(chunks), per_call)
  ]
  return np.concatenate(found).reshape(-1)


def _next(cr, ci, zr, zi):
  """Takes a step: returns the parts of z*z + c.

  With fused multiply-adds XLA and NumPy's complex product round alike in this
  form, though not with 2 * zr * zi. Without, neither fuses, and they differ in
  a few points at the edge of the set.
  """
  return zr * zr - zi * zi + cr, (zr * zi + zr * zi) + ci


def _step(cr, ci, square_radius, smooth, zr, zi, counts):
  """Takes a step that counts when it ends within the radius."""
  next_zr, next_zi = _next(cr, ci, zr, zi)
  if smooth:
    # Who has left stays there, for `_value`.
    within = zr * zr + zi * zi < square_radius
    next_zr = tf.where(within, next_zr, zr)
    next_zi = tf.where(within, next_zi, zi)
  within = next_zr * next_zr + next_zi * next_zi < square_radius
  return next_zr, next_zi, counts + tf.cast(within, counts.dtype)


def _value(zr, zi, counts, max_steps, square_radius, smooth):
  """Returns counts up to max_steps, float32, smooth ones when asked for."""
  value = counts
  if smooth:
    square = zr * zr + zi * zi
    log2_square = tf.math.log(square) / np.log(2)
    value -= tf.where(
      square < square_radius,
      tf.zeros_like(square),
      tf.math.log(log2_square / 4) / np.log(2),
    )
  # Not min(value, max_steps): a smooth one can be just below, though later.
  value = tf.where(counts < max_steps, value, max_steps)
  return tf.cast(value, tf.float32)


@tf.function(jit_compile=True)
def _first_counts(x, y, max_steps, square_radius, smooth):
  """Returns [R, C]: values after the first steps, max_steps if inside."""
  shape = [y.shape[0], x.shape[0]]
  cr, ci = tf.broadcast_to(x, shape), tf.broadcast_to(y[:, tf.newaxis], shape)
  state = cr, ci, tf.zeros_like(cr)
  for _ in range(_FIRST_STEPS):
    state = _step(cr, ci, square_radius, smooth, *state)
  value = _value(*state, max_steps, square_radius, smooth)
  return tf.where(surely_inside(cr, ci), tf.cast(max_steps, tf.float32), value)


# Not traced again for each number of chunks.
@tf.function(reduce_retracing=True)
def _chunk_counts(chunks, *args):
  """Returns values [chunks, _CHUNK, _TILE], of chunks side by side."""
  return tf.map_fn(
    lambda chunk: _tile_counts(chunk, *args),
    chunks,
    fn_output_signature=tf.float32,
  )


@tf.function(jit_compile=True)
def _tile_counts(chunk, steps, *limits_and_smooth):
  """Returns values [_CHUNK, _TILE] of points [2, _CHUNK, _TILE]."""
  return tf.map_fn(
    lambda tile: _tile_values(*tile, steps, *limits_and_smooth),
    (chunk[0], chunk[1]),
    fn_output_signature=tf.float32,
  )


def _tile_values(cr, ci, steps, max_steps, square_radius, smooth):
  """Returns values [_TILE] after so many steps, a multiple of _UNROLLED."""

  def some_steps(step, *state):
    for _ in range(_UNROLLED):
      state = _step(cr, ci, square_radius, smooth, *state)
    return step + _UNROLLED, *state

  def steps_and_look(step, _, *state):
    stop = tf.minimum(step + _LOOK_STEPS, steps)
    step, *state = tf.while_loop(
      lambda step, *_: step < stop, some_steps, (step, *state)
    )
    stays = tf.reduce_max(state[-1]) >= tf.cast(step, state[-1].dtype)
    return step, stays, *state

  _, _, *state = tf.while_loop(
    lambda step, stays, *_: stays & (step < steps),
    steps_and_look,
    (0, True, cr, ci, tf.zeros_like(cr)),
  )
  return _value(*state, max_steps, square_radius, smooth)

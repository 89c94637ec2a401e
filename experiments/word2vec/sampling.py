"""Random classes to contrast with the true ones, drawn without a state.

V is the number of classes, S that of samples. A distribution is given by its
cumulative sums, float64 [V], of which the last is 1; the chance of class i is
`cumulative[i] - cumulative[i - 1]`. They are eager tensors: a traced function
refers to them, and has no copy in its graph.
"""

import tensorflow as tf


def log_uniform(num_classes):
  """Returns the cumulative sums of Zipf's law, by which nce_loss samples.

  Class i has the chance log((i + 2) / (i + 1)) / log(V + 1), so that classes
  must come by descending frequency. Source: LogUniformSampler of TensorFlow.

  Args:
    num_classes: int, V.
  """
  with tf.init_scope(), tf.device("cpu:0"):
    logs = tf.math.log(tf.range(2, num_classes + 2, dtype=tf.float64))
    return logs / logs[-1]


def power_law(counts, power):
  """Returns the cumulative sums of counts raised to a power.

  Args:
    counts: int [V], how often each class occurs; one at least is positive.
    power: float; 0.75 is that of Mikolov et al. 2013, arXiv:1310.4546.
  """
  with tf.init_scope(), tf.device("cpu:0"):
    counts = tf.cast(counts, tf.float64)
    weights = tf.where(counts > 0, counts**power, 0.0)
    sums = tf.cumsum(weights)
    return sums / sums[-1]


def unique_samples(cumulative, num_sampled, seed):
  """Draws classes until a number of different ones is found.

  Args:
    cumulative: float64 [V]; see the module's docstring.
    num_sampled: int, S; at most the number of classes that have a chance.
    seed: int32 or int64 [2]; the same seed gives the same samples.

  Returns:
    ids: int32 [S], different classes in the order in which they were drawn.
    num_tries: int64 scalar, the draws that it took, at least S.

  Raises:
    ValueError: fewer than S classes have a chance.
  """
  _check_enough(cumulative, num_sampled)
  # Twice as many are nearly always enough: 64 of 50,000 log-uniform classes
  # take 76 draws on average.
  size = 2 * num_sampled

  def draw(round_number):
    round_seed = tf.random.fold_in(seed, round_number)
    numbers = tf.random.stateless_uniform([size], round_seed, dtype=tf.float64)
    return tf.searchsorted(cumulative, numbers, side="right")

  def first_of_each(drawn):
    ids, places = tf.unique(drawn)
    return drawn, ids, places

  def too_few(round_number, drawn, ids, places):
    return tf.size(ids) < num_sampled

  def draw_more(round_number, drawn, ids, places):
    drawn = tf.concat([drawn, draw(round_number)], axis=0)
    return round_number + 1, *first_of_each(drawn)

  _, _, ids, places = tf.while_loop(
    too_few,
    draw_more,
    (tf.constant(1), *first_of_each(draw(0))),
    shape_invariants=(tf.TensorShape([]), *[tf.TensorShape([None])] * 3),
  )
  last = tf.argmax(places == num_sampled - 1)  # the first draw of the last one
  return tf.ensure_shape(ids[:num_sampled], [num_sampled]), last + 1


def expected_counts(cumulative, ids, num_tries):
  """Returns the chance of classes to be among samples without repeats.

  It is that of TensorFlow's candidate samplers for `unique=True`, except that
  they give num_tries * p where no draw was a repeat.

  Args:
    cumulative: float64 [V].
    ids: int32 or int64, of any shape.
    num_tries: int64 scalar, as `unique_samples` gives it.

  Returns:
    float32 of the shape of ids: 1 - (1 - p)^num_tries.
  """
  below = tf.where(ids > 0, tf.gather(cumulative, tf.maximum(ids - 1, 0)), 0)
  chance = tf.gather(cumulative, ids) - below
  tries = tf.cast(num_tries, tf.float64)
  return tf.cast(-tf.math.expm1(tries * tf.math.log1p(-chance)), tf.float32)


def _check_enough(cumulative, num_sampled):
  """Makes sure that the draws come to an end."""
  with tf.init_scope():
    chances = cumulative - tf.concat([[0.0], cumulative[:-1]], axis=0)
    num_classes = int(tf.math.count_nonzero(chances > 0))
  if num_sampled > num_classes:
    raise ValueError(
      "there must be at least as many classes that can be drawn as samples, "
      f"which all differ; got {num_classes} classes and {num_sampled} samples. "
      f"Sample at most {num_classes}."
    )

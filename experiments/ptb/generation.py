"""Text from a language model: it says what may come next, and one is drawn.

B rows, T words of the prompt, V words of the vocabulary.
"""

import tensorflow as tf

# So cold that no word but the likeliest is drawn, unless it is as likely.
_COLD = 1e-6


def generate(step, state, words, num_words, temperature=1.0, top_k=0, seed=0):
  """Returns words that go on with a prompt, drawn one after another.

  The same model, prompt and arguments give the same words; a row's words do not
  depend on how many rows come after it.

  Args:
    step: function (ids int32 [B, T], state) -> (logits float32 [B, V] of the
      next word, state). It is called with the prompt, then with T = 1.
    state: tensors that `step` takes, of any structure.
    words: int32 [B, T], the prompt; T is at least 1.
    num_words: int, how many words to draw; at least 1.
    temperature: float, what the logits are divided by: below 1 likely words
      are drawn more often than the model has it, at 0 always the likeliest.
    top_k: int, draw from so many of the likeliest words; 0 for all.
    seed: int, of what is drawn.

  Returns:
    int32 [B, num_words].

  Raises:
    ValueError: a number is out of range.
  """
  _check(num_words, temperature, top_k)

  def draw(logits, place):
    seeds = tf.stack([tf.constant(seed, tf.int64), tf.cast(place, tf.int64)])
    return _drawn(logits, temperature, top_k, seeds)

  def go_on(place, ids, state, found):
    logits, state = step(ids[:, None], state)
    ids = draw(logits, place)
    return place + 1, ids, state, found.write(place, ids)

  logits, state = step(words, state)
  ids = draw(logits, 0)
  found = tf.TensorArray(tf.int32, num_words, element_shape=ids.shape)
  *_, found = tf.while_loop(
    lambda place, *_: place < num_words,
    go_on,
    (tf.constant(1), ids, state, found.write(0, ids)),
  )
  return tf.ensure_shape(tf.transpose(found.stack()), [*ids.shape, num_words])


def _drawn(logits, temperature, top_k, seeds):
  """Returns a word for each row of logits [B, V]: int32 [B]."""
  if temperature < _COLD:
    return tf.argmax(logits, axis=1, output_type=tf.int32)
  if not top_k:
    return _sample(logits / temperature, seeds)
  # By their ids: a comparison with the k-th would let its equals in.
  k = tf.minimum(top_k, tf.shape(logits)[1])
  logits, ids = tf.math.top_k(logits, k)
  return tf.gather(ids, _sample(logits / temperature, seeds), batch_dims=1)


def _sample(logits, seeds):
  """Returns a column for each row, as likely as softmax(logits): int32 [B]."""
  found = tf.random.stateless_categorical(logits, 1, seeds, dtype=tf.int32)
  return found[:, 0]


def _check(num_words, temperature, top_k):
  if num_words < 1:
    raise ValueError(
      f"num_words must be at least 1, the word after the prompt; got "
      f"{num_words}."
    )
  if not 0 <= temperature < float("inf"):
    raise ValueError(
      "temperature must be a number of at least 0 (the likeliest word; 1: as "
      f"the model has it); got {temperature}."
    )
  if top_k < 0:
    raise ValueError(f"top_k must be at least 0 (all words); got {top_k}.")

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from experiments.ptb import generation

V = 5
# What comes after each word: a chain whose most likely path is 0 1 2 3 4 0 ...
LOGITS = np.full([V, V], -2.0, np.float32)
for word in range(V):
  LOGITS[word, (word + 1) % V] = 1.0
  LOGITS[word, (word + 2) % V] = 0.5


def chain(ids, state):
  """A model that remembers one word, and counts those that it has seen."""
  count, calls = state
  state = count + tf.shape(ids)[1], calls + 1
  return tf.gather(tf.constant(LOGITS), ids[:, -1]), state


def drawn(num_words=8, words=((0,),), step=chain, graph=True, **settings):
  state = tf.constant(0), tf.constant(0)

  def run(words):
    return generation.generate(step, state, words, num_words, **settings)

  run = tf.function(run, autograph=False) if graph else run
  return run(tf.constant(words)).numpy()


class GenerateTest(tf.test.TestCase, parameterized.TestCase):
  def test_at_temperature_0_the_likeliest_is_taken(self):
    words = drawn(7, [[0], [3]], temperature=0)
    self.assertEqual(words.dtype, np.int32)
    self.assertAllEqual(words, [[1, 2, 3, 4, 0, 1, 2], [4, 0, 1, 2, 3, 4, 0]])

  def test_one_of_the_likeliest_is_the_likeliest(self):
    self.assertAllEqual(drawn(top_k=1), drawn(temperature=0))

  def test_a_very_low_temperature_is_like_0(self):
    for temperature in (1e-30, 2e-6, 0.01):
      self.assertAllEqual(drawn(temperature=temperature), drawn(temperature=0))

  def test_the_prompt_is_read_at_once_and_the_last_word_not_at_all(self):
    seen = []

    def step(ids, state):
      seen.append(ids.numpy().tolist())
      return chain(ids, state)

    words = drawn(3, [[4, 2, 0]], step, graph=False, temperature=0)
    self.assertAllEqual(words, [[1, 2, 3]])
    self.assertEqual(seen, [[[4, 2, 0]], [[1]], [[2]]])

  def test_the_state_is_handed_on(self):
    def count(ids, state):
      """The next word is the number of the words before it."""
      state = state[0] + tf.shape(ids)[1], state[1]
      logits = tf.one_hot(tf.repeat(state[0], tf.shape(ids)[0]), V)
      return logits, state

    words = drawn(3, [[4, 4], [1, 0]], count, temperature=0)
    self.assertAllEqual(words, [[2, 3, 4], [2, 3, 4]])

  def test_a_graph_and_python_draw_the_same(self):
    self.assertAllEqual(drawn(20, graph=True), drawn(20, graph=False))

  def test_a_static_shape(self):
    function = tf.function(
      lambda words: generation.generate(
        chain, (tf.constant(0), tf.constant(0)), words, 6
      ),
      autograph=False,
    )
    traced = function.get_concrete_function(tf.TensorSpec([2, None], tf.int32))
    self.assertEqual(traced.output_shapes, [2, 6])

  def test_the_seed_and_the_place_decide(self):
    first = drawn(30, seed=1)
    self.assertAllEqual(first, drawn(30, seed=1))
    self.assertAllEqual(first[:, :10], drawn(10, seed=1))
    self.assertNotAllEqual(first, drawn(30, seed=2))
    self.assertNotAllEqual(first, drawn(30, seed=1 + 2**32))
    # Were the place not in the seed, equal words would be followed by equal.
    followers = {(a, b) for a, b in zip(first[0], first[0][1:], strict=False)}
    self.assertGreater(len(followers), len(set(first[0])))

  def test_rows_differ_and_do_not_depend_on_those_after(self):
    words = drawn(30, [[0]] * 3)
    self.assertNotAllEqual(words[0], words[1])
    self.assertAllEqual(words[:1], drawn(30, [[0]]))

  @parameterized.parameters(
    (1.0, 0), (0.5, 0), (3.0, 0), (1.0, 2), (0.5, 3), (1.0, 50)
  )
  def test_shares_of_words(self, temperature, top_k):
    rows = 4000
    words = drawn(1, [[0]] * rows, temperature=temperature, top_k=top_k, seed=5)
    shares = np.bincount(words[:, 0], minlength=V) / rows
    logits = LOGITS[0] / temperature
    # 1 and 2 are the likeliest; of the equal others the lower ids come first.
    kept = [1, 2, 0, 3, 4][: top_k or None]
    expected = np.zeros(V)
    expected[kept] = np.exp(logits[kept]) / np.exp(logits[kept]).sum()
    self.assertAllClose(shares, expected, atol=0.03)
    self.assertAllEqual(shares[expected == 0], expected[expected == 0])

  @parameterized.parameters(
    (dict(num_words=0), "num_words must be at least 1, .*; got 0"),
    (dict(temperature=-0.1), "temperature must be .* at least 0.*; got -0.1"),
    (dict(temperature=float("nan")), "temperature must be .*; got nan"),
    (dict(temperature=float("inf")), "temperature must be .*; got inf"),
    (dict(top_k=-1), r"top_k must be at least 0 \(all words\); got -1"),
  )
  def test_numbers_out_of_range_are_refused(self, settings, message):
    with self.assertRaisesRegex(ValueError, message):
      drawn(**settings)


if __name__ == "__main__":
  tf.test.main()

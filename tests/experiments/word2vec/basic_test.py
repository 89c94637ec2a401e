import collections
import contextlib
import io

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  RunConfig,
  distribution_strategy,
  once,
)
from estimators.objects import Objects
from experiments.word2vec import basic, basic_reports, sampling
from input_pipelines import word2vec_basic
from tests.estimators.helpers import new_folder, scalars

Corpus = collections.namedtuple("Corpus", "words counts ids")
NUM_WORDS = 30
DIM = 8


def random_corpus():
  """Returns the Corpus of 30 words in random order, w1 the most common."""
  rng = np.random.default_rng(1)
  ids = (NUM_WORDS * rng.random(4000) ** 2).astype(np.int32)
  counts = np.bincount(ids, minlength=NUM_WORDS).astype(np.int32)
  words = ["UNK", *(f"w{i}" for i in range(1, NUM_WORDS))]
  return Corpus(tf.constant(words), tf.constant(counts), tf.constant(ids))


CORPUS = random_corpus()
PAIRS = word2vec_basic.batches(CORPUS.ids, batch_size=16)


@once
def emb():
  return tf.Variable(tf.random.uniform([NUM_WORDS, DIM], -1, 1))


def model_fn(features, mode, params):
  loss, train_op = basic.loss_and_train_op(
    emb(), features, num_sampled=5, report_steps=4, nearest_steps=10, **params
  )
  return EstimatorSpec(mode, loss=loss, train_op=train_op)


def estimator_of(model_dir=None, strategy="off", **params):
  strategy = distribution_strategy(strategy)
  config = RunConfig(
    tf_random_seed=3, save_summary_steps=1, train_distribute=strategy
  )
  return Estimator(model_fn, model_dir or new_folder(), config, params)


def train(estimator, max_steps):
  """Trains; returns the lines that were printed."""
  hooks = basic_reports.hooks(CORPUS, PAIRS, 0, 4, 10)
  with contextlib.redirect_stdout(io.StringIO()) as out:
    estimator.train(lambda: PAIRS, hooks, max_steps=max_steps)
  return out.getvalue().splitlines()


def values_of(estimator):
  return {
    name: estimator.get_variable_value(name)
    for name in estimator.get_variable_names()
  }


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def reference_step(emb, weights, biases, pairs, sampled, chances, rate):
  """Returns (loss, emb, weights, biases) after a step, one pair at a time.

  Args:
    emb, weights: float64 [V, D].
    biases: float64 [V].
    pairs: list of (example, label).
    sampled: ids of the sampled words.
    chances: float64 [V], of each word to be sampled.
    rate: float.
  """
  new = [emb.copy(), weights.copy(), biases.copy()]
  loss = 0
  for example, label in pairs:
    for word, true in [(label, 1), *((word, 0) for word in sampled)]:
      logit = emb[example] @ weights[word] + biases[word]
      p = sigmoid(logit - np.log(chances[word]))
      loss -= np.log(p if true else 1 - p) / len(pairs)
      change = rate * (true - p) / len(pairs)
      new[0][example] += change * weights[word]
      new[1][word] += change * emb[example]
      new[2][word] += change
  return loss, *new


class StepTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(1.0, 0.25)
  def test_a_step_is_that_of_one_pair_at_a_time(self, rate):
    estimator = estimator_of(learning_rate=rate)
    train(estimator, 2)
    before = values_of(estimator)
    train(estimator, 3)
    after = values_of(estimator)

    cumulative = sampling.log_uniform(NUM_WORDS)
    sampled, num_tries = sampling.unique_samples(
      cumulative, 5, tf.constant([0, 2], tf.int64)
    )
    chances = np.diff(cumulative.numpy(), prepend=0)
    chances = 1 - (1 - chances) ** float(num_tries)
    batch = list(PAIRS.take(3))[2]
    pairs = np.stack([batch["examples"], batch["labels"]], axis=1).tolist()
    self.assertLess(len({a for a, _ in pairs}), 8)  # Words come twice, and
    self.assertNotEmpty({b for _, b in pairs} & {*sampled.numpy()})  # as both.
    loss, *expected = reference_step(
      *(before[name].astype(np.float64) for name in VARIABLES),
      pairs,
      sampled.numpy(),
      chances,
      rate,
    )
    for name, value in zip(VARIABLES, expected, strict=True):
      self.assertAllClose(after[name], value, rtol=1e-5, atol=1e-6)
      self.assertNotAllClose(before[name], value, rtol=1e-3, atol=1e-3)
    losses = scalars(estimator.model_dir)["loss"]
    self.assertAllClose(losses[2], loss, rtol=1e-5)

  @pytest.mark.slow
  def test_two_devices_are_like_one(self):
    one, two = estimator_of(), estimator_of(strategy="mirrored")
    lines = [
      [x for x in train(estimator, 5) if x.startswith("Average")]
      for estimator in (one, two)
    ]
    self.assertLen(lines[0], 2)
    for a, b in zip(*lines, strict=True):
      numbers = [float(line.rsplit(" ", 1)[1]) for line in (a, b)]
      self.assertAllClose(*numbers, rtol=1e-5)
    values = values_of(two)
    self.assertEqual(values.keys(), values_of(one).keys())
    for name, value in values_of(one).items():
      self.assertAllClose(values[name], value, rtol=1e-5, atol=1e-6)

  def test_first_values(self):
    objects = Objects(seed=1)
    with objects.active():
      weights = basic.nce_weights(1000, 16).numpy()
      biases = basic.nce_biases(1000).numpy()
    # Truncated at two standard deviations; that leaves 0.8796 of one.
    self.assertAllClose(weights.std(), 0.8796 / 4, rtol=0.02)
    self.assertBetween(np.abs(weights).max(), 0.49, 0.5)
    self.assertAllEqual(biases, np.zeros(1000))

  def test_the_mean_loss_is_that_of_the_sampler_of_tensorflow(self):
    rng = np.random.default_rng(0)
    vectors, weights = (
      tf.Variable(rng.standard_normal([200, DIM]).astype(np.float32))
      for _ in range(2)
    )
    biases = tf.Variable(rng.standard_normal(200).astype(np.float32))
    labels = tf.constant([3, 0, 190, 25])
    features = {"examples": tf.constant([1, 0, 7, 199]), "labels": labels}

    @tf.function(autograph=False)
    def theirs():
      return tf.reduce_mean(
        tf.nn.nce_loss(
          weights,
          biases,
          tf.cast(labels[:, None], tf.int64),
          tf.gather(vectors, features["examples"]),
          num_sampled=16,
          num_classes=200,
        )
      )

    @tf.function(autograph=False)
    def ours():
      with objects.active():
        objects.global_step.assign_add(1)
        return basic.nce_loss(vectors, weights, biases, features, 16, seed=0)

    objects = Objects()
    tf.random.set_seed(1)
    means, errors = [], []
    for loss in (ours, theirs):
      losses = np.array([loss() for _ in range(1500)])
      self.assertGreater(losses.std(), 0.1)
      means.append(losses.mean())
      errors.append(losses.std() / len(losses) ** 0.5)
    self.assertLess(abs(means[0] - means[1]), 4 * np.linalg.norm(errors))
    self.assertLess(errors[0], 0.01 * means[0])

  def test_too_small_a_vocabulary_is_refused(self):
    vectors = tf.Variable(tf.zeros([4, 2]))
    with Objects().active(), self.assertRaisesRegex(ValueError, "at most 4"):
      basic.loss_and_train_op(vectors, {}, num_sampled=5)


class ReportsTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.estimator = estimator_of()
    cls.lines = train(cls.estimator, 21)
    cls.losses = scalars(cls.estimator.model_dir)["loss"]

  def averages(self):
    return {0: self.losses[0]} | {
      last: np.mean([self.losses[i] for i in range(last - 3, last + 1)])
      for last in (4, 8, 12, 16, 20)
    }

  def test_the_corpus_is_shown_first(self):
    counts = CORPUS.counts.numpy().tolist()
    ids = CORPUS.ids.numpy().tolist()
    words = ["UNK", *(f"w{i}" for i in range(1, NUM_WORDS))]
    self.assertEqual(self.lines[0], "Data size 4000")
    self.assertEqual(
      self.lines[1],
      f"Most common words (+UNK) [('UNK', {counts[0]}), ('w1', {counts[1]}), "
      f"('w2', {counts[2]}), ('w3', {counts[3]}), ('w4', {counts[4]})]",
    )
    ten = [words[i] for i in ids[:10]]
    self.assertEqual(self.lines[2], f"Sample data {ids[:10]} {ten}")
    # Both neighbours of the words 1, 2, 3 and 4, one after the other.
    expected = [
      f"{ids[i]} {words[ids[i]]} -> {ids[j]} {words[ids[j]]}"
      for i in range(1, 5)
      for j in (i - 1, i + 1)
    ]
    for i in range(0, 8, 2):
      self.assertCountEqual(self.lines[3 + i : 5 + i], expected[i : i + 2])
    self.assertEqual(self.lines[11], "Initialized")

  def test_average_losses(self):
    lines = [x for x in self.lines if x.startswith("Average")]
    self.assertLen(lines, 6)
    for line, (step, mean) in zip(lines, self.averages().items(), strict=True):
      begin = f"Average loss at step  {step} :  "
      self.assertStartsWith(line, begin)
      self.assertAllClose(float(line.removeprefix(begin)), mean, rtol=1e-5)

  def test_average_losses_are_summaries(self):
    self.assertAllClose(
      scalars(self.estimator.model_dir)["average_loss"],
      self.averages(),
      rtol=1e-5,
    )

  def test_the_last_average_loss_is_a_result(self):
    self.assertAllClose(
      basic_reports.average_loss(estimator_of(self.estimator.model_dir)),
      self.averages()[20],
      rtol=1e-5,
    )

  def test_nearest_words(self):
    lines = [x for x in self.lines if x.startswith("Nearest")]
    self.assertLen(lines, 3 * 16)
    vectors = self.estimator.get_variable_value("emb")  # those of step 20
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    words = ["UNK", *(f"w{i}" for i in range(1, NUM_WORDS))]
    shown = []
    for line in lines[-16:]:
      word, found = line.removeprefix("Nearest to ").split(": ")
      shown.append(word)
      order = np.argsort(-units @ units[words.index(word)])
      self.assertEqual(found.split(", "), [words[i] for i in order[1:9]])
    self.assertLen(set(shown), 16)
    self.assertNotIn("UNK", shown)
    for other in (lines[:16], lines[16:32]):
      self.assertEqual([x.split(": ")[0] for x in other],
                       [f"Nearest to {word}" for word in shown])  # fmt: skip

  @pytest.mark.slow
  def test_an_interrupted_run_ends_with_the_same_bits(self):
    folder = new_folder()
    first = train(estimator_of(folder), 6)
    second = train(estimator_of(folder), 21)
    expected = values_of(self.estimator)
    found = values_of(estimator_of(folder))
    self.assertEqual(found.keys(), expected.keys())
    for name, value in expected.items():
      self.assertAllEqual(found[name], value, name)
    reports = [x for x in first + second if x.startswith(("Aver", "Near"))]
    self.assertEqual(reports, self.lines[12:])

  def test_shown_words_of_a_small_vocabulary(self):
    self.assertAllEqual(np.sort(basic.shown_words(4, seed=2)), [1, 2, 3])
    self.assertEqual(basic.num_nearest(4), 4)

  def test_shown_words_are_among_the_hundred_most_common(self):
    found = np.concatenate([basic.shown_words(5000, s) for s in range(200)])
    self.assertEqual((found.min(), found.max()), (1, 100))
    self.assertLen(set(basic.shown_words(5000, 7).numpy()), 16)
    self.assertNotAllEqual(
      basic.shown_words(5000, 1), basic.shown_words(5000, 2)
    )


class LearningTest(tf.test.TestCase):
  @pytest.mark.slow
  def test_words_with_the_same_neighbours_become_near(self):
    # `a` and `b` both stand between x and y, `c` and `d` between u and v.
    rng = np.random.default_rng(0)
    words = "UNK a b c d x y u v".split()
    phrases = ["x a y", "x b y", "u c v", "u d v"]
    text = " ".join(phrases[i] for i in rng.integers(4, size=2000)).split()
    ids = np.array([words.index(word) for word in text], np.int32)

    @once
    def emb():
      return tf.Variable(tf.random.uniform([len(words), DIM], -1, 1))

    def model_fn(features, mode):
      loss, train_op = basic.loss_and_train_op(emb(), features, num_sampled=3)
      return EstimatorSpec(mode, loss=loss, train_op=train_op)

    estimator = Estimator(model_fn, new_folder(), RunConfig(tf_random_seed=1))
    pairs = word2vec_basic.batches(ids)
    estimator.train(lambda: pairs, steps=1500)
    vectors = estimator.get_variable_value("emb")
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T - 2 * np.eye(len(words))
    for word, other in ("ab", "ba", "cd", "dc"):
      nearest = words[np.argmax(cosines[words.index(word)])]
      self.assertEqual(nearest, other)


VARIABLES = ("emb", "nce_weights", "nce_biases")

if __name__ == "__main__":
  tf.test.main()

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import ModeKeys
from estimators.objects import Objects
from experiments.word2vec import inputs, model
from experiments.word2vec.config import model_params, published
from tests.experiments.word2vec import texts

VOCAB_SIZE = 20 + 1  # the invented words, and UNK


def config_of(name, **changes):
  changes = (
    dict(train_data=texts.topics(), embedding_size=4, num_neg_samples=8)
    | changes
  )
  return published(name, **changes)


def train(config, num_steps=1):
  """Takes steps eagerly; returns the objects' variables by name."""
  text = inputs.load(config)
  model_fn = model.model_fn_of(config, text)
  if config.model == "basic":
    dataset = inputs.basic_dataset(config, text)
  else:
    dataset = inputs.epoch_dataset(config, text, 0)
  objects = Objects(seed=1)

  @tf.function(autograph=False)
  def step(features):
    with objects.active():
      params = model_params(config)
      spec = model_fn(features, None, ModeKeys.TRAIN, params, None)
    objects.global_step.assign_add(1)
    return spec.loss

  for features in dataset.take(num_steps):
    step(features)
  return objects.variables()


class VariablesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    ("batched", {"emb", "sm_w_t", "sm_b"}),
    ("optimized", {"emb", "sm_w_t"}),
    ("basic", {"emb", "nce_weights", "nce_biases"}),
  )
  def test_names_and_shapes(self, name, expected):
    found = train(config_of(name))
    others = {"words_processed", "global_step"}
    others |= {n for n in found if n.startswith("average_loss/")}
    self.assertEqual(set(found) - others, expected)
    for variable in expected:
      shape = [VOCAB_SIZE] if "_b" in variable else [VOCAB_SIZE, 4]
      self.assertEqual(found[variable].shape, shape)

  @parameterized.parameters(
    ("batched", 0.125), ("optimized", 0.125), ("basic", 1.0)
  )
  def test_vectors_begin_uniform(self, name, bound):
    # At a rate of zero they stay what they were.
    found = train(config_of(name, learning_rate=0.0))
    vectors = found["emb"].numpy()
    self.assertLess(np.abs(vectors).max(), bound)
    self.assertGreater(vectors.max(), 0.9 * bound)
    self.assertLess(vectors.min(), -0.9 * bound)
    if name != "basic":
      self.assertAllEqual(found["sm_w_t"], np.zeros([VOCAB_SIZE, 4]))

  def test_words_processed(self):
    def words(name, **changes):
      found = train(config_of(name, **changes), num_steps=3)
      return int(found["words_processed"])

    self.assertEqual(words("optimized", batch_size=2), 6000)
    self.assertEqual(words("basic", batch_size=10, num_skips=2), 15)
    # Of each of three parts 20 pairs, which are those of 11 words.
    self.assertEqual(
      words("batched", window_size=1, batch_size=20, subsample=0.0), 33
    )


class ScheduleTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.config = published("batched", epochs_to_train=10, learning_rate=0.5)
    self.text = inputs.Text("", None, [], 100, None)

  def rate(self, words):
    words = tf.constant(words, tf.int64)
    return model.decayed(self.config, self.text, words)

  def test_it_falls_linearly_to_its_floor(self):
    self.assertAllClose(
      self.rate([0, 250, 500, 999, 1000, 2000]),
      [0.5, 0.375, 0.25, 0.0005, 0.00005, 0.00005],
      rtol=1e-5,
      atol=0,
    )

  def test_it_is_exact_in_long_texts(self):
    self.text = self.text._replace(num_words=10**9)
    self.assertAllClose(self.rate(10**10 - 10**7), 0.0005, rtol=1e-4, atol=0)


class StepsTest(tf.test.TestCase, parameterized.TestCase):
  def test_settings_change_what_is_learned(self):
    self.check_settings("optimized", {"kernel": "pairs"})

  @parameterized.parameters(
    ("batched", {}),
    ("optimized", {"concurrent_steps": 1, "batch_size": 1}),
    ("basic", {}),
  )
  @pytest.mark.slow
  def test_settings_change_what_is_learned_slowly(self, name, changes):
    self.check_settings(name, changes)

  def check_settings(self, name, changes):
    def vectors(**more):
      return train(config_of(name, **changes | more), 3)["emb"].numpy()

    first = vectors()
    self.assertAllEqual(vectors(), first)
    for more in (dict(seed=8), dict(num_neg_samples=2), dict(learning_rate=3)):
      self.assertNotAllClose(vectors(**more), first, msg=more)
    if name != "basic":
      self.assertNotAllClose(vectors(epochs_to_train=1), first, atol=1e-9)


if __name__ == "__main__":
  tf.test.main()

"""The exported model: read word by word or whole, the same comes out."""

import os

import numpy as np
import tensorflow as tf

from experiments.ptb import serving, vocabulary
from input_pipelines import ptb
from tests.estimators import helpers
from tests.experiments.ptb import tiny

WORDS = ("<eos>", "<unk>", "the", "cat", "sat", "on", "mat")


class ServingTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.trained = tiny.estimator(learning_rate=0.5)
    vocabulary.write(cls.trained.model_dir, WORDS)
    cls.trained.train(ptb.train_input_fn(tiny.text(100), 2, 4), steps=20)
    cls.path = serving.export_model(cls.trained, helpers.new_folder())
    # A signature does not keep its model alive.
    cls.model = tf.saved_model.load(cls.path)
    cls.step = cls.model.signatures["serving_default"]

  def test_whole_lines(self):
    # The cat sat on <an unknown word> is read as ids 2 3 4 5 1.
    lines = [["the", "cat", "sat", "on", "Tuesday"], ["mat"] * 5]
    ids = np.array([[2, 3, 4, 5, 1], [6] * 5]).T
    found = self.step(words=tf.constant(lines), state=tf.zeros([2, 2, 2, 3]))
    values = tiny.variables(self.trained)
    losses = tiny.word_losses(values, ids[:-1], ids[1:])
    self.assertAllClose(found["log_probabilities"], -losses.T, atol=1e-5)
    for word in range(len(WORDS)):
      targets = np.concatenate([ids[1:], [[word, word]]])
      losses = tiny.word_losses(values, ids, targets)
      log_p = tf.nn.log_softmax(found["logits"])[:, word]
      self.assertAllClose(log_p, -losses[-1], atol=1e-5)

  def test_word_by_word(self):
    words = tf.constant([["the", "mat", "sat"], ["on", "on", "<eos>"]])
    generator = np.random.default_rng(0)
    state = tf.constant(generator.normal(size=[2, 2, 2, 3]), tf.float32)
    whole = self.step(words=words, state=state)
    for t in range(3):
      found = self.step(words=words[:, t : t + 1], state=state)
      state = found["state"]
      self.assertEqual(found["log_probabilities"].shape, (2, 0))
      if t < 2:
        ids = [WORDS.index(w.decode()) for w in words[:, t + 1].numpy()]
        log_p = tf.nn.log_softmax(found["logits"]).numpy()[[0, 1], ids]
        self.assertAllClose(whole["log_probabilities"][:, t], log_p, atol=1e-5)
    self.assertAllClose(state, whole["state"], atol=1e-6)
    self.assertAllClose(found["logits"], whole["logits"], atol=1e-5)

  def test_it_needs_no_ops_of_ours(self):
    graph = self.step.graph.as_graph_def()
    ops = {node.op for node in graph.node}
    for function in graph.library.function:
      ops |= {node.op for node in function.node_def}
    self.assertIn("LookupTableFindV2", ops)
    self.assertEmpty([op for op in ops if op.startswith("Estimators")])

  def test_the_vocabulary_is_an_asset(self):
    with open(os.path.join(self.path, "assets", "vocab.txt")) as file:
      self.assertEqual(tuple(file.read().split()), WORDS)


if __name__ == "__main__":
  tf.test.main()

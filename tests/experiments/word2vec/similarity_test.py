import os

import numpy as np
import tensorflow as tf
from gensim.models import KeyedVectors

from estimators import Estimator, ModeKeys, once
from experiments.word2vec import similarity
from input_pipelines import analogies

# Directions in a plane, at 0, 45, 90, 135 and again 45 degrees, and one across.
PLANE = np.array(
  [[0, 0, 1], [1, 0, 0], [1, 1, 0], [0, 1, 0], [-1, 1, 0], [2, 2, 0]],
  np.float32,
)


def units(vectors):
  return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def best_of_four(emb, questions):
  """The published rule: the first of the best four that is none of the three.

  Also returns how far each is ahead of the next: what is closer than rounding
  is not to be compared.
  """
  n = units(emb.astype(np.float64))
  found, leads = [], []
  for a, b, c in questions:
    cosines = n @ (n[b] - n[a] + n[c])
    four = np.argsort(-cosines, kind="stable")[:4]
    found.append(next(i for i in four if i not in (a, b, c)))
    others = np.sort(np.delete(cosines, [a, b, c]))
    leads.append(others[-1] - others[-2])
  return np.array(found), np.array(leads)


class NearestTest(tf.test.TestCase):
  def test_by_hand(self):
    cosines, ids = similarity.nearest(PLANE, [[3.0, 3, 0], [0, 0, -2]], 3)
    half = np.sqrt(0.5)
    self.assertAllEqual(ids[0], [2, 5, 1])  # of equals the lower one first
    self.assertAllClose(cosines[0], [1, 1, half])
    self.assertAllEqual(ids[1], [1, 2, 3])
    self.assertAllClose(cosines[1], [0, 0, 0])
    self.assertEqual(ids.dtype, tf.int32)

  def test_by_numpy(self):
    random = np.random.RandomState(0)
    emb = random.randn(300, 20).astype(np.float32)
    vectors = random.randn(7, 20).astype(np.float32)
    cosines, ids = similarity.nearest(tf.Variable(emb), vectors, 300)
    expected = units(vectors) @ units(emb).T
    self.assertAllClose(cosines, -np.sort(-expected), atol=1e-6)
    self.assertAllClose(np.take_along_axis(expected, ids.numpy(), 1), cosines)

  def test_zeros_are_like_nothing(self):
    cosines, _ = similarity.nearest(PLANE, [[0.0, 0, 0]], 2)
    self.assertAllEqual(cosines, [[0, 0]])


class AnswersTest(tf.test.TestCase):
  def test_by_hand(self):
    # n(3) - n(1) + n(1) is 3 itself, so the next one: 2 and 4 are as near, the
    # lower wins. n(1) - n(2) + n(3) = (.29, .29): 2 is asked for, so 5.
    found = similarity.answers(PLANE, [[1, 3, 1], [2, 1, 3]])
    self.assertAllEqual(found, [2, 5])
    self.assertEqual(found.dtype, tf.int32)

  def test_the_three_may_be_the_best_three(self):
    # The target is 2's direction: 2, 5 (the same), then 1 and 3.
    self.assertAllEqual(similarity.answers(PLANE, [[2, 5, 2]]), [1])

  def test_by_the_published_rule(self):
    random = np.random.RandomState(1)
    emb = random.randn(200, 10).astype(np.float32)
    questions = random.randint(0, 200, [500, 3], np.int32)
    expected, leads = best_of_four(emb, questions)
    found = similarity.answers(tf.Variable(emb), tf.constant(questions))
    clear = leads > 1e-5
    self.assertGreater(np.mean(clear), 0.99)
    self.assertAllEqual(found.numpy()[clear], expected[clear])

  def test_four_words_leave_one_answer(self):
    self.assertAllEqual(similarity.answers(PLANE[:4], [[3, 1, 2]]), [0])


class EvaluationTest(tf.test.TestCase):
  def model_fn(self, emb, names):
    @once
    def vectors():
      return tf.Variable(emb)

    def model_fn(features, labels, mode):
      self.assertEqual(mode, ModeKeys.EVAL)
      return similarity.evaluation_spec(vectors(), features, labels, names)

    return model_fn

  def test_results_by_hand(self):
    questions = np.array([[1, 3, 1], [2, 1, 3], [2, 5, 2], [2, 5, 2]], np.int32)
    given = analogies.Analogies(
      "questions.txt",
      questions,
      answers=np.array([2, 4, 1, 1], np.int32),  # right, wrong, right, right
      sections=np.array([0, 0, 1, 1], np.int32),
      section_names=("a", "b"),
      skipped=0,
    )
    estimator = Estimator(self.model_fn(PLANE, given.section_names))
    # Batches of 3: one has a part of section b, the last nothing of a.
    results = estimator.evaluate(analogies.input_fn(given, 3), untrained=True)
    self.assertAllClose(
      {k: v for k, v in results.items() if k != "global_step"},
      {"loss": 0.25, "accuracy": 0.75, "section/a": 0.5, "section/b": 1},
    )

  def test_as_gensim_evaluates(self):
    """The same questions are right, section by section.

    gensim folds capitals, which these words lack, and knows no UNK, whose zeros
    are like nothing here: else it could be an answer, and a wrong one.
    """
    words, emb, lines = countries()
    path = os.path.join(self.get_temp_dir(), "questions.txt")
    with open(path, "w") as stream:
      stream.write("\n".join(lines))
    given = analogies.read(path, ["UNK", *words])
    peer = KeyedVectors(emb.shape[1])
    peer.add_vectors(words, emb)
    accuracy, sections = peer.evaluate_word_analogies(path)
    with_unknown = np.concatenate([0 * emb[:1], emb])
    estimator = Estimator(self.model_fn(with_unknown, given.section_names))
    results = estimator.evaluate(analogies.input_fn(given, 64), untrained=True)
    self.assertBetween(accuracy, 0.3, 0.9)
    self.assertAlmostEqual(results["accuracy"], accuracy, places=6)
    for section in sections[:-1]:
      right, wrong = len(section["correct"]), len(section["incorrect"])
      self.assertAlmostEqual(
        results[f"section/{section['section']}"],
        right / (right + wrong),
        places=6,
      )
    self.assertEqual(given.skipped, 1)


def countries():
  """Returns words, noisy vectors of them, and the lines of a questions file."""
  random = np.random.RandomState(2)
  num, size = 20, 16
  capitals = random.randn(num, size)
  relation = random.randn(size)
  noise = random.randn(num, size)
  emb = np.concatenate([capitals, capitals + relation + noise]).astype("f")
  words = [f"capital{i}" for i in range(num)]
  words += [f"country{i}" for i in range(num)]
  pairs = list(zip(words[:num], words[num:], strict=True))
  lines = []
  for name, half in (("first", pairs[:10]), ("second", pairs[10:])):
    lines.append(f": {name}")
    lines += [" ".join(a + b) for a in half for b in half if a != b]
  return words, emb, [*lines, "capital0 country0 nowhere nothing"]


if __name__ == "__main__":
  tf.test.main()

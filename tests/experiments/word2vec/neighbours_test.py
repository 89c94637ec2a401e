import contextlib
import io
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from experiments.word2vec import neighbours
from experiments.word2vec.neighbours import Nearest

# man + (queen - king) points to woman; "far" is opposite to all; "none" is 0.
WORDS = ["king", "queen", "man", "woman", "far", "none"]
VECTORS = np.array(
  [[3, 0, 4], [0, 3, 4], [2, 0, 0], [0, 5, 0.0], [-1, -1, -1], [0, 0, 0]],
  np.float32,
)
KING = """
king
=====================================
king                 1.0000
queen                0.6400
man                  0.6000
woman                0.0000
none                 0.0000
far                  -0.8083""".split("\n")


class NearestTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.nearest = Nearest(WORDS, VECTORS)

  def test_nearby_by_hand(self):
    words, cosines = zip(*self.nearest.nearby("man"), strict=True)
    self.assertEqual(words, ("man", "king", "queen", "woman", "none", "far"))
    np.testing.assert_allclose(
      cosines, [1, 0.6, 0, 0, 0, -(3**-0.5)], atol=1e-6
    )

  def test_nearby_takes_so_many(self):
    # queen's cosine with king is .64, that with woman .6.
    words = [word for word, _ in self.nearest.nearby("queen", 2)]
    self.assertEqual(words, ["queen", "king"])

  def test_analogy_by_hand(self):
    # n(queen) - n(king) + n(man) = (.4, .6, 0): .6 with woman, -.58 with far.
    self.assertEqual(self.nearest.analogy("king", "queen", "man"), "woman")

  def test_analogy_leaves_out_the_three(self):
    # man + woman - man: woman, then queen with 0.6.
    self.assertEqual(self.nearest.analogy("man", "woman", "man"), "queen")

  def test_analogy_without_another_word(self):
    nearest = Nearest(WORDS[:3], VECTORS[:3])
    with self.assertRaisesRegex(ValueError, "the vocabulary has 3 words"):
      nearest.analogy("king", "queen", "man")

  def test_of_equal_words_the_first_counts(self):
    nearest = Nearest(["a", "b", "a"], VECTORS[:3])
    self.assertEqual([w for w, _ in nearest.nearby("a")], ["a", "b", "a"])
    self.assertAlmostEqual(nearest.nearby("a")[1][1], 0.64, places=6)

  def test_unknown_words_are_all_named(self):
    near = r"quen \(near: queen\), King \(near: king\), x"
    message = f"among the 6 of the vocabulary, but these are not: {near};"
    with self.assertRaisesRegex(ValueError, message):
      self.nearest.analogy("quen", "King", "x")

  def test_known_words_are_not_named(self):
    with self.assertRaisesRegex(ValueError, "are not: x;"):
      self.nearest.analogy("man", "x", "king")


class CommandsTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.nearest = Nearest(WORDS, VECTORS)

  def test_nearby(self):
    self.assertEqual(neighbours.run(self.nearest, ["nearby", "king"]), KING)

  def test_nearby_of_several_words(self):
    lines = neighbours.run(self.nearest, ["nearby", "king", "man"], num=1)
    man = ["", "man", KING[2], "man                  1.0000"]
    self.assertEqual(lines, KING[:4] + man)

  def test_analogy(self):
    lines = neighbours.run(self.nearest, ["analogy", "king", "queen", "man"])
    self.assertEqual(lines, ["woman"])

  def test_help(self):
    lines = neighbours.run(self.nearest, ["help"])
    self.assertEqual("\n".join(lines), neighbours.HELP)

  @parameterized.parameters(
    "nearby", "analogy king queen", "analogy king queen man far", "near king"
  )
  def test_no_command(self, command):
    with self.assertRaisesRegex(ValueError, f"but is `{command}`"):
      neighbours.run(self.nearest, command.split())

  @parameterized.parameters("quit\nanalogy king queen man\n", "", "\n  \n")
  def test_the_prompt_ends(self, rest):
    printed = self.ask("analogy king queen man\n" + rest)
    self.assertEqual(printed, ["woman"])

  def test_mistakes_do_not_end_the_prompt(self):
    printed = self.ask("nearby kin\nfoo\n\nnearby king")
    self.assertIn("kin (near: king)", printed[0])
    self.assertIn("but is `foo`", printed[1])
    self.assertEqual(printed[2:], KING[:5])

  def test_an_interrupt_ends_the_prompt(self):
    with mock.patch("builtins.input", side_effect=KeyboardInterrupt):
      neighbours.prompt(self.nearest)

  def ask(self, text):
    """Returns the lines that the prompt answers."""
    printed = io.StringIO()
    with (
      mock.patch("sys.stdin", io.StringIO(text)),
      contextlib.redirect_stdout(printed),
    ):
      neighbours.prompt(self.nearest, num=2)
    return printed.getvalue().splitlines()


if __name__ == "__main__":
  absltest.main()

from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from experiments import pictures
from experiments.mandelbrot import self_test, simulate

counts_of = simulate.escape_counts


def one_more(x, y, *args):
  return counts_of(x, y, *args) + 1


def lopsided(x, y, *args):
  counts = counts_of(x, y, *args)
  counts[-1, -1] += 1
  return counts if x.size > 1 else counts_of(x, y, *args)


class SelfTestTest(parameterized.TestCase):
  def test_all_is_well(self):
    self.assertEqual(self_test.problems(), [])

  @parameterized.parameters(
    (one_more, ["the count of 0 should be 50, but is 51", "NumPy's, but 3120"]),
    (lopsided, ["symmetric about the real axis"]),
  )
  def test_what_it_finds(self, wrong, expected):
    with mock.patch.object(simulate, "escape_counts", wrong):
      found = "\n".join(self_test.problems())
    for sentence in expected:
      self.assertIn(sentence, found)

  @parameterized.parameters("write_png", "write_animation")
  def test_it_finds_wrong_files(self, name):
    write = getattr(pictures, name)

    def darker(path, pixels, *args):
      write(path, np.stack(list(pixels)) // 2, *args)

    with mock.patch.object(pictures, name, darker):
      (problem,) = self_test.problems()
    self.assertRegex(problem, r"^a\.(png|gif) should end with a picture as it")

  def test_numpys_counts_by_hand(self):
    # 1: 2, 5. 0.5: 0.75, 1.06, 1.63, 3.15, 10.4. 1.5i: -2.25+1.5i, then
    # 2.81-5.25i.
    x, y = np.float32([0, 0.5, 1]), np.float32([0, 1.5])
    counts = self_test.numpy_counts(x, y, 9)
    self.assertEqual(counts[0].tolist(), [9, 4, 1])
    self.assertEqual(counts[1, 0], 1)


if __name__ == "__main__":
  absltest.main()

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from experiments.pde import film


class PixelsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(np.float32, np.float64)
  def test_by_hand(self, dtype):
    # (u + 0.1) / 0.2 * 255, without what is behind the point.
    heights = [-9, -0.1, -0.05, 0, 0.0999, 0.1, 9]
    found = film.pixels(np.array([heights], dtype))
    self.assertEqual(found.dtype, np.uint8)
    self.assertAllEqual(found, [[0, 0, 63, 127, 254, 255, 255]])

  def test_tensors(self):
    self.assertAllEqual(film.pixels(tf.zeros([2, 3])), np.full([2, 3], 127))

  @parameterized.parameters(np.nan, np.inf, -np.inf)
  def test_what_is_not_finite_is_not_drawn(self, height):
    with self.assertRaisesRegex(ValueError, "finite .* but 1 of 6 are not"):
      film.pixels(np.array([[0, 1, 2], [0, height, 2]], np.float32))


class FilmTest(tf.test.TestCase):
  def test_states_are_asked_for_one_by_one(self):
    asked = []

    def states():
      for done in (0, 5, 7):
        asked.append(done)
        yield done, tf.fill([1, 1], 0.01 * done), tf.ones([1, 1])

    pond = film.Film(states())
    frames = iter(pond)
    self.assertEmpty(asked)
    for number, grey in enumerate((127, 191, 216)):
      self.assertAllEqual(next(frames), [[grey]])
      self.assertLen(asked, number + 1)
    self.assertIsNone(next(frames, None))
    self.assertAllClose(pond.heights, [[0.07]])
    # (1 + 6 u^2) / 2
    self.assertAllClose(pond.energies, [0.5, 0.5075, 0.5147])


if __name__ == "__main__":
  tf.test.main()

import contextlib
import io

import tensorflow as tf

from experiments.line_fit import basic_usage


class BasicUsageTest(tf.test.TestCase):
  """Asserts what the page shows."""

  def test_product(self):
    self.assertAllEqual(basic_usage.product(), [[12.0]])

  def test_subtraction(self):
    self.assertAllEqual(basic_usage.subtraction(), [-2.0, -1.0])

  def test_counter(self):
    self.assertEqual([*basic_usage.counter()], [0, 1, 2, 3])
    self.assertEqual([*basic_usage.counter(num_updates=1)], [0, 1])

  def test_fetches(self):
    self.assertAllEqual(basic_usage.fetches(3.0, 2.0, 5.0), [21.0, 7.0])

  def test_feeds(self):
    self.assertAllEqual(basic_usage.feeds([7.0], [2.0]), [14.0])

  def test_what_is_not_fed_is_an_error(self):
    with self.assertRaisesRegex(TypeError, "input2"):
      basic_usage.feeds([7.0])

  def test_program_prints_the_page(self):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
      basic_usage.main()
    self.assertEqual(
      printed.getvalue().splitlines(),
      [
        "[[12.]]",
        "[-2. -1.]",
        *"0123",
        "[21.0, 7.0]",
        "[array([14.], dtype=float32)]",
      ],
    )


if __name__ == "__main__":
  tf.test.main()

"""Tests of the trial of the C++ ops; its short form are the ops' own tests."""

import pathlib

from absl.testing import absltest

from tools.survive import ops_random

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent


class OpsRandomTest(absltest.TestCase):
  def test_all_tests_are_there_and_may_be_called_more_often(self):
    for test in ops_random.tests():
      path, _, name = test.split("::")
      text = (ROOT / path).read_text()
      self.assertIn(f"def {name}(self):", text)
      self.assertIn(ops_random.CALLS_VARIABLE, text)

  def test_the_sanitizers_are_loaded_first(self):
    found = ops_random.environment(1250)
    self.assertRegex(found["LD_PRELOAD"], r"libasan\.so \S*libstdc\+\+\.so$")
    self.assertEqual(found["ESTIMATORS_OPS_SANITIZE"], "1")
    self.assertEqual(found[ops_random.CALLS_VARIABLE], "1250")

  def test_all_passed(self):
    outcome = ops_random.judged(0, ".........\n9 passed in 9 s\n", 1250, 9.0)
    self.assertEqual(outcome.got, "11,250 inputs, 0 findings")
    self.assertTrue(outcome.passed)

  def test_a_finding(self):
    output = "==3==ERROR: AddressSanitizer: heap-buffer-overflow\nABORTING\n"
    outcome = ops_random.judged(-6, output, 1250, 9.0)
    self.assertFalse(outcome.passed)
    self.assertEqual(
      outcome.got,
      "11,250 inputs, 1 findings; it ended with -6: ABORTING",
    )

  def test_left_out_is_not_passed(self):
    outcome = ops_random.judged(0, "9 skipped in 9 s\n", 1250, 9.0)
    self.assertFalse(outcome.passed)


if __name__ == "__main__":
  absltest.main()

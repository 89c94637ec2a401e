import pathlib
import re

import tensorflow as tf

README = pathlib.Path(__file__).parent.parent / "README.md"


class ReadmeTest(tf.test.TestCase):
  def test_the_model_function_from_scratch_runs_and_learns(self):
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    self.assertIn('"/tmp/digits"', program)
    program = program.replace("/tmp/digits", self.get_temp_dir())
    names = {"__name__": "__main__"}
    exec(compile(program, str(README), "exec"), names)
    results = names["estimator"].evaluate(names["test"])
    self.assertEqual(results["global_step"], 500)
    self.assertGreater(results["accuracy"], 0.9)

  def test_the_model_function_has_about_forty_lines(self):
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    model = program[: program.index("digits = ")]
    self.assertLess(len(model.strip().splitlines()), 45)


if __name__ == "__main__":
  tf.test.main()

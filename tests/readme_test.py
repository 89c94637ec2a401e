import pathlib
import re

import tensorflow as tf

README = pathlib.Path(__file__).parent.parent / "README.md"


def programs():
  """Returns the programs of the README, in order."""
  return re.findall(r"```python\n(.*?)```", README.read_text(), re.S)


class ReadmeTest(tf.test.TestCase):
  def run_program(self, program, folder):
    """Runs a program with a new folder for its own; returns its names."""
    self.assertIn(f'"{folder}', program)
    program = program.replace(folder, self.get_temp_dir())
    names = {"__name__": "__main__"}
    exec(compile(program, str(README), "exec"), names)
    return names

  def test_the_model_function_from_scratch_runs_and_learns(self):
    program, _ = programs()
    names = self.run_program(program, "/tmp/digits")
    results = names["estimator"].evaluate(names["test"])
    self.assertEqual(results["global_step"], 500)
    self.assertGreater(results["accuracy"], 0.9)

  def test_the_model_function_has_about_forty_lines(self):
    program, _ = programs()
    model = program[: program.index("digits = ")]
    self.assertLess(len(model.strip().splitlines()), 45)

  def test_the_table_runs_and_learns(self):
    _, program = programs()
    names = self.run_program(program, "/tmp/people")
    self.assertGreater(names["results"]["accuracy"], 0.95)
    # College is what makes the difference.
    none, school, college = names["weights"][:, 0]
    self.assertGreater(college, max(none, school))
    model = tf.saved_model.load(names["export_dir"])
    self.assertContainsSubset(
      ["serving_default", "classification", "regression", "predict"],
      list(model.signatures),
    )


if __name__ == "__main__":
  tf.test.main()

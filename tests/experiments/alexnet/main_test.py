import contextlib
import dataclasses
import io
import json
import os
import pathlib
from unittest import mock

import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from experiments.alexnet import main, report, self_test, timing
from experiments.alexnet.config import Config

DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+"
PRINTED = [
  r"conv1   \[1, 56, 56, 64\]",
  r"pool1   \[1, 27, 27, 64\]",
  *[r"\w+\d   \[1, \d+, \d+, \d+\]"] * 5,
  r"pool5   \[1, 6, 6, 256\]",
  rf"{DATE}: step 0, duration = \d+\.\d{{3}}",
  rf"{DATE}: Forward across 2 steps, [\d.]+ \+/- [\d.]+ sec / batch",
  rf"{DATE}: step 0, duration = \d+\.\d{{3}}",
  rf"{DATE}: Forward-backward across 2 steps, [\d.]+ \+/- [\d.]+ sec / batch",
  r"Forward: [\d.]+ images/s, [\d.]+ GFLOP/s, [\d.]+% of the 99.0 of .*",
  r"Forward-backward: [\d.]+ images/s, [\d.]+ GFLOP/s, [\d.]+% of the 99.0 .*",
]


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


class ConfigTest(tf.test.TestCase):
  def test_without_flags_it_is_the_tutorials(self):
    self.assertEqual(parse(), Config(batch_size=128, num_batches=100))

  def test_flags(self):
    self.assertEqual(
      parse("--batch_size=3", "--num_batches=5", "--csv_file=~/a", "--readme"),
      Config(3, 5, csv_file=os.path.expanduser("~/a"), readme=True),
    )
    found = parse("--self_test", "--num_batches=7")
    self.assertEqual(found, Config(2, 7, self_test=True))

  def test_flags_of_no_use_are_refused(self):
    for flag in ("--train_steps=3", "--use_fp16", "--data_dir=/d"):
      with self.assertRaisesRegex(ValueError, f"no use for {flag[:7]}"):
        parse(flag)
    with self.assertRaisesRegex(ValueError, "--readme needs the file"):
      parse("--readme")
    for flag in ("batch_size", "num_batches"):
      with self.assertRaisesRegex(flags.IllegalFlagValueError, flag):
        parse(f"--{flag}=0")


class RunTest(tf.test.TestCase):
  def run_small(self, **changes):
    """Returns (rows, lines printed) of two batches of one image."""
    if "csv_file" in changes:
      report.prepare(changes["csv_file"])
    with (
      # A product that does not take seconds.
      mock.patch.object(
        timing, "matmul_gflops", side_effect=[98.0, 99.0, 97.0]
      ),
      contextlib.redirect_stdout(io.StringIO()) as out,
    ):
      rows = main.run(Config(1, 2, **changes))
    return rows, out.getvalue().splitlines()

  def test_both_passes(self):
    path = os.path.join(self.get_temp_dir(), "a.csv")
    rows, printed = self.run_small(csv_file=path)
    self.assertLen(printed, len(PRINTED))
    for line, pattern in zip(printed, PRINTED, strict=True):
      self.assertRegex(line, f"^{pattern}$")
    self.assertEqual(
      [row["pass"] for row in rows], ["Forward", "Forward-backward"]
    )
    for row, gflop in zip(rows, (1.3162, 3.8028), strict=True):
      self.assertEqual(row["matmul_gflops"], 99)  # The best of them.
      self.assertAllClose(row["gflops"] * row["mean_sec"], gflop, rtol=1e-2)
    self.assertEqual(
      report.read(path),
      [{name: str(value) for name, value in row.items()} for row in rows],
    )

  def test_the_readme_gets_all_lines_of_the_file(self):
    path = os.path.join(self.get_temp_dir(), "a.csv")
    self.run_small(csv_file=path)
    with mock.patch.object(report, "write_readme") as write:
      self.run_small(csv_file=path, readme=True)
    (rows,) = write.call_args.args
    self.assertLen(rows, 4)


class MainTest(tf.test.TestCase, parameterized.TestCase):
  ROWS = [{"pass": "Forward", "mean_sec": 1.0}, {"mean_sec": 3.0}]

  def run_main(self, config, rows):
    """Returns (exit status, what was printed, what was complained of)."""
    with (
      mock.patch.object(main, "config_from_flags", return_value=config),
      mock.patch.object(main, "run", return_value=rows),
      contextlib.redirect_stdout(io.StringIO()) as out,
      contextlib.redirect_stderr(io.StringIO()) as err,
    ):
      return main.main([]), out.getvalue(), err.getvalue()

  def test_the_last_line_is_json(self):
    code, printed, _ = self.run_main(Config(), self.ROWS)
    self.assertEqual(code, 0)
    self.assertEqual(
      json.loads(printed), {"model": "alexnet", "passes": self.ROWS}
    )

  def test_the_self_test(self):
    config = dataclasses.replace(Config(), self_test=True)
    code, _, complaints = self.run_main(config, self.ROWS)
    self.assertEqual((code, complaints), (0, ""))
    code, _, complaints = self.run_main(config, self.ROWS[::-1])
    self.assertEqual(code, 1)
    self.assertRegex(complaints, r"^self test: .*longer than forward, 3.0 s")

  @parameterized.parameters(
    ("PARAMETERS", 5, "parameters should be 5: 2469696"),
    ("POOL5", (2, 7), r"pool5 should be \(2, 7\), but is \(2, 6, 6, 256\)"),
    ("slopes", lambda: (1.0, 2.0), "objective, 2.0, but is 1.0"),
  )
  def test_what_the_self_test_finds(self, name, value, problem):
    with mock.patch.object(self_test, name, value):
      (found,) = self_test.problems(self.ROWS)
    self.assertRegex(found, problem)

  def test_mistakes_are_one_line(self):
    path = os.path.join(self.get_temp_dir(), "other.csv")
    pathlib.Path(path).write_text("a,b\n")
    config = Config(csv_file=path)
    with mock.patch.object(main, "config_from_flags", return_value=config):
      with self.assertRaisesRegex(SystemExit, "^alexnet: --csv_file must be"):
        main.main([])


if __name__ == "__main__":
  tf.test.main()

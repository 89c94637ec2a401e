"""Tests of make_results, on an experiment that only pretends to train."""

import json
import pathlib
import subprocess
import tempfile
from unittest import mock

from absl.testing import absltest

from tools import make_results

# Prints the metrics as an experiment does; --fail makes it crash once.
TOY = """
import json, pathlib, sys

flags = dict(arg[2:].split("=") for arg in sys.argv[1:] if "=" in arg)
folder = pathlib.Path(flags["model_dir"])
folder.mkdir(parents=True, exist_ok=True)
if "--fail" in sys.argv and not (folder / "tried").exists():
  (folder / "tried").touch()
  sys.exit("out of memory")
(folder / "config.json").write_text(json.dumps(
  {"params": {"rate": 0.5, "seed": 1}, "run_config": {"model_dir": "x"}}))
print("training")
print(flags.get("last", json.dumps(
  {"accuracy": 0.9 + 0.01 * int(flags["seed"]), "steps": 7,
   "model_dir": str(folder.resolve())})))
"""
ROW = {
  "name": "plain",
  "args": ["--rate=0.5"],
  "seeds": 2,
  "metric": "accuracy",
  "unit": "%",
  "published": 0.92,
  "source": "the page",
  "reach": 0.915,
  "lower_is_better": False,
}


class MakeResultsTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    root = self.enterContext(tempfile.TemporaryDirectory())
    self.root = pathlib.Path(root)
    self.write("experiments/toy/main.py", TOY)
    self.write(
      "README.md", "<!-- results toy:begin --><!-- results toy:end -->"
    )
    self.write(
      "experiments/toy/README.md", "<!-- results:begin --><!-- results:end -->"
    )
    self.git("init", "--quiet")
    self.git("add", ".")
    self.git(
      "-c", "user.name=a", "-c", "user.email=b", "commit", "--quiet", "-m", "c"
    )
    device = {"cpu": "Some CPU", "cores": 2, "gpus": []}
    self.enterContext(
      mock.patch.object(make_results, "machine", return_value=device)
    )

  def write(self, name, text):
    path = self.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

  def git(self, *args):
    subprocess.run(["git", "-C", self.root, *args], check=True)

  def make(self, *rows, only=(), seeds=None):
    self.write("experiments/toy/published.json", json.dumps(rows))
    wrong = make_results.make_results(
      self.root, "toy", only, seeds, self.root / "scratch", data_dir="/d"
    )
    path = self.root / "experiments/toy/results.json"
    return wrong, json.loads(path.read_text()) if path.exists() else {}

  def test_runs_every_seed_and_records_what_ran(self):
    wrong, results = self.make(ROW)
    self.assertEmpty(wrong)
    self.assertEqual(list(results), ["plain"])
    result = results["plain"]
    self.assertEqual(
      result["command"], "python -m experiments.toy.main --rate=0.5"
    )
    self.assertEqual(result["config"], {"rate": 0.5})
    first, second = result["runs"]
    self.assertEqual(first["metrics"], {"accuracy": 0.91, "steps": 7})
    self.assertEqual(second["metrics"], {"accuracy": 0.92, "steps": 7})
    self.assertEqual([first["seed"], second["seed"]], [1, 2])
    self.assertBetween(first["seconds"], 0, 60)
    self.assertRegex(first["commit"], "^[0-9a-f]{7,}$")
    self.assertContainsSubset(["tensorflow", "python"], first["versions"])
    self.assertEqual(first["machine"]["cpu"], "Some CPU")

  def test_writes_both_tables(self):
    self.make(ROW)
    for name in ("README.md", "experiments/toy/README.md"):
      text = (self.root / name).read_text()
      self.assertIn("| plain | accuracy | 91.50 ± 0.71 % | 2 |", text)

  def test_seeds_and_only(self):
    _, results = self.make(
      ROW, ROW | {"name": "other"}, only=["other"], seeds=1
    )
    self.assertEqual(list(results), ["other"])
    self.assertLen(results["other"]["runs"], 1)

  def test_a_simulation_without_seeds(self):
    text = TOY.replace("model_dir", "output_dir", 1)
    self.write(
      "experiments/toy/main.py",
      text.replace('int(flags["seed"])', "len(flags)"),
    )
    self.write("experiments/toy/simulate.py", "")
    wrong, results = self.make(ROW | {"seeds": 0}, seeds=3)
    self.assertEmpty(wrong)
    (run,) = results["plain"]["runs"]
    # The flags are rate, output_dir and data_dir.
    self.assertEqual(run["metrics"], {"accuracy": 0.93, "steps": 7})

  def test_unknown_name_is_an_error(self):
    with self.assertRaisesRegex(ValueError, r"\['plain'\].*\['plan'\]"):
      self.make(ROW, only=["plan"])

  def test_rows_of_earlier_calls_stay(self):
    self.make(ROW)
    _, results = self.make(ROW, ROW | {"name": "other"}, only=["other"])
    self.assertEqual(list(results), ["plain", "other"])

  def test_finished_runs_are_kept(self):
    _, before = self.make(ROW)
    self.write("experiments/toy/main.py", "raise SystemExit('ran again')")
    wrong, after = self.make(ROW)
    self.assertEmpty(wrong)
    self.assertEqual(after, before)

  def test_changed_code_is_marked(self):
    self.write("experiments/toy/main.py", TOY + "\n")
    _, results = self.make(ROW, seeds=1)
    self.assertEndsWith(results["plain"]["runs"][0]["commit"], "+")

  def test_a_crash_is_contained_and_the_run_continues_next_time(self):
    failing = ROW | {"name": "failing", "args": ["--fail"], "seeds": 1}
    wrong, results = self.make(failing, ROW)
    self.assertLen(wrong, 1)
    self.assertRegex(wrong[0], "^failing: .* ended with 1")
    self.assertEqual(list(results), ["plain"])

    wrong, results = self.make(failing, ROW)
    self.assertLen(wrong, 1)  # 0.91 is short of its reach
    self.assertRegex(wrong[0], "^short: .*short of 91.5 %")
    # The time of the last part is not the time of the run.
    self.assertIsNone(results["failing"]["runs"][0]["seconds"])

  def test_a_last_line_that_is_no_object_is_an_error(self):
    for last in ("done", "0.91"):
      row = ROW | {"name": last, "args": [f"--last={last}"], "seeds": 1}
      wrong, results = self.make(row)
      self.assertRegex(
        wrong[0], f"its last line, and this one printed '{last}'"
      )
      self.assertEmpty(results)


if __name__ == "__main__":
  absltest.main()

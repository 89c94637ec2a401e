"""Tests of the tables, and that the READMEs hold what the results say."""

import json
import pathlib
import tempfile

from absl.testing import absltest, parameterized

from tools import results_table

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROW = {
  "name": "small",
  "args": [],
  "seeds": 3,
  "metric": "accuracy",
  "unit": "%",
  "published": 0.92,
  "source": "the page",
  "reach": 0.915,
  "lower_is_better": False,
}
MACHINE = {"cpu": "Some CPU", "cores": 2, "gpus": []}
VERSIONS = {"tensorflow": "2.21.0", "python": "3.11.7"}


def result(*values, metric="accuracy", seconds=10.0, commit="abc1234"):
  return {
    "command": "python -m experiments.toy.main",
    "config": {},
    "runs": [
      {
        "seed": seed,
        "commit": commit,
        "metrics": {metric: value, "steps": 1000},
        "seconds": seconds,
        "versions": VERSIONS,
        "machine": MACHINE,
      }
      for seed, value in enumerate(values, start=1)
    ],
  }


class TableTest(parameterized.TestCase):
  def test_row_has_mean_spread_and_difference(self):
    # Mean 0.92, squared deviations 0.01^2 twice, over n - 1 = 2: sd 0.01.
    row = results_table.table_row(ROW, result(0.91, 0.92, 0.93))
    self.assertEqual(
      row,
      "| small | accuracy | 92.00 ± 1.00 % | 3 | 92 % (the page) | +0.00 % "
      "| 1,000 | 10 s | abc1234 |",
    )

  def test_large_numbers_have_no_decimals(self):
    row = ROW | {"unit": "points", "published": 61115, "reach": 61115}
    row = results_table.table_row(row, result(61115))
    self.assertIn("| 61,115 points | 1 | 61,115 points (the page) |", row)

  def test_mean_and_spread_have_the_same_decimals(self):
    row = ROW | {"unit": "", "published": 0.1, "reach": None}
    self.assertIn(
      "| 0.1000 ± 0.0010 | 2 | 0.1 (the page) | +0.0000 |",
      results_table.table_row(row, result(0.1 - 0.0007, 0.1 + 0.0007)),
    )
    self.assertIn(
      "| 20,000 ± 141 | 2 | 0.1 (the page) | +20,000 |",
      results_table.table_row(row, result(19_900, 20_100)),
    )

  def test_row_of_one_run_has_no_spread(self):
    row = results_table.table_row(ROW, result(0.9345))
    self.assertIn("| 93.45 % | 1 | 92 % (the page) | +1.45 % |", row)

  def test_row_says_that_it_fell_short(self):
    row = results_table.table_row(ROW, result(0.91))
    self.assertIn("| 91.00 % (short of 91.5 %) | 1 |", row)
    self.assertIn("| -1.00 % |", row)

  def test_row_without_a_published_value(self):
    row = ROW | {"published": None, "source": "", "reach": None}
    self.assertIn(
      "| 10.00 % | 1 | none |  |",
      results_table.table_row(row, result(0.1)),
    )

  def test_units_that_are_no_percent_are_appended(self):
    row = ROW | {"unit": "nats", "published": 1.5, "lower_is_better": True}
    row["reach"] = 1.6
    self.assertIn(
      "| 1.55 ± 0.07 nats | 2 | 1.5 nats (the page) | +0.05 nats |",
      results_table.table_row(row, result(1.5, 1.6)),
    )

  @parameterized.parameters(
    (0.915, False, False),
    (0.9149, False, True),
    (0.915, True, False),
    (0.9151, True, True),
  )
  def test_falls_short(self, value, lower_is_better, expected):
    row = ROW | {"lower_is_better": lower_is_better}
    self.assertEqual(results_table.falls_short(row, result(value)), expected)

  def test_a_resumed_run_has_no_wall_time(self):
    row = results_table.table_row(ROW, result(0.92, seconds=None))
    self.assertIn("| 1,000 | resumed | abc1234 |", row)

  def test_runs_without_the_metric_are_an_error(self):
    with self.assertRaisesRegex(ValueError, "'accuracy'.*'loss', 'steps'"):
      results_table.table_row(ROW, result(0.3, metric="loss"))

  def test_table_lists_what_was_run_in_the_order_of_the_rows(self):
    rows = [ROW | {"name": name} for name in ("a", "b", "c")]
    results = {"c": result(0.92), "a": result(0.93)}
    lines = results_table.render_table(rows, results).splitlines()
    self.assertLen(lines, 6)
    self.assertStartsWith(lines[2], "| a |")
    self.assertStartsWith(lines[3], "| c |")
    self.assertEqual(
      lines[5],
      "Measured on: Some CPU, 2 cores, tensorflow 2.21.0, python 3.11.7.",
    )

  def test_other_metrics_of_the_same_runs(self):
    ran = result(0.93)
    ran["runs"][0]["metrics"]["plain"] = 0.9
    others = ["plain", {"metric": "plain", "published": 0.8}]
    lines = results_table.render_table([ROW | {"also": others}], {"small": ran})
    first, second, third = (
      line.split(" | ") for line in lines.splitlines()[2:5]
    )
    self.assertEqual(second[1:3], ["plain", "90.00 %"])
    self.assertEqual(second[4].split(), ["none"])
    self.assertStartsWith(third[4], "80 % (")
    self.assertEqual(third[5], "+10.00 %")
    self.assertEqual([first[0], *first[6:]], [second[0], *second[6:]])

  def test_each_machine_has_its_line(self):
    other = result(0.9)
    other["runs"][0]["machine"] = {"cpu": "B", "cores": 8, "gpus": ["G"]}
    lines = results_table.machine_lines({"a": result(0.9, 0.9), "b": other})
    self.assertLen(lines, 2)
    self.assertStartsWith(lines[0], "Measured on: B, 8 cores, G, tensorflow")


class MarkersTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    root = self.enterContext(tempfile.TemporaryDirectory())
    self.root = pathlib.Path(root)
    self.folder = self.root / "experiments" / "toy"
    self.folder.mkdir(parents=True)
    (self.folder / "published.json").write_text(json.dumps([ROW]))
    (self.folder / "results.json").write_text(
      json.dumps({"small": result(0.92)})
    )
    self.own, self.top = self.folder / "README.md", self.root / "README.md"

  def test_tables_are_rewritten_between_the_markers_only(self):
    self.own.write_text(
      "before\n<!-- results:begin -->\nold\n<!-- results:end -->\nafter\n"
    )
    self.top.write_text(
      "<!-- results other:begin -->\nkept\n<!-- results other:end -->\n"
      "<!-- results toy:begin --><!-- results toy:end -->\n"
    )
    rows, results = [ROW], {"small": result(0.92)}
    table = results_table.render_table(rows, results)
    for _ in range(2):  # the second time changes nothing
      results_table.write_tables(self.root, "toy")
      self.assertEqual(
        self.own.read_text(),
        "before\n<!-- results:begin -->\n"
        f"{table}\n<!-- results:end -->\nafter\n",
      )
      self.assertEqual(
        self.top.read_text(),
        "<!-- results other:begin -->\nkept\n<!-- results other:end -->\n"
        f"<!-- results toy:begin -->\n{table}\n<!-- results toy:end -->\n",
      )

  def test_missing_marker_is_an_error_and_leaves_both_files(self):
    self.own.write_text("<!-- results:begin -->\nold\n<!-- results:end -->\n")
    self.top.write_text("<!-- results toy:begin -->\n")
    with self.assertRaisesRegex(ValueError, "README.md has no such lines"):
      results_table.write_tables(self.root, "toy")
    self.assertIn("old", self.own.read_text())


class ReadmesTest(absltest.TestCase):
  """What is published in the repository itself."""

  def test_tables_say_what_the_results_say(self):
    for path in sorted(ROOT.glob("experiments/*/results.json")):
      task = path.parent.name
      table = results_table.render_table(
        results_table.read_rows(ROOT, task),
        results_table.read_results(ROOT, task),
      )
      for readme, begin, end in results_table.marked_files(ROOT, task):
        with self.subTest(str(readme)):
          _, found, _ = results_table.split_at_markers(readme, begin, end)
          self.assertEqual(
            found.strip(),
            table,
            f"run python -m tools.make_results {task} --tables_only",
          )

  def test_all_that_is_published_was_measured(self):
    tasks = [p.parent.name for p in ROOT.glob("experiments/*/published.json")]
    self.assertIn("mnist", tasks)
    for task in tasks:
      rows = {row["name"] for row in results_table.read_rows(ROOT, task)}
      self.assertEqual(set(results_table.read_results(ROOT, task)), rows)

  def test_speeds_were_measured(self):
    for model in ("softmax", "cnn"):
      _, found, _ = results_table.split_at_markers(
        ROOT / "README.md",
        f"<!-- benchmark {model}:begin -->",
        f"<!-- benchmark {model}:end -->",
      )
      self.assertIn("estimator_train_over_in_graph_loop_train", found)

  def test_rows_are_complete(self):
    for path in sorted(ROOT.glob("experiments/*/published.json")):
      rows = json.loads(path.read_text())
      names = [row["name"] for row in rows]
      self.assertLen(set(names), len(names), "names must differ")
      for row in rows:
        with self.subTest(f"{path.parent.name} {row['name']}"):
          self.assertEqual(row.keys() - {"also"}, ROW.keys())


if __name__ == "__main__":
  absltest.main()

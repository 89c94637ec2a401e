"""Tests of the page of figures, and that it holds what was measured."""

import json
import pathlib
import tempfile
import types
from unittest import mock

from absl.testing import absltest

from tools import make_results
from tools.survive import __main__ as main
from tools.survive import report
from tools.survive.outcome import Outcome

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
GOOD = Outcome("20 kills", "identical", "identical", True, 1234.4)
BAD = Outcome("a | b", "0 wrong", "3\nwrong", False, 2.0)
ENTRY = {
  "commit": "abc1234",
  "versions": {"tensorflow": "2.21.0"},
  "machine": {"cpu": "Some CPU", "cores": 2, "gpus": []},
}


class ReportTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    self.page = self.root / report.PAGE
    self.page.write_text(f"text\n{report.BEGIN}\nold\n{report.END}\nmore\n")
    parts = ("kills", "other")
    self.enterContext(mock.patch.object(report, "PARTS", parts))
    for name, value in ENTRY.items():
      self.enterContext(
        mock.patch.object(make_results, name, lambda *_, value=value: value)
      )
    module = types.SimpleNamespace(SEED=7)
    self.enterContext(
      mock.patch.object(report.importlib, "import_module", lambda _: module)
    )

  def test_parts_are_kept_one_by_one(self):
    report.keep(self.root, "other", [BAD])
    report.keep(self.root, "kills", [BAD])
    report.keep(self.root, "kills", [GOOD])
    found = json.loads((self.root / report.FILE).read_text())
    self.assertEqual(list(found), ["kills", "other"])
    self.assertEqual(found["kills"]["seed"], 7)
    self.assertEqual(found["other"]["outcomes"][0]["got"], "3\nwrong")
    self.assertEqual(
      self.page.read_text(),
      f"""text
{report.BEGIN}
| part | trial | wanted | got |  | seconds | commit |
|---|---|---|---|---|---|---|
| kills | 20 kills | identical | identical | passed | 1,234 | abc1234 |
| other | a / b | 0 wrong | 3 wrong | **failed** | 2 | abc1234 |

Measured on: Some CPU, 2 cores, tensorflow 2.21.0.
{report.END}
more
""",
    )

  def test_printed(self):
    self.assertEqual(
      report.printed("kills", GOOD),
      "passed  kills: 20 kills: identical (wanted: identical; 1234 s)",
    )
    self.assertStartsWith(report.printed("kills", BAD), "FAILED  kills: a")


class MainTest(absltest.TestCase):
  def test_parts_are_chosen_in_their_order(self):
    self.assertEqual(main.chosen([]), list(report.PARTS))
    self.assertEqual(main.chosen(["kills"]), ["kills"])

  def test_an_unknown_part_is_refused(self):
    with self.assertRaisesRegex(ValueError, r"got \['kill'\]"):
      main.chosen(["kill"])

  def test_a_part_that_breaks_off_has_failed(self):
    def run(scale, folder):
      pathlib.Path(folder, "left").touch()
      raise OSError("no more")

    module = types.SimpleNamespace(run=run)
    root = self.enterContext(tempfile.TemporaryDirectory())
    with (
      mock.patch.object(main.importlib, "import_module", lambda _: module),
      mock.patch.object(tempfile, "tempdir", root),
    ):
      (outcome,) = main.run_part("kills", 0.5)
    (folder,) = pathlib.Path(root).iterdir()
    self.assertTrue((folder / "left").exists())
    self.assertFalse(outcome.passed)
    self.assertEqual(outcome.got, "OSError('no more')")

  def test_only_full_figures_are_kept(self):
    with (
      mock.patch.object(main, "run_part", lambda *_: [GOOD]),
      mock.patch.object(report, "keep") as keep,
    ):
      self.assertTrue(main.run(["kills"], 0.5))
      keep.assert_not_called()
      self.assertTrue(main.run(["kills"], 1))
      keep.assert_called_once_with(main.ROOT, "kills", [GOOD])

  def test_one_failure_is_a_failure(self):
    with mock.patch.object(main, "run_part", lambda *_: [GOOD, BAD]):
      self.assertFalse(main.run(["kills"], 0.5))


class PageTest(absltest.TestCase):
  """What is published in the repository itself."""

  def test_the_page_says_what_was_measured(self):
    text = (ROOT / report.PAGE).read_text()
    table = text.split(report.BEGIN)[1].split(report.END)[0]
    self.assertEqual(table.strip(), report.render(report.read(ROOT)).strip())

  def test_parts_are_modules(self):
    for part in [*report.PARTS, *report.read(ROOT)]:
      path = ROOT / "tools" / "survive" / f"{part}.py"
      self.assertTrue(path.exists(), msg=part)


if __name__ == "__main__":
  absltest.main()

import os
import pathlib

import keras
import tensorflow as tf

from experiments.alexnet import report
from experiments.alexnet.config import Config
from experiments.alexnet.timing import Timing

RESULTS = pathlib.Path(report.__file__).parent / "results.csv"


def row(name="Forward", batch_size=128, mean=0.5):
  config = Config(batch_size=batch_size, num_batches=20)
  # 1 GFLOP an image.
  return report.row_of(name, config, Timing(mean, 0.025), 10**9, 512.0)


class ReportTest(tf.test.TestCase):
  def path(self, name="a.csv"):
    return os.path.join(self.get_temp_dir(), name)

  def test_a_row(self):
    found = row()
    self.assertEqual(tuple(found), report.FIELDS)
    self.assertRegex(found.pop("date"), r"\d{4}-\d\d-\d\d")
    self.assertNotEmpty(found.pop("device"))
    self.assertNotEmpty(found.pop("python"))
    self.assertRegex(found.pop("commit"), "^[0-9a-f]*$")
    self.assertEqual(
      found,
      {
        "pass": "Forward",
        "seed": 1,
        "batch_size": 128,
        "num_batches": 20,
        "mean_sec": 0.5,
        "sd_sec": 0.025,
        "images_per_sec": 256,
        "gflops": 256,
        "matmul_gflops": 512,
        "share_of_matmul": 0.5,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
      },
    )
    self.assertEqual(
      report.summary(row()),
      "Forward: 256.0 images/s, 256.0 GFLOP/s, 50.0% of the 512.0 of a matrix "
      "product",
    )

  def test_the_file_is_appended_to(self):
    path = self.path()
    for batch_size in (128, 16):
      report.prepare(path)
      report.append(path, [row("Forward", batch_size)])
    found = report.read(path)
    self.assertEqual([r["batch_size"] for r in found], ["128", "16"])
    expected = {name: str(value) for name, value in row().items()}
    self.assertEqual(found[0], expected)

  def test_files_that_will_not_do(self):
    path = self.path("other.csv")
    text = "name,age\nAda,36\n"
    pathlib.Path(path).write_text(text)
    with self.assertRaisesRegex(ValueError, "columns date, .*has.*'age'"):
      report.prepare(path)
    self.assertEqual(pathlib.Path(path).read_text(), text)
    with self.assertRaises(OSError):
      report.prepare(self.path("none/a.csv"))

  def test_the_table(self):
    lines = report.table(
      [row(), row("Forward-backward"), row("Forward", 16, 0.0625)]
    ).splitlines()
    self.assertLen({line.count("|") for line in lines[:5]}, 1)
    self.assertEqual(
      lines[2],
      "| Forward | 128 | 20 | 500 ± 25 | 256.0 | 256.0 | 512.0 GFLOP/s | 50.0% "
      "| 145 ± 1.5 ms | 70 ± 0.1 ms |",
    )
    self.assertEndsWith(lines[3], "| 480 ± 48 ms | 244 ± 30 ms |")
    # Published is batch 128 alone.
    self.assertStartsWith(lines[4], "| Forward | 16 | 20 | 62 ± 25 | 256.0 |")
    self.assertEndsWith(lines[4], "|  |  |")
    self.assertLen(lines, 7)
    self.assertStartsWith(lines[6], "Measured on: ")

  def test_the_readme_gets_the_table(self):
    path = pathlib.Path(self.path("README.md"))
    for rows in ([row()], [row(), row("Forward-backward")]):
      old = path.read_text() if path.exists() else ""
      if not old:
        path.write_text(f"# A\n\n{report.BEGIN}\n{report.END}\n\nB\n")
      report.write_readme(rows, path)
      self.assertEqual(
        path.read_text(),
        f"# A\n\n{report.BEGIN}\n{report.table(rows)}\n{report.END}\n\nB\n",
      )

  def test_the_readme_holds_the_results(self):
    self.assertIn(
      f"{report.BEGIN}\n{report.table(report.read(RESULTS))}\n{report.END}",
      report.README.read_text(),
    )


if __name__ == "__main__":
  tf.test.main()

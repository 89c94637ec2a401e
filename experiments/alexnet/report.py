"""The lines of the CSV file, and the table of the README made from them."""

import csv
import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess

import tensorflow as tf

README = pathlib.Path(__file__).parent / "README.md"
BEGIN, END = "<!-- timings:begin -->", "<!-- timings:end -->"
FIELDS = (
  "date",
  "pass",
  "seed",
  "batch_size",
  "num_batches",
  "mean_sec",
  "sd_sec",
  "images_per_sec",
  "gflops",
  "matmul_gflops",
  "share_of_matmul",
  "device",
  "tensorflow",
  "keras",
  "python",
  "commit",
)
# Milliseconds at batch 128, of the docstring of alexnet_benchmark.py (2016).
PUBLISHED = {
  "Forward": {"Tesla K40c": "145 ± 1.5", "Titan X": "70 ± 0.1"},
  "Forward-backward": {"Tesla K40c": "480 ± 48", "Titan X": "244 ± 30"},
}
PUBLISHED_BATCH = 128


def row_of(name, config, timing, flops, matmul_gflops):
  """Returns what there is to say about a pass, a dictionary by `FIELDS`.

  Args:
    name: str, the pass.
    config: Config.
    timing: `timing.Timing`.
    flops: int, floating-point operations of the pass for one image.
    matmul_gflops: float, what a matrix product reached in the same run.
  """
  images = config.batch_size / timing.mean
  gflops = images * flops / 1e9
  return {
    "date": datetime.date.today().isoformat(),
    "pass": name,
    "seed": config.seed,
    "batch_size": config.batch_size,
    "num_batches": config.num_batches,
    "mean_sec": round(timing.mean, 6),
    "sd_sec": round(timing.sd, 6),
    "images_per_sec": round(images, 2),
    "gflops": round(gflops, 2),
    "matmul_gflops": round(matmul_gflops, 2),
    "share_of_matmul": round(gflops / matmul_gflops, 4),
    "device": device_name(),
    "tensorflow": importlib.metadata.version("tensorflow"),
    "keras": importlib.metadata.version("keras"),
    "python": platform.python_version(),
    "commit": commit(),
  }


def commit(folder=README.parent):
  """Returns the short name of the commit in a folder, "" where git has none."""
  command = ["git", "-C", folder, "rev-parse", "--short", "HEAD"]
  try:
    found = subprocess.run(command, capture_output=True, text=True, check=False)
  except OSError:
    return ""
  return found.stdout.strip()


def device_name():
  """Returns the name of the device that TensorFlow computes on."""
  for gpu in tf.config.list_physical_devices("GPU"):
    details = tf.config.experimental.get_device_details(gpu)
    return details.get("device_name", gpu.name)
  cpu = platform.processor() or platform.machine()
  info = pathlib.Path("/proc/cpuinfo")
  for line in info.read_text().splitlines() if info.exists() else []:
    if line.startswith("model name"):
      cpu = line.split(":", 1)[1].strip()
  return f"{cpu} ({os.cpu_count()} cores)"


def summary(row):
  """Returns the line that stands for a row on the screen."""
  return (
    f"{row['pass']}: {row['images_per_sec']:.1f} images/s, "
    f"{row['gflops']:.1f} GFLOP/s, {row['share_of_matmul']:.1%} of the "
    f"{row['matmul_gflops']:.1f} of a matrix product"
  )


def prepare(path):
  """Makes a CSV file with the names of the columns, where there is none.

  Raises:
    ValueError: there is a file, with other columns.
    OSError: it cannot be read or written.
  """
  with open(path, "a", newline="") as file:
    if not file.tell():
      csv.DictWriter(file, FIELDS, lineterminator="\n").writeheader()
  read(path)


def read(path):
  """Returns the rows of a CSV file.

  Raises:
    ValueError, OSError: as `prepare`.
  """
  with open(path, newline="") as file:
    reader = csv.DictReader(file)
    rows = list(reader)
  if tuple(reader.fieldnames or ()) != FIELDS:
    raise ValueError(
      f"--csv_file must be a new file or one of this program, with the columns "
      f"{', '.join(FIELDS)}, but {path} has {reader.fieldnames}; give another."
    )
  return rows


def append(path, rows):
  """Appends rows to a CSV file that `prepare` has seen."""
  with open(path, "a", newline="") as file:
    csv.DictWriter(file, FIELDS, lineterminator="\n").writerows(rows)


def table(rows):
  """Returns the README's table of the rows of a CSV file."""
  devices = list(PUBLISHED["Forward"])
  names = ["pass", "batch", "batches", "ms / batch", "images/s", "GFLOP/s"]
  names += ["matrix product", "share", *(f"{d}, published" for d in devices)]
  lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
  for row in rows:
    is_published = int(row["batch_size"]) == PUBLISHED_BATCH
    cells = [
      row["pass"],
      row["batch_size"],
      row["num_batches"],
      f"{1e3 * float(row['mean_sec']):.0f} ± {1e3 * float(row['sd_sec']):.0f}",
      f"{float(row['images_per_sec']):.1f}",
      f"{float(row['gflops']):.1f}",
      f"{float(row['matmul_gflops']):.1f} GFLOP/s",
      f"{float(row['share_of_matmul']):.1%}",
    ]
    for device in devices:
      ms = PUBLISHED[row["pass"]][device]
      cells.append(f"{ms} ms" if is_published else "")
    lines.append(f"| {' | '.join(map(str, cells))} |")
  return "\n".join([*lines, "", *_measured_on(rows)])


def _measured_on(rows):
  return sorted(
    {
      f"Measured on: {row['device']}, tensorflow {row['tensorflow']}, keras "
      f"{row['keras']}, python {row['python']}; commit {row['commit']}, seed "
      f"{row['seed']}, {row['date']}."
      for row in rows
    }
  )


def write_readme(rows, path=README):
  """Puts the table between its markers in the README."""
  head, rest = path.read_text().split(BEGIN)
  tail = rest.split(END)[1]
  path.write_text(f"{head}{BEGIN}\n{table(rows)}\n{END}{tail}")

"""The tables of results in the READMEs, made from two files of an experiment.

experiments/<task>/published.json says what was run and what the source reports;
experiments/<task>/results.json says what came of it. tools/make_results.py
describes the first and writes the second.
"""

import json
import statistics


def read_json(path, default=None):
  if default is not None and not path.exists():
    return default
  return json.loads(path.read_text())


def metric_values(row, result):
  """The row's metric, one number for each run.

  Raises:
    ValueError: the runs did not report it.
  """
  reported = set.intersection(*(set(run["metrics"]) for run in result["runs"]))
  if row["metric"] not in reported:
    raise ValueError(
      f"the row {row['name']!r} compares the metric {row['metric']!r}, and its "
      f"runs reported {sorted(reported)}; correct published.json."
    )
  return [run["metrics"][row["metric"]] for run in result["runs"]]


def falls_short(row, result):
  """Whether the mean over the seeds does not reach what it should."""
  if row["reach"] is None:
    return False
  mean = statistics.fmean(metric_values(row, result))
  return mean > row["reach"] if row["lower_is_better"] else mean < row["reach"]


def scaled(row, number):
  return number * (100 if row["unit"] == "%" else 1)


def show(row, number, form=".4g"):
  """A number of the row with its unit; a large one has no decimals."""
  number = scaled(row, number)
  if abs(number) >= 10_000:
    form = "+,.0f" if form.startswith("+") else ",.0f"
  return f"{number:{form}} {row['unit']}".strip()


def form_of(row, values):
  """How the row's mean and what belongs to it are shown: the same decimals."""
  size = abs(scaled(row, statistics.fmean(values)))
  return ",.0f" if size >= 10_000 else ".2f" if size >= 1 else ".4f"


def ours_cell(row, result):
  values = metric_values(row, result)
  form = form_of(row, values)
  cell = show(row, statistics.fmean(values), form)
  if len(values) > 1:
    mean = cell.removesuffix(row["unit"]).strip()
    cell = f"{mean} ± {show(row, statistics.stdev(values), form)}"
  if falls_short(row, result):
    cell += f" (short of {show(row, row['reach'])})"
  return cell


def published_cells(row, result):
  """What the source says, and how far ours is from it."""
  if row["published"] is None:
    return "none", ""
  values = metric_values(row, result)
  difference = statistics.fmean(values) - row["published"]
  said = f"{show(row, row['published'])} ({row['source']})"
  return said, show(row, difference, "+" + form_of(row, values))


def wall_time_cell(result):
  seconds = [run["seconds"] for run in result["runs"]]
  if None in seconds:
    return "resumed"
  return f"{statistics.fmean(seconds):,.0f} s"


def table_row(row, result):
  runs = result["runs"]
  steps = {f"{run['metrics']['steps']:,}" for run in runs}
  cells = (
    row["name"],
    row["metric"],
    ours_cell(row, result),
    str(len(runs)),
    *published_cells(row, result),
    ", ".join(sorted(steps)),
    wall_time_cell(result),
    ", ".join(sorted({run["commit"] for run in runs})),
  )
  return f"| {' | '.join(cells)} |"


def measured_on(machine, versions):
  names = [f"{machine['cpu']}, {machine['cores']} cores", *machine["gpus"]]
  names += [f"{name} {version}" for name, version in versions.items()]
  return f"Measured on: {', '.join(names)}."


def machine_lines(results):
  """One line for each machine and set of versions that runs were made with."""
  runs = [run for result in results.values() for run in result["runs"]]
  return sorted({measured_on(run["machine"], run["versions"]) for run in runs})


def others(row):
  """The rows of the other metrics that a row shows of the same runs."""
  unknown = {"published": None, "reach": None}
  fields = [
    {"metric": other} if isinstance(other, str) else other
    for other in row.get("also", ())
  ]
  return [row | unknown | own for own in fields]


def render_table(rows, results):
  """The table of the README, from published.json and results.json."""
  columns = (
    "config", "metric", "ours (mean ± sd)", "seeds", "published", "difference",
    "steps", "wall time", "commit",
  )  # fmt: skip
  lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
  for row in rows:
    if row["name"] in results:
      lines += [table_row(r, results[row["name"]]) for r in (row, *others(row))]
  return "\n".join([*lines, "", *machine_lines(results)])


def marked_files(root, task):
  """The files that hold the table: (path, opening and closing marker)."""
  own, top = root / "experiments" / task / "README.md", root / "README.md"
  return [
    (own, "<!-- results:begin -->", "<!-- results:end -->"),
    (top, f"<!-- results {task}:begin -->", f"<!-- results {task}:end -->"),
  ]


def split_at_markers(path, begin, end):
  """The file's text before, between and after the two markers.

  Raises:
    ValueError: the markers are not there once each, in order.
  """
  text = path.read_text()
  head, found, rest = text.partition(begin)
  middle, closed, tail = rest.partition(end)
  if not (found and closed):
    raise ValueError(
      f"the place of the table must be marked by {begin} and {end}, and "
      f"{path} has no such lines; add both where the table belongs."
    )
  return head + begin, middle, end + tail


def write_tables(root, task):
  """Rewrites the experiment's table in all files that hold it.

  Raises:
    ValueError: a file has no place for it; then no file is changed.
  """
  table = render_table(read_rows(root, task), read_results(root, task))
  texts = {}
  for path, begin, end in marked_files(root, task):
    head, _, tail = split_at_markers(path, begin, end)
    texts[path] = f"{head}\n{table}\n{tail}"
  for path, text in texts.items():
    path.write_text(text)
    print(f"Wrote the table in {path}")


def read_rows(root, task):
  return read_json(root / "experiments" / task / "published.json")


def read_results(root, task):
  return read_json(root / "experiments" / task / "results.json", default={})

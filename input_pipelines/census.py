"""Census income: 14 facts of a person, and whether they earn above 50,000 USD.

`load` reads the two published files, as they were published:

    split  file        rows    above 50K
    train  adult.data  32,561  7,841 (24.1 %)
    test   adult.test  16,281  3,846 (23.6 %)

Features are a dictionary of `FEATURES`, each [N]: those of `INTEGERS` int32,
the others text, with "?" for what is not known. Labels are int32 [N], 1 where
income_bracket is ">50K". `input_fn` feeds them as [B], text as tf.string.

    age             years, 17 to 90     education_num   1 to 16, as education
    workclass       9 values            capital_gain    USD, 0 to 99,999
    fnlwgt          people that the     capital_loss    USD, 0 to 4,356
                    row stands for      hours_per_week  1 to 99
    education       16 values           marital_status  7 values
    occupation      15 values           relationship    6 values
    race            5 values            gender          2 values
    native_country  42 values

Lines are cleaned as in tensorflow/models' wide_deep: spaces are taken from
both ends, ", " becomes ",", a line without a comma (empty, or the heading of
adult.test) is left out, and so is a "." at the end. Other than there, an empty
number is an error, not 0.

Origin: UCI Machine Learning Repository, "Adult" (Becker, Kohavi 1996),
https://doi.org/10.24432/C5XW20, licence CC BY 4.0.
"""

import dataclasses
import os
import re
import warnings

import numpy as np

from input_pipelines import arrays, common, plain_files

TRAIN_FILE = "adult.data"
TEST_FILE = "adult.test"
FILES = (TRAIN_FILE, TEST_FILE)

FEATURES = (
  "age",
  "workclass",
  "fnlwgt",
  "education",
  "education_num",
  "marital_status",
  "occupation",
  "relationship",
  "race",
  "gender",
  "capital_gain",
  "capital_loss",
  "hours_per_week",
  "native_country",
)
LABEL = "income_bracket"
BRACKETS = ("<=50K", ">50K")  # labels 0 and 1
INTEGERS = (
  "age",
  "fnlwgt",
  "education_num",
  "capital_gain",
  "capital_loss",
  "hours_per_week",
)

_COLUMNS = (*FEATURES, LABEL)
# Nine digits always fit into int32.
_INTEGER = "-?[0-9]{1,9}"
# Bytes that are not UTF-8 are read as surrogates, which no text may hold.
_STRANGE = "\0\ud800-\udfff"
_ROW = re.compile(
  ",".join(
    f"({_INTEGER})" if name in INTEGERS else f"([^,{_STRANGE}]*)"
    for name in FEATURES
  )
  + f",({'|'.join(map(re.escape, BRACKETS))})"
)
_NUM_REPORTED = 5
_MAX_SHOWN = 120  # characters of a bad row


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
  """People: features {name: [N]} as in the module's docstring, labels [N]."""

  features: dict[str, np.ndarray]
  labels: np.ndarray

  def __len__(self):
    return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Splits:
  """The two parts of the data set."""

  train: Split
  test: Split


def read(path, on_bad_row="error"):
  """Reads a file of rows such as adult.data, and prints its path.

  Args:
    path: str.
    on_bad_row: what a row that is damaged (another number of fields, a number
      that is none, an unknown bracket, text with NUL or not in UTF-8) leads
      to: "error", or "skip", which leaves such rows out and warns once, with
      their number and the first of them.

  Returns:
    Split of the rows in the order of the file.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: a row is damaged, or no row is left.
  """
  common.check_on_bad_row(on_bad_row)
  path = os.path.expanduser(path)
  if not os.path.exists(path):
    raise FileNotFoundError(
      f"A census file is needed; {path} is missing. {_fetch(path)}"
    )
  print("Parsing", path)
  text = plain_files.read(path).decode("utf-8-sig", "surrogateescape")
  lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
  rows, problems = _parse_lines(lines)
  if problems and on_bad_row == "error":
    raise ValueError(
      f"{path}, {problems[0]}. Such rows are left out with on_bad_row='skip' "
      "(--on_bad_row=skip). If the file is damaged, delete it. "
      f"{_fetch(path)}"
    )
  if problems:
    _warn(path, problems)
  if not rows:
    raise ValueError(
      f"{path} must have at least one row of {len(_COLUMNS)} fields; got "
      f"{len(lines)} lines without any. {_fetch(path)}"
    )
  return _split(rows)


def load(data_dir, on_bad_row="error"):
  """Loads both files from a folder.

  Args:
    data_dir: str, the folder of `FILES`.
    on_bad_row: see `read`.

  Returns:
    Splits.

  Raises:
    FileNotFoundError: a file is missing.
    ValueError: a file is damaged, or an argument is wrong.
  """
  if not data_dir:
    raise ValueError(
      f"data_dir must name the folder of the census files; got {data_dir!r}. "
      "Pass --data_dir."
    )
  return Splits(
    *(read(os.path.join(data_dir, name), on_bad_row) for name in FILES)
  )


def missing_files(data_dir):
  """Returns the list of those of `FILES` that `data_dir` lacks."""
  paths = [os.path.join(os.path.expanduser(data_dir), f) for f in FILES]
  return [path for path in paths if not os.path.exists(path)]


def input_fn(split, batch_size=40, num_epochs=1, shuffle=False, seed=None):
  """Returns an input function over a Split.

  For training: num_epochs=40, shuffle=True; for evaluation, as it stands.

  Args:
    split: Split.
    batch_size, num_epochs, shuffle, seed: see `arrays.numpy_input_fn`, which
      also says how the place in the data is saved.

  Returns:
    A function without arguments that returns a tf.data.Dataset of
    ({name: [B]}, int32 [B]).

  Raises:
    ValueError: an argument is wrong.
  """
  return arrays.numpy_input_fn(
    split.features, split.labels, batch_size, num_epochs, shuffle, seed
  )


def fake_split(num_examples, seed=0):
  """Returns invented people, of whom the married with a degree earn well.

  Label 1 (one in four) goes with marital_status "Married-civ-spouse" and
  education "Bachelors" together, and relationship and education_num follow
  these two; the other features have nothing to do with it.

  Args:
    num_examples: int, rows; at least 1.
    seed: int.

  Returns:
    Split.
  """
  random = np.random.RandomState(seed)
  married = np.arange(num_examples) % 2 == 1
  degree = np.arange(num_examples) % 4 >= 2

  def pick(*values):
    return random.choice(np.array(values, object), num_examples)

  def integers(low, high):
    return random.randint(low, high, num_examples, np.int32)

  features = {
    "age": integers(17, 91),
    "workclass": pick("Private", "Local-gov", "?"),
    "fnlwgt": integers(10_000, 1_000_000),
    "education": _choose(degree, "Bachelors", "HS-grad"),
    "education_num": np.where(degree, 13, 9).astype(np.int32),
    "marital_status": _choose(married, "Married-civ-spouse", "Never-married"),
    "occupation": pick("Sales", "Craft-repair", "Adm-clerical"),
    "relationship": _choose(married, "Husband", "Not-in-family"),
    "race": pick("White", "Black", "Other"),
    "gender": pick("Male", "Female"),
    "capital_gain": np.zeros(num_examples, np.int32),
    "capital_loss": np.zeros(num_examples, np.int32),
    "hours_per_week": integers(30, 51),
    "native_country": pick("United-States", "Mexico"),
  }
  return Split(features, (married & degree).astype(np.int32))


def _choose(condition, where_true, where_false):
  return np.where(condition, where_true, where_false).astype(object)


def _parse_lines(lines):
  """Returns the fields of good rows (lists of str) and problems (str)."""
  rows, problems = [], []
  last = len(lines) - 1
  for index, line in enumerate(lines):
    line = line.strip().replace(", ", ",")
    # Only a file that was cut has a last line like that.
    cut = index == last and line and "," not in line
    if "," not in line and "\0" not in line and not cut:
      continue
    line = line.removesuffix(".")
    match = _ROW.fullmatch(line)
    if match:
      rows.append(match.groups())
    else:
      problems.append(f"line {index + 1}: {_problem(line)}")
  return rows, problems


def _problem(line):
  """Says what is wrong with a cleaned line that is no row."""
  strange = re.search(f"[{_STRANGE}]", line)
  if strange:
    text = line.encode("utf-8", "surrogateescape")
    return f"text must be UTF-8 without NUL; got {_shown(text)}"
  fields = line.split(",")
  if len(fields) != len(_COLUMNS):
    return (
      f"a row must have {len(_COLUMNS)} fields; got {len(fields)}: "
      f"{_shown(line)}"
    )
  for name, field in zip(FEATURES, fields, strict=False):
    if name in INTEGERS and not re.fullmatch(_INTEGER, field):
      return (
        f"{name} must be a whole number of 1 to 9 digits; got {_shown(field)}"
      )
  return f"{LABEL} must be one of {BRACKETS}; got {_shown(fields[-1])}"


def _shown(text):
  dots = "..." if len(text) > _MAX_SHOWN else ""
  return f"{text[:_MAX_SHOWN]!r}{dots}"


def _warn(path, problems):
  more = len(problems) - _NUM_REPORTED
  warnings.warn(
    f"{path}: left out {len(problems)} damaged rows:\n  "
    + "\n  ".join(problems[:_NUM_REPORTED])
    + (f"\n  and {more} more" if more > 0 else ""),
    stacklevel=3,
  )


def _split(rows):
  """Makes a Split of rows of checked fields."""
  columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
  labels = np.array(columns.pop(LABEL)) == BRACKETS[1]
  features = {
    name: np.array(values).astype(np.int32)
    if name in INTEGERS
    else np.array(values, object)
    for name, values in columns.items()
  }
  return Split(features, labels.astype(np.int32))


def _fetch(path):
  folder = os.path.dirname(path) or "."
  return f"Fetch it: python -m tools.download census --data_dir={folder}"

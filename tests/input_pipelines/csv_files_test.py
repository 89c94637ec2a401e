import gzip
import os
import pathlib
import random
import subprocess
import sys
import zlib
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator
from input_pipelines import csv_files, csv_headers
from tests.estimators import toys

_FEW = "age,job,pay\n30,a,1.5\n40,b,2.5\n,c,3.5\n"
_COLUMNS = {"age": -1, "job": "", "pay": tf.float32}

# With "save", prints the labels of the first batches, saves the place, prints
# the rest. With "restore", prints what follows.
_PROGRAM = """
import sys
import tensorflow as tf
from input_pipelines.csv_files import csv_input_fn

action, pattern, place = sys.argv[1:]
for seed, on_bad_row in ((None, "error"), (5, "error"), (5, "skip")):
  fn = csv_input_fn(pattern, {"x": tf.int32, "y": tf.int32}, None, "y", 7, 3,
                    True, 40, seed, on_bad_row=on_bad_row)
  batches = iter(fn())
  checkpoint = tf.train.Checkpoint(iterator=batches)
  if action == "restore":
    checkpoint.read(f"{place}-{seed}-{on_bad_row}")
  else:
    print(sum([next(batches)[1].numpy().tolist() for _ in range(20)], []))
    checkpoint.write(f"{place}-{seed}-{on_bad_row}")
  print(sum([y.numpy().tolist() for _, y in batches], []))
"""


class _TestCase(tf.test.TestCase, parameterized.TestCase):
  def write(self, content, name="a.csv"):
    path = os.path.join(self.get_temp_dir(), name)
    with open(path, "wb") as stream:
      stream.write(content.encode() if isinstance(content, str) else content)
    return path

  def input_fn(self, content, *args, **kwargs):
    kwargs = {"shuffle": False} | kwargs
    path = self.write(content)
    return csv_files.csv_input_fn(path, *(args or (_COLUMNS,)), **kwargs)

  def shards(self, *sizes, bad=()):
    """Writes x and y = 10 x, counting on from file to file; one has gaps."""
    x = 0
    for index, size in enumerate(sizes):
      lines = ["x,y"]
      for _ in range(size):
        lines.append("bad" if x in bad else f"{x},{10 * x}")
        x += 1
      self.write("\n\n".join(lines) + "\n", f"shard-{index}.csv")
    return os.path.join(self.get_temp_dir(), "shard-*.csv")


def _shards_fn(pattern, **kwargs):
  columns = {"x": tf.int32, "y": tf.int32}
  return csv_files.csv_input_fn(pattern, columns, label_name="y", **kwargs)


def _xs(dataset):
  return [x["x"].numpy().tolist() for x, _ in dataset]


class ReadTest(_TestCase):
  def test_columns(self):
    ((features, labels),) = self.input_fn(_FEW, _COLUMNS, label_name="pay")()
    self.assertEqual(["age", "job"], list(features))
    self.assertAllEqual([30, 40, -1], features["age"])
    self.assertAllEqual([b"a", b"b", b"c"], features["job"])
    self.assertAllEqual([1.5, 2.5, 3.5], labels)
    self.assertEqual(tf.int32, features["age"].dtype)
    self.assertEqual(tf.float32, labels.dtype)

  def test_defaults_in_a_list(self):
    (features,) = self.input_fn(_FEW, [[0], tf.string, np.float64(0)])()
    self.assertAllEqual([30, 40, 0], features["age"])
    self.assertEqual(tf.float64, features["pay"].dtype)

  def test_selected_columns(self):
    for args in (
      ([tf.float32, 7],),
      ({"pay": tf.float32, "age": 7},),
      (_COLUMNS | {"age": 7},),
    ):
      fn = self.input_fn(_FEW, *args, select_columns=["pay", "age"])
      if isinstance(args[0], list):  # in the order of the file
        fn = self.input_fn(_FEW, [7, tf.float32], select_columns=["pay", "age"])
      (features,) = fn()
      self.assertEqual(["age", "pay"], list(features))
      self.assertAllEqual([30, 40, 7], features["age"])

  def test_names_given(self):
    rows = _FEW.split("\n", 1)[1]
    (features,) = self.input_fn(
      rows, [0, "", 0.0], column_names=["a", "j", "p"], header=False
    )()
    self.assertAllEqual([30, 40, 0], features["a"])
    (features,) = self.input_fn(
      _FEW, [0, "", 0.0], column_names=["a", "j", "p"]
    )()
    self.assertEqual(["a", "j", "p"], list(features))
    self.assertAllEqual([30, 40, 0], features["a"])

  def test_forms_of_files(self):
    for content, kwargs in (
      (_FEW.replace("\n", "\r\n"), {}),
      (_FEW[:-1], {}),
      (_FEW.replace("\n", "\n\n"), {}),
      (b"\xef\xbb\xbf" + _FEW.encode(), {}),
      (_FEW.replace(",", ";"), {"field_delim": ";"}),
      (_FEW.replace("a\n", '"a"\n'), {}),
      (gzip.compress(_FEW.encode()), {"compression": "GZIP"}),
      (zlib.compress(_FEW.encode()), {"compression": "ZLIB"}),
    ):
      (features,) = self.input_fn(content, **kwargs)()
      self.assertAllEqual([30, 40, -1], features["age"], str(content))
      self.assertAllEqual([b"a", b"b", b"c"], features["job"])
    path = self.write(gzip.compress(_FEW.encode()), "b.csv.gz")
    (features,) = csv_files.csv_input_fn(path, _COLUMNS, shuffle=False)()
    self.assertAllEqual([30, 40, -1], features["age"])

  def test_text_with_delimiters_and_quotes(self):
    (features,) = self.input_fn('a,b\n"1,2","3""4"\n', ["", ""])()
    self.assertAllEqual([b"1,2"], features["a"])
    self.assertAllEqual([b'3"4'], features["b"])

  def test_more_lines_than_are_checked_at_once(self):
    pattern = self.shards(1000)
    fn = _shards_fn(pattern, batch_size=999, shuffle=False)
    self.assertEqual([list(range(999)), [999]], _xs(fn()))

  def test_batches_cross_files_and_epochs(self):
    fn = _shards_fn(
      self.shards(2, 1), batch_size=2, num_epochs=2, shuffle=False
    )
    for _ in range(2):
      self.assertEqual([[0, 1], [2, 0], [1, 2]], _xs(fn()))
    self.assertEqual([None], fn().element_spec[1].shape.as_list())

  def test_for_ever_has_full_static_batches(self):
    fn = _shards_fn(
      self.shards(2, 1), batch_size=2, num_epochs=None, shuffle=False
    )
    self.assertEqual([2], fn().element_spec[1].shape.as_list())
    self.assertEqual([[0, 1], [2, 0], [1, 2], [0, 1]], _xs(fn().take(4)))


class ShuffleTest(_TestCase):
  def test_each_epoch_has_every_row_once_in_its_own_order(self):
    pattern = self.shards(300, 20, 80)
    fn = _shards_fn(pattern, batch_size=40, num_epochs=3, shuffle=True)
    epochs = np.reshape(_xs(fn()), [3, 400])
    for epoch in epochs:
      self.assertAllEqual(range(400), sorted(epoch))
    self.assertLen({tuple(epoch) for epoch in epochs}, 3)
    self.assertNotEqual(_xs(fn()), _xs(fn()))

  def test_files_change_places(self):
    fn = _shards_fn(
      self.shards(5, 5, 5),
      batch_size=5,
      num_epochs=20,
      shuffle=True,
      shuffle_buffer_size=1,
    )
    first = {tuple(batch) for batch in _xs(fn())[::3]}
    self.assertEqual(
      {(0, 1, 2, 3, 4), tuple(range(5, 10)), (10, 11, 12, 13, 14)}, first
    )

  def test_a_seed_fixes_the_order(self):
    pattern = self.shards(30, 20)

    def order(seed):
      return _xs(_shards_fn(pattern, num_epochs=2, shuffle=True, seed=seed)())

    tf.random.set_seed(1)
    first = order(5)
    tf.random.set_seed(2)
    self.assertEqual(first, order(5))
    self.assertNotEqual(first, order(6))

  @pytest.mark.slow
  def test_restored_in_another_process_goes_on_the_same(self):
    pattern = self.shards(100, 290)

    def run(action):
      place = os.path.join(self.get_temp_dir(), "place")
      result = subprocess.run(
        [sys.executable, "-c", _PROGRAM, action, pattern, place],
        cwd=pathlib.Path(csv_files.__file__).parents[1],
        check=True,
        capture_output=True,
        text=True,
      )
      return [
        [int(number) // 10 for number in line.strip("[]").split(",")]
        for line in result.stdout.splitlines()
      ]

    saved, restored = run("save"), run("restore")

    self.assertLen(restored, 3)
    self.assertEqual(saved[1::2], restored)
    for head, rest in zip(saved[::2], restored, strict=True):
      self.assertLen(head, 140)
      for epoch in np.reshape(head + rest, [3, 390]):
        self.assertAllEqual(range(390), sorted(epoch))

  def test_restores_an_epoch_in_order(self):
    fn = _shards_fn(self.shards(700), batch_size=50, shuffle=False)
    iterator = iter(fn())
    for _ in range(9):
      next(iterator)
    path = os.path.join(self.get_temp_dir(), "place")
    tf.train.Checkpoint(iterator=iterator).write(path)
    again = iter(_shards_fn(self.shards(700), batch_size=50, shuffle=False)())
    tf.train.Checkpoint(iterator=again).read(path)
    self.assertEqual(list(range(450, 700)), sum(_xs(again), []))


class BadRowsTest(_TestCase):
  def test_an_error_names_file_and_line(self):
    pattern = self.shards(300, 300, bad=[590])
    # Every second line is empty.
    place = "shard-1.csv, line 583: a row must have 2 fields; this one has 1"
    for shuffle in (False, True):
      fn = _shards_fn(pattern, shuffle=shuffle)
      with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError,
        f"{place}; got the line: bad. .*on_bad_row=skip",
      ):
        list(fn())

  def test_the_first_line_counts(self):
    fn = self.input_fn("1,2\n", [tf.int32] * 2, ["a", "b"], header=False)
    self.assertLen(list(fn()), 1)
    fn = self.input_fn("1,x\n", [tf.int32] * 2, ["a", "b"], header=False)
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "a.csv, line 1: column b must be int32"
    ):
      list(fn())

  def test_a_line_break_in_quotes(self):
    fn = self.input_fn('a,b\n1,"x\ny"\n', [tf.int32, ""])
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "a.csv, line 2: .*end on their line"
    ):
      list(fn())

  def test_left_out(self):
    pattern = self.shards(300, 300, bad=[3, 290, 299, 305, 590])
    for shuffle in (False, True):
      fn = _shards_fn(
        pattern, batch_size=600, shuffle=shuffle, on_bad_row="skip"
      )
      (rows,) = _xs(fn())
      self.assertEqual(
        [x for x in range(600) if x not in (3, 290, 299, 305, 590)],
        sorted(rows),
      )

  @pytest.mark.slow
  def test_what_is_left_out_is_counted_once(self):
    path = self.write("a\n1\nx\n2\n\n3\n" + "y\n" * 1000)
    program = (
      "import tensorflow as tf\n"
      "from input_pipelines.csv_files import csv_input_fn\n"
      f"fn = csv_input_fn({path!r}, [tf.int32], num_epochs=3, shuffle=False,\n"
      "                  on_bad_row='skip')\n"
      "print(sum([x['a'].numpy().tolist() for x in fn()], []))\n"
    )
    result = subprocess.run(
      [sys.executable, "-c", program],
      cwd=pathlib.Path(csv_files.__file__).parents[1],
      check=True,
      capture_output=True,
      text=True,
    )
    self.assertEqual("[1, 2, 3, 1, 2, 3, 1, 2, 3]\n", result.stdout)
    reports = [
      line for line in result.stderr.splitlines() if "Left out" in line
    ]
    self.assertEqual(
      [
        f"Left out {path}, line 3: column a must be int32; got the line: x.",
        "Left out 1001 bad rows, and read 3.",
      ],
      reports,
    )

  def test_nothing_but_bad_rows_is_an_error(self):
    fn = self.input_fn(
      "a\nx\ny\n", [tf.int32], num_epochs=None, on_bad_row="skip"
    )
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "a.csv .*must have a row"
    ):
      list(fn())

  def test_a_damaged_file_is_never_misread(self):
    good = "a,b\n" + "".join(f'{i},"t{i}"\n' for i in range(10, 30))
    generator = random.Random(0)
    refused = 0
    fn = self.input_fn(good, [tf.int32, tf.string])
    for _ in range(40):
      content = bytearray(good.encode())
      position = generator.randrange(4, len(content))
      content[position] ^= 1 << generator.randrange(8)
      self.write(bytes(content))
      try:
        (rows,) = fn()
        self.assertLen(rows["a"], 20)
      except tf.errors.InvalidArgumentError as error:
        self.assertRegex(str(error), r"a.csv, line \d+: ")
        refused += 1
    self.assertBetween(refused, 4, 36)

  def test_damaged_and_cut_gzip_files_are_refused(self):
    good = gzip.compress(b"a,b\n" + b"1,2\n" * 100)
    generator = random.Random(0)
    for _ in range(40):
      flipped = bytearray(good)
      # Not in the date of the header.
      flipped[generator.randrange(10, len(good) - 9)] ^= 64
      cut = good[: generator.randrange(1, len(good))]
      for damaged in (flipped, cut):
        path = self.write(bytes(damaged), "a.csv.gz")
        with self.assertRaisesRegex(
          ValueError, f"{path} must be a whole gzip file"
        ):
          csv_files.csv_input_fn(path, [tf.int32] * 2, shuffle=False)


class ArgumentsTest(_TestCase):
  @parameterized.named_parameters(
    ("shuffle", {"shuffle": None}, "shuffle must be given.*None"),
    ("batch_size", {"batch_size": 0}, "batch_size must be .*got 0"),
    ("num_epochs", {"num_epochs": 0}, "num_epochs must be .*got 0"),
    ("seed", {"seed": 1.5}, "seed must be .*got 1.5"),
    (
      "buffer",
      {"shuffle_buffer_size": 0},
      "shuffle_buffer_size must be .*got 0",
    ),
    ("on_bad_row", {"on_bad_row": "drop"}, "on_bad_row must be .*'drop'"),
    ("delimiter", {"field_delim": ", "}, "field_delim must be .*', '"),
    ("delimiter_digit", {"field_delim": "1"}, "field_delim must be .*'1'"),
    ("compression", {"compression": "zip"}, "compression must be .*'zip'"),
    ("label", {"label_name": "wage"}, r"label_name .*\['age', .*got 'wage'"),
    (
      "label_not_read",
      {"label_name": "pay", "select_columns": ["age"]},
      r"label_name .*read, \['age'\]; got 'pay'",
    ),
    ("no_names", {"header": False}, "column_names must be given"),
    (
      "names",
      {"column_names": ["a", "b"]},
      r"column_names must name all 3 .*'pay'\]; got \['a', 'b'\]",
    ),
    ("same_names", {"column_names": ["a", "a", "b"]}, "different names"),
    ("empty_name", {"column_names": ["a", "", "b"]}, "different names"),
    ("unknown", {"select_columns": ["wage"]}, r"columns.*got \['wage'\]"),
    (
      "unknown_default",
      {"column_defaults": _COLUMNS | {"wage": 0}},
      r"column_defaults must name columns.*got \['wage'\]",
    ),
    (
      "missing_default",
      {"column_defaults": {"age": 0}},
      "one entry for each of the 3 columns",
    ),
    (
      "few_defaults",
      {"column_defaults": [0, 1]},
      "one entry for each of the 3 columns",
    ),
    (
      "dtype",
      {"column_defaults": [tf.bool, "", 0]},
      "column 'age' must be a dtype of .*'float32'.*tf.bool",
    ),
    ("none", {"column_defaults": [None, "", 0]}, "column 'age' .*None"),
    ("two", {"column_defaults": [[1, 2], "", 0]}, r"'age' .*got \[1, 2\]"),
    ("bool", {"column_defaults": [True, "", 0]}, "column 'age' .*got True"),
  )
  def test_refuses(self, changed, message):
    good = {"column_defaults": _COLUMNS, "shuffle": False}
    with self.assertRaisesRegex(ValueError, message):
      csv_files.csv_input_fn(self.write(_FEW), **good | changed)

  @parameterized.named_parameters(
    ("empty", b"", "must have data"),
    ("header_alone", b"age,job,pay\n", "at least one row; got none after"),
    ("empty_lines", b"age,job,pay\n\n \r\n", "at least one row"),
    ("no_header", b"\nage,job,pay\n1,2,3", "different names.*got \\[\\]"),
    ("same_names", b"age,job,age\n1,2,3", "different names.*'age'"),
    ("latin1", "age,jöb,pay\n1,2,3".encode("latin1"), "in UTF-8.*xf6b"),
    ("open_quote", b'age,"job,pay\n1,2,3', "names of its columns"),
  )
  def test_refuses_files(self, content, message):
    path = self.write(content)
    with self.assertRaisesRegex(ValueError, message) as caught:
      csv_files.csv_input_fn(path, _COLUMNS, shuffle=False)
    self.assertIn(path, str(caught.exception))

  def test_refuses_another_header(self):
    self.write(_FEW)
    other = self.write(_FEW.replace("job", "jobs"), "b.csv")
    with self.assertRaisesRegex(
      ValueError, f"header of .*a.csv.*'job'.*got .*'jobs'.* in {other}"
    ):
      csv_files.csv_input_fn(
        os.path.join(self.get_temp_dir(), "*.csv"), _COLUMNS, shuffle=False
      )

  def test_names_the_file_whose_header_does_not_fit(self):
    for header, kwargs in (
      ("age,jobs,pay", {}),
      ("age,job,pay,more", {}),
      ("age,job,pay", {"label_name": "wage"}),
    ):
      with self.assertRaisesRegex(ValueError, "header is that of .*a.csv"):
        self.input_fn(f"{header}\n1,a,2\n", _COLUMNS, **kwargs)

  def test_refuses_lines_without_an_end(self):
    with mock.patch.object(csv_headers, "_MAX_LINE_BYTES", 1 << 20):
      path = self.write("a\n1\n")
      os.truncate(path, 1 << 40)  # A hole follows what is there.
      csv_files.csv_input_fn(path, [tf.int32], shuffle=False)
      for start, line in (("", 1), ("a\n", 2)):
        path = self.write(start)
        os.truncate(path, 1 << 40)
        with self.assertRaisesRegex(
          ValueError, f"{path}, line {line} must have at most 1048576 bytes"
        ):
          csv_files.csv_input_fn(path, [tf.int32], shuffle=False)

  def test_refuses_a_byte_order_mark_without_header(self):
    with self.assertRaisesRegex(ValueError, "byte order mark"):
      self.input_fn(b"\xef\xbb\xbfa\n", [""], ["a"], header=False)

  def test_refuses_what_are_no_defaults(self):
    with self.assertRaisesRegex(TypeError, "a list or a dictionary; got str"):
      self.input_fn(_FEW, "age")

  def test_missing_file(self):
    with self.assertRaisesRegex(ValueError, "'/nowhere/a.csv' matches none"):
      csv_files.csv_input_fn("/nowhere/a.csv", _COLUMNS, shuffle=False)


def _model_fn(features, labels, mode):
  return toys.line_fn(features["x"], labels, mode)


class EstimatorTest(_TestCase):
  def test_trains_and_evaluates(self):
    path = self.write("x,y\n1.0,2.0\n2.0,4.0\n")
    columns = {"x": tf.float32, "y": tf.float32}
    fn = csv_files.csv_input_fn(
      path, columns, None, "y", 2, num_epochs=3, shuffle=False
    )
    estimator = Estimator(_model_fn, os.path.join(self.get_temp_dir(), "model"))
    estimator.train(fn)
    slope = toys.line_steps([([1, 2], [2, 4])] * 3)
    results = estimator.evaluate(
      csv_files.csv_input_fn(path, columns, label_name="y", shuffle=False)
    )
    self.assertEqual(3, results["global_step"])
    self.assertAllClose(1.5 * (2 - slope), results["error"])

  def test_a_bad_row_stops_training_and_says_where(self):
    path = self.write("x,y\n" + "1.0,2.0\n" * 3 + "1.0,two\n")
    fn = csv_files.csv_input_fn(
      path, [tf.float32] * 2, label_name="y", batch_size=1, shuffle=False
    )
    estimator = Estimator(_model_fn, os.path.join(self.get_temp_dir(), "model"))
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError,
      f"{path}, line 5: column y must be float32; got the line: 1.0,two. Mend",
    ):
      estimator.train(fn)


if __name__ == "__main__":
  tf.test.main()

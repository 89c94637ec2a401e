import hashlib
import os
import random
import warnings

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import census, downloads

_LINE = (
  "18, Self-emp-not-inc, 987, Bachelors, 12, Married-civ-spouse, abc, "
  "Husband, zyx, wvu, 34, 56, 78, tsr, <=50K"
)
_ABOVE = _LINE.replace("18,", "29,").replace("<=", ">")


class _TestCase(tf.test.TestCase, parameterized.TestCase):
  def write(self, *lines, name="adult.data"):
    path = os.path.join(self.get_temp_dir(), name)
    with open(path, "wb") as stream:
      stream.write(
        b"".join(
          line if isinstance(line, bytes) else f"{line}\n".encode()
          for line in lines
        )
      )
    return path


class ReadTest(_TestCase):
  def test_a_row(self):
    split = census.read(self.write(_LINE))
    expected = {
      "age": 18,
      "workclass": "Self-emp-not-inc",
      "fnlwgt": 987,
      "education": "Bachelors",
      "education_num": 12,
      "marital_status": "Married-civ-spouse",
      "occupation": "abc",
      "relationship": "Husband",
      "race": "zyx",
      "gender": "wvu",
      "capital_gain": 34,
      "capital_loss": 56,
      "hours_per_week": 78,
      "native_country": "tsr",
    }
    self.assertEqual(list(census.FEATURES), list(split.features))
    for name, value in expected.items():
      array = split.features[name]
      self.assertEqual([value], array.tolist())
      dtype = np.int32 if isinstance(value, int) else object
      self.assertEqual(dtype, array.dtype, name)
    self.assertEqual([0], split.labels.tolist())
    self.assertEqual(np.int32, split.labels.dtype)

  def test_cleaning(self):
    path = self.write(
      "|1x3 Cross validator",
      f"  {_LINE}.\t",
      "",
      _ABOVE.replace(", ", ",") + ".\r",
      b"%s." % _ABOVE.encode(),
    )
    split = census.read(path)
    self.assertLen(split, 3)
    self.assertAllEqual([18, 29, 29], split.features["age"])
    self.assertAllEqual([0, 1, 1], split.labels)
    self.assertEqual(["tsr"] * 3, split.features["native_country"].tolist())

  def test_text_may_be_empty_or_of_any_language(self):
    path = self.write(_LINE.replace("abc", "").replace("tsr", "Österreich"))
    features = census.read(path).features
    self.assertEqual([""], features["occupation"].tolist())
    self.assertEqual(["Österreich"], features["native_country"].tolist())

  @parameterized.named_parameters(
    ("few", "1, 2, 3", "must have 15 fields; got 3: '1,2,3'"),
    ("many", f"{_LINE}, 3", "must have 15 fields; got 16: '18,.*, *3'"),
    ("letters", _LINE.replace("18", "x8"), "age must be a whole.*got 'x8'"),
    ("empty", _LINE.replace("78", ""), "hours_per_week must be .*got ''"),
    ("float", _LINE.replace("987", "9.5"), "fnlwgt must be .*got '9.5'"),
    ("python", _LINE.replace("987", "9_5"), "fnlwgt must be .*got '9_5'"),
    (
      "large",
      _LINE.replace("34", "2147483648"),
      "capital_gain must be .* 1 to 9 digits; got '2147483648'",
    ),
    (
      "bracket",
      _LINE.replace("<=50K", "<50K"),
      r"income_bracket must be one of \('<=50K', '>50K'\); got '<50K'",
    ),
    ("dots", f"{_LINE}..", "got '<=50K.'"),
    ("nul", _LINE.replace("abc", "a\0c"), r"UTF-8 without NUL; got b'.*a\\x00"),
    (
      "latin1",
      _LINE.replace("abc", "ä").encode("latin1") + b"\n",
      r"UTF-8 without NUL; got b'.*,\\xe4",
    ),
    ("cut", b"39", "must have 15 fields; got 1: '39'"),
    ("long", "a," * 9999, "got 10000: '(a,){60}'[.]{3}"),
  )
  def test_damaged_rows(self, line, message):
    path = self.write(_LINE, "", line)
    with self.assertRaisesRegex(ValueError, message) as caught:
      census.read(path)
    self.assertStartsWith(str(caught.exception), f"{path}, line 3: ")
    self.assertRegex(
      str(caught.exception),
      r"\. Such rows are left out with on_bad_row='skip' "
      r"\(--on_bad_row=skip\)\. .* delete it\. "
      r".*tools\.download census --data_dir=\S+$",
    )

    with self.assertWarnsRegex(UserWarning, message) as warned:
      split = census.read(path, on_bad_row="skip")
    self.assertLen(split, 1)
    self.assertStartsWith(
      str(warned.warning), f"{path}: left out 1 damaged rows:\n  line 3: "
    )

  def test_skipped_rows_are_counted(self):
    path = self.write(*[_LINE, "a,b"] * 7)
    with self.assertWarns(UserWarning) as warned:
      self.assertLen(census.read(path, on_bad_row="skip"), 7)
    self.assertLen(warned.warnings, 1)
    lines = str(warned.warning).split("\n")
    self.assertEndsWith(lines[0], "left out 7 damaged rows:")
    self.assertEqual(
      ["line 2", "line 4", "line 6", "line 8", "line 10"],
      [line.strip().split(":")[0] for line in lines[1:-1]],
    )
    self.assertEqual("  and 2 more", lines[-1])

  def test_no_rows(self):
    with self.assertRaisesRegex(ValueError, "at least one row.*2 lines"):
      census.read(self.write(""))
    with self.assertRaisesRegex(ValueError, "at least one row"):
      census.read(self.write(b""))
    with (
      self.assertWarns(UserWarning),
      self.assertRaisesRegex(ValueError, "at least one row"),
    ):
      census.read(self.write("1,2"), on_bad_row="skip")

  def test_refuses(self):
    with self.assertRaisesRegex(
      FileNotFoundError,
      "/nowhere/a is missing.*tools.download census --data_dir=/nowhere",
    ):
      census.read("/nowhere/a")
    with self.assertRaisesRegex(ValueError, "on_bad_row must be.*'drop'"):
      census.read(self.write(_LINE), on_bad_row="drop")

  def test_a_damaged_file_is_never_misread(self):
    good = "".join(f"{line}\n" for line in [_LINE, _ABOVE] * 3).encode()
    generator = random.Random(0)
    refused = 0
    for _ in range(500):
      content = bytearray(good)
      content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
      path = self.write(bytes(content))
      try:
        self.assertLen(census.read(path), 6)
      except ValueError as error:
        self.assertStartsWith(str(error), f"{path}, line ")
        refused += 1
    self.assertBetween(refused, 50, 450)

  def test_a_cut_file_has_the_rows_before_the_cut(self):
    lines = [f"{line}\n".encode() for line in [_LINE, _ABOVE]]
    for size in range(1, len(lines[1])):
      path = self.write(lines[0], lines[1][:size])
      # What is a row without its last byte: "\n".
      if size == len(lines[1]) - 1:
        self.assertLen(census.read(path), 2)
        continue
      with self.assertRaisesRegex(ValueError, f"{path}, line 2: "):
        census.read(path)


class LoadTest(_TestCase):
  def setUp(self):
    super().setUp()
    self.train = self.write(_LINE, _ABOVE)
    self.data_dir = os.path.dirname(self.train)
    self.test = os.path.join(self.data_dir, "adult.test")
    with open(self.test, "w") as stream:
      stream.write(f"|1x3 Cross validator\n{_ABOVE}.\n")

  def test_splits(self):
    splits = census.load(self.data_dir)
    self.assertAllEqual([0, 1], splits.train.labels)
    self.assertAllEqual([1], splits.test.labels)

  def test_missing_files(self):
    self.assertEqual([], census.missing_files(self.data_dir))
    os.remove(self.test)
    self.assertEqual([self.test], census.missing_files(self.data_dir))
    with self.assertRaisesRegex(FileNotFoundError, f"{self.test} is missing"):
      census.load(self.data_dir)

  def test_needs_a_folder(self):
    with self.assertRaisesRegex(ValueError, "data_dir must name.*None"):
      census.load(None)


class InputFnTest(_TestCase):
  def test_evaluation_is_once_in_order(self):
    split = census.read(self.write(_LINE, _ABOVE, _LINE))
    batches = list(census.input_fn(split, batch_size=2)())
    self.assertLen(batches, 2)
    features, labels = batches[0]
    self.assertEqual(list(census.FEATURES), list(features))
    self.assertAllEqual([18, 29], features["age"])
    self.assertAllEqual([b"abc", b"abc"], features["occupation"])
    self.assertAllEqual([0, 1], labels)
    self.assertAllEqual([0], batches[1][1])

  def test_training_is_shuffled_and_goes_on_where_it_was_saved(self):
    split = census.fake_split(20)
    fn = census.input_fn(split, 8, num_epochs=3, shuffle=True, seed=1)
    weights = [f["fnlwgt"].numpy().tolist() for f, _ in fn()]
    epochs = np.reshape(sum(weights, []), [3, 20])
    for epoch in epochs:
      self.assertCountEqual(split.features["fnlwgt"], epoch)
    self.assertNotAllEqual(epochs[0], epochs[1])

    iterator = iter(fn())
    for _ in range(3):
      next(iterator)
    path = os.path.join(self.get_temp_dir(), "place")
    tf.train.Checkpoint(iterator=iterator).write(path)
    again = iter(fn())
    tf.train.Checkpoint(iterator=again).read(path)
    self.assertEqual(
      weights[3:], [f["fnlwgt"].numpy().tolist() for f, _ in again]
    )


class FakeSplitTest(tf.test.TestCase):
  def test_the_label_follows_from_two_features(self):
    split = census.fake_split(12)
    married = split.features["marital_status"] == "Married-civ-spouse"
    degree = split.features["education"] == "Bachelors"
    self.assertAllEqual(married & degree, split.labels)
    self.assertEqual(3, split.labels.sum())
    self.assertAllEqual([13] * 6, split.features["education_num"][degree])

  def test_has_the_form_of_a_file(self):
    split = census.fake_split(5)
    self.assertEqual(list(census.FEATURES), list(split.features))
    for name, array in split.features.items():
      integer = name in census.INTEGERS
      self.assertEqual(np.int32 if integer else object, array.dtype, name)
      self.assertEqual((5,), array.shape)
      self.assertIsInstance(array[0], np.int32 if integer else str)
    self.assertEqual(np.int32, split.labels.dtype)
    again = census.fake_split(5)
    for name, array in split.features.items():
      self.assertAllEqual(array, again.features[name])


class RealDataTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.data_dir = os.path.join(os.environ.get("TEST_DATA_DIR", ""), "census")
    if not os.path.exists(os.path.join(self.data_dir, census.TRAIN_FILE)):
      self.skipTest("needs the census files in $TEST_DATA_DIR/census")

  def test_published_files(self):
    with warnings.catch_warnings(record=True) as caught:
      splits = census.load(self.data_dir, on_bad_row="skip")
    self.assertEmpty(caught)
    self.assertEqual([32_561, 16_281], [len(splits.train), len(splits.test)])
    self.assertEqual(7_841, splits.train.labels.sum())
    self.assertEqual(3_846, splits.test.labels.sum())
    first = [array[0] for array in splits.train.features.values()]
    self.assertEqual(
      "39 State-gov 77516 Bachelors 13 Never-married Adm-clerical "
      "Not-in-family White Male 2174 0 40 United-States",
      " ".join(map(str, first)),
    )
    self.assertEqual(25, splits.test.features["age"][0])

  def test_hashes_are_those_of_the_downloads(self):
    for file in downloads.DATASETS["census"]:
      with open(os.path.join(self.data_dir, file.name), "rb") as stream:
        content = stream.read()
      self.assertLen(content, file.size)
      self.assertEqual(file.sha256, hashlib.sha256(content).hexdigest())


class DownloadsTest(tf.test.TestCase):
  def test_the_download_gives_the_files_that_are_read(self):
    files = downloads.DATASETS["census"]
    self.assertEqual(list(census.FILES), [file.name for file in files])
    for file in files:
      for url in file.urls:
        self.assertEndsWith(url, f"/adult/{file.name}")


if __name__ == "__main__":
  tf.test.main()

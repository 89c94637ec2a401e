import bz2
import gzip
import os
import pathlib
import tempfile

import numpy as np
import scipy.sparse
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import svmlight

_DENSE = np.array(
  [[0, 1, 0, 0.5], [0, 0, 0, 0], [2, 0, 0, 3], [0, -4, 0, 0], [0, 0, 0, 5]],
  np.float32,
)
_LABELS = np.array([1, -1, 0.25, 1, -1], np.float32)
_FILE = """# made by hand
1 2:1 4:0.5
-1  # a row without numbers

0.25 1:2 4:3
1 qid:7 2:-4
-1 4:5
"""


def _examples():
  return svmlight.Examples(scipy.sparse.csr_matrix(_DENSE), _LABELS)


def _batches(dataset):
  """Returns [(dense x, labels), ...] of a dataset."""
  return [
    (tf.sparse.to_dense(features["x"]).numpy(), labels.numpy())
    for features, labels in dataset
  ]


def _labels(dataset):
  return [labels.numpy().tolist() for _, labels in dataset]


class ReadTest(tf.test.TestCase, parameterized.TestCase):
  def file(self, content, name="rows.svm"):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    path = pathlib.Path(folder, name)
    path.write_bytes(
      content if isinstance(content, bytes) else content.encode()
    )
    return str(path)

  def test_reads_what_the_format_says(self):
    examples = svmlight.read(self.file(_FILE))
    self.assertAllEqual(examples.x.toarray(), _DENSE)
    self.assertAllEqual(examples.labels, _LABELS)
    self.assertEqual(examples.x.dtype, np.float32)
    self.assertEqual(examples.labels.dtype, np.float32)
    self.assertLen(examples, 5)
    self.assertEqual(examples.num_features, 4)

  @parameterized.parameters(("a.svm.gz", gzip), ("a.svm.bz2", bz2))
  def test_reads_compressed_files(self, name, module):
    path = self.file(module.compress(_FILE.encode()), name)
    self.assertAllEqual(svmlight.read(path).x.toarray(), _DENSE)

  def test_ids_may_begin_with_0(self):
    examples = svmlight.read(self.file("1 0:2 3:1\n"), zero_based=True)
    self.assertAllEqual(examples.x.toarray(), [[2, 0, 0, 1]])

  @parameterized.parameters((False, 3), (True, 4))
  def test_the_largest_id_says_how_many_features(self, zero_based, expected):
    path = self.file("1 3:1\n")
    found = svmlight.read(path, zero_based=zero_based)
    self.assertEqual(found.num_features, expected)

  def test_there_may_be_more_features_than_ids(self):
    examples = svmlight.read(self.file("1 1:1\n0 3:1\n"), num_features=6)
    self.assertAllEqual(examples.x.toarray(), [[1, 0, 0, 0, 0, 0],
                                               [0, 0, 1, 0, 0, 0]])  # fmt: skip

  def test_rows_without_any_number(self):
    examples = svmlight.read(self.file("1\n0\n"))
    self.assertAllEqual(examples.x.toarray(), [[0], [0]])

  @parameterized.parameters(
    ("", "at least one row, but .*rows.svm has none"),
    ("# nothing\n", "at least one row"),
    ("hello\n", "a label and id:value.*rows.svm.*'hello'"),
    ("1 1:a\n", "a label and id:value"),
    ("1 3:1 2:1\n", "rising ids.*sorted and unique"),
    ("1 2:1 2:1\n", "rising ids"),
    ("1 -2:1\n", "Invalid index -2"),
    ("1 5000000000:1\n", "at most 2,147,483,646, .* a larger one; hash"),
    (f"1 {10**30}:1\n", "at most 2,147,483,646, .* a larger one; hash"),
    (
      gzip.compress(b"1 1:1\n"),
      r"another \(something that is no text\); .*name a compressed file .gz",
    ),
    (b"\xff\xfe 1:1\n", r"another \(something that is no text\)"),
    ("x" * 999 + "\n", r"b'x{50,90}\); mend"),
    (
      "1 0:1 2:1\n",
      r"must be 1 to 4 .*1 are not, 0 the first; say.*zero_based",
    ),
    ("1 2:1 5:1\n0 9:1\n", "2 are not, 5 the first; take at least 9 features"),
    ("1 1:1\n0 1:nan 2:inf\n", "values .* 2 of .*rows.svm are not, nan"),
    ("1 1:1e60\n", "values .*are not, inf the first"),
    ("1 1:1\nnan 1:1\n", "labels .* 1 of .* are not, nan the first"),
    ("1e39 1:1\n", "labels .* 1 of .* are not, inf the first"),
    ("0 1:1\n-1e999 1:1\n", "labels .* 1 of .* are not, -inf the first"),
  )
  def test_refuses(self, content, message):
    with self.assertRaisesRegex(ValueError, message):
      svmlight.read(self.file(content), num_features=4)

  @parameterized.parameters(
    ("rows.gz", gzip.compress(_FILE.encode() * 50)[:60]),  # cut off
    ("rows.gz", gzip.compress(_FILE.encode())[:20] + bytes(99)),
    ("rows.gz", _FILE.encode()),
    ("rows.bz2", _FILE.encode()),
    ("rows.bz2", bz2.compress(_FILE.encode())[:40]),
    ("rows.bz2", bz2.compress(_FILE.encode())[:20] + bytes(99)),
  )
  def test_a_broken_archive_is_refused(self, name, content):
    with self.assertRaisesRegex(
      ValueError, f"{name} is another, cut off or damaged; fetch"
    ):
      svmlight.read(self.file(content, name))

  def test_a_folder_is_refused(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    with self.assertRaisesRegex(IsADirectoryError, folder):
      svmlight.read(folder)

  def test_a_missing_file_is_named(self):
    with self.assertRaisesRegex(
      FileNotFoundError, "/nowhere.svm does not exist"
    ):
      svmlight.read("/nowhere.svm")

  @parameterized.parameters(0, -1, 2.5)
  def test_number_of_features_must_be_one(self, num_features):
    with self.assertRaisesRegex(ValueError, "num_features must be a whole"):
      svmlight.read("/nowhere.svm", num_features)

  @parameterized.parameters(
    (False, "a.svm"), (True, "a.svm"), (False, "a.svm.gz"), (True, "a.bz2")
  )
  def test_what_was_written_is_read(self, zero_based, name):
    path = os.path.join(os.path.dirname(self.file("")), name)
    random = np.random.default_rng(0)
    x = random.normal(size=[20, 30]) * (random.random([20, 30]) < 0.2)
    written = svmlight.Examples(
      scipy.sparse.csr_matrix(x.astype(np.float32)),
      random.normal(size=20).astype(np.float32),
    )
    svmlight.write(path, written, zero_based)
    found = svmlight.read(path, 30, zero_based)
    self.assertAllEqual(found.x.toarray(), written.x.toarray())
    self.assertAllEqual(found.labels, written.labels)
    with open(path, "rb") as file:
      starts = {"gz": b"\x1f\x8b", "bz2": b"BZh"}
      is_packed = file.read(3).startswith(tuple(starts.values()))
    self.assertEqual(is_packed, not name.endswith("svm"))


class ExamplesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    (_DENSE, "must be a CSR matrix"),
    (scipy.sparse.csc_matrix(_DENSE), "must be a CSR matrix"),
    (
      scipy.sparse.csr_matrix(_DENSE.astype(float)),
      "float32.* is float64; conv",
    ),
    (
      scipy.sparse.csr_matrix((5, 2**31), dtype=np.float32),
      "has 2,147,483,648; hash",
    ),
    (scipy.sparse.csr_matrix(_DENSE[:4]), r"float32 \[4\].* float32 \[5\]"),
  )
  def test_refuses_rows(self, x, message):
    with self.assertRaisesRegex(ValueError, message):
      svmlight.Examples(x, _LABELS)

  @parameterized.parameters(([2, 1],), ([1, 1],))
  def test_refuses_columns_that_do_not_rise(self, columns):
    x = scipy.sparse.csr_matrix(
      (np.ones(2, np.float32), columns, [0, 2]), shape=(1, 3)
    )
    with self.assertRaisesRegex(ValueError, "must rise, .*sum_duplicates"):
      svmlight.Examples(x, _LABELS[:1])

  def test_refuses_labels_of_another_dtype(self):
    x = scipy.sparse.csr_matrix(_DENSE)
    with self.assertRaisesRegex(ValueError, r"but are int64 \[5\]"):
      svmlight.Examples(x, np.arange(5))


class InputFnTest(tf.test.TestCase, parameterized.TestCase):
  def test_in_order_gives_every_row_once(self):
    dataset = svmlight.input_fn(_examples(), 2, shuffle=False)()
    batches = _batches(dataset)
    self.assertEqual([len(labels) for _, labels in batches], [2, 2, 1])
    self.assertAllEqual(np.concatenate([x for x, _ in batches]), _DENSE)
    self.assertAllEqual(np.concatenate([y for _, y in batches]), _LABELS)
    self.assertEqual(int(dataset.cardinality()), 3)

  def test_indices_are_in_order(self):
    ((features, _),) = svmlight.input_fn(_examples(), 5, shuffle=False)()
    self.assertAllEqual(
      features["x"].indices, [[0, 1], [0, 3], [2, 0], [2, 3], [3, 1], [4, 3]]
    )
    self.assertAllEqual(features["x"].values, [1, 0.5, 2, 3, -4, 5])

  def test_numbers_keep_all_their_bits(self):
    numbers = np.array([[-0.1, 3e38, 1e-40, -np.inf, 0.1]], np.float32)
    last = 2**31 - 2  # the largest column that there can be
    x = scipy.sparse.csr_matrix(
      (numbers[0], [0, 1, 2, last - 1, last], [0, 5]), shape=(1, last + 1)
    )
    examples = svmlight.Examples(x, _LABELS[:1])
    ((features, _),) = svmlight.input_fn(examples, 1, shuffle=False)()
    self.assertAllEqual(features["x"].values, numbers[0])
    self.assertAllEqual(features["x"].indices[:, 1], [0, 1, 2, last - 1, last])
    self.assertAllEqual(features["x"].dense_shape, [1, last + 1])

  def test_a_batch_of_rows_without_numbers(self):
    x = scipy.sparse.csr_matrix((3, 4), dtype=np.float32)
    examples = svmlight.Examples(x, np.zeros(3, np.float32))
    ((found, _),) = _batches(svmlight.input_fn(examples, 3, shuffle=False)())
    self.assertAllEqual(found, np.zeros([3, 4]))

  def test_each_epoch_has_every_row_once_in_its_own_order(self):
    examples = svmlight.Examples(
      scipy.sparse.diags(np.arange(1.0, 21.0, dtype=np.float32)).tocsr(),
      np.arange(1, 21, dtype=np.float32),
    )
    batches = _batches(svmlight.input_fn(examples, 8, 4, True, seed=3)())
    self.assertEqual([8] * 10, [len(labels) for _, labels in batches])
    x = np.concatenate([x for x, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    self.assertAllEqual(x.sum(axis=1), labels)  # rows with their labels
    epochs = labels.reshape(4, 20)
    for epoch in epochs:
      self.assertCountEqual(epoch, range(1, 21))
    self.assertLen({tuple(epoch) for epoch in epochs}, 4)

  def test_the_seed_decides_the_order(self):
    first, again, other = (
      _labels(svmlight.input_fn(_examples(), 5, 3, True, seed)())
      for seed in (1, 1, 2)
    )
    self.assertEqual(first, again)
    self.assertNotEqual(first, other)

  def test_without_a_seed_each_call_has_an_order_of_its_own(self):
    make = svmlight.input_fn(_examples(), 5, 9, True)
    first, second = _labels(make()), _labels(make())
    self.assertNotEqual(first, second)  # in one of 120^9 runs they are

  def test_batches_without_end_have_a_static_size(self):
    dataset = svmlight.input_fn(_examples(), 2, None, True)()
    features, labels = dataset.element_spec
    self.assertEqual(features["x"].shape.as_list(), [2, 4])
    self.assertEqual(labels.shape.as_list(), [2])
    self.assertEqual(dataset.cardinality(), tf.data.INFINITE_CARDINALITY)

  @parameterized.parameters(None, 5)
  def test_the_place_is_saved_exactly(self, seed):
    path = self.enterContext(tempfile.TemporaryDirectory()) + "/place"
    make = svmlight.input_fn(_examples(), 2, 6, True, seed)
    iterator = iter(make())
    for _ in range(4):  # into the second epoch
      next(iterator)
    tf.train.Checkpoint(iterator=iterator).write(path)
    rest = _labels(iterator)
    restored = iter(make())
    next(restored)
    tf.train.Checkpoint(iterator=restored).read(path)
    self.assertEqual(_labels(restored), rest)
    self.assertLen(rest, 11)

  def test_pipelines_share_each_batch(self):
    make = svmlight.input_fn(_examples(), 3, 2, True, seed=1)
    whole = _labels(make())
    parts = [_labels(make(tf.distribute.InputContext(2, i))) for i in (0, 1)]
    joined = [a + b for a, b in zip(*parts, strict=True)]
    self.assertEqual(joined, whole)

  @parameterized.parameters(
    (dict(batch_size=0, shuffle=True), "batch_size"),
    (dict(batch_size=1), "shuffle"),
    (dict(batch_size=1, shuffle=True, num_epochs=0), "num_epochs"),
    (dict(batch_size=1, shuffle=True, seed=0.5), "seed"),
  )
  def test_wrong_arguments(self, arguments, message):
    with self.assertRaisesRegex(ValueError, message):
      svmlight.input_fn(_examples(), **arguments)

  def test_no_rows(self):
    none = svmlight.Examples(_examples().x[:0], _LABELS[:0])
    with self.assertRaisesRegex(ValueError, "at least one row"):
      svmlight.input_fn(none, 1, shuffle=False)


if __name__ == "__main__":
  tf.test.main()

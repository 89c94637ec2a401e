import collections
import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import arrays

# With "save", prints for each seed the labels of the first batches, saves the
# place, prints the labels that follow. With "restore", prints what follows.
_PROGRAM = """
import sys
import numpy as np
import tensorflow as tf
from input_pipelines import arrays

action, folder = sys.argv[1:]
def iterator(seed):
  return iter(arrays.numpy_input_fn(
    {"x": np.arange(26.0).reshape(13, 2)}, np.arange(13), 4, 6, True, seed)())
def labels(batches):
  return sum([labels.numpy().tolist() for _, labels in batches], [])
for seed in (None, 11):
  if action == "restore":
    next(iterator(seed))
  batches = iterator(seed)
  checkpoint = tf.train.Checkpoint(iterator=batches)
  if action == "restore":
    checkpoint.read(f"{folder}/{seed}")
  else:
    print(labels([next(batches) for _ in range(5)]))
    checkpoint.write(f"{folder}/{seed}")
  print(labels(batches))
"""


def _run(*args):
  result = subprocess.run(
    [sys.executable, "-c", _PROGRAM, *args],
    cwd=pathlib.Path(arrays.__file__).parents[1],
    check=True,
    capture_output=True,
    text=True,
  )
  return [
    [int(number) for number in line.strip("[]").split(",")]
    for line in result.stdout.splitlines()
  ]


def _batches(input_fn):
  return [batch.tolist() for batch in input_fn().as_numpy_iterator()]


def _part(input_fn, count, index):
  return input_fn(tf.distribute.InputContext(count, index, 2 * count))


class NumpyInputFnTest(tf.test.TestCase, parameterized.TestCase):
  def test_in_order_gives_every_row_once(self):
    input_fn = arrays.numpy_input_fn(
      {"a": np.array([[1, 2], [3, 4], [5, 6]], np.float32)},
      np.array([7, 8, 9], np.int16),
      batch_size=2,
      shuffle=False,
    )

    (first, labels_1), (last, labels_2) = input_fn().as_numpy_iterator()

    self.assertAllEqual([[1, 2], [3, 4]], first["a"])
    self.assertAllEqual([[5, 6]], last["a"])
    self.assertAllEqual([7, 8], labels_1)
    self.assertAllEqual([9], labels_2)
    self.assertEqual(np.float32, first["a"].dtype)
    self.assertEqual(np.int16, labels_1.dtype)

  @parameterized.parameters(
    (1, [[0], [1], [2]]),
    (2, [[0, 1], [2]]),
    (3, [[0, 1, 2]]),
    (5, [[0, 1, 2]]),
  )
  def test_one_epoch_in_order(self, batch_size, expected):
    input_fn = arrays.numpy_input_fn(
      np.arange(3), batch_size=batch_size, shuffle=False
    )
    self.assertEqual(expected, _batches(input_fn))
    self.assertEqual(expected, _batches(input_fn))
    self.assertEqual([None], input_fn().element_spec.shape.as_list())

  def test_batches_cross_the_ends_of_epochs(self):
    input_fn = arrays.numpy_input_fn(
      np.arange(3), batch_size=2, num_epochs=3, shuffle=False
    )
    self.assertEqual([[0, 1], [2, 0], [1, 2], [0, 1], [2]], _batches(input_fn))

  def test_a_batch_may_hold_several_epochs(self):
    input_fn = arrays.numpy_input_fn(
      np.arange(2), batch_size=5, num_epochs=4, shuffle=False
    )
    self.assertEqual([[0, 1, 0, 1, 0], [1, 0, 1]], _batches(input_fn))

  def test_each_epoch_holds_every_row_once_in_its_own_order(self):
    input_fn = arrays.numpy_input_fn(
      np.arange(20), batch_size=6, num_epochs=3, shuffle=True
    )
    batches = _batches(input_fn)
    self.assertEqual([6] * 10, [len(batch) for batch in batches])
    epochs = np.concatenate(batches).reshape(3, 20)
    for epoch in epochs:
      self.assertCountEqual(range(20), epoch)
    self.assertLen({tuple(epoch) for epoch in epochs}, 3)

  def test_rows_of_all_arrays_stay_together(self):
    rows = np.arange(10)
    input_fn = arrays.numpy_input_fn(
      {"a": rows, "b": np.stack([rows, -rows], 1)},
      {"c": 10 * rows, "d": rows.astype(str)},
      batch_size=3,
      shuffle=True,
    )
    for features, labels in input_fn().as_numpy_iterator():
      a = features["a"]
      self.assertAllEqual(np.stack([a, -a], 1), features["b"])
      self.assertAllEqual(10 * a, labels["c"])
      self.assertAllEqual([b"%d" % row for row in a], labels["d"])

  def test_every_order_is_as_likely(self):
    input_fn = arrays.numpy_input_fn(
      np.arange(3), batch_size=3, num_epochs=3000, shuffle=True, seed=1
    )
    counts = collections.Counter(map(tuple, _batches(input_fn)))
    self.assertLen(counts, 6)
    # Binomial(3000, 1/6) has a standard deviation of 20.
    self.assertBetween(min(counts.values()), 400, 600)
    self.assertBetween(max(counts.values()), 400, 600)

  @parameterized.parameters(True, False)
  def test_for_ever_has_full_static_batches(self, shuffle):
    input_fn = arrays.numpy_input_fn(
      {"x": np.zeros([3, 4])}, np.arange(3), 2, None, shuffle
    )
    features, labels = input_fn().element_spec
    self.assertEqual([2, 4], features["x"].shape.as_list())
    self.assertEqual([2], labels.shape.as_list())
    first = [y.tolist() for _, y in input_fn().take(9).as_numpy_iterator()]
    for epoch in np.reshape(first, [6, 3]):
      self.assertCountEqual([0, 1, 2], epoch)

  def test_a_seed_fixes_the_order(self):
    def order(seed):
      input_fn = arrays.numpy_input_fn(
        np.arange(50), batch_size=50, num_epochs=2, shuffle=True, seed=seed
      )
      return _batches(input_fn)

    tf.random.set_seed(1)
    first = order(5)
    tf.random.set_seed(2)
    self.assertEqual(first, order(5))
    self.assertNotEqual(first, order(6))

  def test_the_global_seed_fixes_the_order(self):
    input_fn = arrays.numpy_input_fn(
      np.arange(50), batch_size=50, num_epochs=2, shuffle=True
    )
    tf.random.set_seed(3)
    first = _batches(input_fn)
    second = _batches(input_fn)
    tf.random.set_seed(3)
    self.assertEqual(first, _batches(input_fn))
    self.assertNotEqual(first, second)

  def test_restored_in_another_process_goes_on_the_same(self):
    saved = _run("save", self.get_temp_dir())
    restored = _run("restore", self.get_temp_dir())

    self.assertEqual(saved[1::2], restored)
    for head, rest in zip(saved[::2], restored, strict=True):
      self.assertLen(head, 20)
      for epoch in np.reshape(head + rest, [6, 13]):
        self.assertCountEqual(range(13), epoch)

  def test_restores_an_unshuffled_epoch(self):
    input_fn = arrays.numpy_input_fn(
      np.arange(7), batch_size=3, num_epochs=1, shuffle=False
    )
    iterator = iter(input_fn())
    next(iterator)
    path = self.get_temp_dir() + "/place"
    tf.train.Checkpoint(iterator=iterator).write(path)
    again = iter(input_fn())
    tf.train.Checkpoint(iterator=again).read(path)
    self.assertEqual(
      [[3, 4, 5], [6]], [batch.numpy().tolist() for batch in again]
    )

  @parameterized.product(
    pipelines=(2, 3),
    num_epochs=(1, 3, None),
    shuffle=(True, False),
    seed=(None, 4),
  )
  def test_pipelines_together_see_what_one_would(
    self, pipelines, num_epochs, shuffle, seed
  ):
    input_fn = arrays.numpy_input_fn(
      {"x": np.arange(13)}, 10 * np.arange(13), 6, num_epochs, shuffle, seed
    )
    parts = [
      list(_part(input_fn, pipelines, i).take(12)) for i in range(pipelines)
    ]
    batches = list(zip(*parts, strict=True))
    if shuffle and seed is None:
      input_fn = arrays.numpy_input_fn(
        {"x": np.arange(13)}, 10 * np.arange(13), 6, num_epochs, shuffle, 0
      )
    whole = list(input_fn().take(12))
    self.assertEqual(len(whole), len(batches))
    for batch, (features, labels) in zip(batches, whole, strict=True):
      sizes = [len(part_labels) for _, part_labels in batch]
      bounds = [len(labels) * i // pipelines for i in range(pipelines + 1)]
      self.assertAllEqual(np.diff(bounds), sizes)
      self.assertAllEqual(
        features["x"], tf.concat([x["x"] for x, _ in batch], 0)
      )
      self.assertAllEqual(labels, tf.concat([y for _, y in batch], 0))

  def test_parts_of_endless_batches_are_static(self):
    input_fn = arrays.numpy_input_fn(np.arange(9), None, 7, None, True)
    shapes = [_part(input_fn, 3, i).element_spec.shape for i in range(3)]
    self.assertEqual([[2], [2], [3]], [shape.as_list() for shape in shapes])

  def test_one_pipeline_is_as_none(self):
    input_fn = arrays.numpy_input_fn(np.arange(9), None, 4, 2, True, seed=3)
    one = [
      batch.tolist() for batch in _part(input_fn, 1, 0).as_numpy_iterator()
    ]
    self.assertEqual(_batches(input_fn), one)

  def test_restores_the_place_of_a_part(self):
    input_fn = arrays.numpy_input_fn(np.arange(9), None, 4, None, True)
    iterator = iter(_part(input_fn, 2, 1))
    for _ in range(4):
      next(iterator)
    path = self.get_temp_dir() + "/place"
    tf.train.Checkpoint(iterator=iterator).write(path)
    again = iter(_part(input_fn, 2, 1))
    tf.train.Checkpoint(iterator=again).read(path)
    for _ in range(7):
      self.assertAllEqual(next(iterator), next(again))

  @parameterized.named_parameters(
    ("no_shuffle", {"shuffle": None}, "shuffle must be given.*None"),
    ("text_shuffle", {"shuffle": "yes"}, "shuffle must be given.*'yes'"),
    ("batch_size_0", {"batch_size": 0}, "batch_size must be.*got 0"),
    ("batch_size_float", {"batch_size": 2.0}, "batch_size must be.*got 2.0"),
    ("batch_size_bool", {"batch_size": True}, "batch_size must be.*got True"),
    ("num_epochs", {"num_epochs": 0}, "num_epochs must be.*None.*got 0"),
    ("seed", {"seed": "a"}, "seed must be.*'a'"),
    ("empty_dict", {"x": {}}, "x must have at least one array"),
    ("empty_labels", {"y": {}}, "y must have at least one array.*y=None"),
    ("no_rows", {"x": np.zeros([0, 3])}, r"x must .*one row.*\(0, 3\)"),
    ("scalar", {"x": {"a": 3}}, r"x\['a'\] must have at least one row"),
    ("lengths", {"y": np.zeros(2)}, r"same number of rows.*\(3,\).*\(2,\)"),
    (
      "lengths_in_x",
      {"x": {"a": np.zeros(3), "b": np.zeros(4)}},
      "same number of rows",
    ),
    ("shared", {"y": {"a": np.zeros(3)}}, r"both have \['a'\]"),
    (
      "objects",
      {"x": {"a": np.array(["b", None, "c"], object)}},
      r"x\['a'\] must hold numbers.*None",
    ),
    ("dates", {"y": np.zeros(3, "datetime64[s]")}, "y must hold.*datetime64"),
  )
  def test_refuses(self, changed, message):
    good = {"x": {"a": np.zeros(3)}, "y": np.zeros(3), "shuffle": False}
    with self.assertRaisesRegex(ValueError, message):
      arrays.numpy_input_fn(**good | changed)

  def test_refuses_what_is_no_array(self):
    with self.assertRaisesRegex(TypeError, "x must be a dict.*got list"):
      arrays.numpy_input_fn([1, 2], shuffle=False)
    with self.assertRaisesRegex(TypeError, "y must be a dict.*got list"):
      arrays.numpy_input_fn(np.zeros(2), [1, 2], shuffle=False)

  def test_text_as_objects(self):
    input_fn = arrays.numpy_input_fn(
      np.array(["a", b"b"], object), shuffle=False
    )
    self.assertEqual(tf.string, input_fn().element_spec.dtype)
    self.assertEqual([[b"a", b"b"]], _batches(input_fn))


class PandasInputFnTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.x = pd.DataFrame(
      {"age": [30, 40, 50], "job": ["a", "b", "c"]}, index=[5, 6, 7]
    )
    self.y = pd.Series([0.5, 1.5, 2.5], index=[5, 6, 7])

  def test_series_labels(self):
    input_fn = arrays.pandas_input_fn(
      self.x, self.y, batch_size=2, shuffle=False
    )
    (features, labels), (last, _) = input_fn().as_numpy_iterator()
    self.assertAllEqual([30, 40], features["age"])
    self.assertAllEqual([b"a", b"b"], features["job"])
    self.assertAllEqual([0.5, 1.5], labels)
    self.assertAllEqual([b"c"], last["job"])

  def test_frame_labels(self):
    labels = pd.DataFrame({"up": [1, 2, 3], "down": [4, 5, 6]}, self.x.index)
    input_fn = arrays.pandas_input_fn(self.x, labels, shuffle=False)
    ((_, labels),) = input_fn().as_numpy_iterator()
    self.assertAllEqual([1, 2, 3], labels["up"])
    self.assertAllEqual([4, 5, 6], labels["down"])

  def test_features_alone(self):
    input_fn = arrays.pandas_input_fn(self.x, shuffle=False)
    self.assertEqual({"age", "job"}, input_fn().element_spec.keys())

  def test_refuses_another_index(self):
    with self.assertRaisesRegex(ValueError, "index of y must equal"):
      arrays.pandas_input_fn(
        self.x, self.y.reset_index(drop=True), shuffle=False
      )

  def test_refuses_shared_names(self):
    with self.assertRaisesRegex(ValueError, r"both have \['age'\]"):
      arrays.pandas_input_fn(self.x, self.y, shuffle=False, target_column="age")
    with self.assertRaisesRegex(ValueError, r"both have \['age', 'job'\]"):
      arrays.pandas_input_fn(self.x, self.x, shuffle=False)

  def test_refuses_two_columns_of_one_name(self):
    x = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with self.assertRaisesRegex(ValueError, "different names.*'a', 'a'"):
      arrays.pandas_input_fn(x, shuffle=False)

  def test_refuses_missing_text(self):
    self.x.loc[6, "job"] = None
    with self.assertRaisesRegex(ValueError, r"x\['job'\] must hold"):
      arrays.pandas_input_fn(self.x, self.y, shuffle=False)

  def test_refuses_what_is_no_frame(self):
    with self.assertRaisesRegex(TypeError, "x must be a pandas DataFrame"):
      arrays.pandas_input_fn({"a": [1]}, shuffle=False)
    with self.assertRaisesRegex(TypeError, "y must be a pandas Series"):
      arrays.pandas_input_fn(self.x, np.zeros(3), shuffle=False)


if __name__ == "__main__":
  tf.test.main()

import gzip
import os
import pathlib
import random
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator
from input_pipelines import tfrecord
from tests.estimators import toys

_SPEC = {
  "x": tf.io.FixedLenFeature([], tf.int64),
  "y": tf.io.FixedLenFeature([], tf.int64),
}

# With "save", prints the labels of the first batches, saves the place, prints
# the rest. With "restore", prints what follows.
_PROGRAM = """
import sys
import tensorflow as tf
from input_pipelines.tfrecord import tfrecord_input_fn

action, pattern, place = sys.argv[1:]
spec = {name: tf.io.FixedLenFeature([], tf.int64) for name in "xy"}
for seed in (None, 5):
  fn = tfrecord_input_fn(pattern, spec, "y", 7, 3, True, 40, seed)
  batches = iter(fn())
  checkpoint = tf.train.Checkpoint(iterator=batches)
  if action == "restore":
    checkpoint.read(f"{place}-{seed}")
  else:
    print(sum([next(batches)[1].numpy().tolist() for _ in range(20)], []))
    checkpoint.write(f"{place}-{seed}")
  print(sum([y.numpy().tolist() for _, y in batches], []))
"""


def _example(**features):
  """Returns a serialized tf.train.Example of lists of numbers or bytes."""
  example = tf.train.Example()
  for name, values in features.items():
    feature = example.features.feature[name]
    if isinstance(values[0], int):
      feature.int64_list.value.extend(values)
    elif isinstance(values[0], float):
      feature.float_list.value.extend(values)
    else:
      feature.bytes_list.value.extend(values)
  return example.SerializeToString()


def _numbered(start, stop):
  return [_example(x=[x], y=[10 * x]) for x in range(start, stop)]


class _TestCase(tf.test.TestCase, parameterized.TestCase):
  def path(self, name):
    return os.path.join(self.get_temp_dir(), name)

  def write(self, records, name="a.tfrecord", compression=""):
    with tf.io.TFRecordWriter(self.path(name), compression) as writer:
      for record in records:
        writer.write(record)
    return self.path(name)

  def write_bytes(self, content, name="a.tfrecord"):
    with open(self.path(name), "wb") as stream:
      stream.write(content)
    return self.path(name)

  def content(self, records):
    with open(self.write(records), "rb") as stream:
      return stream.read()

  def shards(self, *sizes):
    """Writes x and y = 10 x, counting on from file to file."""
    start = 0
    for index, size in enumerate(sizes):
      self.write(_numbered(start, start + size), f"shard-{index}")
      start += size
    return self.path("shard-*")


def _input_fn(pattern, **kwargs):
  return tfrecord.tfrecord_input_fn(
    pattern, _SPEC, "y", **{"shuffle": False} | kwargs
  )


def _xs(dataset):
  return [x["x"].numpy().tolist() for x, _ in dataset]


class ReadTest(_TestCase):
  def test_features(self):
    path = self.write(
      [
        _example(a=[1], b=[b"p", b"q"], c=[1.5, 2.5]),
        _example(a=[2], c=[3.5, 4.5]),
      ]
    )
    spec = {
      "a": tf.io.FixedLenFeature([], tf.int64),
      "b": tf.io.VarLenFeature(tf.string),
      "c": tf.io.FixedLenFeature([2], tf.float32),
      "d": tf.io.FixedLenFeature([], tf.int64, 7),
      "r": tf.io.RaggedFeature(tf.int64),
    }
    fn = tfrecord.tfrecord_input_fn(path, spec, shuffle=False)
    (features,) = fn()
    self.assertEqual(spec.keys(), features.keys())
    self.assertAllEqual([1, 2], features["a"])
    self.assertAllEqual([b"p", b"q"], features["b"].values)
    self.assertAllEqual([[0, 0], [0, 1]], features["b"].indices)
    self.assertAllEqual([[1.5, 2.5], [3.5, 4.5]], features["c"])
    self.assertAllEqual([7, 7], features["d"])
    self.assertAllEqual([[], []], features["r"])

  def test_labels(self):
    ((features, labels),) = _input_fn(self.write(_numbered(0, 3)))()
    self.assertEqual({"x"}, features.keys())
    self.assertAllEqual([0, 10, 20], labels)

  @parameterized.parameters(("a.gz", "GZIP"), ("a.zlib", "ZLIB"))
  def test_compressed(self, name, compression):
    path = self.write(_numbered(0, 200), name, compression)
    self.assertEqual([list(range(200))], _xs(_input_fn(path, batch_size=200)()))
    other = self.path("b")
    os.rename(path, other)
    fn = _input_fn(other, batch_size=200, compression=compression)
    self.assertEqual([list(range(200))], _xs(fn()))

  def test_files_are_read_one_after_the_other(self):
    pattern = self.shards(300, 1, 500)
    self.assertEqual(list(range(801)), sum(_xs(_input_fn(pattern)()), []))

  def test_batches_cross_files_and_epochs(self):
    fn = _input_fn(self.shards(2, 1), batch_size=2, num_epochs=2)
    for _ in range(2):
      self.assertEqual([[0, 1], [2, 0], [1, 2]], _xs(fn()))
    self.assertEqual([None], fn().element_spec[1].shape.as_list())

  def test_for_ever_has_full_static_batches(self):
    fn = _input_fn(self.shards(2, 1), batch_size=2, num_epochs=None)
    self.assertEqual([2], fn().element_spec[1].shape.as_list())
    self.assertEqual([[0, 1], [2, 0], [1, 2], [0, 1]], _xs(fn().take(4)))


class ShuffleTest(_TestCase):
  def test_each_epoch_has_every_record_once_in_its_own_order(self):
    fn = _input_fn(
      self.shards(300, 20, 80), batch_size=40, num_epochs=3, shuffle=True
    )
    epochs = np.reshape(_xs(fn()), [3, 400])
    for epoch in epochs:
      self.assertAllEqual(range(400), sorted(epoch))
    self.assertLen({tuple(epoch) for epoch in epochs}, 3)
    self.assertNotEqual(_xs(fn()), _xs(fn()))

  @parameterized.parameters((1, 1), (2, 2), (3, 3))
  def test_files_are_read_in_turn(self, cycle_length, expected):
    fn = _input_fn(
      self.shards(256, 256, 256),
      batch_size=128,
      shuffle=True,
      shuffle_buffer_size=1,
      cycle_length=cycle_length,
    )
    turns = [batch[0] // 256 for batch in _xs(fn())]
    self.assertLen(set(turns[:expected]), expected)
    self.assertEqual(turns[0], turns[expected])

  def test_a_seed_fixes_the_order(self):
    pattern = self.shards(30, 20)

    def order(seed):
      return _xs(_input_fn(pattern, num_epochs=2, shuffle=True, seed=seed)())

    tf.random.set_seed(1)
    first = order(5)
    tf.random.set_seed(2)
    self.assertEqual(first, order(5))
    self.assertNotEqual(first, order(6))

  @pytest.mark.slow
  def test_restored_in_another_process_goes_on_the_same(self):
    pattern = self.shards(100, 290)

    def run(action):
      result = subprocess.run(
        [sys.executable, "-c", _PROGRAM, action, pattern, self.path("place")],
        cwd=pathlib.Path(tfrecord.__file__).parents[1],
        check=True,
        capture_output=True,
        text=True,
      )
      return [
        [int(number) // 10 for number in line.strip("[]").split(",")]
        for line in result.stdout.splitlines()
      ]

    saved, restored = run("save"), run("restore")

    self.assertLen(restored, 2)
    self.assertEqual(saved[1::2], restored)
    for head, rest in zip(saved[::2], restored, strict=True):
      self.assertLen(head, 140)
      for epoch in np.reshape(head + rest, [3, 390]):
        self.assertAllEqual(range(390), sorted(epoch))


class DamageTest(_TestCase):
  def check(self, path, record, message):
    """Both in order and shuffled, reading must name the record."""
    for kwargs in ({}, {"shuffle": True, "num_epochs": None}):
      with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, f"{path}, record {record}[ ,]{message}"
      ):
        list(_input_fn(path, batch_size=10, **kwargs)())

  def test_a_record_that_is_no_example(self):
    self.check_no_example(128)

  @parameterized.parameters(1, 300)
  @pytest.mark.slow
  def test_the_first_or_last_is_no_example(self, number):
    self.check_no_example(number)

  def check_no_example(self, number):
    good = _numbered(0, 300)
    for bad in (b"hello", b"\xff\xfe\0", good[0][:-1], b"\x0a\x03abc"):
      records = good[: number - 1] + [bad] + good[number:]
      self.check(self.write(records), number, "must be a tf.train.Example")

  @parameterized.named_parameters(
    ("missing", _example(y=[1]), "Feature: x .*could not be found"),
    ("empty", b"", "Feature: . .*could not be found"),
    ("dtype", _example(x=[b"a"], y=[1]), "Key: x.*types don't match"),
    ("shape", _example(x=[1, 2], y=[1]), "Key: x.*Values size: 2"),
  )
  def test_a_record_without_a_feature(self, bad, message):
    path = self.write(_numbered(0, 149) + [bad] + _numbered(150, 200))
    self.check(path, 150, f".*{message}")

  def test_a_damaged_record(self):
    self.check_damaged(129)

  @parameterized.parameters(1, 200)
  @pytest.mark.slow
  def test_the_first_or_last_is_damaged(self, number):
    self.check_damaged(number)

  def check_damaged(self, number):
    content = self.content([_example(x=[1], y=[1])] * 200)
    size = len(content) // 200
    for offset in (0, 9, 13):  # length, its checksum, data, its
      damaged = bytearray(content)
      damaged[(number - 1) * size + offset] ^= 16
      path = self.write_bytes(damaged)
      self.check(path, number, "must have its length and checksums")

  @pytest.mark.slow
  def test_a_file_that_was_cut_or_goes_on(self):
    content = self.content([_example(x=[1], y=[1])] * 200)
    size = len(content) // 200
    for cut in (1, 12, size - 1):
      path = self.write_bytes(content[: 199 * size + cut])
      self.check(path, 200, "must have its length and checksums")
    self.check(self.write_bytes(content + b"abc"), 201, "must have its length")
    self.check(self.write_bytes(b"hello, world" * 3), 1, "must have its length")

  @parameterized.parameters(("GZIP", gzip.compress), ("ZLIB", zlib.compress))
  def test_a_compressed_file_without_its_ending(self, compression, compress):
    content = self.content([_example(x=[1], y=[1])] * 20)
    path = self.write_bytes(compress(content))
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError,
      f"{path} .*looks compressed; pass compression={compression}[.]",
    ):
      list(_input_fn(path)())

  def test_a_length_that_is_the_start_of_a_zlib_file(self):
    content = bytearray(self.content([b"a" * 0x178]))
    self.assertEqual(content[:2], b"\x78\x01")
    content[9] ^= 1
    self.check(self.write_bytes(content), 1, "must have its length")

  def test_the_file_is_named_among_others(self):
    self.shards(200, 200, 200)
    path = self.write(_numbered(0, 150) + [b"hello"], "shard-1")
    for shuffle in (False, True):
      with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, f"{path}, record 151 must be"
      ):
        list(_input_fn(self.path("shard-*"), shuffle=shuffle)())

  def test_a_file_that_went_away(self):
    path = self.write(_numbered(0, 3))
    fn = _input_fn(path, num_epochs=None)
    os.remove(path)
    with self.assertRaisesRegex(tf.errors.NotFoundError, path):
      list(fn())

  def test_no_flip_goes_unseen(self):
    good = self.content(_numbered(0, 20))
    fn = _input_fn(self.path("a.tfrecord"))
    generator = random.Random(0)
    for _ in range(12):
      flipped = bytearray(good)
      flipped[generator.randrange(len(good))] ^= 1 << generator.randrange(8)
      self.write_bytes(flipped)
      with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, r"a.tfrecord, record \d+ must have"
      ):
        list(fn())

  def test_a_compressed_file_that_was_cut_or_damaged(self):
    with open(self.write(_numbered(0, 200), "a.gz", "GZIP"), "rb") as stream:
      good = stream.read()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    for content in (good[:-1], good[: len(good) // 2], bytes(flipped)):
      path = self.write_bytes(content, "a.gz")
      with self.assertRaisesRegex(
        ValueError, f"{path} must be a whole gzip file"
      ):
        _input_fn(path)
    # Whole, but what is in it is not.
    content = gzip.compress(gzip.decompress(good)[:-3])
    self.check(self.write_bytes(content, "a.gz"), 200, "must have its length")


class ArgumentsTest(_TestCase):
  @parameterized.named_parameters(
    ("shuffle", {"shuffle": None}, "shuffle must be given.*None"),
    ("batch_size", {"batch_size": 0}, "batch_size must be .*got 0"),
    ("num_epochs", {"num_epochs": -1}, "num_epochs must be .*got -1"),
    ("seed", {"seed": "a"}, "seed must be .*'a'"),
    ("buffer", {"shuffle_buffer_size": 0}, "shuffle_buffer_size .*got 0"),
    ("on_bad_row", {"on_bad_row": "drop"}, "on_bad_row must be .*'drop'"),
    ("cycle", {"cycle_length": 0}, "cycle_length must be .*got 0"),
    ("compression", {"compression": "zip"}, "compression must be .*'zip'"),
    ("label", {"label_name": "z"}, r"label_name .*\['x', 'y'\]; got 'z'"),
    (
      "spec",
      {
        "feature_spec": {
          "x": tf.io.FixedLenSequenceFeature([], tf.int64),
          "y": _SPEC["y"],
        }
      },
      "feature_spec must be one that .*allow_missing",
    ),
    ("dtype", {"feature_spec": {"x": tf.io.VarLenFeature(tf.int32)}}, "int32"),
  )
  def test_refuses(self, changed, message):
    path = self.write(_numbered(0, 3))
    good = {"feature_spec": _SPEC, "label_name": "y", "shuffle": False}
    with self.assertRaisesRegex(ValueError, message):
      tfrecord.tfrecord_input_fn(path, **good | changed)

  @parameterized.parameters([[]], [{}], [{"x": tf.int64}], [{1: _SPEC["x"]}])
  def test_refuses_what_are_no_features(self, spec):
    with self.assertRaisesRegex(TypeError, "feature_spec must be a dictionary"):
      tfrecord.tfrecord_input_fn("a", spec, shuffle=False)

  def test_files(self):
    with self.assertRaisesRegex(ValueError, "'/nowhere/a' matches none"):
      _input_fn("/nowhere/a")
    path = self.write([])
    with self.assertRaisesRegex(ValueError, f"{path} must have data"):
      _input_fn(path)


def _model_fn(features, labels, mode):
  return toys.line_fn(features["a"], labels, mode)


class EstimatorTest(_TestCase):
  def setUp(self):
    super().setUp()
    self.spec = {
      name: tf.io.FixedLenFeature([], tf.float32) for name in ("a", "b")
    }
    self.estimator = Estimator(_model_fn, self.path("model"))

  def test_trains_and_evaluates(self):
    path = self.write([_example(a=[1.0], b=[2.0]), _example(a=[2.0], b=[4.0])])
    self.estimator.train(
      tfrecord.tfrecord_input_fn(path, self.spec, "b", 2, 3, shuffle=False)
    )
    slope = toys.line_steps([([1, 2], [2, 4])] * 3)
    results = self.estimator.evaluate(
      tfrecord.tfrecord_input_fn(path, self.spec, "b", shuffle=False)
    )
    self.assertEqual(3, results["global_step"])
    self.assertAllClose(1.5 * (2 - slope), results["error"])

  def test_a_bad_record_stops_training_and_says_where(self):
    good = _example(a=[1.0], b=[2.0])
    for bad, message in (
      (
        b"hello",
        " must be a tf.train.Example; got 5 bytes of .* 68 65 6c 6c 6f .*Check",
      ),
      (_example(b=[2.0]), ", Feature: a .* is required but could not be found"),
    ):
      path = self.write([good, good, bad])
      fn = tfrecord.tfrecord_input_fn(path, self.spec, "b", 1, shuffle=False)
      with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, f"{path}, record 3{message}"
      ):
        self.estimator.train(fn)


if __name__ == "__main__":
  tf.test.main()

import gzip
import os
import struct
import warnings

import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import tfrecord, tfrecord_frames, tfrecord_runs

_SPEC = {"x": tf.io.FixedLenFeature([], tf.int64)}


def _example(x, name="x"):
  feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[x]))
  features = tf.train.Features(feature={name: feature})
  return tf.train.Example(features=features).SerializeToString()


# Bytes of a record of a number below 128, with what is around it.
_FRAME = len(_example(0)) + 16


class _TestCase(tf.test.TestCase, parameterized.TestCase):
  def write(self, content, name="a"):
    path = os.path.join(self.get_temp_dir(), name)
    with open(path, "wb") as stream:
      stream.write(content)
    return path

  def content(self, records):
    """Returns the bytes of a file; an int is an example that has it as x."""
    path = os.path.join(self.get_temp_dir(), "written")
    with tf.io.TFRecordWriter(path) as writer:
      for record in records:
        writer.write(_example(record) if isinstance(record, int) else record)
    with open(path, "rb") as stream:
      return stream.read()

  def flipped(self, place, records=range(5)):
    content = bytearray(self.content(records))
    content[place] ^= 4
    return bytes(content)

  def input_fn(self, paths, **kwargs):
    """Returns the input function, and what the one warning says, or ""."""
    kwargs = {"shuffle": False, "on_bad_row": "skip"} | kwargs
    with warnings.catch_warnings(record=True) as caught:
      warnings.simplefilter("always")
      fn = tfrecord.tfrecord_input_fn(paths, _SPEC, **kwargs)
    self.assertLess(len(caught), 2)
    for warning in caught:
      self.assertEqual(__file__, warning.filename)
    return fn, "".join(str(warning.message) for warning in caught)

  def xs(self, fn):
    return sum([batch["x"].numpy().tolist() for batch in fn()], [])


class FindTest(_TestCase):
  def find(self, content):
    """Returns the runs of a file, what is warned of, and its path."""
    path = self.write(content)
    with warnings.catch_warnings(record=True) as caught:
      warnings.simplefilter("always")
      (runs,) = tfrecord_runs.find([path], [""], [len(content)])
    (warning,) = caught
    return runs, str(warning.message), path

  @parameterized.parameters(12, _FRAME - 1)
  def test_damaged_data_costs_its_record(self, offset):
    runs, warning, path = self.find(self.flipped(2 * _FRAME + offset))
    self.assertEqual(
      [(0, 2, 0, 2 * _FRAME), (3, 2, 3 * _FRAME, 5 * _FRAME)], runs
    )
    self.assertEqual(
      f"Left out 1 bad records, and read 4; the first: {path}, record 3 must "
      "have its length and checksums; it is cut or damaged. Fetch or make the "
      "file again.",
      warning,
    )

  @parameterized.parameters(0, 7, 9)
  def test_a_damaged_length_costs_the_rest(self, offset):
    runs, warning, path = self.find(self.flipped(2 * _FRAME + offset))
    self.assertEqual([(0, 2, 0, 2 * _FRAME)], runs)
    self.assertRegex(
      warning,
      f"Left out 1 bad records, and read 2; the first: {path}, record 3 .* "
      "What follows it cannot be found, and is not counted, in 1 of 1 files; "
      f"the first: {path}, record 3[.]",
    )

  @parameterized.parameters(1, 12, _FRAME - 1)
  def test_a_cut_file(self, num_bytes):
    content = self.content(range(5))[: 4 * _FRAME + num_bytes]
    runs, warning, path = self.find(content)
    self.assertEqual([(0, 4, 0, 4 * _FRAME)], runs)
    self.assertRegex(warning, f"Left out 1 .* read 4; .*{path}, record 5 must")

  def test_a_claim_of_more_than_there_is(self):
    packed = struct.pack("<Q", 1 << 60)
    claim = packed + tfrecord_frames.masked_crc32c(packed)
    content = self.flipped(_FRAME + 12)
    runs, warning, path = self.find(content + claim + content)
    self.assertEqual([(0, 1, 0, _FRAME), (2, 3, 2 * _FRAME, 5 * _FRAME)], runs)
    self.assertRegex(warning, f"Left out 2 .* first: {path}, record 2 must .*")
    self.assertRegex(warning, f"is not counted, .*: {path}, record 6[.]$")

  def test_records_that_are_no_examples(self):
    records = [x % 100 for x in range(300)]
    records[0], records[149], records[299] = (
      b"hello",
      b"\xff\xfe\0",
      b"\x0a\x03abc",
    )
    runs, warning, path = self.find(self.content(records))
    first = 5 + 16
    second = first + 148 * _FRAME
    third = second + 3 + 16
    self.assertEqual(
      [
        (1, 148, first, second),
        (150, 149, third, third + 149 * _FRAME),
      ],
      runs,
    )
    self.assertRegex(
      warning,
      f"Left out 3 bad records, and read 297; the first: {path}, record 1 must "
      "be a tf.train.Example; got 5 bytes .* 68 65 6c 6c 6f",
    )


class SkipTest(_TestCase):
  def test_files_share_one_warning(self):
    self.write(self.content([100, 101]), "shard-0")
    first = self.write(self.flipped(12), "shard-1")
    second = self.write(self.flipped(3 * _FRAME), "shard-2")
    pattern = os.path.join(self.get_temp_dir(), "shard-*")
    fn, warning = self.input_fn(pattern, num_epochs=2)
    self.assertEqual([100, 101, 1, 2, 3, 4, 0, 1, 2] * 2, self.xs(fn))
    self.assertRegex(
      warning,
      f"Left out 2 bad records, and read 9; the first: {first}, record 1 .* in "
      f"1 of 3 files; the first: {second}, record 4[.]",
    )

  @parameterized.named_parameters(
    ("damaged", b"hello, world" * 3, "record 1 must have its length"),
    ("compressed", gzip.compress(b"a" * 50), "pass compression=GZIP"),
  )
  def test_a_file_of_which_nothing_is_left(self, content, message):
    good = self.write(self.content([1]), "good")
    path = self.write(content)
    with self.assertRaisesRegex(
      ValueError, f"{path} must have a record; all .* are bad.*: .*{message}"
    ):
      self.input_fn([good, path])

  def test_compressed_files_must_be_whole(self):
    path = self.write(gzip.compress(self.content(range(5))), "a.gz")
    fn, warning = self.input_fn(path)
    self.assertEqual("", warning)
    self.assertEqual([0, 1, 2, 3, 4], self.xs(fn))
    for content in (self.flipped(_FRAME + 12), self.content([0, b"hello"])):
      self.write(gzip.compress(content), "a.gz")
      with self.assertRaisesRegex(
        ValueError, f"{path}, record 2 must .*nothing of a compressed file"
      ):
        self.input_fn(path)

  def test_restored_goes_on_the_same(self):
    paths = [
      self.write(self.flipped(100 * _FRAME + 12, range(0, 128)), "a"),
      self.write(self.content([*range(50), b"hello", *range(9)]), "b"),
    ]
    good = sorted([*range(100), *range(101, 128), *range(50), *range(9)])
    kwargs = {"num_epochs": 3, "batch_size": 31, "shuffle_buffer_size": 20}
    fn, _ = self.input_fn(paths, shuffle=True, **kwargs)
    dataset = fn()
    batches = iter(dataset)
    head = [next(batches)["x"].numpy().tolist() for _ in range(7)]
    place = os.path.join(self.get_temp_dir(), "place")
    tf.train.Checkpoint(iterator=batches).write(place)
    rest = [batch["x"].numpy().tolist() for batch in batches]
    restored = iter(dataset)
    tf.train.Checkpoint(iterator=restored).read(place)
    self.assertEqual(rest, [batch["x"].numpy().tolist() for batch in restored])
    xs = sum(head + rest, [])
    self.assertLen(xs, 3 * len(good))
    for start in range(0, len(xs), len(good)):
      self.assertEqual(good, sorted(xs[start : start + len(good)]))

  def test_later_errors_name_the_record_as_it_is_in_the_file(self):
    records = [0, b"hello", 2, _example(3, "y"), 4]
    path = self.write(self.content(records))
    fn, _ = self.input_fn(path)
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, f"{path}, record 4, .*x .*could not be"
    ):
      self.xs(fn)
    # It is damaged only after it was looked at.
    self.write(self.content([0, b"hello", 2, b"hello".ljust(_FRAME - 16), 4]))
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, f"{path}, record 4 must be a tf.train"
    ):
      self.xs(fn)

  def test_the_default_is_an_error(self):
    path = self.write(self.flipped(2 * _FRAME + 12))
    fn, warning = self.input_fn(path, on_bad_row="error")
    self.assertEqual("", warning)
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, f"{path}, record 3 must have its length"
    ):
      self.xs(fn)


if __name__ == "__main__":
  tf.test.main()

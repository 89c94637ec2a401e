import collections
import contextlib
import dataclasses
import io
import itertools
import os
from unittest import mock

import numpy as np
import tensorflow as tf

from tools.survive import (
  binary_oracles,
  input_formats,
  input_trials,
  inputs,
  pipeline_formats,
)

_MUTATIONS = 10
_FEW = 3  # where TensorFlow takes its time


class InputsTest(tf.test.TestCase):
  def judged(self, form, numbers):
    with contextlib.redirect_stdout(io.StringIO()):
      return [
        inputs.judged(form.name, self.get_temp_dir(), number)
        for number in numbers
      ]

  def test_every_format_survives(self):
    for form in input_formats.all_formats():
      count = _FEW if form.is_lenient else _MUTATIONS
      with (
        self.subTest(form.name),
        mock.patch.object(inputs, "_TOGETHER", _MUTATIONS),
      ):
        found = self.judged(form, range(-5, count))
        wrong = [
          (number, *answer)
          for number, answer in zip(itertools.count(-5), found, strict=False)
          if answer[0] not in ("errors", "valid")
        ]
        self.assertEqual([], wrong)

  def test_samples_are_valid(self):
    for form in input_formats.all_formats():
      path = os.path.join(self.get_temp_dir(), form.name, form.file)
      os.makedirs(os.path.dirname(path))
      contents = [form.wrap(sample) for sample in form.samples]
      with self.subTest(form.name), contextlib.redirect_stdout(io.StringIO()):
        if form.read_all:
          folder, file = os.path.split(path)
          paths = [os.path.join(folder, start + file) for start in "ab"]
          kinds = input_trials.judged_together(form, contents, paths)
        else:
          kinds = [
            input_trials.judged(form, content, path) for content in contents
          ]
        self.assertEqual([("valid", "")] * 2, kinds)

  def test_the_same_damage_each_time(self):
    form = input_formats.all_formats()[0]
    damaged = [input_trials.damaged(form, number) for number in range(20)]
    again = [input_trials.damaged(form, number) for number in range(20)]
    self.assertEqual(damaged, again)
    self.assertGreater(len(set(damaged)), 15)

  def trial(self, **changes):
    """Judges a file of four bytes of a format with a faulty reader."""
    path = os.path.join(self.get_temp_dir(), "file")
    form = input_formats.Format(
      "toy", "file", (b"abcd",), lambda path: 4, lambda content: 4
    )
    form = dataclasses.replace(form, **changes)
    return input_trials.judged(form, b"abcd", path)[0]

  def test_faults_of_a_reader_are_found(self):
    def fail(error):
      raise error

    def damaged(content):
      raise binary_oracles.Damaged

    self.assertEqual("valid", self.trial())
    self.assertEqual("silent", self.trial(read=lambda path: 5))
    self.assertEqual("silent", self.trial(oracle=damaged))
    self.assertEqual(
      "unnamed", self.trial(read=lambda path: fail(ValueError("no")))
    )
    named = {"read": lambda path: fail(ValueError(path))}
    self.assertEqual("refused", self.trial(**named))
    self.assertEqual("errors", self.trial(**named, oracle=damaged))
    self.assertEqual("errors", self.trial(**named, is_lenient=True))

  def test_a_fault_among_files_that_are_read_together_is_found(self):
    (form,) = (
      form
      for form in pipeline_formats.all_formats()
      if form.name == "CSV pipeline"
    )
    start = b"age,job,pay\n"
    contents = [start + rows for rows in (b"1,a,2\n", b"bad\n", b"3,b,\xff\n")]
    contents.append(b"age,job\n1,a\n")
    paths = [os.path.join(self.get_temp_dir(), f"{i}.csv") for i in range(4)]

    def kinds(form):
      found = input_trials.judged_together(form, contents, paths)
      return [kind for kind, _ in found]

    self.assertEqual(["valid", "errors", "errors", "errors"], kinds(form))
    results = form.read_all(paths)
    self.assertEqual([[1, b"a", 2.0]], results[paths[0]])
    self.assertIn("1.csv, line 2", str(results[paths[1]]))
    self.assertIn("2.csv, line 2", str(results[paths[2]]))
    self.assertIn("3.csv", str(results[paths[3]]))
    # One that takes the rows of the first file for those of the second.
    faulty = dataclasses.replace(
      form,
      read=lambda path: [[1, b"a", 2.0]],
      read_all=lambda paths: results | {paths[1]: results[paths[0]]},
    )
    self.assertEqual(["valid", "silent", "errors", "errors"], kinds(faulty))

  def test_same(self):
    same = input_trials.same
    array = np.array([1, 2], np.uint8)
    self.assertTrue(same(([1, "a"], array), ([1, "a"], array.copy())))
    self.assertFalse(same([1], [1, 2]))
    self.assertFalse(same(array, array.astype(np.int32)))
    self.assertFalse(same(array, array[:, np.newaxis]))
    self.assertTrue(same(float("nan"), float("nan")))

  def test_outcome(self):
    counts = collections.Counter(errors=3, valid=1)
    found = inputs.outcome("toy", counts, 2.0)
    self.assertTrue(found.passed)
    self.assertEqual(
      "4 files: 3 errors, 1 valid, 0 silent, 0 unnamed, 0 refused, 0 hangs, "
      "0 crashes",
      found.got,
    )
    counts["hangs"] += 1
    self.assertFalse(inputs.outcome("toy", counts, 2.0).passed)


class OraclesTest(tf.test.TestCase):
  def test_checksum_of_the_published_example(self):
    # CRC-32C of nine digits is 0xE3069283 (RFC 3720's polynomial), masked.
    crc = 0xE3069283
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
    self.assertEqual(
      masked.to_bytes(4, "little"), binary_oracles.masked_crc32c(b"123456789")
    )

  def test_frames_are_those_of_tensorflow(self):
    path = os.path.join(self.get_temp_dir(), "records")
    with tf.io.TFRecordWriter(path) as writer:
      writer.write(b"one")
      writer.write(b"")
    with open(path, "rb") as stream:
      content = stream.read()
    self.assertEqual([b"one", b""], binary_oracles.frames(content))
    made = binary_oracles.framed(b"one") + binary_oracles.framed(b"")
    self.assertEqual(content, made)
    self.assertEqual(
      [None, b""], binary_oracles.frames(content.replace(b"one", b"two"))
    )


if __name__ == "__main__":
  tf.test.main()

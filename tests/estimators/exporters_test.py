"""Tests of when exporters export, and what they keep."""

import functools
import json
import math
import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  BestExporter,
  Exporter,
  FinalExporter,
  LatestExporter,
)
from tests.estimators.helpers import new_folder
from tests.estimators.serving import line_receiver_fn

FIRST = 1_600_000_000


class FakeEstimator:
  """Makes empty folders, named by a clock that goes by calls."""

  def __init__(self, fails=False):
    self.calls = []
    self.fails = fails

  def export_saved_model(
    self, base, receiver_fn, assets_extra, checkpoint_path
  ):
    if self.fails:
      raise OSError("disk full")
    self.calls.append((receiver_fn, assets_extra, checkpoint_path))
    path = os.path.join(base, str(FIRST + len(self.calls)))
    os.makedirs(path)
    return path


class ExporterTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.estimator = FakeEstimator()
    self.folder = new_folder()

  def export(self, exporter, loss=1.0, final=False, **more):
    """Exports; returns which one it was (1 for the first), or None."""
    path = exporter.export(
      self.estimator,
      self.folder,
      "model.ckpt-7",
      {"loss": loss, "global_step": 7, **more},
      final,
    )
    return path and int(os.path.basename(path)) - FIRST

  def kept(self):
    return sorted(n for n in os.listdir(self.folder) if n != "best.json")


class LatestExporterTest(ExporterTest):
  def test_exports_every_time_and_keeps_the_newest(self):
    exporter = LatestExporter("x", line_receiver_fn, exports_to_keep=2)
    for name in ("temp-1600000009", "notes", "123"):
      os.makedirs(os.path.join(self.folder, name))
    self.assertEqual([self.export(exporter) for _ in range(4)], [1, 2, 3, 4])
    # What is no export stays.
    self.assertEqual(
      self.kept(),
      ["123", str(FIRST + 3), str(FIRST + 4), "notes", "temp-1600000009"],
    )

  def test_all_may_be_kept(self):
    exporter = LatestExporter("x", line_receiver_fn, exports_to_keep=None)
    for _ in range(7):
      self.export(exporter)
    self.assertLen(self.kept(), 7)

  def test_five_are_kept_by_default(self):
    exporter = LatestExporter("x", line_receiver_fn)
    for _ in range(7):
      self.export(exporter)
    self.assertLen(self.kept(), 5)

  def test_hands_on_what_it_was_given(self):
    exporter = LatestExporter("x", line_receiver_fn, {"a": "b"})
    self.export(exporter)
    self.assertEqual(
      self.estimator.calls, [(line_receiver_fn, {"a": "b"}, "model.ckpt-7")]
    )


class FinalExporterTest(ExporterTest):
  def test_exports_at_the_end(self):
    exporter = FinalExporter("x", line_receiver_fn, {"a": "b"})
    self.assertIsNone(self.export(exporter))
    self.assertEqual(self.export(exporter, final=True), 1)
    self.assertEqual(self.estimator.calls[0][1], {"a": "b"})


class BestExporterTest(ExporterTest):
  def exporter(self, **kwargs):
    return BestExporter(serving_input_receiver_fn=line_receiver_fn, **kwargs)

  def test_exports_what_is_better_than_all_before(self):
    exporter = self.exporter()
    losses = [3.0, 4.0, 2.0, 2.0, 2.5, 1.0]
    self.assertEqual(
      [self.export(exporter, loss) for loss in losses],
      [1, None, 2, None, None, 3],
    )

  def test_remembers_after_a_restart(self):
    self.export(self.exporter(), 3.0)
    self.assertIsNone(self.export(self.exporter(), 99.0))
    # And what was worse is not what later ones are compared with.
    self.assertIsNone(self.export(self.exporter(), 98.0))
    self.assertEqual(self.export(self.exporter(), 2.0), 2)

  def test_the_memory_is_a_file_that_people_can_read(self):
    self.export(self.exporter(), 3.0, confusion=np.eye(2))
    with open(os.path.join(self.folder, "best.json")) as file:
      (best,) = json.load(file)["bests"]
    self.assertEqual(best["step"], 7)
    self.assertEqual(best["export"], str(FIRST + 1))
    self.assertEqual(
      best["results"],
      {"loss": 3.0, "global_step": 7, "confusion": [[1, 0], [0, 1]]},
    )

  def write_memory(self, text):
    with open(os.path.join(self.folder, "best.json"), "w") as file:
      file.write(text)

  def test_a_memory_of_an_earlier_version(self):
    self.write_memory('{"loss": 3.0, "global_step": 5}')
    self.assertIsNone(self.export(self.exporter(), 4.0))
    self.assertEqual(self.export(self.exporter(), 2.0), 1)

  @parameterized.parameters("", '{"bests": [', "[]", "\x00\x00")
  def test_a_damaged_memory(self, text):
    self.write_memory(text)
    with self.assertLogs("tensorflow", "WARNING") as logs:
      self.assertEqual(self.export(self.exporter(), 4.0), 1)
    self.assertRegex(str(logs.output), "best.json must hold .* is damaged")
    self.assertIsNone(self.export(self.exporter(), 5.0))

  def test_training_that_goes_on_from_an_earlier_step(self):
    exporter = self.exporter()
    for step, loss in ((10, 5.0), (20, 4.0), (30, 3.0), (40, 9.0)):
      self.export(exporter, loss, global_step=step)
    exporter.go_on(self.folder, 30)
    self.assertEqual(self.kept(), [str(FIRST + i) for i in (1, 2, 3)])
    with self.assertLogs("tensorflow", "WARNING") as logs:
      exporter.go_on(self.folder, 15)
    self.assertRegex(str(logs.output), r"from step 15, .* \[20, 30\]")
    # They may be served right now.
    self.assertEqual(self.kept(), [str(FIRST + i) for i in (1, 2, 3)])
    # It is compared with that of step 10 again.
    self.assertEqual(self.export(exporter, 4.5, global_step=20), 4)
    exporter.go_on(self.folder, 0)
    self.assertEqual(self.kept(), [str(FIRST + i) for i in (1, 2, 3, 4)])
    self.assertEqual(self.export(exporter, 9.0, global_step=10), 5)

  def test_what_failed_to_export_is_not_the_best(self):
    self.estimator.fails = True
    with self.assertRaisesRegex(OSError, "disk full"):
      self.export(self.exporter(), 1.0)
    self.estimator.fails = False
    self.assertEqual(self.export(self.exporter(), 2.0), 1)

  def test_anything_is_better_than_nan(self):
    exporter = self.exporter()
    self.assertEqual(
      [self.export(exporter, loss) for loss in (math.nan, 5.0, math.nan)],
      [1, 2, None],
    )

  def test_own_comparison(self):
    def more_accurate(best_eval_result, current_eval_result):
      return current_eval_result["accuracy"] > best_eval_result["accuracy"]

    exporter = self.exporter(compare_fn=more_accurate)
    self.assertEqual(
      [self.export(exporter, accuracy=a) for a in (0.5, 0.7, 0.6, 0.8)],
      [1, 2, None, 3],
    )

  def test_keeps_the_best_few(self):
    exporter = self.exporter(exports_to_keep=2)
    for loss in (5.0, 4.0, 9.0, 3.0):
      self.export(exporter, loss)
    self.assertEqual(self.kept(), [str(FIRST + 2), str(FIRST + 3)])

  def test_needs_a_loss(self):
    exporter = self.exporter()
    self.export(exporter)
    with self.assertRaisesRegex(ValueError, "must have a loss .*global_step"):
      exporter.export(
        self.estimator, self.folder, "model.ckpt-9", {"global_step": 9}, False
      )

  def test_the_default_name(self):
    self.assertEqual(self.exporter().name, "best_exporter")


class ArgumentsTest(ExporterTest):
  @parameterized.parameters(
    (lambda: LatestExporter("", line_receiver_fn), "needs a name"),
    (lambda: FinalExporter(None, line_receiver_fn), "needs a name"),
    (lambda: LatestExporter("x", line_receiver_fn, None, 0), "positive.* 0"),
    (
      lambda: BestExporter("x", line_receiver_fn, exports_to_keep=-1),
      "positive.* -1",
    ),
    (lambda: BestExporter("x"), "needs a serving_input_receiver_fn"),
    (
      lambda: BestExporter("x", line_receiver_fn, compare_fn=None),
      "best_eval_result.*None",
    ),
    (
      lambda: BestExporter("x", line_receiver_fn, compare_fn=lambda a, b: a),
      "best_eval_result.*current_eval_result",
    ),
  )
  def test_wrong_arguments(self, make, message):
    with self.assertRaisesRegex(ValueError, message):
      make()

  def test_a_comparison_with_more_arguments_bound(self):
    def below(best_eval_result, current_eval_result, key):
      return current_eval_result[key] < best_eval_result[key]

    exporter = BestExporter(
      "x", line_receiver_fn, functools.partial(below, key="loss")
    )
    self.assertEqual(
      [self.export(exporter, loss) for loss in (2.0, 3.0, 1.0)], [1, None, 2]
    )

  def test_an_exporter_of_ones_own(self):
    exporter = Exporter("x", line_receiver_fn)
    with self.assertRaises(NotImplementedError):
      self.export(exporter)


if __name__ == "__main__":
  tf.test.main()

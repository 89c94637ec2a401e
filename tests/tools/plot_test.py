import contextlib
import io
import os
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import app, flags
from absl.testing import parameterized
from matplotlib import figure, image

from estimators import Estimator, RunConfig
from input_pipelines.arrays import numpy_input_fn
from tests.estimators import toys
from tests.estimators.helpers import new_folder, slope_after
from tests.tools.event_curves_test import write_scalars
from tools import event_curves, plot


class PlotTest(tf.test.TestCase, parameterized.TestCase):
  def run_main(self, *args):
    """Returns what the program prints in this process."""
    values = flags.FlagValues()
    plot.define_flags(values)
    rest = values(["plot", *args])
    with contextlib.redirect_stdout(io.StringIO()) as printed:
      with mock.patch.object(plot, "FLAGS", values):
        plot.main(rest)
    return printed.getvalue()

  def test_draws_what_an_estimator_wrote(self):
    model_dir = new_folder()
    estimator = Estimator(
      toys.line_fn, model_dir, RunConfig(save_summary_steps=2)
    )
    x = np.ones(8, np.float32)
    for _ in range(3):
      estimator.train(numpy_input_fn(x, x, 2, None, True), steps=10)
      for name in (None, "more"):
        estimator.evaluate(numpy_input_fn(x, x, shuffle=False), name=name)

    curves = event_curves.read_curves(model_dir)

    self.assertEqual({"train", "eval", "eval_more"}, curves["loss"].keys())
    self.assertEqual([10, 20, 30], list(curves["loss"]["eval"]))
    # The error is |w - 1|, and the loss its square.
    for step, loss in curves["loss"]["eval_more"].items():
      slope = slope_after(step)
      self.assertAllClose(np.square(1 - slope), loss)
      self.assertAllClose(1 - slope, curves["error"]["eval"][step])
    self.assertContainsSubset([0, 2, 28], curves["loss"]["train"])
    path = os.path.join(model_dir, "curves.png")
    self.assertEqual(
      f"{path}: error, loss\n", self.run_main(f"--model_dir={model_dir}")
    )
    picture = image.imread(path)
    # Two plots of 5 x 3.5 inches, of 100 dots each, side by side.
    self.assertEqual((350, 1000), picture.shape[:2])
    self.assertGreater(picture[..., 0].std(), 0.05)

  def test_chooses_tags(self):
    curves = {
      "loss": {"train": {}, "eval": {}},
      "rate": {"train": {}},
      "precision": {"eval_test": {}},
    }
    self.assertEqual(["loss", "precision"], plot.chosen_tags(curves, None))
    self.assertEqual(["precision", "rate"], plot.chosen_tags(curves, "^r|pre"))
    alone = {"rate": {"train": {}}, "loss": {"train": {}}}
    self.assertEqual(["loss", "rate"], plot.chosen_tags(alone, None))

  def test_smooths_as_tensorboard(self):
    values = [1.0, 3.0, np.nan, 2.0]
    # (0.5 * 1 + 3) / 1.5, then (0.25 * 1 + 0.5 * 3 + 2) / 1.75.
    self.assertAllClose(
      [1, 3.5 / 1.5, np.nan, 3.75 / 1.75], plot.smoothed(values, 0.5)
    )
    self.assertAllEqual(values, plot.smoothed(values, 0))

  @parameterized.parameters(
    ([10000.0, 250.0, 99.0], True),
    ([10000.0, 250.0, 100.0], False),
    ([10000.0, 0.0], False),
    ([10000.0, -1.0], False),
    ([float("nan"), 3.0, float("inf")], False),
    ([], False),
  )
  def test_wide_ranges(self, values, expected):
    self.assertEqual(plot.is_wide(values), expected)

  def test_many_tags_one_file(self):
    model_dir = new_folder()
    for number in range(5):
      write_scalars(
        model_dir, f"tag_{number}/$x_", [(1, 1.0), (2, np.nan), (3, 2.0)]
      )
    folder = new_folder()
    for name, begin in (("a.PNG", b"\x89PNG"), ("b.pdf", b"%PDF")):
      output = os.path.join(folder, name)
      self.run_main(
        f"--model_dir={model_dir}", f"--output={output}", "--smooth=0.5"
      )
      with open(output, "rb") as stream:
        self.assertEqual(begin, stream.read(4))
    self.assertCountEqual(["a.PNG", "b.pdf"], os.listdir(folder))

  def test_too_many_tags_ask_for_some(self):
    curves = {f"tag_{number:03}": {"train": {}} for number in range(61)}
    for pattern in (None, "tag"):
      with self.assertRaisesRegex(
        ValueError, "at most 60 plots; got 61 tags, .*'tag_009'] and.*--tags="
      ):
        plot.chosen_tags(curves, pattern)
    self.assertLen(plot.chosen_tags(curves, "0[0-5]"), 60)

  def test_many_plots_are_announced(self):
    model_dir = new_folder()
    for tag in "abc":
      write_scalars(model_dir, tag, [(1, 1.0)])
    for many, expected in ((3, "Drawing 3 plots ...\n"), (4, "")):
      with (
        mock.patch.object(plot, "_MANY_PLOTS", many),
        mock.patch.object(plot, "draw"),
        contextlib.redirect_stderr(io.StringIO()) as printed,
      ):
        self.run_main(f"--model_dir={model_dir}")
      self.assertEqual(expected, printed.getvalue())

  def test_a_picture_is_replaced_by_a_whole_one(self):
    output = os.path.join(new_folder(), "a.png")
    with open(output, "w") as stream:
      stream.write("old")

    def break_off(_, path, format):  # noqa: A002
      with open(path, "w") as stream:
        stream.write("half")
      raise OSError("no space")

    with mock.patch.object(figure.Figure, "savefig", break_off):
      with self.assertRaisesRegex(OSError, "no space"):
        plot.draw({"a": {"train": {1: 1.0}}}, ["a"], 0, output)
    self.assertEqual(["a.png"], os.listdir(os.path.dirname(output)))
    with open(output) as stream:
      self.assertEqual("old", stream.read())

  def test_nothing_to_draw(self):
    model_dir = new_folder()
    for folder in (model_dir, os.path.join(model_dir, "no")):
      with self.assertRaisesRegex(
        SystemExit, f"tools.plot: .*must have event files.*{folder} has none"
      ):
        self.run_main(f"--model_dir={folder}")
    with tf.summary.create_file_writer(model_dir).as_default():
      tf.summary.text("words", "some", step=1)
    with self.assertRaisesRegex(SystemExit, "must have scalars.*1 files"):
      self.run_main(f"--model_dir={model_dir}")

  @parameterized.named_parameters(
    ("no_tag", "--tags=precision", r"got 'precision'. The tags are \['loss'\]"),
    ("no_pattern", "--tags=lo(", r"regular expression; got 'lo\('"),
    ("no_folder", "--output=/no/folder/a.png", "No such file"),
    ("no_format", "--output=/no/a.doc", r"one of .*'.png'.*got '/no/a.doc'"),
    ("no_end", "--output=/no/a", "must end in.*got '/no/a'"),
  )
  def test_refuses(self, argument, message):
    model_dir = new_folder()
    write_scalars(model_dir, "loss", [(1, 1.0)])
    with self.assertRaisesRegex(SystemExit, f"tools.plot: .*{message}"):
      self.run_main(f"--model_dir={model_dir}", argument)

  def test_refuses_a_weight_of_1_and_words(self):
    with self.assertRaisesRegex(flags.IllegalFlagValueError, "below 1"):
      self.run_main("--model_dir=a", "--smooth=1")
    with self.assertRaisesRegex(app.UsageError, r"got \['b'\]"):
      self.run_main("--model_dir=a", "b")

  def test_a_damaged_file_is_named(self):
    model_dir = new_folder()
    write_scalars(model_dir, "loss", [(step, 1.0) for step in range(9)])
    (name,) = os.listdir(model_dir)
    path = os.path.join(model_dir, name)
    with open(path, "r+b") as stream:
      stream.seek(200)
      stream.write(b"????")
    with self.assertRaisesRegex(SystemExit, f"{path} must be a whole file"):
      self.run_main(f"--model_dir={model_dir}")

  def test_a_folder_for_a_file_is_named(self):
    path = os.path.join(new_folder(), "old_tfevents")
    os.mkdir(path)
    with self.assertRaisesRegex(
      SystemExit,
      f"{path} must be a whole file of events.*: {path}; Is a directory. Move",
    ):
      self.run_main(f"--model_dir={os.path.dirname(path)}")


if __name__ == "__main__":
  tf.test.main()

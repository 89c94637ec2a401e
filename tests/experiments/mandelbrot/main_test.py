import contextlib
import io
import json
import os
import tempfile
from unittest import mock

import numpy as np
from absl import flags
from absl.testing import absltest, parameterized
from PIL import Image

from experiments.mandelbrot import coloring, main, self_test, simulate
from experiments.mandelbrot.config import Config

SMALL = {"size": (24, 16), "max_steps": 20}


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


class ConfigTest(parameterized.TestCase):
  def test_without_flags_it_is_the_published_picture(self):
    config = parse()
    self.assertEqual(config, Config((-0.5, 0.0), 3.0, (600, 520), 200))
    self.assertEqual(config.widths(), [3.0])
    self.assertIsNone(config.animation)

  def test_a_zoom_has_frames_and_a_name(self):
    config = parse("--zoom_to=0.1")
    self.assertEqual((config.num_frames, config.animation), (60, "zoom.webp"))

  def test_flags(self):
    self.assertEqual(
      parse(
        "--center=-1.5,.25", "--width=0.5", "--size=40x30", "--max_steps=9",
        "--coloring=smooth", "--precision=float64", "--output_dir=~/a",
        "--zoom_to=1e-3", "--num_frames=7", "--animation=b.gif", "--self_test",
      ),
      Config(
        (-1.5, 0.25), 0.5, (40, 30), 9, "smooth", "float64",
        os.path.expanduser("~/a"), 1e-3, 7, "b.gif", True,
      ),
    )  # fmt: skip

  @parameterized.parameters(
    ("--center=1", "--center must be two numbers like -0.5,0, but is '1'"),
    ("--center=1,2,3", "--center must be two numbers"),
    ("--center=a,b", "--center must be two numbers"),
    ("--center=nan,0", "--center, --size and --width .* must keep"),
    ("--size=600", "--size must be two numbers like 600x520, but is '600'"),
    ("--size=6.5x3", "--size must be two numbers"),
    ("--size=0x520", "--size must be 1x1 or more, and .* but is 0x520"),
    ("--size=3x-2", "--size must be 1x1 or more, and .* but is 3x-2"),
    ("--size=8193x8192", "at most 67108864 points, but is 8193x8192"),
    ("--width=0", "--width must be finite and more than 0, but is 0.0"),
    ("--width=inf", "--width must be finite and more than 0, but is inf"),
    ("--width=300", "are -0.5,0.0, 600x520 and 300.0; the set"),
    ("--size=1x5000", "--size .* within 100 .* are -0.5,0.0, 1x5000 and 3.0;"),
    ("--max_steps=0", "--max_steps must be in 1..500000, but is 0"),
    ("--max_steps=500001", "--max_steps must be in"),
    ("--zoom_to=-1", "--zoom_to must be finite and more than 0, but is -1.0"),
    ("--zoom_to=300", "--zoom_to.* within 100 .* 600x520 and 300.0;"),
    ("--num_frames=3", "--zoom_to, .* together, but are None, 3, None; give"),
    ("--animation=a.gif", "together, but are None, None, a.gif; give the"),
    ("--train_steps=3", "no use for --train_steps"),
  )
  def test_mistakes(self, flag, message):
    with self.assertRaisesRegex(ValueError, message):
      parse(flag)

  @parameterized.parameters(
    ("--num_frames=1", "--num_frames must be in 2..10000, but is 1; .* 60.$"),
    ("--num_frames=10001", "must be in 2..10000, but is 10001"),
    ("--animation=a.avi", "must end in .gif or .webp, but is a.avi"),
    ("--size=16384x1", "but zoom.webp would have 16384x1; take a smaller size"),
    ("--animation=/a/b.gif", "a name without folders, but is /a/b.gif"),
  )
  def test_mistakes_of_a_zoom(self, flag, message):
    with self.assertRaisesRegex(ValueError, message):
      parse("--zoom_to=1", flag)

  def test_a_picture_may_be_wider_than_an_animation(self):
    self.assertEqual(parse("--size=16384x1").size, (16384, 1))

  def test_what_flags_refuse_a_config_does_too(self):
    for name in ("coloring", "precision"):
      with self.assertRaisesRegex(ValueError, f"--{name} must be one of .* a;"):
        Config(**{name: "a"})

  def test_the_widths_of_a_zoom_have_equal_ratios(self):
    zoom = {"num_frames": 4, "animation": "a.gif"}
    widths = Config(width=4.0, zoom_to=0.5, **zoom).widths()
    np.testing.assert_allclose(widths, [4, 2, 1, 0.5], rtol=1e-12)
    widths = Config(width=5e-324, zoom_to=100.0, **zoom).widths()
    self.assertEqual((widths[0], widths[-1]), (5e-324, 100))
    np.testing.assert_allclose(widths[2] / widths[1], 100 / widths[2])


class RunTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = self.enterContext(tempfile.TemporaryDirectory())
    self.printed = self.enterContext(contextlib.redirect_stdout(io.StringIO()))

  def run_small(self, **changes):
    # A folder that is not there yet.
    folder = os.path.join(self.folder, "new")
    return main.run(Config(**SMALL | {"output_dir": folder} | changes))

  def test_the_picture(self):
    metrics = self.run_small()
    config = Config(**SMALL)
    x, y = config.window(3.0).coordinates("float32")
    counts = self_test.numpy_counts(x, y, 20)
    self.assertGreater(metrics.pop("seconds"), 0)
    path = os.path.join(self.folder, "new", "mandelbrot.png")
    self.assertEqual(
      metrics,
      {
        "steps": 20,
        "points": 384,
        "inside": int((counts == 20).sum()),
        "mean_steps": counts.sum() / 384,
        "sum": counts.sum(),
        "precision": "float32",
        "picture": path,
        "animation": None,
      },
    )
    with Image.open(path) as image:
      pixels = np.asarray(image)
    self.assertEqual(pixels.shape, (16, 24, 3))
    np.testing.assert_array_equal(pixels.any(axis=-1), counts < 20)
    self.assertEqual(self.printed.getvalue(), f"wrote {path}\n")

  @parameterized.parameters("a.gif", "a.webp")
  def test_a_zoom(self, name):
    with mock.patch.object(
      simulate, "escape_counts", wraps=simulate.escape_counts
    ) as counts:
      metrics = self.run_small(
        center=(-0.1011, 0.9563),
        max_steps=50,
        zoom_to=3e-4,
        num_frames=3,
        animation=name,
      )
    self.assertEqual(metrics["animation"], f"{self.folder}/new/{name}")
    with Image.open(metrics["animation"]) as image:
      self.assertEqual((image.n_frames, image.size), (3, (24, 16)))
    seen = [call.args[0] for call in counts.call_args_list]
    widths, precisions = zip(
      *((x[-1] - x[0], x.dtype.name) for x in seen), strict=True
    )
    np.testing.assert_allclose(
      widths, np.multiply(23 / 24, [3, 3, 0.03, 3e-4]), rtol=1e-3
    )
    self.assertEqual(precisions, (*["float32"] * 3, "float64"))

  @parameterized.parameters("published", "smooth")
  def test_colours_are_those_of_the_counts(self, name):
    # All points escape, after 3 to 14 and in the last frame 4 or 5 steps. There
    # are less than 256 colours, which a GIF keeps.
    window = {"center": (-1.4, 0.3), "width": 0.3}
    metrics = self.run_small(
      **window, coloring=name, zoom_to=0.05, num_frames=2, animation="a.gif"
    )
    for key, width, number in (("picture", 0.3, 0), ("animation", 0.05, 1)):
      points = Config(**SMALL | window).window(width).coordinates("float32")
      counts = simulate.escape_counts(*points, 20, smooth=name == "smooth")
      expected = coloring.picture(counts, 20, name)
      with Image.open(metrics[key]) as image:
        image.seek(number)
        pixels = np.asarray(image.convert("RGB"))
      np.testing.assert_array_equal(pixels, expected)

  def test_smooth_counts_are_no_steps(self):
    metrics = self.run_small(coloring="smooth")
    self.assertIsNone(metrics["sum"])
    self.assertIsNone(metrics["mean_steps"])
    x, y = Config(**SMALL).window(3.0).coordinates("float32")
    within = simulate.escape_counts(x, y, 20, radius=256) == 20
    self.assertEqual(metrics["inside"], within.sum())

  def test_settings_without_a_zoom_name_no_animation(self):
    self.run_small()
    with open(os.path.join(self.folder, "new", "config.json")) as stream:
      params = json.load(stream)["params"]
    for name in ("zoom_to", "num_frames", "animation"):
      self.assertIsNone(params[name])

  def test_it_warns_before_the_work(self):
    with (
      mock.patch.object(simulate, "escape_counts", side_effect=OSError),
      self.assertLogs(level="WARNING") as logs,
      self.assertRaises(OSError),
    ):
      self.run_small(zoom_to=1e-16, num_frames=2, animation="a.gif")
    (line,) = logs.output
    self.assertIn("at a width of 1e-16", line)

  def test_no_warning_where_there_are_digits(self):
    with self.assertNoLogs(level="WARNING"):
      self.run_small(width=1e-10)

  def test_without_a_folder_it_takes_a_temporary_one(self):
    with mock.patch.object(tempfile, "tempdir", self.folder):
      metrics = self.run_small(output_dir=None)
    self.assertStartsWith(metrics["picture"], f"{self.folder}/")
    self.assertTrue(os.path.exists(metrics["picture"]))


class MainTest(parameterized.TestCase):
  def run_main(self, config, found=()):
    """Returns (exit status, last line printed, what was complained of)."""
    with (
      mock.patch.object(main, "config_from_flags", return_value=config),
      mock.patch.object(self_test, "problems", return_value=list(found)),
      contextlib.redirect_stdout(io.StringIO()) as out,
      contextlib.redirect_stderr(io.StringIO()) as err,
    ):
      status = main.main([])
    return status, out.getvalue().splitlines()[-1], err.getvalue()

  def test_the_last_line_is_json(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    config = Config(**SMALL, output_dir=folder)
    status, last, complaints = self.run_main(config, ["not asked for"])
    self.assertEqual((status, complaints), (0, ""))
    found = json.loads(last)
    self.assertEqual((found["model"], found["points"]), ("mandelbrot", 384))

  def test_the_self_test(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    config = Config(**SMALL, output_dir=folder, self_test=True)
    self.assertEqual(self.run_main(config)[0], 0)
    status, _, complaints = self.run_main(config, ["so and so"])
    self.assertEqual((status, complaints), (1, "self test: so and so\n"))

  def test_mistakes_are_one_line(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    path = os.path.join(folder, "file")
    with open(path, "w"):
      pass
    with self.assertRaisesRegex(SystemExit, "^mandelbrot: .*--output_dir"):
      self.run_main(Config(**SMALL, output_dir=path))


if __name__ == "__main__":
  absltest.main()

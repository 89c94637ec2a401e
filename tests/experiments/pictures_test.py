import contextlib
import io
import os
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from experiments import pictures


def new_folder(test):
  return test.enterContext(tempfile.TemporaryDirectory())


def grey(*values):
  """Frames of 4x6 pixels, each of one grey."""
  return [np.full([4, 6], value, np.uint8) for value in values]


class PngTest(parameterized.TestCase):
  @parameterized.parameters([[4, 6]], [[4, 6, 3]])
  def test_pixels_come_back(self, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    path = os.path.join(new_folder(self), "a.png")
    pictures.write_png(path, pixels)
    with Image.open(path) as image:
      self.assertEqual(image.format, "PNG")
      np.testing.assert_array_equal(image, pixels)


class AnimationTest(parameterized.TestCase):
  @parameterized.parameters(("a.gif", "GIF", 0), ("a.WEBP", "WEBP", 3))
  def test_frames_come_back_in_order(self, name, format_name, error):
    path = os.path.join(new_folder(self), name)
    pictures.write_animation(path, grey(0, 100, 200), 3, frame_ms=50)
    with Image.open(path) as image:
      self.assertEqual(image.format, format_name)
      self.assertEqual(image.n_frames, 3)
      self.assertEqual(image.info["loop"], 0)
      for number, value in enumerate((0, 100, 200)):
        image.seek(number)
        image.load()
        self.assertEqual(image.info["duration"], 50)
        found = np.asarray(image.convert("RGB"), int)
        self.assertEqual(found.shape, (4, 6, 3))
        np.testing.assert_allclose(found, value, atol=error)

  def test_frames_are_made_one_after_the_other(self):
    events = []

    def frames():
      for number, frame in enumerate(grey(0, 100, 200)):
        events.append(number)
        yield frame

    path = os.path.join(new_folder(self), "a.gif")
    pictures.write_animation(path, frames(), 3)
    self.assertEqual(events, [0, 1, 2])

  @parameterized.parameters(True, False)
  def test_a_bar_on_a_terminal_only(self, shown):
    path = os.path.join(new_folder(self), "a.gif")
    with (
      mock.patch.object(pictures, "progress_is_shown", return_value=shown),
      contextlib.redirect_stderr(io.StringIO()) as printed,
    ):
      pictures.write_animation(path, iter(grey(0, 100, 200)), 3)
    if shown:
      self.assertRegex(printed.getvalue(), r"100%.* 3/3 .*frame/s")
    else:
      self.assertEqual(printed.getvalue(), "")

  def test_webp_has_quality_80_and_25_frames_a_second(self):
    noise = np.random.default_rng(0).integers(0, 256, [2, 20, 30, 3], np.uint8)
    path = os.path.join(new_folder(self), "a.webp")
    pictures.write_animation(path, noise, 2)
    first, second = map(Image.fromarray, noise)
    expected = io.BytesIO()
    first.save(
      expected, "WEBP", save_all=True, append_images=[second],
      duration=40, loop=0, quality=80,
    )  # fmt: skip
    with open(path, "rb") as stream:
      self.assertEqual(stream.read(), expected.getvalue())

  def test_error_leaves_no_file_and_keeps_the_old_one(self):
    folder = new_folder(self)
    path = os.path.join(folder, "a.gif")

    def frames():
      yield from grey(0, 100)
      raise KeyboardInterrupt

    with self.assertRaises(KeyboardInterrupt):
      pictures.write_animation(path, frames(), 3)
    self.assertEmpty(os.listdir(folder))
    pictures.write_animation(path, grey(50), 1)
    with self.assertRaises(KeyboardInterrupt):
      pictures.write_animation(path, frames(), 3)
    self.assertEqual(os.listdir(folder), ["a.gif"])
    with Image.open(path) as image:
      self.assertEqual(image.convert("L").getpixel((0, 0)), 50)

  def test_what_cannot_be_written_is_refused(self):
    folder = new_folder(self)
    path = os.path.join(folder, "a.mp4")
    with self.assertRaisesRegex(ValueError, "must end in .gif or .webp, but"):
      pictures.write_animation(path, grey(0), 1)
    wide = [np.zeros([1, 16384], np.uint8)]
    with self.assertRaisesRegex(ValueError, "but a.webp would have 16384x1"):
      pictures.write_animation(os.path.join(folder, "a.webp"), wide, 1)
    self.assertEmpty(os.listdir(folder))

  @parameterized.parameters(("a.gif", 65535), ("a.webp", 16383))
  def test_the_longest_side(self, name, longest):
    path = os.path.join(new_folder(self), name)
    frames = [np.full([1, longest], value, np.uint8) for value in (0, 200)]
    pictures.write_animation(path, frames, 2)
    with Image.open(path) as image:
      self.assertEqual((image.size, image.n_frames), ((longest, 1), 2))

  @parameterized.parameters(
    ("a.mp4", 6, 4, "^--animation .* must end in .gif or .webp, but is a.mp4;"),
    ("gif", 6, 4, "must end in .gif or .webp, but is gif;"),
    (".gif", 6, 4, "^--animation needs a name, and .* but is .gif; call it"),
    ("b/a.gif", 6, 4, "^--animation must be a name without .* but is b/a.gif;"),
    ("a.webp", 16384, 4, "at most 16383 .* would have 16384x4; .* or .gif.$"),
    ("a.webp", 4, 16384, "at most 16383 .* would have 4x16384; .* or .gif.$"),
    ("a.webp", 4, 65536, "at most 16383 .* 4x65536; take a smaller size.$"),
    ("a.GIF", 65536, 4, "at most 65535 pixels, .* 65536x4; .* smaller size.$"),
    ("a.GIF", 4, 65536, "at most 65535 pixels, .* 4x65536; .* smaller size.$"),
  )
  def test_check_animation(self, name, width, height, message):
    with self.assertRaisesRegex(ValueError, message):
      pictures.check_animation(name, width, height)


if __name__ == "__main__":
  absltest.main()

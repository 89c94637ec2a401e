"""Tests of the demo."""

import contextlib
import io
from unittest import mock

import numpy as np
import pytest
from absl.testing import absltest

from tools import demo


class DemoTest(absltest.TestCase):
  def test_drawing_shades_blocks_of_pixels(self):
    image = np.zeros([28, 28], np.float32)
    image[0:4, 0:2] = 1.0  # one character, all ink
    image[4:8, 26:28] = 0.4  # 0.4 of the 5 steps of shade: ":"
    lines = demo.drawing(image.reshape(784))
    self.assertEqual(lines, ["@" + " " * 13, " " * 13 + ":", *[" " * 14] * 5])

  @pytest.mark.slow
  def test_demo_runs(self):
    printed = io.StringIO()
    with (
      mock.patch.object(demo, "TRAIN_STEPS", 2),
      contextlib.redirect_stdout(printed),
    ):
      demo.main()
    self.assertRegex(printed.getvalue(), "gave the same probabilities")
    self.assertRegex(printed.getvalue(), "Test accuracy .* after 2 steps")
    self.assertRegex(printed.getvalue(), r"tensorboard --logdir=/\S+/model\n")


if __name__ == "__main__":
  absltest.main()

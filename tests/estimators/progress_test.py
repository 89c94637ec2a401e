"""Tests of what training shows on a terminal, and elsewhere."""

import contextlib
import fcntl
import os
import struct
import subprocess
import sys
import termios
import textwrap

import numpy as np
import tensorflow as tf

from estimators import Estimator, Hook, RunConfig
from estimators.progress import ProgressHook, progress_is_shown
from tests.estimators import toys
from tests.estimators.helpers import new_folder

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
PROGRAM = textwrap.dedent("""
  import time
  import numpy as np
  from estimators import Estimator, Hook, RunConfig
  from tests.estimators import toys

  class Slow(Hook):
    def after_run(self, run):
      time.sleep(0.02)

  one = toys.input_of([1.0], np.float32([1]), repeat=True)
  config = RunConfig(save_checkpoints_steps=10)
  estimator = Estimator(toys.line_fn, {folder!r}, config)
  estimator.train(one, hooks=[Slow()], steps=25)
  estimator.train(one, max_steps=30)
""")


def open_terminal(columns):
  """Returns the two ends of a pseudo-terminal of that width."""
  ends = os.openpty()
  fcntl.ioctl(ends[1], termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
  return ends


def run_on_a_terminal(program):
  """Runs a Python program with a pseudo-terminal for its error output."""
  terminal, its_end = open_terminal(columns=80)
  process = subprocess.Popen(
    [sys.executable, "-c", program],
    stderr=its_end,
    cwd=ROOT,
    env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
  )
  os.close(its_end)
  output = b""
  try:
    while block := os.read(terminal, 4096):
      output += block
  except OSError:  # The other end was closed.
    pass
  os.close(terminal)
  if process.wait():
    raise AssertionError(output.decode())
  return output.decode()


def lines_on_screen(output):
  """Returns what is left of each line where it was written over."""
  return [line.rstrip("\r").split("\r")[-1] for line in output.split("\n")]


class TerminalTest(tf.test.TestCase):
  def test_a_bar_with_log_lines_above_it(self):
    output = run_on_a_terminal(PROGRAM.format(folder=new_folder()))
    self.assertIn("25/25", output)
    self.assertIn("step/s", output)
    self.assertRegex(output, r"loss=0\.\d+")
    lines = lines_on_screen(output)
    for step in (0, 10, 20, 25, 30):
      (line,) = [n for n in lines if f"Saving checkpoints for {step} " in n]
      self.assertStartsWith(line, "INFO:tensorflow:Saving")
    # The bars stay, at their ends; the second began where the first ended.
    bars = [line for line in lines if "step/s" in line or "step]" in line]
    self.assertIn("25/25", bars[0])
    self.assertIn("30/30", bars[-1])
    self.assertNotIn(" 0/30", output)
    # The bar tells the loss; lines of it would only be in the way.
    self.assertNotIn("loss = ", output)


class ElsewhereTest(tf.test.TestCase):
  def test_which_terminals_have_a_bar(self):
    for columns in (80, 0):
      ends = open_terminal(columns)
      with (
        os.fdopen(ends[0]),
        os.fdopen(ends[1], "w") as terminal,
        contextlib.redirect_stderr(terminal),
      ):
        self.assertEqual(progress_is_shown(), columns > 0)
    with open(os.devnull, "w") as file, contextlib.redirect_stderr(file):
      self.assertFalse(progress_is_shown())

  def test_plain_lines(self):
    one = toys.input_of([1.0], np.float32([1]), repeat=True)
    config = RunConfig(log_step_count_steps=10)
    with self.assertLogs("tensorflow", "INFO") as logs:
      Estimator(toys.line_fn, new_folder(), config).train(one, steps=11)
    lines = [
      r.getMessage() for r in logs.records if "loss = " in r.getMessage()
    ]
    self.assertEqual(lines[0], "loss = 1.0, step = 0")
    self.assertRegex(lines[1], r"^loss = 0\.\d+, step = 10 \(\d+\.\d{3} sec\)$")


class ProgressHookTest(tf.test.TestCase):
  def test_may_be_closed_before_it_has_begun(self):
    # As when the `begin` of another hook fails.
    ProgressHook().close()

  def test_an_error_elsewhere_is_not_hidden(self):
    class Fails(Hook):
      def begin(self, run):
        raise RuntimeError("no luck")

    one = toys.input_of([1.0], np.float32([1]))
    self.enterContext(
      tf.compat.v1.test.mock.patch(
        "estimators.training.progress_is_shown", lambda: True
      )
    )
    with self.assertRaisesRegex(RuntimeError, "no luck"):
      Estimator(toys.line_fn, new_folder()).train(one, hooks=[Fails()])


if __name__ == "__main__":
  tf.test.main()

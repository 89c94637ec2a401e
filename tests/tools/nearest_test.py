import contextlib
import io
import os
import subprocess
import sys
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from experiments.word2vec import vectors, vocabulary
from tools import nearest

WORDS = ["UNK", "king", "queen", "man", "woman"]
VECTORS = np.array(
  [[-1, -1, -1], [3, 0, 4], [0, 3, 4], [2, 0, 0], [0, 5, 0.0]], np.float32
)
KING = [
  "",
  "king",
  "=" * 37,
  "king                 1.0000",
  "queen                0.6400",
]


class NearestTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = self.get_temp_dir()
    self.path = os.path.join(self.folder, "vectors.bin")

  def write(self):
    vectors.write(self.path, WORDS, VECTORS)
    vocabulary.write(
      os.path.join(self.folder, vocabulary.FILE), WORDS, range(len(WORDS))
    )
    saved = tf.train.Checkpoint(emb=tf.Variable(VECTORS))
    tf.train.CheckpointManager(saved, self.folder, 1).save()

  def run_main(self, *args, text=""):
    """Returns the lines printed by the program in this process."""
    values = flags.FlagValues()
    nearest.define_flags(values)
    rest = values(["nearest", *args])
    printed = io.StringIO()
    with (
      mock.patch.object(nearest, "FLAGS", values),
      mock.patch("sys.stdin", io.StringIO(text)),
      contextlib.redirect_stdout(printed),
    ):
      nearest.main(rest)
    return printed.getvalue().splitlines()

  @parameterized.parameters("model_dir", "vectors")
  def test_a_command(self, source):
    self.write()
    place = {"model_dir": self.folder, "vectors": self.path}[source]
    args = [f"--{source}={place}", "nearby", "king", "--num=2"]
    self.assertEqual(self.run_main(*args), KING)
    args = [f"--{source}={place}", "analogy", "king", "queen", "man"]
    self.assertEqual(self.run_main(*args), ["woman"])

  def test_the_prompt(self):
    self.write()
    printed = self.run_main(
      f"--vectors={self.path}", "--num=2", text="nearby king\nquit\nnearby man"
    )
    self.assertEqual(printed, KING)

  @parameterized.parameters(
    (["nearby", "kin"], r"tools.nearest: .*kin \(near: king\)"),
    (["foo"], "tools.nearest: a command must be"),
    (["nearby", "king", "--vectors=no"], "tools.nearest: .*'no'"),
  )
  def test_mistakes_exit(self, args, message):
    self.write()
    with self.assertRaisesRegex(SystemExit, message):
      self.run_main(f"--vectors={self.path}", *args)

  @parameterized.parameters(
    ([],), (["--vectors=a", "--model_dir=b"],), (["--vectors=a", "--num=1001"],)
  )
  def test_bad_flags(self, args):
    with self.assertRaises(flags.Error):
      self.run_main(*args)

  def test_a_file_is_read_without_tensorflow(self):
    self.write()
    done = subprocess.run(
      [sys.executable, "-X", "importtime", "-m", "tools.nearest"]
      + [f"--vectors={self.path}", "nearby", "king", "--num=2"],
      cwd=os.path.dirname(os.path.dirname(nearest.__file__)),
      capture_output=True,
      text=True,
      check=True,
    )
    self.assertEqual(done.stdout.splitlines(), KING)
    self.assertIn("numpy", done.stderr)
    self.assertNotIn("tensorflow", done.stderr)


if __name__ == "__main__":
  tf.test.main()

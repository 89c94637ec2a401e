import contextlib
import io
import os
import subprocess
import sys
from unittest import mock

import pytest
import tensorflow as tf
from absl import app, flags
from absl.testing import parameterized

from tests.tools import language_model_helpers as helpers
from tools import generate


def run_main(*args, **settings):
  """Returns what the program prints and what it notes, in this process."""
  settings.setdefault("export_dir", helpers.shared_export())
  values = flags.FlagValues()
  generate.define_flags(values)
  given = [f"--{name}={value}" for name, value in settings.items()]
  rest = values(["generate", *given, *args])
  printed, noted = io.StringIO(), io.StringIO()
  with (
    mock.patch.object(generate, "FLAGS", values),
    contextlib.redirect_stdout(printed),
    contextlib.redirect_stderr(noted),
  ):
    generate.main(rest)
  return printed.getvalue(), noted.getvalue()


def likeliest(words, num_words):
  """Returns words with those that the model thinks the likeliest after them."""
  words = list(words)
  for _ in range(num_words):
    bits = {
      word: helpers.bits_of([*words, word])[0][-1] for word in helpers.WORDS
    }
    words.append(min(bits, key=bits.get))
  return words


class GenerateTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters([[]], [["the", "company"]], [["größer", "<eos>"]])
  def test_the_likeliest_words(self, prompt):
    printed, noted = run_main(
      prompt=" ".join(prompt), num_words=6, temperature=0
    )
    expected = generate.text_of(likeliest(prompt, 6))
    self.assertEqual(printed, expected + "\n")
    self.assertEqual(noted, "")

  def test_ends_of_lines(self):
    words = "a b <eos> c <eos> <eos> d <eos>".split()
    self.assertEqual(generate.text_of(words), "a b\nc\n\nd\n")

  def test_words_that_are_not_known_are_read_as_unk(self):
    settings = dict(num_words=5, temperature=0)
    expected, _ = run_main(prompt="<unk> said <unk>", **settings)
    printed, noted = run_main(prompt="foo said bar", **settings)
    self.assertEqual(
      noted,
      "tools.generate: the model does not know, and reads as <unk>: bar, foo\n",
    )
    self.assertStartsWith(printed, "foo said bar ")
    self.assertEqual(
      printed.removeprefix("foo said bar"),
      expected.removeprefix("<unk> said <unk>"),
    )

  def test_samples_differ_and_the_seed_decides(self):
    settings = dict(prompt="the", num_words=20)
    printed, _ = run_main(num_samples=3, **settings)
    samples = printed.removesuffix("\n").split(f"\n{'=' * 37}\n")
    self.assertLen(set(samples), 3)
    self.assertEqual(printed, run_main(num_samples=3, **settings)[0])
    # A text is the first of several; 1 is the seed when none is given.
    self.assertEqual(run_main(seed=1, **settings)[0], samples[0] + "\n")
    self.assertNotEqual(run_main(seed=2, **settings)[0], samples[0] + "\n")

  def test_one_of_the_likeliest(self):
    settings = dict(prompt="the", num_words=10)
    self.assertEqual(
      run_main(top_k=1, **settings), run_main(temperature=0, **settings)
    )

  def test_mistakes_exit(self):
    path = helpers.shared_export(("a", "<eos>"))
    with self.assertRaisesRegex(SystemExit, "tools.generate: .*; got 'the'"):
      run_main(export_dir=path, prompt="the")
    with self.assertRaisesRegex(SystemExit, "--export_dir must be a SavedMod"):
      run_main(export_dir=os.path.join(path, "no"))
    with self.assertRaisesRegex(app.UsageError, r"\['company'\].*--prompt="):
      run_main("company", prompt="the")

  @parameterized.parameters(
    dict(num_words=0), dict(temperature=-1), dict(top_k=-1), dict(num_samples=0)
  )
  def test_bad_flags(self, **settings):
    with self.assertRaises(flags.Error):
      run_main(**settings)

  @pytest.mark.slow
  def test_the_program(self):
    done = subprocess.run(
      [
        sys.executable,
        "-m",
        "tools.generate",
        f"--export_dir={helpers.shared_export()}",
        "--num_words=3",
      ],
      cwd=os.path.dirname(os.path.dirname(generate.__file__)),
      capture_output=True,
      encoding="utf-8",
    )
    self.assertEqual(done.returncode, 0, done.stderr)
    self.assertEqual(done.stdout, run_main(num_words=3)[0])


if __name__ == "__main__":
  tf.test.main()

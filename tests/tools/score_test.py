import contextlib
import io
import json
import os
import pathlib
import re
import types
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl import app, flags
from absl.testing import parameterized

from experiments.ptb import config, main
from input_pipelines import ptb
from tests.estimators.helpers import new_folder
from tests.tools import language_model_helpers as helpers
from tools import generate, score
from tools.language_model import LanguageModel

TEXT = """the company said
profit größer

company the the <unk> said said
said
"""
LINES = [line.split() + ["<eos>"] for line in TEXT.splitlines() if line]


def run_main(text=TEXT, *args, **settings):
  """Returns the lines that the program prints, in this process."""
  settings.setdefault("export_dir", helpers.shared_export())
  values = flags.FlagValues()
  score.define_flags(values)
  given = [f"--{name}={value}" for name, value in settings.items()]
  rest = values(["score", *given, *args])
  text = text.encode() if isinstance(text, str) else text
  stdin = types.SimpleNamespace(buffer=io.BytesIO(text))
  printed = io.StringIO()
  with (
    mock.patch.object(score, "FLAGS", values),
    mock.patch("sys.stdin", stdin),
    contextlib.redirect_stdout(printed),
  ):
    score.main(rest)
  return printed.getvalue().splitlines()


def carried():
  """Returns the bits of LINES as one text."""
  state, found = None, []
  for line in LINES:
    bits, state = helpers.bits_of(line, state)
    found.append(bits)
  return found


class ScoreTest(tf.test.TestCase, parameterized.TestCase):
  def assert_bits(self, found, expected):
    self.assertLen(found, len(expected))
    for bits, expected_bits in zip(found, expected, strict=True):
      self.assertAllClose(bits, expected_bits, atol=2e-4)

  def test_each_line_for_itself(self):
    *lines, total = map(json.loads, run_main(json=True))
    expected = [helpers.bits_of(line)[0] for line in LINES]
    self.assert_bits([line["bits"] for line in lines], expected)
    self.assertEqual([line["words"] for line in lines], LINES)
    self.assertEqual([line["line"] for line in lines], [1, 2, 4, 5])
    for line, bits in zip(lines, expected, strict=True):
      self.assertAllClose(line["bits_per_word"], bits.mean(), atol=2e-4)
      self.assertAllClose(line["perplexity"], 2 ** bits.mean(), atol=2e-3)
    mean = np.concatenate(expected).mean()
    self.assertAllClose(total["bits_per_word"], mean, atol=2e-4)
    self.assertAllClose(total["perplexity"], 2**mean, atol=2e-3)
    counts = {name: total[name] for name in ("lines", "words", "unknown")}
    self.assertEqual(counts, {"lines": 4, "words": 16, "unknown": 0})

  # The bits do not depend on how many lines, rows or words are read at once.
  @parameterized.parameters(
    (1024, 64, 2048), (1, 64, 2048), (3, 1, 2), (1024, 3, 3), (2, 2, 10)
  )
  def test_sizes_change_nothing(self, lines, rows, words):
    with (
      mock.patch.object(score, "_LINES", lines),
      mock.patch.object(score, "_ROWS", rows),
      mock.patch.object(score, "_WORDS", words),
    ):
      for carry, expected in (
        (False, [helpers.bits_of(line)[0] for line in LINES]),
        (True, carried()),
      ):
        *found, _ = map(json.loads, run_main(json=True, carry=carry))
        self.assert_bits([line["bits"] for line in found], expected)

  def test_many_lines_are_read_together(self):
    model = LanguageModel(helpers.shared_export())
    lines = [b"the company said\n", b"profit\n"] * 500
    with mock.patch.object(model, "read", side_effect=model.read) as read:
      found = list(score.scored(model, lines))
    self.assertLen(found, 1000)
    # Two calls for 64 rows: the end of a line, and their words.
    self.assertEqual(read.call_count, 2 * 16)
    self.assertEqual(found[1][0], 2)
    self.assertEqual(found[1][1], ["profit", "<eos>"])
    self.assertAllClose(found[999][2], helpers.bits_of(["profit", "<eos>"])[0])

  def test_text_for_people(self):
    *lines, total = run_main("the company\nsaid\n")
    first, _ = helpers.bits_of(["the", "company", "<eos>"])
    second, _ = helpers.bits_of(["said", "<eos>"])
    both = np.concatenate([first, second])
    self.assertLen(lines, 4)
    number = r"([\d.]+)"
    self.assert_numbers(
      lines[0], f"the {number}  company {number}  <eos> {number}", first
    )
    self.assert_numbers(lines[2], f"said {number}  <eos> {number}", second)
    for line, start, bits in (
      (lines[1], "  3 words", first),
      (lines[3], "  2 words", second),
      (total, "2 lines, 5 words", both),
    ):
      self.assert_numbers(
        line,
        f"{start}, {number} bits per word, perplexity {number}",
        [bits.mean(), 2 ** bits.mean()],
      )

  def assert_numbers(self, line, regex, expected):
    """Asserts that a line has numbers where the pattern has groups."""
    match = re.fullmatch(regex, line)
    self.assertIsNotNone(match, line)
    self.assertAllClose(
      np.array(match.groups(), float), expected, atol=0.006, rtol=0
    )

  def test_unknown_words_are_told(self):
    text = "foo said bar foo\n"
    first, *_, unknown = run_main(text)
    self.assertRegex(
      first, r"foo=<unk> [\d.]+  said [\d.]+  bar=<unk> .* <eos> "
    )
    self.assertEndsWith(unknown, "model does not know them: 3 words, bar, foo")
    line, total = map(json.loads, run_main(text, json=True))
    self.assertEqual(line["unknown"], ["foo", "bar", "foo"])
    self.assertEqual(total["unknown"], 3)
    words = ["<unk>", "said", "<unk>", "<unk>", "<eos>"]
    self.assert_bits([line["bits"]], [helpers.bits_of(words)[0]])

  @parameterized.parameters(
    ("", "tools.score: standard input must have lines of words; it has none"),
    ("\n \n", "standard input must have lines of words; it has none"),
    (b"the\nsaid \xff\n", "UTF-8, but byte 6 of line 2 is 0xff; convert it"),
    (b"the\nsa\0id", "UTF-8, but byte 3 of line 2 is NUL; convert"),
  )
  def test_input_that_cannot_be_scored(self, text, message):
    with self.assertRaisesRegex(SystemExit, message):
      run_main(text)

  def test_mistakes_exit(self):
    path = helpers.shared_export(("a", "<eos>"))
    with self.assertRaisesRegex(
      SystemExit, "tools.score: standard input, line 3: .* <unk> .*; got 'the'"
    ):
      run_main("a\n\nthe a\n", export_dir=path)
    with self.assertRaisesRegex(SystemExit, "--export_dir must be a SavedMod"):
      run_main(export_dir=os.path.join(path, "no"))
    with self.assertRaisesRegex(app.UsageError, r"\['lines.txt'\].*standard"):
      run_main(TEXT, "lines.txt")


class ExportedTest(tf.test.TestCase):
  """What experiments.ptb exports."""

  @pytest.mark.slow
  def test_carried_perplexity_is_that_of_the_test_set(self):
    corpus, _ = ptb.fake(num_words=600)
    texts = {
      split: generate.text_of(
        corpus.vocabulary[i] for i in getattr(corpus, split)
      )
      for split in ptb.SPLITS
    }
    folder = new_folder()
    # Its first word is the end of a line, after which scores begin too.
    texts["test"] = "\n" + texts["test"]
    for split, text in texts.items():
      path = ptb.path_of(folder, split, prefix="")
      pathlib.Path(path).write_text(text)
    with contextlib.redirect_stdout(io.StringIO()):
      metrics = main.run(
        config.published(
          "test",
          hidden_size=8,
          init_scale=1.0,  # So that words are not all as likely.
          train_steps=1,
          data_dir=folder,
          prefix="",
          export_dir=new_folder(),
        )
      )
    *_, total = run_main(
      texts["test"], json=True, carry=True, export_dir=metrics["export"]
    )
    self.assertAllClose(
      json.loads(total)["perplexity"], metrics["test_perplexity"], atol=2e-3
    )


if __name__ == "__main__":
  tf.test.main()

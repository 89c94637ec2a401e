"""Says how well a language model foresees lines of text.

    python -m tools.score --export_dir=/tmp/ptb/export < lines.txt
    python -m tools.score --export_dir=/tmp/ptb/export --carry < ptb.test.txt

For each line of standard input: its words, <eos> at its end, each with its
surprisal in bits, -log2 of its probability given the words before it; and the
line's mean, with the perplexity, 2 to the mean. Then the same for all lines.

Each line is read for itself, as what comes after the end of a line; with
--carry it is read as what comes after the line before it. Words that the model
does not know are <unk> to it. Lines without words are left out.

With --json each line becomes an object, and so does the whole:

    {"line": 1, "words": [...], "bits": [...], "unknown": [...],
     "bits_per_word": ..., "perplexity": ...}
    {"lines": 1, "words": 5, "unknown": 0, "bits_per_word": ...,
     "perplexity": ...}

Exits non-zero when something is wrong.
"""

import codecs
import itertools
import json
import math
import sys

import numpy as np
import tensorflow as tf
from absl import app, flags, logging

from experiments.ptb.vocabulary import UNKNOWN
from input_pipelines import common, plain_files
from input_pipelines.ptb import END
from tools.language_model import LanguageModel

FLAGS = flags.FLAGS
# Lines that are read before the first is scored, so that those of about the
# same length can be read together.
_LINES = 1024
_ROWS = 64
_WORDS = 2048  # that are read together; for each there are V logits


def define_flags(values=FLAGS):
  """Defines this program's flags."""
  flags.DEFINE_string(
    "export_dir",
    None,
    "A SavedModel of experiments.ptb, or a folder of numbered ones.",
    flag_values=values,
  )
  flags.DEFINE_bool(
    "carry", False, "Read a line as what comes after the line before it.",
    flag_values=values,
  )  # fmt: skip
  flags.DEFINE_bool("json", False, "Print JSON lines.", flag_values=values)
  flags.mark_flag_as_required("export_dir", values)


class Scorer:
  """Surprisals of lines.

  Args:
    model: LanguageModel.
    carry: bool, whether lines, also those of several calls, are one text.
  """

  def __init__(self, model, carry):
    self._model = model
    (self._end,) = model.ids_of([END])
    self._carry = carry
    self._carried = None

  def __call__(self, lines):
    """Returns the bits of each line's ids: list of float64 [words].

    Args:
      lines: list of lists of int, ids; none is empty.
    """
    if self._carry:
      text = list(itertools.chain.from_iterable(lines))
      (bits,), self._carried = self._read([text], self._carried)
      ends = np.cumsum([len(line) for line in lines])
      return np.split(bits, ends[:-1])
    found = [None] * len(lines)
    order = sorted(range(len(lines)), key=lambda i: len(lines[i]))
    for start in range(0, len(order), _ROWS):
      chosen = order[start : start + _ROWS]
      rows, _ = self._read([lines[i] for i in chosen])
      for i, bits in zip(chosen, rows, strict=True):
        found[i] = bits[: len(lines[i])]
    return found

  def _read(self, rows, before=None):
    """Returns (bits float64 [B, T], the model's outputs after the last word).

    Args:
      rows: list of lists of int; the shorter ones are filled up, which changes
        nothing before.
      before: the outputs after the word before; None where a text begins.
    """
    ids = np.full([len(rows), max(map(len, rows))], self._end, np.int32)
    for number, row in enumerate(rows):
      ids[number, : len(row)] = row
    if before is None:
      end = tf.fill([len(rows), 1], self._end)
      before = self._model.read(end, self._model.start(len(rows)))
    width = max(_WORDS // len(rows), 1)
    found = []
    for start in range(0, ids.shape[1], width):
      part = ids[:, start : start + width]
      first = tf.nn.log_softmax(before["logits"]).numpy()
      found.append(np.take_along_axis(first, part[:, :1], axis=1))
      before = self._model.read(part, before["state"])
      found.append(before["log_probabilities"].numpy())
    nats = np.concatenate(found, axis=1, dtype=np.float64)
    return 0 - nats / math.log(2), before  # 0, not -0, for what is certain


def lines_of(stream):
  """Yields (number, words) of lines that have words.

  Args:
    stream: iterable of bytes, lines.

  Raises:
    ValueError: a line is not UTF-8, or has a NUL.
  """
  for number, line in enumerate(stream, 1):
    plain_files.check_no_nul("standard input", line, number)
    if number == 1:
      line = line.removeprefix(codecs.BOM_UTF8)
    try:
      words = line.decode().split()
    except UnicodeDecodeError as error:
      raise ValueError(
        f"standard input must be UTF-8, but byte {error.start + 1} of line "
        f"{number} is {line[error.start]:#04x}; convert it."
      ) from error
    if words:
      yield number, words


def scored(model, stream, carry=False):
  """Yields (number, words, bits float64 [words]) of the lines of a stream.

  END is the last of the words.

  Raises:
    ValueError: there are no lines, or one is not what it must be.
  """
  scorer = Scorer(model, carry)
  lines = lines_of(stream)
  is_empty = True
  while chunk := list(itertools.islice(lines, _LINES)):
    is_empty = False
    numbers, texts = zip(*chunk, strict=True)
    texts = [[*words, END] for words in texts]
    yield from zip(numbers, texts, scorer(_ids(model, numbers, texts)),
                   strict=True)  # fmt: skip
  if is_empty:
    raise ValueError("standard input must have lines of words; it has none.")


def _ids(model, numbers, texts):
  found = []
  for number, words in zip(numbers, texts, strict=True):
    try:
      found.append(model.ids_of(words))
    except ValueError as error:
      raise ValueError(f"standard input, line {number}: {error}") from error
  return found


def report(model, lines, as_json):
  """Yields what is printed for lines that `scored` yields."""
  num_lines, num_words, num_bits, unknown = 0, 0, 0.0, []
  for number, words, bits in lines:
    strange = [word for word in words if word not in model.ids]
    num_lines += 1
    num_words += len(words)
    num_bits += bits.sum()
    unknown += strange
    mean = _mean(bits.sum(), len(words))
    if as_json:
      bits = [round(value, 4) for value in bits.tolist()]
      line = {"line": number, "words": words, "bits": bits, "unknown": strange}
      yield json.dumps(line | mean)
    else:
      yield "  ".join(map(_shown(model), words, bits))
      yield f"  {_sentence(len(words), mean)}"
  mean = _mean(num_bits, num_words)
  if as_json:
    counts = {"lines": num_lines, "words": num_words, "unknown": len(unknown)}
    yield json.dumps(counts | mean)
  else:
    yield f"{num_lines} lines, {_sentence(num_words, mean)}"
    if unknown:
      yield (
        f"read as {UNKNOWN}, as the model does not know them: {len(unknown)} "
        f"words, {', '.join(sorted(set(unknown)))}"
      )


def _shown(model):
  def shown(word, bits):
    known = "" if word in model.ids else f"={UNKNOWN}"
    return f"{word}{known} {bits:.2f}"

  return shown


def _mean(bits, count):
  mean = bits / count
  return {"bits_per_word": round(mean, 4), "perplexity": round(2**mean, 3)}


def _sentence(count, mean):
  return (
    f"{count} words, {mean['bits_per_word']:.2f} bits per word, perplexity "
    f"{mean['perplexity']:.2f}"
  )


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(
      f"Nothing but flags is known; got {argv[1:]}. Lines come from standard "
      "input."
    )
  logging.set_verbosity(logging.WARNING)  # TensorFlow tells what it loads.
  try:
    model = LanguageModel(FLAGS.export_dir)
    lines = scored(model, sys.stdin.buffer, FLAGS.carry)
    for line in report(model, lines, FLAGS.json):
      print(line)
  except BrokenPipeError:
    sys.exit(1)  # Who reads the lines has had enough.
  except (ValueError, OSError, tf.errors.OpError) as error:
    sys.exit(f"tools.score: {common.plain_message(error)}")


if __name__ == "__main__":
  define_flags()
  app.run(main)

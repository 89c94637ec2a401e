"""Questions of the kind: Athens is to Greece as Baghdad is to what?

The file is questions-words.txt of word2vec.c (Mikolov et al. 2013,
arXiv:1301.3781, Apache 2.0; 19,544 questions in 14 sections): a line
`: section` begins a section, and other lines hold the four words of a question,
the last of them the answer. As in the published programs the words are
lower-cased, and questions with a word that the vocabulary lacks are skipped and
counted. Empty lines are passed over. Only ASCII whitespace separates words.

With B questions in a batch the features are

    questions  int32 [B, 3]  ids of the first three words
    sections   int32 [B]     places in the list of section names

and the labels, int32 [B], are the ids of the fourth words. Evaluation sees each
question once, in the order of the file.
"""

import codecs
import os
from typing import NamedTuple

import numpy as np

from input_pipelines import arrays, plain_files

# The cosines of a batch with all words are batch x V floats: 70 MB with the
# 68,000 words of 100 MB of Wikipedia. Larger batches are hardly faster.
BATCH_SIZE = 256
UNNAMED = "unnamed"  # the section of questions before the first `: section`


class Analogies(NamedTuple):
  """The questions of a file that a vocabulary has the words of (Q of them).

  Attributes:
    path: str, the file.
    questions: int32 [Q, 3].
    answers: int32 [Q].
    sections: int32 [Q].
    section_names: tuple of str, of the sections with questions here.
    skipped: int, questions with a word that the vocabulary lacks.
  """

  path: str
  questions: np.ndarray
  answers: np.ndarray
  sections: np.ndarray
  section_names: tuple
  skipped: int


def read(path, words):
  """Reads a file of questions.

  Args:
    path: str.
    words: list of str, the vocabulary; a word's place is its id.

  Returns:
    Analogies.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: a line is not four words in UTF-8 (the message has its number,
      from 1), or no question is left.
  """
  ids = {word: i for i, word in enumerate(words)}
  places, rows, sections, skipped = {}, [], [], 0
  for section, question in _questions(path):
    row = [ids.get(word) for word in question]
    if None in row:
      skipped += 1
    else:
      rows.append(row)
      sections.append(places.setdefault(section, len(places)))
  if not rows:
    raise ValueError(
      f"{path} must have a question of which all words are in the vocabulary; "
      f"it has {skipped} questions, and the vocabulary {len(ids)} words. Give "
      "another file, or train on a larger corpus."
    )
  rows = np.array(rows, np.int32)
  return Analogies(
    path,
    rows[:, :3],
    rows[:, 3],
    np.array(sections, np.int32),
    tuple(places),
    skipped,
  )


def report(analogies):
  """Returns the lines that tell what was read."""
  return [
    f"Eval analogy file: {analogies.path}",
    f"Questions: {len(analogies.answers)}",
    f"Skipped: {analogies.skipped}",
  ]


def input_fn(analogies, batch_size=BATCH_SIZE):
  """Returns an input function that gives every question once.

  Args:
    analogies: Analogies.
    batch_size: int, the most questions of a batch.
  """
  features = {
    "questions": analogies.questions,
    "sections": analogies.sections,
  }
  return arrays.numpy_input_fn(
    features, analogies.answers, batch_size, shuffle=False
  )


def _questions(path):
  """Yields (section, the four words) of each question of a file."""
  if not os.path.exists(path):
    folder = os.path.dirname(path) or "."
    raise FileNotFoundError(
      f"{path} must be a file of questions, but there is none; check the path. "
      f"Fetch it: python -m tools.download word2vec --data_dir={folder}"
    )
  section = UNNAMED
  plain_files.check(path)
  with open(path, "rb") as stream:
    for number, line in enumerate(stream, 1):
      plain_files.check_no_nul(path, line, number)
      if number == 1:
        line = line.removeprefix(codecs.BOM_UTF8)
      try:
        words = [word.decode().lower() for word in line.split()]
      except UnicodeDecodeError as error:
        raise ValueError(
          f"{path}:{number} must be UTF-8, but is {line!r} ({error}); convert "
          "the file."
        ) from error
      if line.startswith(b":"):
        section = " ".join(words).removeprefix(":").strip() or UNNAMED
      elif len(words) == 4:
        yield section, words
      elif words:
        raise ValueError(
          f"{path}:{number} must be a question of four words or `: section`, "
          f"but has {len(words)} words: {' '.join(words)[:60]!r}; mend or "
          "delete the line."
        )

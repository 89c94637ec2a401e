"""Questions to word vectors: neighbours and analogies, once or at a prompt."""

import contextlib
import difflib
import sys

import numpy as np

MAX_NEIGHBOURS = 1000
HELP = """nearby WORD...    the words with the most similar vectors
analogy A B C     A is to B as C is to what?
help              this text
quit              ends"""
_RULE = "=" * 37


class Nearest:
  """Words by the cosine of their vectors.

  Args:
    words: list of V str; of equal ones the first counts.
    vectors: float32 [V, D].
  """

  def __init__(self, words, vectors):
    self._words = words
    self._ids = {word: i for i, word in reversed(list(enumerate(words)))}
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    self._units = vectors / np.where(lengths > 0, lengths, 1)

  def nearby(self, word, num=20):
    """Returns the (word, cosine) of the largest cosines with a word.

    The word itself is the first, unless its vector is another's, or zero.

    Args:
      word: str.
      num: int, how many; V if that is less.

    Raises:
      ValueError: the vocabulary lacks the word.
    """
    (i,) = self._known([word])
    cosines = self._units @ self._units[i]
    order = np.argsort(-cosines, kind="stable")[:num]
    return [(self._words[j], float(cosines[j])) for j in order]

  def analogy(self, a, b, c):
    """Returns what completes `a is to b as c is to`.

    It is the word nearest to n(b) - n(a) + n(c) that is none of the three,
    where n scales to length 1.

    Raises:
      ValueError: the vocabulary lacks a word, or has no other.
    """
    ids = self._known([a, b, c])
    first, second, third = self._units[ids]
    cosines = self._units @ (second - first + third)
    cosines[ids] = -np.inf
    if np.isneginf(cosines).all():
      raise ValueError(
        "an analogy needs a word besides the three, but the vocabulary has "
        f"{len(cosines)} words; train on a larger corpus."
      )
    return self._words[np.argmax(cosines)]

  def _known(self, words):
    """Returns the ids of words; all that the vocabulary lacks are one error."""
    unknown = [word for word in words if word not in self._ids]
    if unknown:
      near = ", ".join(self._near_spellings(word) for word in unknown)
      raise ValueError(
        f"the words must be among the {len(self._ids)} of the vocabulary, but "
        f"these are not: {near}; check the spelling (capital letters count)."
      )
    return [self._ids[word] for word in words]

  def _near_spellings(self, word):
    # Others of about the length: comparing with all words takes seconds.
    others = [w for w in self._ids if abs(len(w) - len(word)) <= 1]
    near = difflib.get_close_matches(word, others, n=3, cutoff=0.7)
    return f"{word} (near: {', '.join(near)})" if near else word


def nearby_lines(nearest, words, num=20):
  """Returns the lines that show the neighbours of words.

  Raises:
    ValueError: the vocabulary lacks a word.
  """
  lines = []
  for word in words:
    found = nearest.nearby(word, num)
    lines += ["", word, _RULE]
    lines += [f"{neighbour:<20} {cosine:6.4f}" for neighbour, cosine in found]
  return lines


def run(nearest, command, num=20):
  """Returns the lines that answer a command.

  Args:
    nearest: Nearest.
    command: list of str: nearby and words, analogy and three words, or help.
    num: int, how many neighbours are shown.

  Raises:
    ValueError: it is no such command, or the vocabulary lacks a word.
  """
  match command:
    case ["nearby", word, *more]:
      return nearby_lines(nearest, [word, *more], num)
    case ["analogy", a, b, c]:
      return [nearest.analogy(a, b, c)]
    case ["help"]:
      return HELP.splitlines()
  raise ValueError(
    "a command must be `nearby WORD...`, `analogy A B C`, `help` or `quit`, "
    f"but is `{' '.join(command)}`."
  )


def prompt(nearest, num=20):
  """Answers the commands on standard input until `quit` or its end.

  Mistakes are told, and do not end it.
  """
  with contextlib.suppress(ImportError):
    import readline  # noqa: F401 (makes input() edit lines)
  sign = "> " if sys.stdin.isatty() else ""
  with contextlib.suppress(EOFError, KeyboardInterrupt):
    while (command := input(sign).split()) != ["quit"]:
      if not command:
        continue
      try:
        lines = run(nearest, command, num)
      except ValueError as error:
        lines = [str(error)]
      print("\n".join(lines), flush=True)

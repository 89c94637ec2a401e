"""vocab.txt: the words of a model, in the order of the rows of its vectors.

Each line is `word count`, and its number, from 0, is the word's id. Line 0 is
`UNK`, which stands for all words that are not in the vocabulary; its count is
how often the corpus has such words. The text is UTF-8; as in the corpus, only
ASCII whitespace separates.
"""

import os

FILE = "vocab.txt"
UNKNOWN = "UNK"


def write(path, words, counts):
  """Writes a vocabulary; the file is there when all of it is.

  Args:
    path: str, the file.
    words: list of str, words[0] is `UNKNOWN`.
    counts: ints, as many.
  """
  from estimators import atomic_files  # TensorFlow comes with it: seconds.

  with atomic_files.writing(path) as stream:
    for word, count in zip(words, counts, strict=True):
      stream.write(f"{word} {count}\n".encode())


def read(path):
  """Returns the words (list of str) and counts (list of int) of a vocabulary.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is empty, or a line is not `word count`; the message has the
      number of the line, from 1.
  """
  if not os.path.isfile(path):
    raise FileNotFoundError(
      f"{path} must be the vocabulary that training writes, but there is none; "
      "name the model_dir of a word2vec model."
    )
  words, counts = [], []
  with open(path, "rb") as stream:
    for number, line in enumerate(stream, 1):
      try:
        word, count = line.removesuffix(b"\n").decode().split(" ")
        counts.append(int(count))
      except ValueError as error:
        raise ValueError(
          f"{path}:{number} must be `word count` in UTF-8, but is {line!r}; "
          "restore the file, or train again."
        ) from error
      words.append(word)
  if words[:1] != [UNKNOWN]:
    raise ValueError(
      f"the first line of {path} must be `{UNKNOWN} count`, but its word is "
      f"{words[:1]}; restore the file, or train again."
    )
  return words, counts

"""Word vectors from models, and in the two formats of word2vec.c.

Both formats begin with a line `V D`, the number of words and the length of a
vector. Then, in the text format, come lines `word x y ...`, here with nine
digits, which are enough to give the same float32 again; in the binary format
`word `, D float32 (little endian) and a newline, which gensim leaves out. Words
are UTF-8 and have no whitespace. Others read the files too, such as gensim's
`KeyedVectors.load_word2vec_format`.

V is the number of words, D the length of a vector.
"""

import mmap
import os
from typing import NamedTuple

import numpy as np

from experiments.word2vec import vocabulary

VARIABLE = "emb"  # the vectors in checkpoints
_FLOAT = np.dtype("<f4")
_NUMBER_BYTES = frozenset(b"0123456789+-.eEnaif \r\n")


class Vectors(NamedTuple):
  """Words and their vectors.

  Attributes:
    words: list of str, V of them.
    vectors: float32 [V, D].
  """

  words: list
  vectors: np.ndarray


def load(model_dir):
  """Returns the Vectors of a trained model, with `UNK` as the first.

  Args:
    model_dir: str, the folder of vocab.txt and the checkpoints.

  Raises:
    FileNotFoundError: there is no vocab.txt.
    ValueError: there is no checkpoint of such a model, or it is damaged, or
      vocab.txt is of another one.
  """
  model_dir = os.path.expanduser(model_dir)
  words, _ = vocabulary.read(os.path.join(model_dir, vocabulary.FILE))
  # Not above: TensorFlow takes seconds, and files of vectors do not need it.
  from estimators import checkpoint_reader

  path = checkpoint_reader.find(model_dir)
  if path is None:
    raise ValueError(
      f"{model_dir} must hold a checkpoint, but has none; name the model_dir "
      "of a model that was trained."
    )
  reader = checkpoint_reader.Reader(path)
  shape = reader.shapes.get(VARIABLE)
  if not shape or shape[0] != len(words):
    raise ValueError(
      f"{path} must have the variable {VARIABLE} with a row for each of the "
      f"{len(words)} words of {vocabulary.FILE}, but its shape is {shape}; "
      "name the model_dir of a word2vec model."
    )
  return Vectors(words, reader.value(VARIABLE))


def export(model_dir, path):
  """Writes the vectors of a trained model to a file.

  `UNK` is left out: it is no word of the corpus, and gensim's models, which the
  file may be compared with, have no such vector.

  Args:
    model_dir: see `load`.
    path: see `write`; binary where it ends in .bin.
  """
  words, vectors = load(model_dir)
  write(path, words[1:], vectors[1:])


def write(path, words, vectors, binary=None):
  """Writes a file of vectors, which is there when all of it is.

  Args:
    path: str.
    words: list of V different str, not empty and without whitespace.
    vectors: float32 [V, D].
    binary: bool, which format; None: binary where path ends in .bin.

  Raises:
    ValueError: the words are not such, or not as many as vectors.
  """
  from estimators import atomic_files  # TensorFlow comes with it: seconds.

  _check(words, vectors)
  binary = path.endswith(".bin") if binary is None else binary
  vectors = np.asarray(vectors, _FLOAT)
  digits = " ".join(["%.9g"] * vectors.shape[1])
  path = os.path.expanduser(path)
  with atomic_files.writing(path) as stream:
    stream.write(b"%d %d\n" % vectors.shape)
    for word, vector in zip(words, vectors, strict=True):
      if binary:
        numbers = vector.tobytes()
      else:
        numbers = (digits % tuple(vector.tolist())).encode()
      stream.write(b"%s %s\n" % (word.encode(), numbers))


def read(path, binary=None):
  """Reads a file of vectors.

  Args:
    path: str.
    binary: bool, which format; None: as the first bytes look.

  Returns:
    Vectors, in the order of the file.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file is no such file, cut or damaged; the message has the
      byte, from 0.
  """
  path = os.path.expanduser(path)
  with open(path, "rb") as stream:
    if not os.fstat(stream.fileno()).st_size:
      raise _damage(path, 0, "the line `V D`", "the end of the file")
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
      return _parsed(path, data, binary)


def _check(words, vectors):
  if np.ndim(vectors) != 2 or len(words) != len(vectors) or not len(words):
    raise ValueError(
      "there must be at least one word, and a vector for each, but there are "
      f"{len(words)} words and vectors of shape {np.shape(vectors)}; pass "
      "arrays of one model."
    )
  bad = [word for word in words if word.encode().split() != [word.encode()]]
  if bad or len(set(words)) < len(words):
    raise ValueError(
      "the words must differ and have letters and no whitespace, but "
      f"{len(words) - len(set(words))} come twice, and these have some: "
      f"{bad[:5]}; rename or drop them."
    )


def _parsed(path, data, binary):
  """Returns the Vectors in the bytes of a file."""
  start = data.find(b"\n") + 1
  try:
    count, size = map(int, data[:start].split())
    if count < 1 or size < 1:
      raise ValueError
  except ValueError:
    raise _damage(path, 0, "the line `V D`", repr(data[:20])) from None
  if binary is None:
    binary = not _looks_like_text(data, start, size)
  shortest = 2 + 4 * size if binary else 1 + 2 * size  # a word of one letter
  if len(data) - start < count * shortest:
    raise _damage(
      path,
      len(data),
      f"{count} words with {size} numbers each, as its first line says",
      "the end of the file",
    )
  words, vectors = [], np.empty([count, size], np.float32)
  row_at = _binary_row if binary else _text_row
  for i in range(count):
    word, vectors[i], start = row_at(path, data, start, size)
    words.append(word)
  if data[start:].strip():
    raise _damage(path, start, f"its end after {count} words", "more")
  return Vectors(words, vectors)


def _looks_like_text(data, start, size):
  """Whether what follows the first word is written in digits."""
  after = data.find(b" ", start) + 1
  return _NUMBER_BYTES.issuperset(data[after : after + min(2 * size, 16)])


def _text_row(path, data, start, size):
  """Returns (word, vector, where the next row begins)."""
  end = data.find(b"\n", start)
  end = len(data) if end < 0 else end
  word, *numbers = data[start:end].rstrip().split(b" ")
  try:
    vector = list(map(float, numbers))
    if len(vector) != size:
      raise ValueError(f"{len(vector)} numbers")
  except ValueError as error:
    raise _damage(path, start, f"a word and {size} numbers", error) from None
  return _word(path, start, word), vector, end + 1


def _binary_row(path, data, start, size):
  """Returns (word, vector, where the next row begins)."""
  middle = data.find(b" ", start) + 1
  end = middle + size * _FLOAT.itemsize
  if not middle or end > len(data):
    raise _damage(
      path, start, f"a word and {size} float32", "the end of the file"
    )
  word = data[start : middle - 1].removeprefix(b"\n")
  vector = np.frombuffer(data[middle:end], _FLOAT)
  return _word(path, start, word), vector, end


def _word(path, start, word):
  try:
    if word.split() != [word]:
      raise ValueError(f"{word[:20]!r}")
    return word.decode()
  except ValueError as error:
    raise _damage(path, start, "a word in UTF-8", error) from None


def _damage(path, start, needed, got):
  return ValueError(
    f"{path} must have {needed} at byte {start}, but has {got}; it is cut, "
    "damaged or no word2vec file of this format: copy or make it again."
  )

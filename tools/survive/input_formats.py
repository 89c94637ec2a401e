"""The formats that are read: samples, the public reader, and an oracle."""

import gzip
import io
import os
import struct
import warnings
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

from estimators.ops import word2vec
from input_pipelines import (
  analogies,
  census,
  cifar10,
  image_folder,
  mnist,
  ptb,
  svhn,
)
from tools import predict_rows, score
from tools.predict_features import Feature
from tools.survive import binary_oracles, pipeline_formats, text_oracles
from tools.survive.binary_oracles import demand
from tools.survive.file_format import Format

_WORDS = ("athens", "greece", "oslo", "norway", "paris", "france")
_IMAGE_SHAPE = (12, 10, 3)


def all_formats():
  """Returns the list of all Formats that are read file by file."""
  return [
    *_idx_formats(),
    Format(
      "CIFAR-10 records",
      "data.bin",
      (_cifar10(2, 0), _cifar10(1, 1)),
      cifar10.read_records,
      binary_oracles.cifar10,
    ),
    *_mat_formats(),
    *_image_formats(),
    *_census_formats(),
    *_word_formats(),
    *_row_formats(),
    *pipeline_formats.all_formats(),
  ]


def _zipped(content):
  return gzip.compress(content, mtime=0)


def _idx_formats():
  random = np.random.default_rng(0)

  def images(count):
    pixels = random.integers(0, 256, [count, 4, 5], np.uint8)
    return struct.pack(">4I", 2051, count, 4, 5) + pixels.tobytes()

  def labels(count):
    digits = random.integers(0, 10, count, np.uint8)
    return struct.pack(">2I", 2049, count) + digits.tobytes()

  def idx_images(content):
    return binary_oracles.idx(content, 2051, 3, 255)

  def idx_labels(content):
    return binary_oracles.idx(content, 2049, 1, 9)

  plain = images(9), images(4)
  found = [
    Format("idx images", "x-idx3", plain, mnist.read_images, idx_images),
    Format(
      "idx labels",
      "y-idx1",
      (labels(60), labels(30)),
      mnist.read_labels,
      idx_labels,
    ),
  ]
  for name, samples, wrap in (
    ("idx images, gzip", tuple(map(_zipped, plain)), bytes),
    ("idx images in good gzip", plain, _zipped),
  ):
    found.append(
      Format(
        name,
        "x-idx3.gz",
        samples,
        mnist.read_images,
        lambda content: idx_images(binary_oracles.gunzipped(content)),
        wrap,
      )
    )
  return found


def _cifar10(count, seed):
  random = np.random.default_rng(seed)
  records = random.integers(0, 256, [count, 3073], np.uint8)
  records[:, 0] %= 10
  return records.tobytes()


def _mat_formats():
  def element(kind, data):
    pad = 0 if kind == 15 else -len(data) % 8
    return struct.pack("<2I", kind, len(data)) + data + bytes(pad)

  def matrix(name, array):
    return element(
      14,
      element(6, struct.pack("<2I", 9, 0))
      + element(5, struct.pack(f"<{array.ndim}i", *array.shape))
      + struct.pack("<HH4s", 1, len(name), name)
      + element(2, array.tobytes(order="F")),
    )

  def elements(count):
    random = np.random.default_rng(count)
    x = random.integers(0, 256, [32, 32, 3, count], np.uint8)
    y = random.integers(1, 11, [count, 1], np.uint8)
    return matrix(b"X", x), matrix(b"y", y)

  header = b"MATLAB 5.0".ljust(124) + b"\0\1IM"

  def compressed(count):
    parts = (element(15, zlib.compress(part)) for part in elements(count))
    return header + b"".join(parts)

  plain = tuple(header + b"".join(elements(count)) for count in (2, 1))
  return [
    Format(name, "x.mat", samples, svhn.read, binary_oracles.svhn)
    for name, samples in (
      ("MATLAB 5", plain),
      ("MATLAB 5, compressed", (compressed(2), compressed(1))),
    )
  ]


def _image_formats():
  def encoded(kind, seed):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, _IMAGE_SHAPE, np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()

  def read(path):
    folder = os.path.dirname(os.path.dirname(path))
    return image_folder.load(folder, _IMAGE_SHAPE)[0][0]

  def jpeg(content):
    return binary_oracles.jpeg(content, _IMAGE_SHAPE)

  def png(content):
    return binary_oracles.image(content, "PNG", _IMAGE_SHAPE)

  return [
    Format(
      kind,
      f"classes/class/x.{ending}",
      (encoded(kind, 0), encoded(kind, 1)),
      read,
      oracle,
      is_lenient=True,
    )
    for kind, ending, oracle in (("JPEG", "jpg", jpeg), ("PNG", "png", png))
  ]


def _census_formats():
  rows = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, "
    "Not-in-family, White, Male, 2174, 0, 40, United-States, <=50K",
    "52, Self-emp, 209642, HS-grad, 9, Married, Exec-managerial, Husband, "
    "White, Male, 0, 0, 45, Cura\u00e7ao, >50K",
  )

  def read(path, on_bad_row):
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # It tells what is left out.
      split = census.read(path, on_bad_row)
    columns = [column.tolist() for column in split.features.values()]
    return [list(row) for row in zip(*columns, split.labels.tolist(),
                                     strict=True)]  # fmt: skip

  def oracle(content, on_bad_row):
    good, num_bad = text_oracles.census(content)
    demand(good and (on_bad_row == "skip" or not num_bad))
    return good

  samples = tuple(
    "".join(f"{row}\n" for row in chosen).encode()
    for chosen in (rows, (rows[1], rows[0], rows[1]))
  )
  return [
    Format(
      name,
      "adult.data",
      samples,
      lambda path, mode=mode: read(path, mode),
      lambda content, mode=mode: oracle(content, mode),
    )
    for name, mode in (("census", "error"), ("census, skipping", "skip"))
  ]


def _word_formats():
  text = "the caf\u00e9 sat on the mat .\n\nthe dog sat\ton a log\n" * 2
  other = "a dog of the caf\u00e9\nis on the mat and so is the UNK\n"
  texts = text.encode(), other.encode()
  questions = (
    b": capitals\nAthens Greece Oslo Norway\nOslo Norway Paris France\n",
    b": more\nOslo Norway Rome Italy\nParis France Athens Greece\n",
  )

  def read_ptb(path):
    folder, name = os.path.split(path)
    found = ptb.load(folder, name.removesuffix("train.txt"), ("train",))
    return list(found.vocabulary), found.train.tolist()

  def read_corpus(path):
    found = word2vec.load_corpus(path, min_count=1, window_size=1)
    return tuple(tensor.numpy().tolist() for tensor in found)

  def read_analogies(path):
    found = analogies.read(path, list(_WORDS))
    rows = np.column_stack([found.questions, found.answers]).tolist()
    names = [found.section_names[number] for number in found.sections]
    return rows, names, found.skipped

  def read_lines(path):
    try:
      with open(path, "rb") as stream:
        return list(score.lines_of(stream))
    except ValueError as error:
      # It is the place in standard input that must be named.
      message = str(error)
      raise ValueError(message.replace("standard input", path)) from error

  return [
    Format("PTB text", "ptb.train.txt", texts, read_ptb, text_oracles.ptb),
    Format(
      "word2vec text",
      "text8",
      texts,
      read_corpus,
      lambda content: text_oracles.corpus(content, 10),
    ),
    Format(
      "analogy questions",
      "questions-words.txt",
      (b"".join(questions), questions[1]),
      read_analogies,
      lambda content: text_oracles.analogies(content, _WORDS),
    ),
    Format(
      "lines to score", "lines.txt", texts, read_lines,
      text_oracles.lines_of_words,
      is_stream=True,
    ),
  ]  # fmt: skip


def _row_formats():
  features = [Feature("t", tf.string), Feature("u", tf.string)]

  def reader(rows_of, is_csv):
    def read(path):
      with predict_rows.opened(path) as (stream, name):
        rows = rows_of(stream, name)
        made = predict_rows.RowReader(features, name, is_csv, lambda line: None)
        found = [row for _, row in made.read(rows)]
      if not found:
        raise ValueError(f"{path} has no rows, as tools.predict says then")
      return [[row["t"].item(), row["u"].item()] for row in found]

    return read

  tables = (
    't,u\none,"a, ""b"""\n\ncaf\u00e9,"two\nlines"\n'.encode(),
    b"u,t\n1,2\n3,4\n",
  )
  lines = (
    '{"t": "one", "u": "caf\u00e9"}\n\n{"u": "\\u00e9", "t": ""}\n'.encode(),
    b'{"u": "two", "t": "[1, 2]", "v": [1, {}, null, true]}\n',
  )
  return [
    Format(
      "CSV rows to predict",
      "rows.csv",
      tables,
      reader(predict_rows.csv_rows, True),
      text_oracles.table,
      is_stream=True,
    ),
    Format(
      "JSON rows to predict",
      "rows.jsonl",
      lines,
      reader(predict_rows.json_rows, False),
      text_oracles.json_table,
      is_stream=True,
    ),
  ]

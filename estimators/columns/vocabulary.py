"""Columns of categories that a vocabulary lists, and their lookup tables."""

import collections
import dataclasses
import reprlib

import numpy as np
import tensorflow as tf

from estimators.columns.base import (
  CategoricalColumn,
  check_count,
  check_key,
  is_integer,
  string_or_integer,
)
from estimators.columns.categorical import hashed

_UNKNOWN = -1
_GZIP = "tfrecord_gzip"


class VocabularyColumn(CategoricalColumn):
  """What vocabulary columns share: words get their position as category.

  Words that are not in the vocabulary get default_value, or, with
  num_oov_buckets, one of as many categories after the vocabulary's, by hash.
  """

  @property
  def name(self):
    return self.key

  @property
  def parse_example_spec(self):
    return {self.key: tf.io.VarLenFeature(self.dtype)}

  @property
  def num_buckets(self):
    return self.num_words + self.num_oov_buckets

  def ids(self, values, table):
    """Returns the categories of texts or integers, int64 of the same shape."""
    if values.dtype != tf.string:
      values = tf.cast(values, tf.int64)
    ids = table.lookup(values)
    if not self.num_oov_buckets:
      return ids
    buckets = hashed(values, self.num_oov_buckets) + self.num_words
    return tf.where(ids >= 0, ids, buckets)

  @property
  def _table_dtype(self):
    return tf.string if self.dtype == tf.string else tf.int64

  def _table_of(self, initializer):
    default = _UNKNOWN if self.num_oov_buckets else self.default_value
    return tf.lookup.StaticHashTable(initializer, default)

  def _table_of_words(self, words):
    words = tf.constant(words, self._table_dtype)
    ids = tf.range(len(words), dtype=tf.int64)
    return self._table_of(tf.lookup.KeyValueTensorInitializer(words, ids))

  def _check_rest(self):
    """Checks and completes the arguments that both kinds have."""
    check_key(self.key)
    dtype = string_or_integer(self.dtype, f"the column {self.key!r}")
    object.__setattr__(self, "dtype", dtype)
    default, buckets = self.default_value, self.num_oov_buckets
    check_count(buckets, "num_oov_buckets", self.key, least=0)
    if buckets and default != _UNKNOWN:
      raise ValueError(
        f"the column {self.key!r} can have num_oov_buckets={buckets} or "
        f"default_value={default!r} for words outside of its vocabulary, not "
        "both; leave one out."
      )
    if not (is_integer(default) and _UNKNOWN <= default < self.num_words):
      raise ValueError(
        f"default_value of the column {self.key!r} must be a category of its "
        f"vocabulary (0 to {self.num_words - 1}), or -1 to leave out words "
        f"that are not in it, but is {default!r}."
      )


@dataclasses.dataclass(frozen=True, repr=False)
class VocabularyListCategoricalColumn(VocabularyColumn):
  """Words; see `feature_columns.categorical_column_with_vocabulary_list`."""

  key: str
  vocabulary_list: tuple
  dtype: tf.DType | None = None
  default_value: int = _UNKNOWN
  num_oov_buckets: int = 0

  def __post_init__(self):
    words = self.vocabulary_list
    if words is None or isinstance(words, str) or len(words) < 1:
      raise ValueError(
        f"vocabulary_list of the column {self.key!r} must be a list of at "
        f"least one word, but is {words!r}."
      )
    words = tuple(np.asarray(words).tolist())
    object.__setattr__(self, "vocabulary_list", words)
    self._check_words()
    self._check_rest()

  def __repr__(self):
    # Of a long vocabulary a few words do, in messages and in config.json.
    words = reprlib.repr(self.vocabulary_list)
    return (
      f"{type(self).__name__}(key={self.key!r}, vocabulary_list={words} of "
      f"{self.num_words}, dtype={self.dtype.name}, "
      f"default_value={self.default_value}, "
      f"num_oov_buckets={self.num_oov_buckets})"
    )

  @property
  def num_words(self):
    return len(self.vocabulary_list)

  @property
  def missing_is_unknown(self):
    """Whether the table itself gives -1 for '' and -1, which mean "none"."""
    words = self.vocabulary_list
    return self.default_value == _UNKNOWN and not (
      self.num_oov_buckets or "" in words or b"" in words or -1 in words
    )

  def table(self):
    """Returns the table from words to categories."""
    return self._table_of_words(self.vocabulary_list)

  def _check_words(self):
    counts = collections.Counter(self.vocabulary_list)
    twice = [word for word, count in counts.items() if count > 1]
    if twice:
      raise ValueError(
        f"Duplicate keys in vocabulary_list of the column {self.key!r}: "
        f"{twice}; each word can have one category only."
      )
    actual = string_or_integer(
      np.asarray(self.vocabulary_list).dtype,
      f"the vocabulary of the column {self.key!r}",
    )
    if self.dtype is None:
      object.__setattr__(self, "dtype", actual)
    elif tf.as_dtype(self.dtype).is_integer != actual.is_integer:
      raise ValueError(
        f"dtype={tf.as_dtype(self.dtype).name} and the vocabulary's "
        f"{actual.name} do not fit in the column {self.key!r}; words and dtype "
        "must both be texts or both integers."
      )


@dataclasses.dataclass(frozen=True)
class VocabularyFileCategoricalColumn(VocabularyColumn):
  """Lines; see `feature_columns.categorical_column_with_vocabulary_file`."""

  key: str
  vocabulary_file: str
  vocabulary_size: int | None = None
  num_oov_buckets: int = 0
  dtype: tf.DType = tf.string
  default_value: int = _UNKNOWN
  file_format: str | None = None

  def __post_init__(self):
    path = self.vocabulary_file
    if not path:
      raise ValueError(
        f"vocabulary_file of the column {self.key!r} is missing: {path!r}; "
        "name a file with one word a line."
      )
    if self.file_format not in (None, _GZIP):
      raise ValueError(
        f"file_format of the column {self.key!r} must be None (one word a "
        f"line) or {_GZIP!r}, but is {self.file_format!r}."
      )
    if self.file_format is None and path.endswith("tfrecord.gz"):
      object.__setattr__(self, "file_format", _GZIP)
    if self.vocabulary_size is None:
      object.__setattr__(self, "vocabulary_size", self._count_words())
    check_count(self.vocabulary_size, "vocabulary_size", self.key)
    self._check_rest()

  @property
  def num_words(self):
    return self.vocabulary_size

  @property
  def missing_is_unknown(self):
    """Whether the table itself gives -1 for '' (a line cannot be empty)."""
    return (
      self.default_value == _UNKNOWN
      and not self.num_oov_buckets
      and self.dtype == tf.string
      and self.file_format is None
    )

  def table(self):
    """Returns the table from words to categories.

    Raises:
      ValueError: the file is missing, or has fewer lines than vocabulary_size,
        or a line that is empty or comes twice.
    """
    if not tf.io.gfile.exists(self.vocabulary_file):
      raise ValueError(self._missing())
    try:
      if self.file_format == _GZIP:
        return self._table_of_words(self._records(self.vocabulary_size))
      index = tf.lookup.TextFileIndex
      return self._table_of(
        tf.lookup.TextFileInitializer(
          self.vocabulary_file,
          self._table_dtype,
          index.WHOLE_LINE,
          tf.int64,
          index.LINE_NUMBER,
          self.vocabulary_size,
        )
      )
    except (tf.errors.OpError, ValueError) as error:
      raise ValueError(
        f"the column {self.key!r} needs a vocabulary of "
        f"vocabulary_size={self.vocabulary_size} different words of dtype "
        f"{self.dtype.name}, one a line, but {self.vocabulary_file} does not "
        f"hold it: {getattr(error, 'message', error)}"
      ) from error

  def _count_words(self):
    if not tf.io.gfile.exists(self.vocabulary_file):
      raise ValueError(self._missing())
    if self.file_format == _GZIP:
      return sum(1 for _ in self._records(-1))
    with tf.io.gfile.GFile(self.vocabulary_file, "rb") as file:
      return sum(1 for _ in file)

  def _records(self, count):
    """Returns the first words of a compressed TFRecord file (-1: all)."""
    records = tf.data.TFRecordDataset(self.vocabulary_file, "GZIP")
    words = list(records.take(count).as_numpy_iterator())
    if len(words) < count:
      raise ValueError(f"it holds {len(words)} records.")
    return words if self.dtype == tf.string else [int(word) for word in words]

  def _missing(self):
    return (
      f"vocabulary_file of the column {self.key!r} does not exist: "
      f"{self.vocabulary_file}; correct the path, or write the file first."
    )

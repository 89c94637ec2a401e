"""Which records of TFRecord files are good, for reading these alone.

They are found once, before anything is read for training; so the pipeline has
no more to do than before, and its place can be saved.
"""

import typing
import warnings

import tensorflow as tf

from input_pipelines import tfrecord_frames, tfrecord_reader

# The latter where TensorFlow's message has bytes of the record in it.
_PARSING_ERRORS = (tf.errors.InvalidArgumentError, UnicodeDecodeError)


class Run(typing.NamedTuple):
  """Good records that follow each other in a file.

  Attributes:
    first: int, the number of the first, from 0.
    count: int, how many they are; at least 1.
    start: int, the first byte of the first.
    end: int, the byte behind the last.
  """

  first: int
  count: int
  start: int
  end: int


def find(paths, compressions, sizes):
  """Reads files, and warns once if there are bad records in them.

  Args:
    paths: list of str.
    compressions: list of "", "GZIP" or "ZLIB", one for each file.
    sizes: list of int, the bytes of each file's content.

  Returns:
    list of lists of Run, at least one for each file.

  Raises:
    ValueError: all records of a file are bad, or one of a compressed file is.
  """
  scans = []
  for path, compression, size in zip(paths, compressions, sizes, strict=True):
    scan = _Scan(path, compression, size)
    scan.read()
    _check(scan)
    scans.append(scan)
  _warn(scans)
  return [scan.runs for scan in scans]


def _check(scan):
  """Raises ValueError if a file is of no use."""
  if scan.problem and scan.compression:
    raise ValueError(
      f"{scan.problem} (on_bad_row='skip' leaves out nothing of a compressed "
      "file; of an uncompressed one it would.)"
    )
  if not scan.runs:
    raise ValueError(
      f"{scan.path} must have a record; all of them are bad. The first: "
      f"{scan.problem}"
    )


def _warn(scans):
  """Warns if records are left out."""
  damaged = [scan for scan in scans if scan.problem]
  if not damaged:
    return
  left_out = sum(scan.num_bad for scan in damaged)
  kept = sum(run.count for scan in scans for run in scan.runs)
  lost = [scan.lost for scan in damaged if scan.lost]
  end = ""
  if lost:
    end = (
      f" What follows it cannot be found, and is not counted, in {len(lost)} "
      f"of {len(scans)} files; the first: {lost[0]}."
    )
  warnings.warn(
    f"Left out {left_out} bad records, and read {kept}; the first: "
    f"{damaged[0].problem}{end}",
    stacklevel=4,
  )


class _Scan:
  """Looks at each record of a file.

  Attributes:
    runs: list of Run.
    num_bad: int, how many records are left out.
    problem: str, what is wrong with the first of these, or "".
    lost: str, the file and the record behind which nothing is found, or "".
  """

  def __init__(self, path, compression, size):
    self.path, self.compression, self._size = path, compression, size
    self.runs, self.num_bad, self.problem, self.lost = [], 0, "", ""
    self._number = self._place = 0  # of the next record

  def read(self):
    """Fills the attributes."""
    claim = tfrecord_frames.false_claim(self.path, self.compression, self._size)
    while self._place < self._size:
      self._read_until_damage(claim)
      if self._place < self._size:
        self._pass_damage(claim)

  def _read_until_damage(self, claim):
    records = tfrecord_reader.records_from(
      self.path, self.compression, self._place
    )
    if claim:
      # TensorFlow would make room for what it claims.
      records = records.take(claim[0] - self._number)
    records = records.ignore_errors().batch(tfrecord_reader.CHUNK_RECORDS)
    for chunk in records:
      if _are_examples(chunk):
        lengths = tf.strings.length(chunk).numpy()
        frames = lengths.sum(dtype="int64")
        frames += tfrecord_reader.FRAME_BYTES * len(lengths)
        self._keep(len(lengths), int(frames))
      else:
        self._look_at_each(chunk)

  def _look_at_each(self, chunk):
    for record in chunk.numpy():
      num_bytes = tfrecord_reader.FRAME_BYTES + len(record)
      if _are_examples(tf.constant([record])):
        self._keep(1, num_bytes)
      else:
        self._leave_out(
          self._place + num_bytes,
          tfrecord_reader.not_an_example(self.path, self._number + 1, record),
        )

  def _pass_damage(self, claim):
    end = None
    if not self.compression:
      end = tfrecord_frames.end_of_record(self.path, self._place, self._size)
    if claim and claim[0] == self._number:
      problem = claim[1]
    else:
      problem = tfrecord_reader.not_whole(
        self.path, self.compression, self._number + 1
      )
    if end is None:
      self.lost = f"{self.path}, record {self._number + 1}"
    self._leave_out(end or self._size, problem)

  def _keep(self, count, num_bytes):
    """Adds the next `count` records to the runs."""
    end = self._place + num_bytes
    if self.runs and self.runs[-1].end == self._place:
      last = self.runs[-1]
      self.runs[-1] = last._replace(count=last.count + count, end=end)
    else:
      self.runs.append(Run(self._number, count, self._place, end))
    self._number += count
    self._place = end

  def _leave_out(self, end, problem):
    """Goes on to byte `end`, behind the next record."""
    self.problem = self.problem or problem
    self.num_bad += 1
    self._number += 1
    self._place = end


def _are_examples(records):
  """Returns whether each of string [C] is a tf.train.Example."""
  try:
    tfrecord_reader.parse_nothing(records)
  except _PARSING_ERRORS:
    return False
  return True

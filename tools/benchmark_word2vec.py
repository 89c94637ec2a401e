"""The programs of `python -m tools.benchmark word2vec`.

Ours and gensim learn from the same text with the settings of
word2vec_optimized: vectors of 200 numbers, windows of 5, words of 5 occurrences
at least, subsampling by 1e-3, a rate of 0.025. Each run is a process of its
own, so that its memory is known. Speeds are those of training, without the time
that it takes to read the text and to make the vocabulary, in words of the text
before subsampling.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

NEGATIVES = (25, 5)
THREADS = 2
# Which are compared; see tools/benchmark.py.
RATIOS = {
  f"{first}_over_{second}": True
  for n in NEGATIVES
  for first, second in (
    (f"estimator_{n}_negatives_words", f"gensim_{n}_negatives_words"),
    (
      f"estimator_{n}_negatives_words",
      f"estimator_{n}_negatives_1_thread_words",
    ),
    (f"estimator_{n}_negatives_mb", f"gensim_{n}_negatives_mb"),
  )
}


class OurWord2vec:
  """A run of experiments.word2vec, in a new model_dir.

  Args:
    text, questions: str, files; questions may be None.
    negatives, threads, epochs: int.
  """

  def __init__(self, text, questions, negatives, threads, epochs):
    self._name = f"estimator_{negatives}_negatives"
    if threads != THREADS:
      self._name += f"_{threads}_thread"
    self._arguments = [
      "-m", "experiments.word2vec.main", "--model=optimized",
      f"--train_data={text}", f"--num_neg_samples={negatives}",
      f"--concurrent_steps={threads}", f"--epochs_to_train={epochs}",
    ]  # fmt: skip
    if questions:
      self._arguments.append(f"--eval_data={questions}")

  def measure(self):
    with tempfile.TemporaryDirectory() as model_dir:
      found, megabytes = run(self._arguments + [f"--model_dir={model_dir}"])
    return _measurements(self._name, found, megabytes)


class Gensim:
  """A run of gensim_peer.py; arguments as for OurWord2vec."""

  def __init__(self, text, questions, negatives, threads, epochs):
    self._name = f"gensim_{negatives}_negatives"
    self._arguments = [
      "-m", "tools.gensim_peer", text, str(negatives), str(threads),
      str(epochs), *([questions] if questions else []),
    ]  # fmt: skip

  def measure(self):
    return _measurements(self._name, *run(self._arguments))


def programs(text, questions, epochs):
  """Returns the programs, each ours beside its peer."""
  found = []
  for negatives in NEGATIVES:
    # The accuracy is that of the first setting: the second tells nothing more.
    asked = questions if negatives == NEGATIVES[0] else None
    arguments = (text, asked, negatives)
    found += [
      OurWord2vec(*arguments, THREADS, epochs),
      Gensim(*arguments, THREADS, epochs),
      OurWord2vec(text, None, negatives, 1, epochs),
    ]
  return found


def run(arguments):
  """Runs Python in a process of its own.

  Returns:
    What its last line says, an object in JSON, and the most memory it had, in
    megabytes (10^6 bytes).

  Raises:
    RuntimeError: it failed; the message has what it wrote.
  """
  with tempfile.TemporaryFile("w+") as output:
    process = subprocess.Popen(
      [sys.executable, *arguments], stdout=output, stderr=subprocess.STDOUT
    )
    kilobytes = 0
    while process.poll() is None:
      kilobytes = max(kilobytes, _peak_kilobytes(process.pid))
      time.sleep(0.05)
    output.seek(0)
    text = output.read()
  if process.returncode:
    raise RuntimeError(
      f"{' '.join(arguments)} must end well, but ended with "
      f"{process.returncode}:\n{text[-2000:]}"
    )
  lines = [line for line in text.splitlines() if line.startswith("{")]
  return json.loads(lines[-1]), kilobytes * 1024 / 1e6


def _peak_kilobytes(pid):
  """Returns the most memory that a process has had so far; 0 if it is gone.

  Linux says it in /proc. What wait4 says counts that of the process which
  started it, too.
  """
  try:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
  except OSError:
    return 0
  found = re.search(r"VmHWM:\s+(\d+) kB", status)
  return int(found[1]) if found else 0


def _measurements(name, found, megabytes):
  measured = {
    f"{name}_words": found["words_per_second"],
    f"{name}_mb": megabytes,
  }
  if "accuracy" in found:
    measured[f"{name}_right"] = 100 * found["accuracy"]
  return measured

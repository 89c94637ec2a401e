"""The programs that are killed: their flags and their data.

Each trains for less than a minute, with some 40 checkpoints. Real data are read
from the folders of TEST_DATA_DIR; where one is missing, others are invented.
"""

import dataclasses
import gzip
import os
import random
from collections.abc import Callable

from experiments.word2vec import inputs as word2vec_inputs
from input_pipelines import cifar10
from tools.survive.processes import program

_CIFAR10_RECORDS = "data_batch_1_first4000.bin.gz"
_PTB_WORDS = {"train": 24_000, "valid": 2_000, "test": 1_000}
_PTB_VOCABULARY = 500


@dataclasses.dataclass(frozen=True)
class Trial:
  """A program to be killed.

  Attributes:
    name: str.
    module: str, what `python -m` runs.
    args: tuple of its flags.
    data: function of a folder that may write into it; returns more flags.
    is_real: function that returns whether the data are real ones.
    by_clock: bool, whether it writes summaries every so many seconds.
    start: function of module and flags that returns what starts it, for `Life`.
  """

  name: str
  module: str
  args: tuple
  data: Callable = lambda folder: ()
  is_real: Callable = lambda: False
  by_clock: bool = False
  start: Callable = program


def real_data(name):
  """Returns the folder of a real data set, or None."""
  folder = os.path.join(os.environ.get("TEST_DATA_DIR", ""), name)
  return (
    folder if os.environ.get("TEST_DATA_DIR") and _is_filled(folder) else None
  )


def _is_filled(folder):
  return os.path.isdir(folder) and bool(os.listdir(folder))


def _has(name):
  """Returns a function for `Trial.is_real`."""
  return lambda: real_data(name) is not None


def _data_or(name, *otherwise):
  """Returns a function for `Trial.data`: real data, or other flags."""

  def data(folder):
    del folder  # Nothing is written.
    found = real_data(name)
    return (f"--data_dir={found}",) if found else otherwise

  return data


def _cifar10_source():
  """Returns the path of real records, or None."""
  found = os.path.join(real_data("cifar10") or "", _CIFAR10_RECORDS)
  return found if os.path.isfile(found) else None


def cifar10_records(folder):
  """Writes files of records out of the real ones, where these are there."""
  found = _cifar10_source()
  if not found:
    return ("--self_test",)
  with gzip.open(found) as stream:
    content = stream.read()
  names = cifar10.FILES["train"] + cifar10.FILES["test"]
  size = len(content) // cifar10.RECORD_BYTES // len(names)
  for i, name in enumerate(names):
    start = i * size * cifar10.RECORD_BYTES
    with open(os.path.join(folder, name), "wb") as stream:
      stream.write(content[start : start + size * cifar10.RECORD_BYTES])
  return (f"--data_dir={folder}",)


def ptb_text(folder):
  """Writes a text in the files of PTB, where the real one is missing."""
  if found := real_data("ptb"):
    return (f"--data_dir={found}",)
  rng = random.Random(0)
  for split, size in _PTB_WORDS.items():
    word, words = 0, []
    for _ in range(size):
      # Each word has a few that follow it, so that there is something to learn.
      word = (word * 7 + rng.randrange(5)) % _PTB_VOCABULARY
      words.append(f"w{word}" if rng.random() > 0.1 else "\n")
    with open(os.path.join(folder, f"ptb.{split}.txt"), "w") as stream:
      stream.write(" " + " ".join(words) + " \n")
  return (f"--data_dir={folder}",)


def topics_text(folder):
  """Writes the text and some questions for word2vec."""
  path = os.path.join(folder, "text")
  word2vec_inputs.write_self_test_text(path)
  questions = os.path.join(folder, "questions")
  with open(questions, "w") as stream:
    stream.write(": topics\n")
    stream.write("topic0_0 topic0_1 topic1_0 topic1_1\n")
  return (f"--train_data={path}", f"--eval_data={questions}")


TRIALS = (
  Trial(
    "MNIST cnn",
    "experiments.mnist.main",
    ("--model=cnn", "--train_steps=400", "--save_checkpoints_steps=10"),
    _data_or("mnist", "--dataset=digits"),
    _has("mnist"),
  ),
  Trial(
    "census wide_deep",
    "experiments.census.main",
    (
      "--model_type=wide_deep",
      "--dropout=0.2",
      "--train_steps=2000",
      "--save_checkpoints_steps=50",
      "--epochs_between_evals=40",
    ),
    _data_or("census", "--self_test"),
    _has("census"),
  ),
  Trial(
    "PTB small",
    "experiments.ptb.main",
    (
      "--model=small",
      "--max_epochs=6",
      "--train_steps=360",
      "--keep_prob=0.9",
      "--save_checkpoints_steps=9",
    ),
    ptb_text,
    _has("ptb"),
  ),
  Trial(
    "CIFAR-10",
    "experiments.cifar10.main",
    (
      "--train_steps=80",
      "--batch_size=8",
      "--eval_interval_secs=0",
      "--num_examples=64",
      "--save_checkpoints_steps=4",
    ),
    cifar10_records,
    lambda: _cifar10_source() is not None,
  ),
  Trial(
    "word2vec on one thread",
    "experiments.word2vec.main",
    (
      "--model=optimized",
      "--concurrent_steps=1",
      "--batch_size=1",
      "--epochs_to_train=8",
      "--subsample=0.01",
      "--save_checkpoints_steps=4",
    ),
    topics_text,
    by_clock=True,
  ),
)

"""Compares the runner's speed with what one would use instead of it.

    python -m tools.benchmark runner --model=softmax
    python -m tools.benchmark runner --model=cnn --steps=300 --rounds=3
    python -m tools.benchmark runner --peer_python=~/tf215/bin/python --readme
    python -m tools.benchmark census --data_dir=~/data/census --epochs=2
    python -m tools.benchmark word2vec --train_data=text8 --rounds=3
    python -m tools.benchmark cifar10 --readme
    python -m tools.benchmark ptb --peer_python=~/torch/bin/python --rounds=3
    python -m tools.benchmark mandelbrot
    python -m tools.benchmark pond
    python -m tools.benchmark sparse_regression --rounds=3

`census` compares the canned estimators, with all of their defaults, on the
columns of the wide & deep tutorial; see benchmark_census.py. `word2vec`
compares the C++ ops with gensim on a text, and with --eval_data also by the
analogies that both get right; see benchmark_word2vec.py. `cifar10` compares
input pipelines, training, and two worker processes with one, on invented
images; see benchmark_cifar10.py, benchmark_cifar10_training.py and
benchmark_workers.py. `ptb` compares ways to run the small language model with
one another, with Keras's layers and with PyTorch, and ways to evaluate it, on
the Penn Treebank or random words; see benchmark_ptb.py,
benchmark_ptb_evaluation.py and benchmark_ptb_parts.py. `mandelbrot`, `pond` and
`sparse_regression` compare with NumPy, SciPy and scikit-learn, the first two
also with what the memory allows; see benchmark_mandelbrot.py, benchmark_pond.py
and benchmark_sparse_regression.py.

In `runner` all train the same network on the same invented images: 6,000 rows
of 784 numbers, batches of 100, plain SGD at 0.001. The Estimator, the
hand-written loop and Keras read the same dataset, that of `numpy_input_fn`. The
programs run in turn, round after round, since a machine is not equally fast at
all times; every line on stdout is `name value unit`, a median over the rounds,
where

  *_train: steps per second of a program that is traced, and for the two
    Estimators from the 20th step of a call to its last;
  *_train_call: steps per second of a whole call, with its checkpoints;
  *_rows, *_rows_call: the same in rows per second;
  *_words: words of the text per second of training, or of ptb's *_eval_words of
    evaluation;
  *_mb: the most memory; *_right: the share of the answers that are right;
  *_examples, *_examples_call: examples per second, as rows; *_nonzero: weights
    that are not exactly zero;
  *_picture, *_run: seconds of a whole computation; *_step: of one of its steps;
  *_bound: of copying the bytes that it moves;
  *_images: images per second; *_cpu: milliseconds of processor time per batch;
  ptb_*_ms: milliseconds of a part of a training step;
  *_evaluate_6000, *_predict_1: seconds of a call that is not the first;
  *_over_*: how many times faster the first is, the median over the rounds; of
    *_mb how many times as much it takes.

tf.estimator needs a Python of its own, as it ended with TensorFlow 2.15:
`pip install tensorflow==2.15.1` in a Python 3.11 environment; so does PyTorch,
as it is no dependency: `pip install torch`. With --readme the lines also go
into the top README, between the markers of their model.
"""

import collections
import statistics
import sys
import tempfile

from absl import app, flags

from tools import (
  benchmark_census,
  benchmark_cifar10,
  benchmark_cifar10_training,
  benchmark_mandelbrot,
  benchmark_pond,
  benchmark_ptb,
  benchmark_sparse_regression,
  benchmark_word2vec,
  benchmark_workers,
)
from tools.benchmark_programs import (
  WARMUP_STEPS,
  InGraphLoop,
  KerasFit,
  OurEstimator,
  TfEstimator,
)
from tools.make_results import ROOT, commit, machine, versions
from tools.results_table import measured_on, split_at_markers

DEFAULT_STEPS = {"softmax": 5000, "cnn": 200}
CIFAR10_STEPS = 200
PTB_STEPS = 60
STEPS_PER_EXECUTION = 50

# Which measurements are compared, and whether more is faster.
RATIOS = (
  {
    "estimator_train_over_in_graph_loop_train": True,
    "estimator_train_over_keras_fit_train": True,
    "estimator_train_over_keras_fit_50_train": True,
    "estimator_train_over_tf_estimator_train": True,
    "estimator_train_call_over_tf_estimator_train_call": True,
    "estimator_evaluate_6000_over_tf_estimator_evaluate_6000": False,
    "estimator_predict_1_over_tf_estimator_predict_1": False,
  }
  | {
    f"estimator_{name}_over_tf_estimator_{name}": True
    for model_type in benchmark_census.MODEL_TYPES
    for name in (f"{model_type}_rows", f"{model_type}_rows_call")
  }
  | benchmark_word2vec.RATIOS
  | benchmark_cifar10.RATIOS
  | benchmark_cifar10_training.RATIOS
  | benchmark_workers.RATIOS
  | benchmark_ptb.RATIOS
  | benchmark_mandelbrot.RATIOS
  | benchmark_pond.RATIOS
  | benchmark_sparse_regression.RATIOS
)
# Who is measured only by a Python that has it.
_PEERS = {
  "softmax": "tf_estimator",
  "cnn": "tf_estimator",
  "census": "tf_estimator",
  "ptb": "torch",
}
# By how the names of measurements end.
_UNITS = {
  "_rows": "rows/s",
  "_rows_call": "rows/s",
  "_words": "words/s",
  "_mb": "MB",
  "_right": "%",
  "_images": "images/s",
  "_examples": "examples/s",
  "_examples_call": "examples/s",
  "_nonzero": "weights",
  "_cpu": "ms",
  "_ms": "ms",
}


def define_flags(values=flags.FLAGS):
  flags.DEFINE_enum(
    "model", "softmax", list(DEFAULT_STEPS), "What to train.",
    flag_values=values,
  )  # fmt: skip
  flags.DEFINE_integer(
    "steps", None, "Training steps of each call; else "
    f"{DEFAULT_STEPS | {'cifar10': CIFAR10_STEPS, 'ptb': PTB_STEPS}}.",
    lower_bound=2 * WARMUP_STEPS, flag_values=values,
  )  # fmt: skip
  flags.DEFINE_integer(
    "epochs", None, "Epochs of each call of census, else 2, and word2vec, "
    "else 1.", lower_bound=1, flag_values=values,
  )  # fmt: skip
  for name, text in {
    "data_dir": "Folder of the census files, or for ptb of the Penn Treebank.",
    "train_data": "Text for word2vec.",
    "eval_data": "Analogies for word2vec.",
  }.items():
    flags.DEFINE_string(name, None, text, flag_values=values)
  flags.DEFINE_integer(
    "rounds", 5, "How often each is measured.", lower_bound=1,
    flag_values=values,
  )  # fmt: skip
  flags.DEFINE_string(
    "peer_python", None, "A Python that has TensorFlow 2.15; for ptb PyTorch.",
    flag_values=values,
  )  # fmt: skip
  flags.DEFINE_integer(
    "eval_words", 2000, "Words that ptb's slow evaluations read.",
    lower_bound=2, flag_values=values,
  )  # fmt: skip
  flags.DEFINE_bool(
    "readme", False, "Also write the lines into README.md.", flag_values=values
  )


def measure_in_turn(programs, rounds):
  """Returns {name: its value in each round}."""
  measured = collections.defaultdict(list)
  for _ in range(rounds):
    for program in programs:
      for name, value in program.measure().items():
        measured[name].append(value)
  return dict(measured)


def report(measured):
  """The lines to print: each measurement's median, then the ratios."""
  lines = []
  for name, values in measured.items():
    lines.append(f"{name} {statistics.median(values):.4g} {_unit(name)}")
  for name, more_is_faster in RATIOS.items():
    first, second = name.split("_over_")
    if second in measured:
      ratio = statistics.median(
        a / b if more_is_faster else b / a
        for a, b in zip(measured[first], measured[second], strict=True)
      )
      lines.append(f"{name} {ratio:.4g} x")
  return lines


def _unit(name):
  for end, unit in _UNITS.items():
    if name.endswith(end):
      return unit
  return "steps/s" if "_train" in name else "s/call"


def benchmark_census_models(epochs, rounds, data_dir, peer_python):
  """Returns {name: its value in each round} of all programs."""
  programs = benchmark_census.programs(epochs, data_dir, peer_python)
  return measure_in_turn(programs, rounds)


def benchmark_cifar10_models(steps, rounds):
  """Returns {name: its value in each round} of all programs."""
  with tempfile.TemporaryDirectory() as model_dir:
    programs = [
      *benchmark_cifar10.pipelines(steps),
      *benchmark_cifar10_training.programs(steps, model_dir),
      *(benchmark_workers.Workers(number, steps) for number in (1, 2)),
    ]
    return measure_in_turn(programs, rounds)


def benchmark_ptb_models(steps, rounds, eval_words, data_dir, peer_python):
  """Returns {name: its value in each round} of all programs."""
  with tempfile.TemporaryDirectory() as model_dir:
    programs = benchmark_ptb.programs(
      steps, eval_words, data_dir, peer_python, model_dir
    )
    return measure_in_turn(programs, rounds)


def benchmark_sparse_models(rounds):
  """Returns {name: its value in each round} of all programs."""
  with tempfile.TemporaryDirectory() as model_dir:
    programs = benchmark_sparse_regression.programs(model_dir)
    return measure_in_turn(programs, rounds)


def benchmark_runner(model, steps, rounds, peer_python):
  """Returns {name: its value in each round} of all programs."""
  with tempfile.TemporaryDirectory() as model_dir:
    programs = [
      OurEstimator(model, steps, model_dir),
      InGraphLoop(model, steps),
      KerasFit("keras_fit", model, steps),
      KerasFit(
        f"keras_fit_{STEPS_PER_EXECUTION}", model, steps, STEPS_PER_EXECUTION
      ),
    ]
    if peer_python:
      programs.append(TfEstimator(peer_python, model, steps))
    return measure_in_turn(programs, rounds)


def write_readme(root, model, lines):
  """Puts the lines between the markers of the model in the top README."""
  path = root / "README.md"
  head, _, tail = split_at_markers(
    path,
    f"<!-- benchmark {model}:begin -->",
    f"<!-- benchmark {model}:end -->",
  )
  where = f"Commit {commit(root)}. {measured_on(machine(), versions())}"
  code = "\n".join(["```", *lines, "```"])
  path.write_text(f"{head}\n{code}\n\n{where}\n{tail}")


def measure(what, values):
  """Returns what it is called in the README, and what was measured.

  Args:
    what: list of str, the arguments of the program.
    values: its flags.

  Raises:
    app.UsageError: there is no such benchmark, or a flag that it needs lacks.
  """
  rounds = values.rounds
  match what:
    case ["runner"]:
      steps = values.steps or DEFAULT_STEPS[values.model]
      return values.model, benchmark_runner(
        values.model, steps, rounds, values.peer_python
      )
    case ["census"]:
      if not values.data_dir:
        raise app.UsageError("census needs --data_dir, the folder of its files")
      return "census", benchmark_census_models(
        values.epochs or 2, rounds, values.data_dir, values.peer_python
      )
    case ["word2vec"]:
      if not values.train_data:
        raise app.UsageError("word2vec needs --train_data, a text")
      programs = benchmark_word2vec.programs(
        values.train_data, values.eval_data, values.epochs or 1
      )
      return "word2vec", measure_in_turn(programs, rounds)
    case ["cifar10"]:
      steps = values.steps or CIFAR10_STEPS
      return "cifar10", benchmark_cifar10_models(steps, rounds)
    case ["ptb"]:
      return "ptb", benchmark_ptb_models(
        values.steps or PTB_STEPS,
        rounds,
        values.eval_words,
        values.data_dir,
        values.peer_python,
      )
    case ["mandelbrot"]:
      programs = benchmark_mandelbrot.programs()
      return "mandelbrot", measure_in_turn(programs, rounds)
    case ["pond"]:
      return "pond", measure_in_turn(benchmark_pond.programs(), rounds)
    case ["sparse_regression"]:
      return "sparse_regression", benchmark_sparse_models(rounds)
  raise app.UsageError(
    "the one argument is what to measure: runner, census, word2vec, cifar10, "
    "ptb, mandelbrot, pond, sparse_regression"
  )


def main(argv):
  values = flags.FLAGS
  place, measured = measure(argv[1:], values)
  lines = report(measured)
  print("\n".join(lines))
  if place in _PEERS and not values.peer_python:
    print(
      f"{_PEERS[place]} skipped: name a Python that has it by --peer_python",
      file=sys.stderr,
    )
  if values.readme:
    write_readme(ROOT, place, lines)


if __name__ == "__main__":
  define_flags()
  app.run(main)

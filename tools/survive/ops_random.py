"""C++ ops under sanitizers, with random inputs: an error or a result, no crash.

The inputs are those of the ops' tests of random input, more of them: sizes of 0
and 1, wrong ranks and shapes, negative and huge ids, NaN and infinity. The
first wrong access to memory, or undefined behaviour, ends the process.
"""

import math
import os
import re
import shlex
import subprocess
import sys
import time

from tools.survive.outcome import Outcome
from tools.survive.processes import ROOT

CALLS = 10_000
# Read by the tests: how often each op is called.
CALLS_VARIABLE = "OPS_RANDOM_CALLS"
_TESTS = {
  "word2vec": ("train_sentences", "neg_train", "skipgram", "corpus"),
  "language_model": ("lstm", "lstm_gradient", "softmax", "softmax_gradient"),
  "sparse_rows": ("gather",),
}
_FINDING = re.compile("ERROR: AddressSanitizer|runtime error:")


def tests():
  """Returns the tests, as pytest names them."""
  return [
    f"tests/estimators/ops/{op}_random_input_test.py::RandomInputTest"
    f"::test_{name}"
    for op, names in _TESTS.items()
    for name in names
  ]


def environment(calls):
  """Returns the variables of a process with sanitizers; see the Makefile.

  Args:
    calls: int, how often each op is called.
  """
  compiler = shlex.split(os.environ.get("CXX", "c++"))
  libraries = [
    subprocess.run(
      [*compiler, f"-print-file-name={name}"],
      capture_output=True, text=True, check=True,
    ).stdout.strip()
    for name in ("libasan.so", "libstdc++.so")
  ]  # fmt: skip
  return os.environ | {
    "ESTIMATORS_OPS": "",
    "ESTIMATORS_OPS_SANITIZE": "1",
    "ASAN_OPTIONS": "detect_leaks=0",
    "LD_PRELOAD": " ".join(libraries),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    CALLS_VARIABLE: str(calls),
  }


def judged(returncode, output, calls, seconds):
  """Returns the `Outcome` of what pytest printed.

  Args:
    returncode: int, of pytest.
    output: str.
    calls: int, how often each op was called.
    seconds: float, what it took.
  """
  count = len(tests())
  findings = len(_FINDING.findall(output))
  passed = returncode == 0 and f"{count} passed" in output
  got = f"{count * calls:,} inputs, {findings} findings"
  if not passed:
    last = (output.strip().splitlines() or [""])[-1]
    got += f"; it ended with {returncode}: {last}"
  return Outcome(
    f"random inputs to {count} C++ ops, address and undefined-behaviour "
    "sanitizers",
    f">= {CALLS:,} inputs, 0 findings",
    got,
    passed and not findings,
    seconds,
  )


def run(scale, folder):
  """Builds the ops with sanitizers and calls them; see `Outcome`."""
  begun = time.monotonic()
  calls = max(20, math.ceil(CALLS * scale / len(tests())))
  settings = environment(calls)
  # Without the sanitizers in the compiler itself, which is slow with them.
  subprocess.run(
    [sys.executable, "-m", "estimators.ops.build"],
    cwd=ROOT, env=settings | {"LD_PRELOAD": ""}, check=True,
  )  # fmt: skip
  done = subprocess.run(
    [sys.executable, "-m", "pytest", "-q", "-n", "0", *tests()],
    cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    text=True, errors="replace",
  )  # fmt: skip
  with open(os.path.join(folder, "log"), "w") as log:
    log.write(done.stdout)
  seconds = time.monotonic() - begun
  return [judged(done.returncode, done.stdout, calls, seconds)]

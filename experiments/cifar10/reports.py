"""The lines that the tutorial's programs printed."""

import datetime
import time

from estimators import Exporter, Hook


class TrainingReport(Hook):
  """`DATE: step N, loss = L (E examples/sec; S sec/batch)`, now and then.

  Steps count from 0, as in the tutorial: line 0 comes after the first step.

  Args:
    every: int, steps from one line to the next.
  """

  def __init__(self, every):
    self._every = every

  def begin(self, run):
    self._note(run)

  def next_step(self, step):
    return -(-step // self._every) * self._every + 1

  def after_run(self, run):
    if (run.global_step - 1) % self._every:
      return
    steps, examples, start = self._last
    seconds = time.perf_counter() - start
    print(
      f"{now()}: step {run.global_step - 1}, loss = {run.loss:.2f} "
      f"({(run.examples - examples) / seconds:.1f} examples/sec; "
      f"{seconds / (run.global_step - steps):.3f} sec/batch)",
      flush=True,
    )
    self._note(run)

  def _note(self, run):
    self._last = run.global_step, run.examples, time.perf_counter()


class PrecisionReport(Exporter):
  """Prints the precision after each evaluation; it exports nothing."""

  def __init__(self):
    super().__init__("precision", serving_input_receiver_fn=None)
    self._printed = None

  def export(
    self,
    estimator,
    export_path,
    checkpoint_path,
    eval_result,
    is_the_final_export,
  ):
    # The last checkpoint comes a second time when it turns out to be the last.
    if checkpoint_path != self._printed:
      print_precision(eval_result)
    self._printed = checkpoint_path


def print_precision(results):
  """Prints `DATE: precision @ 1 = P` of the results of an evaluation."""
  print(f"{now()}: precision @ 1 = {results['Precision @ 1']:.3f}", flush=True)


def now():
  return datetime.datetime.now().isoformat(" ")

"""What the tutorials printed while they trained, as hooks.

Their loops counted steps from 0 and reported inside of the step; a hook is
called after it. The report of step 100 thus comes when 101 steps are done.
"""

import time

from estimators import Hook, LoggingTensorHook
from experiments.mnist.inputs import evaluation_input_fn
from experiments.mnist.model import REPORT_STEPS

EVALUATION_STEPS = 1000


def hooks(config, splits):
  """Returns the hooks of the model that config names.

  There are none in a cluster: all of its processes would print, and none could
  evaluate while they train.
  """
  if config.distribution_strategy == "multi_worker":
    return []
  match config.model:
    case "fully_connected":
      return [LossReport(), PrecisionReport(splits)]
    case "deep":
      return [AccuracyReport()]
    case "convolutional":
      steps_per_epoch = len(splits.train.labels) / config.batch_size
      return [ErrorReport(splits.validation, steps_per_epoch)]
    case "cnn":
      tensors = {"probabilities": "softmax_tensor"}
      return [LoggingTensorHook(tensors, every_n_iter=50)]
    case _:
      return []


def closing_line(config, metrics):
  """Returns what the program printed at its end.

  Args:
    config: a Config.
    metrics: dictionary with test_accuracy and seconds.
  """
  accuracy = metrics["test_accuracy"]
  if config.self_test:
    return f"test_error {error_rate(accuracy)}"
  match config.model:
    case "deep":
      return f"test accuracy {accuracy:g}"
    case "convolutional":
      return f"Test error: {error_rate(accuracy):.1f}%"
    case "linear" | "kernel":
      return f"Elapsed time: {metrics['seconds']} seconds"
    case _:
      return f"{accuracy:g}"


class Report(Hook):
  """Calls `report(run, step, seconds)` in each 100th step, counted from 0.

  The seconds are those of a step, the mean since the last report.
  """

  def begin(self, run):
    self._start_clock(run)

  def next_step(self, step):
    return -(-step // REPORT_STEPS) * REPORT_STEPS + 1

  def after_run(self, run):
    if run.global_step % REPORT_STEPS == 1:
      steps = run.global_step - self._last_step
      seconds = (time.perf_counter() - self._last_time) / steps
      self.report(run, run.global_step - 1, seconds)
      self._start_clock(run)

  def _start_clock(self, run):
    self._last_step, self._last_time = run.global_step, time.perf_counter()


class LossReport(Report):
  """fully_connected: the loss."""

  def report(self, run, step, seconds):
    print(f"Step {step}: loss = {run.loss:.2f} ({seconds:.3f} sec)", flush=True)


class AccuracyReport(Report):
  """deep: the accuracy on the batch before the step, without dropout."""

  tensors = {"correct": "is_correct_without_dropout"}

  def report(self, run, step, seconds):
    accuracy = run.values["correct"].mean()
    print(f"step {step}, training accuracy {accuracy:g}", flush=True)


class ErrorReport(Report):
  """convolutional: errors on the batch, with dropout, and in validation.

  Loss and minibatch error are those of the step itself; convolutional.py ran
  the network over the batch once more, after the step.

  Args:
    validation: the `Split` to evaluate.
    steps_per_epoch: float.
  """

  tensors = {"correct": "is_correct", "rate": "current_learning_rate"}

  def __init__(self, validation, steps_per_epoch):
    self._validation = evaluation_input_fn(validation)
    self._steps_per_epoch = steps_per_epoch

  def begin(self, run):
    print("Initialized!", flush=True)
    super().begin(run)

  def report(self, run, step, seconds):
    validation = run.estimator.evaluate_in_memory(
      self._validation, name="validation"
    )
    epoch = step / self._steps_per_epoch
    accuracy, rate = run.values["correct"].mean(), run.values["rate"]
    print(
      f"Step {step} (epoch {epoch:.2f}), {1000 * seconds:.1f} ms\n"
      f"Minibatch loss: {run.loss:.3f}, learning rate: {rate:.6f}\n"
      f"Minibatch error: {error_rate(accuracy):.1f}%\n"
      f"Validation error: {error_rate(validation['accuracy']):.1f}%",
      flush=True,
    )


class PrecisionReport(Hook):
  """fully_connected: evaluates all three sets each 1,000 steps and at the end.

  Args:
    splits: the `Splits` to evaluate.
  """

  def __init__(self, splits):
    self._sets = {
      name: (evaluation_input_fn(split), len(split.labels))
      for name, split in {
        "Training": splits.train,
        "Validation": splits.validation,
        "Test": splits.test,
      }.items()
    }

  def next_step(self, step):
    return (step // EVALUATION_STEPS + 1) * EVALUATION_STEPS

  def after_run(self, run):
    if run.global_step % EVALUATION_STEPS == 0:
      self._evaluate(run)

  def end(self, run):
    if run.global_step % EVALUATION_STEPS:
      self._evaluate(run)

  def _evaluate(self, run):
    for name, (input_fn, num_examples) in self._sets.items():
      results = run.estimator.evaluate_in_memory(input_fn, name=name.lower())
      precision = results["accuracy"]
      print(
        f"{name} Data Eval:\n"
        f"  Num examples: {num_examples}"
        f"  Num correct: {round(precision * num_examples)}"
        f"  Precision @ 1: {precision:0.4f}",
        flush=True,
      )


def error_rate(accuracy):
  """Returns the share of wrong answers in percent."""
  return 100 * (1 - accuracy)

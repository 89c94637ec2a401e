"""A trainer or an evaluator, as TF_CONFIG says, for tests of real processes.

Several workers train together.

    python -m tests.estimators.evaluator_program MODEL_DIR MAX_STEPS

It saves a checkpoint every ten steps, of a tenth of a second each, and keeps
them all. A trainer counts as dead after eight seconds.
"""

import os
import sys
import time

import numpy as np

from estimators import (
  Estimator,
  EvalSpec,
  FinalExporter,
  Hook,
  RunConfig,
  TrainSpec,
  distribution_strategy,
  train_and_evaluate,
  trainer_watch,
)
from tests.estimators import toys
from tests.estimators.serving import line_receiver_fn


class Pause(Hook):
  def next_step(self, step):
    return step + 1

  def after_run(self, run):
    time.sleep(0.1)


def main():
  trainer_watch.SILENT_SECS = 8.0
  model_dir, max_steps = sys.argv[1], int(sys.argv[2])
  has_workers = "worker" in os.environ["TF_CONFIG"]
  strategy = distribution_strategy("multi_worker" if has_workers else "off")
  ones = np.ones(1, np.float32)
  results, _ = train_and_evaluate(
    Estimator(
      toys.line_fn,
      model_dir,
      RunConfig(
        save_checkpoints_steps=10,
        keep_checkpoint_max=None,
        train_distribute=strategy,
      ),
    ),
    TrainSpec(
      toys.input_of(ones, ones, repeat=True), max_steps, hooks=[Pause()]
    ),
    EvalSpec(
      toys.input_of(ones, ones),
      every_checkpoint=True,
      start_delay_secs=0,
      exporters=FinalExporter("final", line_receiver_fn),
    ),
  )
  print("RESULTS", results)


if __name__ == "__main__":
  main()

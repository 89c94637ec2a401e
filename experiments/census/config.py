"""The settings of the census programs, each with its published defaults."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
  """One run.

  Attributes:
    model_type: a key of `PUBLISHED`.
    train_epochs: passes over the training file, counting those of earlier runs
      in `model_dir`.
    train_steps: total steps instead of train_epochs, or None.
    epochs_between_evals: epochs from one evaluation to the next.
    batch_size: examples in a batch, in training and evaluation.
    loss_reduction: "sum" or "sum_over_batch_size" (the mean): what a step makes
      of the losses of its batch.
    learning_rate: of wide's Ftrl, of the network's Adagrad in the others.
    linear_learning_rate: of the linear part's Ftrl in wide_deep.
    l1, l2: Ftrl's strengths, of wide and of the linear part of wide_deep.
    dropout: share of hidden units that a training step drops, or None.
    seed: of the initial weights, the dropout and the batches.
    stop_threshold: test accuracy at which training stops, or None.
    data_dir: the folder of adult.data and adult.test.
    download: whether to fetch those that are missing.
    on_bad_row: "error" or "skip", what a damaged row of them leads to.
    model_dir: folder of checkpoints and events; None for a temporary one.
    clean: whether to remove model_dir first.
    save_checkpoints_steps: None for the Estimator's 600 seconds.
    export_dir: folder for a SavedModel of the trained model, or None.
    self_test: whether to train on a small invented set and check the outcome.
  """

  model_type: str
  learning_rate: float
  linear_learning_rate: float = 0.005
  l1: float = 0.0
  l2: float = 0.0
  loss_reduction: str = "sum"
  dropout: float | None = None
  train_epochs: int = 40
  train_steps: int | None = None
  epochs_between_evals: int = 2
  batch_size: int = 40
  seed: int = 1
  stop_threshold: float | None = None
  data_dir: str = "~/data/census"
  download: bool = True
  on_bad_row: str = "error"
  model_dir: str | None = None
  clean: bool = False
  save_checkpoints_steps: int | None = None
  export_dir: str | None = None
  self_test: bool = False


REGULARIZED = dict(learning_rate=0.1)
PUBLISHED = {
  "wide": dict(learning_rate=0.2),
  "deep": dict(learning_rate=0.05),
  "wide_deep": dict(learning_rate=0.05),
}

# What the self test needs to learn its few people.
SELF_TEST = dict(train_epochs=10, epochs_between_evals=5)


def published(model_type, **changes):
  """Returns the published Config of a model, with changes.

  Args:
    model_type: a key of `PUBLISHED`.
    **changes: fields of Config.
  """
  defaults = PUBLISHED[model_type]
  if model_type == "wide" and (changes.get("l1") or changes.get("l2")):
    defaults = defaults | REGULARIZED
  if changes.get("self_test"):
    defaults = defaults | SELF_TEST
  return Config(model_type=model_type, **defaults | changes)

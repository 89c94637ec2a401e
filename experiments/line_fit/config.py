"""The settings of the line fit, with the defaults of the introduction."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
  """One run.

  Attributes:
    train_steps: total steps, counting those of earlier runs in `model_dir`. The
      page counts them from 0 to 200.
    learning_rate: of gradient descent.
    seed: of the first W and of the points.
    model_dir: folder of checkpoints and events; None for a temporary one.
    save_checkpoints_steps: None for the Estimator's 600 seconds.
    export_dir: folder for a SavedModel of the line, or None.
    distribution_strategy, num_gpus: what to train on; see the flags.
    deterministic: whether all operations give the same bits in every run.
    overwrite_config: whether to go on in a model_dir with other settings.
    self_test: whether to check that the line was found.
  """

  train_steps: int = 201
  learning_rate: float = 0.5
  seed: int = 1
  model_dir: str | None = None
  save_checkpoints_steps: int | None = None
  export_dir: str | None = None
  distribution_strategy: str = "off"
  num_gpus: int | None = None
  deterministic: bool = False
  overwrite_config: bool = False
  self_test: bool = False

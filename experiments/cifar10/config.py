"""The settings of the CIFAR-10 programs, with their published defaults."""

import dataclasses

# cifar10.py and cifar10_input.py, models/tutorials/image/cifar10 (2016).
MOVING_AVERAGE_DECAY = 0.9999
LOSS_AVERAGE_DECAY = 0.9
WEIGHT_DECAY = 0.004
EPOCHS_PER_DECAY = 350.0
LEARNING_RATE_DECAY = 0.1


@dataclasses.dataclass(frozen=True)
class Config:
  """One run.

  Attributes:
    dataset: cifar10 or svhn.
    top: dense, the published two dense layers; or local, two locally connected
      ones in their place (an exercise of the tutorial).
    train_steps: total steps, counting those of earlier runs in `model_dir`.
    batch_size: examples in a batch, of all replicas together.
    learning_rate: at the start; a tenth of it after each 350 epochs.
    seed: of the initial weights and the batches.
    use_averages: whether the moving averages of the weights are evaluated and
      exported, rather than the weights themselves.
    use_fp16: compute in bfloat16 in all layers but the last.
    data_format: channels_last, or channels_first for GPUs.
    log_frequency: steps from one line to the next.
    log_device_placement: whether TensorFlow logs the device of each operation.
    eval_interval_secs: the least seconds from one evaluation to the next.
    eval_data: test, or train_eval for the training set.
    num_examples: how many images are evaluated; None for all.
    run_once: whether to evaluate the newest checkpoint only.
    distribution_strategy: off, one_device, mirrored or multi_worker.
    num_gpus: the GPUs of `mirrored`; None for all.
    data_dir: the folder of the data set's files; ~/data/cifar10 or ~/data/svhn
      when not given.
    download: whether to fetch them when they are missing.
    model_dir: folder of checkpoints and events; None for a temporary one.
    save_checkpoints_steps: None for the Estimator's 600 seconds.
    export_dir: folder for a SavedModel of the trained model, or None.
    deterministic: whether all operations give the same bits in every run.
    overwrite_config: whether to go on in a model_dir with other settings.
    self_test: whether to train on a small invented set and check the outcome.
  """

  dataset: str = "cifar10"
  top: str = "dense"
  train_steps: int = 100_000
  batch_size: int = 128
  learning_rate: float = 0.1
  seed: int = 1
  use_averages: bool = True
  use_fp16: bool = False
  data_format: str = "channels_last"
  log_frequency: int = 10
  log_device_placement: bool = False
  eval_interval_secs: float = 300
  eval_data: str = "test"
  num_examples: int | None = None
  run_once: bool = False
  distribution_strategy: str = "off"
  num_gpus: int | None = None
  data_dir: str | None = None
  download: bool = True
  model_dir: str | None = None
  save_checkpoints_steps: int | None = None
  export_dir: str | None = None
  deterministic: bool = False
  overwrite_config: bool = False
  self_test: bool = False

  def __post_init__(self):
    if self.data_dir is None:
      object.__setattr__(self, "data_dir", f"~/data/{self.dataset}")


# The settings of the self test, unless flags say otherwise.
SELF_TEST = dict(
  train_steps=150, batch_size=32, learning_rate=0.02, eval_interval_secs=0
)


def config_of(**given):
  """Returns the Config of the given values; the others are as published."""
  defaults = SELF_TEST if given.get("self_test") else {}
  return Config(**(defaults | given))


def model_params(config, num_examples=None):
  """Returns what the model depends on.

  Args:
    config: a Config.
    num_examples: int, the images to train on; None for evaluation alone.
  """
  names = (
    "dataset",
    "top",
    "batch_size",
    "learning_rate",
    "use_averages",
    "use_fp16",
    "data_format",
  )
  params = {name: getattr(config, name) for name in names}
  if num_examples is not None:
    steps_per_epoch = num_examples / config.batch_size
    params["decay_steps"] = int(steps_per_epoch * EPOCHS_PER_DECAY)
  return params

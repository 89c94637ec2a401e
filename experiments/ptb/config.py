"""The settings of the PTB language models, with their published defaults."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
  """One run. The first fields have the names that were published.

  Attributes:
    model: small, medium, large or test.
    init_scale: weights begin between minus this and this.
    learning_rate: in the first `max_epoch` epochs.
    max_grad_norm: gradients with a greater global norm are scaled down to it.
    num_layers: LSTM layers.
    num_steps: the words that gradients flow back through.
    hidden_size: units of a layer, also the length of a word's vector.
    max_epoch: epochs at the first learning rate.
    max_max_epoch: all epochs, as published.
    keep_prob: the share of units that dropout keeps, outside of the recurrence.
    lr_decay: what the learning rate is multiplied with in each later epoch.
    batch_size: rows of the text that are read side by side.
    cell: lstm; block, the same computed by TensorFlow's BlockLSTM; or gru.
    rnn_backend: what computes the layers; see `recurrent.py`.
    max_epochs: all epochs, instead of max_max_epoch, fewer or more; or None.
      The learning rates of the epochs follow the same rule.
    train_steps: steps to stop after, if before that; or None.
    use_fp16: compute in bfloat16 in all layers but the last.
    seed: of the initial weights, of dropout and of the sample text.
    prefix: what the names of the three files begin with.
    data_dir: their folder.
    download: whether to fetch them when they are missing.
    model_dir: folder of checkpoints and events; None for a temporary one.
    save_checkpoints_steps: None for the Estimator's 600 seconds. There is one
      at the end of each epoch besides.
    export_dir: folder for a SavedModel of the trained model, or None.
    distribution_strategy, num_gpus: see the flags; one device is all there may
      be.
    deterministic: whether all operations give the same bits in every run.
    overwrite_config: whether to go on in a model_dir with other settings.
    self_test: whether to train on a small invented text and check the outcome.
  """

  model: str
  init_scale: float
  learning_rate: float
  max_grad_norm: float
  num_layers: int
  num_steps: int
  hidden_size: int
  max_epoch: int
  max_max_epoch: int
  keep_prob: float
  lr_decay: float
  batch_size: int = 20
  cell: str = "lstm"
  rnn_backend: str = "auto"
  max_epochs: int | None = None
  train_steps: int | None = None
  use_fp16: bool = False
  seed: int = 1
  prefix: str = "ptb."
  data_dir: str = "~/data/ptb"
  download: bool = True
  model_dir: str | None = None
  save_checkpoints_steps: int | None = None
  export_dir: str | None = None
  distribution_strategy: str = "off"
  num_gpus: int | None = None
  deterministic: bool = False
  overwrite_config: bool = False
  self_test: bool = False

  @property
  def num_epochs(self):
    """The epochs of the run, an int."""
    return self.max_epochs or self.max_max_epoch


# ptb_word_lm.py, models/tutorials/rnn/ptb (2016); the settings of Zaremba et
# al. 2014, arXiv:1409.2329.
PUBLISHED = {
  "small": dict(
    init_scale=0.1,
    learning_rate=1.0,
    max_grad_norm=5.0,
    num_layers=2,
    num_steps=20,
    hidden_size=200,
    max_epoch=4,
    max_max_epoch=13,
    keep_prob=1.0,
    lr_decay=0.5,
  ),
  "medium": dict(
    init_scale=0.05,
    learning_rate=1.0,
    max_grad_norm=5.0,
    num_layers=2,
    num_steps=35,
    hidden_size=650,
    max_epoch=6,
    max_max_epoch=39,
    keep_prob=0.5,
    lr_decay=0.8,
  ),
  "large": dict(
    init_scale=0.04,
    learning_rate=1.0,
    max_grad_norm=10.0,
    num_layers=2,
    num_steps=35,
    hidden_size=1500,
    max_epoch=14,
    max_max_epoch=55,
    keep_prob=0.35,
    lr_decay=1 / 1.15,
  ),
  "test": dict(
    init_scale=0.1,
    learning_rate=1.0,
    max_grad_norm=1.0,
    num_layers=1,
    num_steps=2,
    hidden_size=2,
    max_epoch=1,
    max_max_epoch=1,
    keep_prob=1.0,
    lr_decay=0.5,
  ),
}

# What learns a text of 26 words in seconds.
SELF_TEST = dict(
  hidden_size=32, num_layers=1, max_epoch=4, max_max_epoch=8, keep_prob=1.0
)

# What the model function depends on.
_OF_THE_MODEL = (
  "init_scale",
  "learning_rate",
  "max_grad_norm",
  "num_layers",
  "num_steps",
  "hidden_size",
  "max_epoch",
  "keep_prob",
  "lr_decay",
  "batch_size",
  "cell",
  "use_fp16",
  "seed",
)


def published(model="small", **changes):
  """Returns the published Config of a model, with changes.

  Args:
    model: a key of `PUBLISHED`.
    **changes: fields of Config.

  Raises:
    ValueError: there is no such model, or a field is out of its range.
  """
  if model not in PUBLISHED:
    raise ValueError(
      f"Invalid model: --model must be one of {', '.join(PUBLISHED)}, but is "
      f"{model!r}; correct it."
    )
  defaults = PUBLISHED[model]
  if changes.get("self_test"):
    defaults = defaults | SELF_TEST
  config = Config(model=model, **defaults | changes)
  if not 0 < config.keep_prob <= 1:
    raise ValueError(
      "keep_prob must be above 0, and at most 1 (for no dropout), but is "
      f"{config.keep_prob}; it is the share of units that is kept."
    )
  return config


def model_params(config, vocab_size, steps_per_epoch, backend):
  """Returns the `params` of the model function, a dictionary.

  Without changes an evaluation writes no sample text: that needs the vocab.txt
  of a model_dir.

  Args:
    config: a Config.
    vocab_size: int, the words of the vocabulary.
    steps_per_epoch: int, the training steps of an epoch.
    backend: str, what `recurrent.backend_of` says.
  """
  params = {name: getattr(config, name) for name in _OF_THE_MODEL}
  return params | {
    "vocab_size": vocab_size,
    "steps_per_epoch": steps_per_epoch,
    "rnn_backend": backend,
    "sample_words": 0,
  }

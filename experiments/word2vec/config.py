"""The settings of the word2vec programs, with their published defaults."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
  """One run.

  Attributes:
    model: basic, batched or optimized.
    embedding_size: the length of a vector.
    learning_rate: at the start; it stays the same in basic, and falls linearly
      to a ten-thousandth of it in the others.
    num_neg_samples: words that each word is contrasted with: of the whole batch
      in basic and batched, of a pair or window in optimized.
    batch_size: pairs of a step; with kernel=sentences sentences of 1,000 words.
    window_size: the most words between a word and its neighbour; in basic the
      words on either side to choose neighbours from.
    min_count: words that occur less often become UNK; not in basic.
    epochs_to_train: passes over the text, counting those of earlier runs in
      `model_dir`; not in basic.
    train_steps: the most steps, likewise counted, or None.
    subsample: the share of the text above which a word is thinned out; not in
      basic.
    kernel: sentences (several threads; all neighbours of a word share its
      negatives) or pairs (one after another, as published), of optimized.
    concurrent_steps: kernel=sentences: threads, at most the machine's; else
      parts of the text that are read side by side, at most one per 1,000 words.
    vocabulary_size: basic: the most words, UNK among them.
    num_skips: basic: how many of its neighbours a word is trained with.
    seed: of the initial values and of what is drawn.
    train_data: the file of the text, or None for that of data_dir.
    eval_data: the file of questions, or None for that of data_dir, or for no
      evaluation.
    data_dir: folder of text8 and questions-words.txt.
    download: whether to fetch those that data_dir lacks.
    model_dir: folder of checkpoints and events; None for a temporary one.
    save_checkpoints_steps: steps between checkpoints, instead of
      checkpoint_interval.
    checkpoint_interval, statistics_interval, summary_interval: seconds from one
      checkpoint, line of progress or summary to the next.
    interactive: whether to answer commands after training.
    export_dir: folder for a SavedModel and files of the vectors, or None.
    distribution_strategy, num_gpus: what basic trains on; see the flags.
    deterministic: whether all operations give the same bits in every run.
    overwrite_config: whether to go on in a model_dir with other settings.
    self_test: whether to train on a small invented text and check the outcome.
  """

  model: str
  embedding_size: int
  learning_rate: float
  num_neg_samples: int
  batch_size: int
  window_size: int = 5
  min_count: int = 5
  epochs_to_train: int = 15
  train_steps: int | None = None
  subsample: float = 1e-3
  kernel: str = "sentences"
  concurrent_steps: int = 12
  vocabulary_size: int = 50_000
  num_skips: int = 2
  seed: int = 1
  train_data: str | None = None
  eval_data: str | None = None
  data_dir: str | None = None
  download: bool = True
  model_dir: str | None = None
  save_checkpoints_steps: int | None = None
  checkpoint_interval: float = 600
  statistics_interval: float = 5
  summary_interval: float = 5
  interactive: bool = False
  export_dir: str | None = None
  distribution_strategy: str = "off"
  num_gpus: int | None = None
  deterministic: bool = False
  overwrite_config: bool = False
  self_test: bool = False


PUBLISHED = {
  # "Vector representations of words", TensorFlow 0.12: word2vec_basic.py.
  "basic": dict(
    embedding_size=128,
    learning_rate=1.0,
    num_neg_samples=64,
    batch_size=128,
    window_size=1,
    train_steps=100_001,
  ),
  # models/tutorials/embedding (2016): word2vec.py.
  "batched": dict(
    embedding_size=200,
    learning_rate=0.2,
    num_neg_samples=100,
    batch_size=16,
  ),
  # models/tutorials/embedding (2016): word2vec_optimized.py.
  "optimized": dict(
    embedding_size=200,
    learning_rate=0.025,
    num_neg_samples=25,
    batch_size=500,
  ),
}
# A step of kernel=sentences: 100,000 words.
SENTENCES_BATCH_SIZE = 100

# What the self test needs to learn its few words.
SELF_TEST = {
  "basic": dict(
    embedding_size=16, num_neg_samples=8, num_skips=1, train_steps=2_000
  ),
  "batched": dict(embedding_size=16, num_neg_samples=8, epochs_to_train=1),
  "optimized": dict(
    embedding_size=16, num_neg_samples=5, epochs_to_train=10, learning_rate=0.1
  ),
}
# Each of its words is more than a thousandth of the text.
_SELF_TEST = dict(subsample=0.0, statistics_interval=1.0)

# The fields that say where and how long, and nothing about the model.
_OF_THE_RUN = (
  "epochs_to_train",
  "train_steps",
  "train_data",
  "eval_data",
  "data_dir",
  "download",
  "model_dir",
  "save_checkpoints_steps",
  "checkpoint_interval",
  "statistics_interval",
  "summary_interval",
  "interactive",
  "export_dir",
  "distribution_strategy",
  "num_gpus",
  "deterministic",
  "overwrite_config",
  "self_test",
)


# What a model has no use for.
_UNUSED = {
  "basic": (
    "epochs_to_train",
    "min_count",
    "subsample",
    "kernel",
    "concurrent_steps",
    "statistics_interval",
  ),
  "batched": ("kernel", "vocabulary_size", "num_skips"),
  "optimized": ("vocabulary_size", "num_skips"),
}


def published(model, **changes):
  """Returns the published Config of a model, with changes.

  Args:
    model: a key of `PUBLISHED`.
    **changes: fields of Config.

  Raises:
    ValueError: the model has no use for one of the changes, or trains without
      a strategy.
  """
  strategy = changes.get("distribution_strategy", "off")
  if model != "basic" and strategy != "off":
    raise ValueError(
      "only --model=basic trains under a strategy, but --model="
      f"{model} came with --distribution_strategy={strategy}: each of its "
      "steps changes its tables in place, by itself. Leave one of the two out."
    )
  unused = [name for name in _UNUSED[model] if name in changes]
  if unused:
    raise ValueError(
      f"settings must be the model's, but --model={model} has no use for "
      f"{', '.join(unused)}; leave them out, or take another model."
    )
  defaults = PUBLISHED[model]
  if model == "optimized" and changes.get("kernel", "sentences") == "sentences":
    defaults = defaults | {"batch_size": SENTENCES_BATCH_SIZE}
  if changes.get("self_test"):
    defaults = defaults | _SELF_TEST | SELF_TEST[model]
  return Config(model=model, **defaults | changes)


def model_params(config):
  """Returns the `params` of the model function, a dictionary.

  They are what a run in the same model_dir must have again.
  """
  params = dataclasses.asdict(config)
  if reads_sentences(config) or config.model == "basic":
    del params["concurrent_steps"]
  return {k: v for k, v in params.items() if k not in _OF_THE_RUN}


def reads_sentences(config):
  """Whether batches are of sentences, not of pairs."""
  return config.model == "optimized" and config.kernel == "sentences"

"""The settings of the MNIST programs, each with its published defaults."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Config:
  """One run.

  Attributes:
    model: a key of `PUBLISHED`.
    train_steps: total steps, counting those of earlier runs in `model_dir`.
    batch_size: examples in a batch.
    optimizer: sgd, momentum (0.9), adam or ftrl.
    learning_rate: at the start.
    learning_rate_decay: its factor after each epoch; 1 keeps it as it is.
    seed: of the initial weights, the dropout, the batches and the mapper.
    hidden1, hidden2: units in the layers of fully_connected.
    dropout_rate: the share of hidden units that a training step drops.
    l2: convolutional: the weight of the sum of squares / 2 of the variables of
      the dense layers, in the loss; linear and kernel: Ftrl's l2 strength.
    rffm_dim: random Fourier features of kernel.
    rffm_stddev: the width of its Gaussian, in units of the distance between two
      images.
    use_fp16: half precision in all layers but the last.
    dataset: mnist, digits or fake.
    data_dir: the folder of mnist's four files.
    download: whether to fetch those that are missing.
    model_dir: folder of checkpoints and events; None for a temporary one.
    save_checkpoints_steps: None for the Estimator's 600 seconds.
    export_dir: folder for a SavedModel of the trained model, or None.
    distribution_strategy, num_gpus: what to train on; see the flags.
    deterministic: whether all operations give the same bits in every run.
    overwrite_config: whether to go on in a model_dir with other settings.
    self_test: whether to train on a small invented set and check the outcome.
  """

  model: str
  train_steps: int
  batch_size: int
  optimizer: str
  learning_rate: float
  learning_rate_decay: float = 1.0
  seed: int = 1
  hidden1: int = 128
  hidden2: int = 32
  dropout_rate: float = 0.5
  l2: float = 0.0
  rffm_dim: int = 2000
  rffm_stddev: float = 5.0
  use_fp16: bool = False
  dataset: str = "mnist"
  data_dir: str = "~/data/mnist"
  download: bool = True
  model_dir: str | None = None
  save_checkpoints_steps: int | None = None
  export_dir: str | None = None
  distribution_strategy: str = "off"
  num_gpus: int | None = None
  deterministic: bool = False
  overwrite_config: bool = False
  self_test: bool = False


PUBLISHED = {
  # "MNIST for ML beginners", TensorFlow 0.12 (2016).
  "softmax": dict(
    train_steps=1000, batch_size=100, optimizer="sgd", learning_rate=0.5
  ),
  # "TensorFlow mechanics 101", TensorFlow 0.12: fully_connected_feed.py, which
  # saves every 1,000 steps.
  "fully_connected": dict(
    train_steps=2000, batch_size=100, optimizer="sgd", learning_rate=0.01
  ),
  # "Deep MNIST for experts", TensorFlow 0.12.
  "deep": dict(
    train_steps=20000, batch_size=50, optimizer="adam", learning_rate=1e-4
  ),
  # models/tutorials/image/mnist/convolutional.py (2016); its steps are 10
  # epochs of 55,000 images: 550,000 // 64.
  "convolutional": dict(
    train_steps=8593,
    batch_size=64,
    optimizer="momentum",
    learning_rate=0.01,
    learning_rate_decay=0.95,
    l2=5e-4,
    seed=66478,
  ),
  # "A guide to TF layers: building a convolutional neural network",
  # TensorFlow 1.5: cnn_mnist.py.
  "cnn": dict(
    train_steps=20000,
    batch_size=100,
    optimizer="sgd",
    learning_rate=0.001,
    dropout_rate=0.4,
  ),
  # "Improving linear models using explicit kernel methods", TensorFlow 1.5.
  # The linear model has the defaults of contrib's LinearClassifier; the page
  # also tries learning_rate=5 with l2=1.
  "linear": dict(
    train_steps=2000, batch_size=256, optimizer="ftrl", learning_rate=0.2
  ),
  "kernel": dict(
    train_steps=2000,
    batch_size=256,
    optimizer="ftrl",
    learning_rate=50.0,
    l2=0.001,
  ),
}


# What the self test needs to learn its two kinds of images: 40 steps, but one
# epoch in convolutional, as in convolutional.py.
SELF_TEST = {model: dict(train_steps=40) for model in PUBLISHED} | {
  "convolutional": dict(train_steps=4),
  "cnn": dict(train_steps=40, learning_rate=0.05),
}

# The fields that say where and how long, and nothing about the model.
_OF_THE_RUN = (
  "train_steps",
  "data_dir",
  "download",
  "model_dir",
  "save_checkpoints_steps",
  "export_dir",
  "distribution_strategy",
  "num_gpus",
  "deterministic",
  "overwrite_config",
  "self_test",
)


def published(model, **changes):
  """Returns the published Config of a model, with changes.

  Args:
    model: a key of `PUBLISHED`.
    **changes: fields of Config.
  """
  defaults = PUBLISHED[model]
  if changes.get("self_test"):
    defaults = defaults | SELF_TEST[model]
  return Config(model=model, **defaults | changes)


def model_params(config, num_examples):
  """Returns the `params` of the model function, a dictionary.

  Args:
    config: a Config.
    num_examples: int, the images to train on.
  """
  params = dataclasses.asdict(config)
  for name in _OF_THE_RUN:
    del params[name]
  return params | {"steps_per_epoch": num_examples / config.batch_size}

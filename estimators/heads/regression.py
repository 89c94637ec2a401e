"""The heads of numbers: squared error, Poisson and logistic regression."""

import collections.abc
import dataclasses

import keras
import tensorflow as tf

from estimators.export_outputs import (
  DEFAULT_SERVING_KEY,
  PredictOutput,
  RegressionOutput,
)
from estimators.heads import arguments, base, checks, losses, single
from estimators.heads import metrics as metrics_lib


class _Regression(single.SingleHead):
  """What the heads here share."""

  _per_logit_weights = True
  label_dimension = 1

  @property
  def logits_dimension(self):
    return self.label_dimension

  def export_outputs(self, predictions):
    regressed = RegressionOutput(predictions["predictions"])
    return {
      DEFAULT_SERVING_KEY: regressed,
      base.REGRESS: regressed,
      base.PREDICT: PredictOutput(predictions),
    }

  def _check_common(self):
    super()._check_common()
    dimension = arguments.positive_int(
      "label_dimension", self.label_dimension, 1
    )
    self._set(label_dimension=dimension)

  def _labels(self, labels, logits):
    given = checks.dense_labels(labels, logits, self.label_dimension)
    if given.dtype == tf.string:
      raise ValueError(
        "labels of a regression must be numbers, but are strings; parse them "
        "as float32."
      )
    return single.Labels(tf.cast(given, tf.float32), None, None, given)

  def _value(self, logits):
    """Returns the predicted numbers of logits."""
    raise NotImplementedError

  def _predictions(self, logits):
    return {"predictions": self._value(logits), "logits": logits}

  def _metric_specs(self):
    mean = keras.metrics.Mean
    return {"prediction/mean": (mean, {}), "label/mean": (mean, {})}

  def _update(self, metrics, scored):
    weights = metrics_lib.flat_weights(scored.weights, scored.logits)
    for key, values in (
      ("prediction/mean", self._value(scored.logits)),
      ("label/mean", scored.labels),
    ):
      metrics[self._key(key)].update_state(metrics_lib.flat(values), weights)


@dataclasses.dataclass(frozen=True)
class RegressionHead(_Regression):
  """Numbers, by squared error.

  Labels: numbers [D0, ..., DN, label_dimension]; for a label_dimension of 1
  also [D0, ..., DN].

  Loss: the square of label - logit, averaged over all numbers.

  Predictions, float32 [D0, ..., DN, label_dimension]: `predictions` and, with
  an inverse_link_fn, `logits`.

  Attributes:
    label_dimension: int, at least 1, how many numbers an example has.
    weight_column: name of the feature of the weights, at least 0,
      [D0, ..., DN], [D0, ..., DN, 1] or [D0, ..., DN, label_dimension], or a
      numeric column; None for none.
    loss_reduction: "sum_over_batch_size" or "sum".
    loss_fn: function of labels, logits and, if it takes them, features and
      loss_reduction, that returns losses [D0, ..., DN, label_dimension].
    inverse_link_fn: function from logits to predictions; None for the same.
    name: str, ends the keys of the metrics: `average_loss/<name>`.

  Raises:
    ValueError, TypeError: an argument is wrong.
  """

  label_dimension: int = 1
  weight_column: object = None
  loss_reduction: str = "sum_over_batch_size"
  loss_fn: collections.abc.Callable | None = None
  inverse_link_fn: collections.abc.Callable | None = None
  name: str | None = None

  def __post_init__(self):
    self._check_common()
    if self.inverse_link_fn is not None and not callable(self.inverse_link_fn):
      raise ValueError(
        "inverse_link_fn must be a function of logits, such as tf.exp, but is "
        f"{self.inverse_link_fn!r}."
      )

  def _losses(self, labels, logits):
    return tf.math.squared_difference(labels, logits)

  def _value(self, logits):
    return self.inverse_link_fn(logits) if self.inverse_link_fn else logits

  def _predictions(self, logits):
    predictions = super()._predictions(logits)
    if self.inverse_link_fn is None:
      del predictions["logits"]
    return predictions


@dataclasses.dataclass(frozen=True)
class PoissonRegressionHead(_Regression):
  """Counts, by Poisson regression.

  Labels: numbers of at least 0, in the shapes of `RegressionHead`.

  Loss: exp(logit) - label * logit, the negative log likelihood in nats but for
  log(label!). The full loss adds that by Stirling's formula, which leaves it 0
  for labels up to 1; see `tf.nn.log_poisson_loss`.

  Predictions, float32 [D0, ..., DN, label_dimension]: `predictions` =
  exp(logit), and `logits`.

  Attributes:
    compute_full_loss: bool, whether to add log(label!).
    label_dimension, weight_column, loss_reduction, name: as for
      `RegressionHead`.

  Raises:
    ValueError, TypeError: an argument is wrong.
  """

  label_dimension: int = 1
  weight_column: object = None
  loss_reduction: str = "sum_over_batch_size"
  compute_full_loss: bool = True
  name: str | None = None

  def __post_init__(self):
    self._check_common()

  def _labels(self, labels, logits):
    values, _, _, given = super()._labels(labels, logits)
    good = checks.not_negative(values)
    needed = "labels must be counts of at least 0"
    return single.Labels(values, good, needed, given)

  def _losses(self, labels, logits):
    return tf.nn.log_poisson_loss(labels, logits, self.compute_full_loss)

  def _value(self, logits):
    return tf.exp(logits)


@dataclasses.dataclass(frozen=True)
class LogisticRegressionHead(_Regression):
  """Probabilities, by logistic regression.

  The loss is that of `BinaryClassHead`, while what it predicts and measures is
  a number.

  Labels: numbers in [0, 1], [D0, ..., DN, 1] or [D0, ..., DN].

  Loss: sigmoid cross entropy, nats.

  Predictions, float32 [D0, ..., DN, 1]: `predictions` = sigmoid(logit), and
  `logits`.

  Attributes:
    weight_column, loss_reduction, name: as for `RegressionHead`.

  Raises:
    ValueError, TypeError: an argument is wrong.
  """

  weight_column: object = None
  loss_reduction: str = "sum_over_batch_size"
  name: str | None = None

  def __post_init__(self):
    self._check_common()

  def _labels(self, labels, logits):
    values, _, _, given = super()._labels(labels, logits)
    values, good = checks.within(values, 0, 1)
    return single.Labels(values, good, "labels must be in [0, 1]", given)

  def _losses(self, labels, logits):
    return losses.sigmoid_cross_entropy(labels, logits)

  def _value(self, logits):
    return tf.sigmoid(logits)

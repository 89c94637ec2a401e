"""What the heads of one task share: from labels and logits to losses."""

import collections
import dataclasses

import keras
import tensorflow as tf

from estimators import replicas
from estimators.heads import arguments, base, checks
from estimators.heads import metrics as metrics_lib

# What a batch comes to: logits, labels and losses by example, and the weights,
# None without any.
Scored = collections.namedtuple("Scored", "logits labels losses weights")
# Labels ready for the loss, whether all are good (a bool scalar, or None), what
# they must be, and what they were.
Labels = collections.namedtuple("Labels", "values good needed given")


class SingleHead(base.Head):
  """A head with one tensor of logits.

  Its classes are frozen dataclasses, and give `_labels`, `_losses`,
  `_predictions`, `_metric_specs` and `_update`.
  """

  loss_fn = None
  # Whether each logit may have its own weight.
  _per_logit_weights = False

  def loss(
    self, labels, logits, features=None, mode=None, regularization_losses=None
  ):
    del mode
    with tf.name_scope("losses"):
      scored = self._scored(labels, logits, features)
      losses, weights = scored.losses, scored.weights
      total = tf.reduce_sum(losses if weights is None else losses * weights)
      if self.loss_reduction == "sum":
        loss = replicas.share_of_sum(total)
      else:
        # Quicker than reduce_mean, whose gradient counts once more.
        loss = total / tf.cast(tf.size(losses), tf.float32)
      if regularization_losses:
        loss += tf.add_n(list(regularization_losses))
      return loss

  def _averaging(self):
    return dataclasses.replace(self, loss_reduction="sum_over_batch_size")

  def predictions(self, logits, keys=None):
    logits = checks.checked_logits(logits, self.logits_dimension)
    with tf.name_scope("predictions"):
      return base.chosen(self._predictions(logits), keys)

  def metric_specs(self, regularized=False):
    specs = {"average_loss": (keras.metrics.Mean, {}), **self._metric_specs()}
    if regularized:
      specs["regularization_loss"] = (keras.metrics.Mean, {})
    return {self._key(key): spec for key, spec in specs.items()}

  def update_metrics(
    self,
    eval_metrics,
    features,
    logits,
    labels,
    regularization_losses=None,
  ):
    with tf.name_scope("metrics"):
      scored = self._scored(labels, logits, features)
      eval_metrics[self._key("average_loss")].update_state(
        metrics_lib.flat(scored.losses),
        metrics_lib.flat_weights(scored.weights, scored.losses),
      )
      self._update(eval_metrics, scored)
      if regularization_losses:
        eval_metrics[self._key("regularization_loss")].update_state(
          tf.add_n(list(regularization_losses))
        )
    return eval_metrics

  def _labels(self, labels, logits):
    """Returns `Labels`."""
    raise NotImplementedError

  def _losses(self, labels, logits):
    """Returns losses [D0, ..., DN, 1], or of the logits' shape."""
    raise NotImplementedError

  def _predictions(self, logits):
    """Returns all predictions by key."""
    raise NotImplementedError

  def _metric_specs(self):
    """Returns the specs of metrics besides the losses, by key."""
    raise NotImplementedError

  def _update(self, metrics, scored):
    """Updates the metrics of `_metric_specs`."""
    raise NotImplementedError

  def _check_common(self):
    """Checks the fields that most heads have."""
    self._set(
      name=arguments.name(self.name),
      loss_reduction=arguments.loss_reduction(self.loss_reduction),
      weight_column=arguments.weight_column(self.weight_column),
    )
    arguments.loss_fn(self.loss_fn)

  def _scored(self, labels, logits, features):
    """Returns `Scored`, after checks of everything."""
    logits = checks.checked_logits(logits, self.logits_dimension)
    labels = self._labels(labels, logits)
    weights = checks.weights_of(
      features, self.weight_column, logits, self._per_logit_weights
    )
    _require(labels, weights)
    if self.loss_fn is None:
      losses = self._losses(labels.values, logits)
    else:
      losses = checks.call_loss_fn(
        self.loss_fn,
        labels.values,
        logits,
        features,
        self.loss_reduction,
        logits.shape[-1] if self._per_logit_weights else 1,
      )
    return Scored(logits, labels.values, losses, weights)


def _require(labels, weights):
  """Raises an error unless labels and weights are good: one check for both."""
  conditions, needed, given = [], [], []
  if labels.good is not None:
    conditions.append(labels.good)
    needed.append(labels.needed)
    given.append(labels.given)
  if weights is not None:
    conditions.append(checks.not_negative(weights))
    needed.append("weights must be at least 0")
    given.append(weights)
  if conditions:
    checks.require(
      conditions[0] if len(conditions) == 1 else tf.reduce_all(conditions),
      f"{'; '.join(needed)}; correct the input function or the head.",
      *given,
    )

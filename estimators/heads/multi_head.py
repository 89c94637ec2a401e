"""Several heads on one network."""

import dataclasses
import math

import keras
import tensorflow as tf

from estimators import summaries
from estimators.export_outputs import DEFAULT_SERVING_KEY, PredictOutput
from estimators.heads import base
from estimators.spec import ModeKeys


@dataclasses.dataclass(frozen=True)
class MultiHead(base.Head):
  """Several tasks at once, a head for each.

  Logits: dictionary of head name to tensor, or one tensor
  [D0, ..., DN, logits_dimension] that is split in the order of the heads.

  Labels: dictionary of head name to that head's labels.

  Loss: the sum of the heads' losses, times their weights.

  Predictions: those of all heads; a key is (head name, key).

  Metrics: `loss/<head name>`, the mean over the examples of a head's loss
  before its weight, and those of all heads.

  Signatures: `serving_default` is the first head's; `<head name>` and
  `<head name>/<signature>` for each; `predict` gives all predictions, as
  `<head name>/<key>`.

  Attributes:
    heads: heads with different names and the same loss_reduction.
    head_weights: a finite number for each head; None for all 1.

  Raises:
    ValueError: an argument is wrong.
    TypeError: something is not a head.
  """

  heads: tuple
  head_weights: tuple = ()

  def __post_init__(self):
    self._set(
      heads=_checked_heads(self.heads),
      head_weights=tuple(map(float, self.head_weights or ())),
    )
    weights = self.head_weights
    if weights and len(weights) != len(self.heads):
      raise ValueError(
        "head_weights must have a weight for each head, but there are "
        f"{len(self.heads)} heads and {len(weights)} weights: {weights}."
      )
    if not all(map(math.isfinite, weights)):
      raise ValueError(f"head_weights must be finite, but are {weights}.")

  @property
  def name(self):
    """The names of all heads, joined by `_`."""
    return "_".join(head.name for head in self.heads)

  @property
  def loss_reduction(self):
    """That of the heads."""
    return self.heads[0].loss_reduction

  @property
  def logits_dimension(self):
    """The sum of the heads'."""
    return sum(head.logits_dimension for head in self.heads)

  def loss(
    self, labels, logits, features=None, mode=None, regularization_losses=None
  ):
    """Returns the weighted sum of the heads' losses; see `Head.loss`.

    In TRAIN the summaries `loss/<head name>` are written.
    """
    losses = []
    for head, labels_, logits_ in self._parts(labels, logits):
      with tf.name_scope(head.name):
        losses.append(head.loss(labels_, logits_, features, mode))
    if mode == ModeKeys.TRAIN:
      names = [head.name for head in self.heads]
      summaries.when_recorded(lambda: _write_losses(names, losses))
    weighted = losses
    if self.head_weights:
      weighted = map(tf.multiply, losses, self.head_weights)
    return tf.add_n([*weighted, *(regularization_losses or ())])

  def _averaging(self):
    heads = tuple(head._averaging() for head in self.heads)
    return dataclasses.replace(self, heads=heads)

  def predictions(self, logits, keys=None):
    """Returns predictions by (head name, key); see `Head.predictions`."""
    parts = self._split(logits)
    predictions = {
      (head.name, key): value
      for head in self.heads
      for key, value in head.predictions(parts[head.name]).items()
    }
    return base.chosen(predictions, keys)

  def metric_specs(self, regularized=False):
    mean = (keras.metrics.Mean, {})
    specs = {self._key("regularization_loss"): mean} if regularized else {}
    for head in self.heads:
      specs[f"loss/{head.name}"] = mean
      specs.update(head.metric_specs())
    return specs

  def update_metrics(
    self,
    eval_metrics,
    features,
    logits,
    labels,
    regularization_losses=None,
  ):
    for head, labels_, logits_ in self._parts(labels, logits):
      with tf.name_scope(head.name):
        head.update_metrics(eval_metrics, features, logits_, labels_)
        loss = head.loss(labels_, logits_, features)
        size = tf.shape(logits_)[0]
        # A replica may have no example, and then its loss is NaN.
        eval_metrics[f"loss/{head.name}"].update_state(
          tf.where(size > 0, loss, 0.0), tf.cast(size, tf.float32)
        )
    if regularization_losses:
      eval_metrics[self._key("regularization_loss")].update_state(
        tf.add_n(list(regularization_losses))
      )
    return eval_metrics

  def export_outputs(self, predictions):
    outputs = {}
    for head in self.heads:
      own = {k: v for (name, k), v in predictions.items() if name == head.name}
      for signature, output in head.export_outputs(own).items():
        if signature == DEFAULT_SERVING_KEY:
          outputs.setdefault(DEFAULT_SERVING_KEY, output)
          outputs[head.name] = output
        else:
          outputs[f"{head.name}/{signature}"] = output
    outputs[base.PREDICT] = PredictOutput(
      {f"{name}/{key}": value for (name, key), value in predictions.items()}
    )
    return outputs

  def _parts(self, labels, logits):
    """Returns (head, labels, logits) of each head."""
    logits = self._split(logits)
    labels = self._of_each("labels", labels)
    return [(head, labels[head.name], logits[head.name]) for head in self.heads]

  def _split(self, logits):
    """Returns the logits of each head, by name."""
    if isinstance(logits, dict):
      return self._of_each("logits", logits)
    logits = tf.convert_to_tensor(logits)
    sizes = [head.logits_dimension for head in self.heads]
    if not logits.shape.rank or logits.shape[-1] not in (None, sum(sizes)):
      raise ValueError(
        f"Could not split logits of the shape {logits.shape} among heads of "
        f"the logits dimensions {sizes}: the last dimension should be "
        f"{sum(sizes)}; let the last layer have head.logits_dimension units."
      )
    parts = tf.split(logits, sizes, -1)
    return {h.name: part for h, part in zip(self.heads, parts, strict=True)}

  def _of_each(self, what, values):
    """Returns a dictionary by head name, after checks."""
    names = [head.name for head in self.heads]
    given = sorted(values) if isinstance(values, dict) else values
    if not isinstance(values, dict) or not set(names) <= set(values):
      raise ValueError(
        f"{what} of a MultiHead must be a dictionary with the names of the "
        f"heads {names} as keys, but are {given}; add what is missing."
      )
    return values


def _checked_heads(heads):
  """Returns heads as a tuple."""
  heads = tuple(heads or ())
  if not heads:
    raise ValueError("a MultiHead needs at least one head, but got none.")
  for head in heads:
    if not isinstance(head, base.Head):
      raise TypeError(f"the heads of a MultiHead must be heads: {head!r}.")
  names = [head.name for head in heads]
  if None in names or len(set(names)) < len(names):
    raise ValueError(
      "the heads of a MultiHead must have names, all different, but the names "
      f"are {names}; pass name=... to each."
    )
  reductions = [head.loss_reduction for head in heads]
  if len(set(reductions)) > 1:
    raise ValueError(
      "the heads of a MultiHead must have the same loss_reduction, as their "
      f"losses are summed, but these are {reductions}."
    )
  return heads


def _write_losses(names, losses):
  for name, loss in zip(names, losses, strict=True):
    tf.summary.scalar(f"loss/{name}", loss)

"""The head of three and more classes."""

import collections.abc
import dataclasses

import keras
import tensorflow as tf

from estimators.export_outputs import (
  DEFAULT_SERVING_KEY,
  ClassificationOutput,
  PredictOutput,
)
from estimators.heads import (
  arguments,
  base,
  checks,
  classes,
  single,
  vocabulary,
)
from estimators.heads import metrics as metrics_lib


@dataclasses.dataclass(frozen=True)
class MultiClassHead(single.SingleHead):
  """One class of several, by a logit for each.

  Labels: int ids from 0 to n_classes - 1, or words with a vocabulary,
  [D0, ..., DN, 1] or [D0, ..., DN].

  Loss: softmax cross entropy, nats.

  Predictions: those of `BinaryClassHead` without `logistic`, with n_classes for
  2.

  Attributes:
    n_classes: int, at least 3.
    weight_column, label_vocabulary, loss_reduction, loss_fn, name: as for
      `BinaryClassHead`; the vocabulary has n_classes words.

  Raises:
    ValueError, TypeError: an argument is wrong.
  """

  n_classes: int
  weight_column: object = None
  label_vocabulary: tuple | None = None
  loss_reduction: str = "sum_over_batch_size"
  loss_fn: collections.abc.Callable | None = None
  name: str | None = None

  def __post_init__(self):
    self._check_common()
    n_classes = arguments.positive_int("n_classes", self.n_classes, 3)
    self._set(
      n_classes=n_classes,
      label_vocabulary=arguments.vocabulary(self.label_vocabulary, n_classes),
    )

  @property
  def logits_dimension(self):
    return self.n_classes

  def export_outputs(self, predictions):
    classified = ClassificationOutput(
      predictions["probabilities"], predictions["all_classes"]
    )
    return {
      DEFAULT_SERVING_KEY: classified,
      base.CLASSIFY: classified,
      base.PREDICT: PredictOutput(predictions),
    }

  def _labels(self, labels, logits):
    given = checks.dense_labels(labels, logits, 1)
    if self.label_vocabulary is not None:
      classes.check_words(given)
      ids, good = vocabulary.ids_of(given, self.label_vocabulary)
      needed = f"labels must be {vocabulary.described(self.label_vocabulary)}"
      return single.Labels(ids, good, needed, given)
    if not given.dtype.is_integer:
      raise ValueError(
        f"labels must be integer ids of classes, but are {given.dtype.name}; "
        "cast them, or give the head a label_vocabulary for words."
      )
    # What is out of range would be NaN on some devices.
    ids = tf.cast(given, tf.int64)
    ids, good = checks.within(ids, 0, self.n_classes - 1)
    needed = f"labels must be from 0 to {self.n_classes - 1}"
    return single.Labels(ids, good, needed, given)

  def _losses(self, labels, logits):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
      tf.squeeze(labels, -1), logits
    )
    return losses[..., None]

  def _predictions(self, logits):
    return {
      "logits": logits,
      **classes.predictions(logits, self.label_vocabulary),
    }

  def _metric_specs(self):
    return {"accuracy": (keras.metrics.Mean, {})}

  def _update(self, metrics, scored):
    class_ids = tf.argmax(scored.logits, -1)[..., None]
    right = tf.cast(tf.equal(class_ids, scored.labels), tf.float32)
    metrics[self._key("accuracy")].update_state(
      metrics_lib.flat(right),
      metrics_lib.flat_weights(scored.weights, right),
    )

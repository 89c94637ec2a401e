"""The head of several classes that exclude none of the others."""

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
  losses,
  single,
  vocabulary,
)
from estimators.heads import metrics as metrics_lib


@dataclasses.dataclass(frozen=True)
class MultiLabelHead(single.SingleHead):
  """Any number of classes of several, by a logit for each.

  Labels: numbers in [0, 1] for each class, [D0, ..., DN, n_classes]; or the
  classes an example has, a `tf.SparseTensor` or `tf.RaggedTensor`
  [D0, ..., DN, any] of int ids or, with a vocabulary, of words.

  Loss: the mean over the classes of sigmoid cross entropy, nats.

  Predictions: `logits` and `probabilities` float32 [D0, ..., DN, n_classes],
  `classes` string [B, n_classes], all of them.

  Attributes:
    n_classes: int, at least 2.
    weight_column, loss_reduction, loss_fn, name: as for `BinaryClassHead`.
    thresholds: probabilities between 0 and 1, at which accuracy, precision and
      recall over all classes are measured.
    label_vocabulary: n_classes words, or None.
    classes_for_class_based_metrics: ids or words of classes of which the mean
      probability and the areas under curves are measured.

  Raises:
    ValueError, TypeError: an argument is wrong.
  """

  n_classes: int
  weight_column: object = None
  thresholds: tuple = ()
  label_vocabulary: tuple | None = None
  loss_reduction: str = "sum_over_batch_size"
  loss_fn: collections.abc.Callable | None = None
  classes_for_class_based_metrics: tuple = ()
  name: str | None = None

  def __post_init__(self):
    self._check_common()
    n_classes = arguments.positive_int("n_classes", self.n_classes, 2)
    words = arguments.vocabulary(self.label_vocabulary, n_classes)
    ids = [
      _class_id(value, n_classes, words)
      for value in self.classes_for_class_based_metrics or ()
    ]
    self._set(
      n_classes=n_classes,
      thresholds=arguments.thresholds(self.thresholds),
      label_vocabulary=words,
      classes_for_class_based_metrics=tuple(ids),
    )

  @property
  def logits_dimension(self):
    return self.n_classes

  def export_outputs(self, predictions):
    classified = ClassificationOutput(
      predictions["probabilities"], predictions["classes"]
    )
    return {
      DEFAULT_SERVING_KEY: classified,
      base.CLASSIFY: classified,
      base.PREDICT: PredictOutput(predictions),
    }

  def _labels(self, labels, logits):
    if isinstance(labels, tf.RaggedTensor):
      labels = labels.to_sparse()
    if isinstance(labels, tf.SparseTensor):
      return self._sparse_labels(labels, logits)
    given = checks.dense_labels(labels, logits, self.n_classes)
    if given.dtype == tf.string:
      raise ValueError(
        f"dense labels must be {self.n_classes} numbers in [0, 1], one for "
        "each class, but are strings; give the words that apply as a "
        "SparseTensor or RaggedTensor."
      )
    values, good = checks.within(tf.cast(given, tf.float32), 0, 1)
    needed = "labels must be in [0, 1] for each class"
    return single.Labels(values, good, needed, given)

  def _sparse_labels(self, labels, logits):
    """Returns `Labels` of the ids or words of the classes that apply."""
    given = labels.values
    if given.dtype == tf.string and self.label_vocabulary is not None:
      ids, good = vocabulary.ids_of(given, self.label_vocabulary)
      needed = vocabulary.described(self.label_vocabulary)
    elif given.dtype.is_integer:
      ids = tf.cast(given, tf.int64)
      ids, good = checks.within(ids, 0, self.n_classes - 1)
      needed = f"from 0 to {self.n_classes - 1}"
    else:
      raise ValueError(
        "sparse labels must be integer ids of classes, or words with a "
        f"label_vocabulary, but are {given.dtype.name} and the vocabulary is "
        f"{self.label_vocabulary}."
      )
    indicator = tf.sparse.to_indicator(labels.with_values(ids), self.n_classes)
    values = tf.cast(indicator, tf.float32)
    values = checks.match("labels", values, logits, self.n_classes)
    return single.Labels(values, good, f"labels must be {needed}", given)

  def _losses(self, labels, logits):
    by_class = losses.sigmoid_cross_entropy(labels, logits)
    return tf.reduce_mean(by_class, -1, keepdims=True)

  def _predictions(self, logits):
    return {
      "logits": logits,
      "probabilities": tf.sigmoid(logits, name="probabilities"),
      "classes": classes.all_classes(logits, self.label_vocabulary),
    }

  def _metric_specs(self):
    specs = {
      **_area_specs(""),
      **metrics_lib.threshold_specs(self.thresholds),
    }
    for _, suffix in self._class_suffixes():
      specs[f"probability_mean{suffix}"] = (keras.metrics.Mean, {})
      specs.update(_area_specs(suffix))
    return specs

  def _update(self, metrics, scored):
    labels, probabilities = scored.labels, tf.sigmoid(scored.logits)
    at_thresholds = metrics_lib.threshold_specs(self.thresholds)
    self._update_keys(
      metrics, [*_area_specs(""), *at_thresholds], scored, labels, probabilities
    )
    for id_, suffix in self._class_suffixes():
      label = labels[..., id_ : id_ + 1]
      probability = probabilities[..., id_ : id_ + 1]
      self._update_keys(
        metrics, _area_specs(suffix), scored, label, probability
      )
      metrics[self._key(f"probability_mean{suffix}")].update_state(
        metrics_lib.flat(probability),
        metrics_lib.flat_weights(scored.weights, probability),
      )

  def _update_keys(self, metrics, keys, scored, labels, probabilities):
    """Updates metrics of labels and probabilities [D0, ..., DN, any]."""
    for key in keys:
      metrics[self._key(key)].update_state(
        metrics_lib.flat(labels),
        metrics_lib.flat(probabilities),
        metrics_lib.flat_weights(scored.weights, probabilities),
      )

  def _class_suffixes(self):
    """Returns (id, what ends its metrics' keys) of each class to measure."""
    return [
      (id_, f"/{self.label_vocabulary[id_]}")
      if self.label_vocabulary
      else (id_, f"/class{id_}")
      for id_ in self.classes_for_class_based_metrics
    ]


def _area_specs(suffix):
  """Returns the specs of the areas under curves, by key."""
  return {
    f"auc{suffix}": (keras.metrics.AUC, {}),
    f"auc_precision_recall{suffix}": (keras.metrics.AUC, {"curve": "PR"}),
  }


def _class_id(value, n_classes, words):
  """Returns the id of a class that was given by id or by word."""
  if isinstance(value, str):
    if words is None or value not in words:
      raise ValueError(
        f"classes_for_class_based_metrics has the word {value!r}, but "
        f"label_vocabulary is {words}; give a word of it, or an id."
      )
    return words.index(value)
  if isinstance(value, bool) or value not in range(n_classes):
    raise ValueError(
      f"classes_for_class_based_metrics must be from 0 to {n_classes - 1}, or "
      f"words of the label_vocabulary, but there is {value!r}."
    )
  return int(value)

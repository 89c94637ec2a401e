"""The head of two classes."""

import collections.abc
import dataclasses

import keras
import tensorflow as tf

from estimators.export_outputs import (
  DEFAULT_SERVING_KEY,
  ClassificationOutput,
  PredictOutput,
  RegressionOutput,
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
class BinaryClassHead(single.SingleHead):
  """Two classes, by one logit: the log odds of class 1.

  Labels: numbers in [0, 1], or words with a vocabulary, [D0, ..., DN, 1] or
  [D0, ..., DN]. Between 0 and 1 they are the probability of class 1; the
  metrics but `average_loss`, `label/mean` and `accuracy_baseline` are for
  labels of 0 and 1.

  Loss: sigmoid cross entropy, nats.

  Predictions, each [D0, ..., DN, n]: `logits`, `logistic` (the probability of
  class 1) float32, n = 1; `probabilities` float32, n = 2; `class_ids` int64 and
  `classes` string, n = 1; `all_class_ids` int32 and `all_classes` string
  [B, 2].

  Attributes:
    weight_column: name of the feature of the examples' weights, at least 0,
      [D0, ..., DN] or [D0, ..., DN, 1], or a numeric column; None for none.
    thresholds: probabilities between 0 and 1, at which accuracy, precision and
      recall are measured besides.
    label_vocabulary: the words of class 0 and of class 1; None when labels are
      numbers.
    loss_reduction: "sum_over_batch_size" or "sum".
    loss_fn: function of labels, logits and, if it takes them, features and
      loss_reduction, that returns losses [D0, ..., DN, 1].
    name: str, ends the keys of the metrics: `accuracy/<name>`.

  Raises:
    ValueError, TypeError: an argument is wrong.
  """

  weight_column: object = None
  thresholds: tuple = ()
  label_vocabulary: tuple | None = None
  loss_reduction: str = "sum_over_batch_size"
  loss_fn: collections.abc.Callable | None = None
  name: str | None = None

  def __post_init__(self):
    self._check_common()
    self._set(
      thresholds=arguments.thresholds(self.thresholds),
      label_vocabulary=arguments.vocabulary(self.label_vocabulary, 2),
    )

  @property
  def logits_dimension(self):
    return 1

  def export_outputs(self, predictions):
    classified = ClassificationOutput(
      predictions["probabilities"], predictions["all_classes"]
    )
    return {
      DEFAULT_SERVING_KEY: classified,
      base.CLASSIFY: classified,
      base.REGRESS: RegressionOutput(predictions["logistic"]),
      base.PREDICT: PredictOutput(predictions),
    }

  def _labels(self, labels, logits):
    given = checks.dense_labels(labels, logits, 1)
    if self.label_vocabulary is not None:
      classes.check_words(given)
      ids, good = vocabulary.ids_of(given, self.label_vocabulary)
      needed = f"labels must be {vocabulary.described(self.label_vocabulary)}"
      return single.Labels(tf.cast(ids, tf.float32), good, needed, given)
    if given.dtype == tf.string:
      raise ValueError(
        "labels must be numbers in [0, 1], but are strings; give the head a "
        "label_vocabulary of the two words."
      )
    values, good = checks.within(tf.cast(given, tf.float32), 0, 1)
    return single.Labels(values, good, "labels must be in [0, 1]", given)

  def _losses(self, labels, logits):
    return losses.sigmoid_cross_entropy(labels, logits)

  def _predictions(self, logits):
    two = tf.concat([tf.zeros_like(logits), logits], -1)
    return {
      "logits": logits,
      "logistic": tf.sigmoid(logits, name="logistic"),
      **classes.predictions(two, self.label_vocabulary),
    }

  def _metric_specs(self):
    mean = keras.metrics.Mean
    return {
      "accuracy": (mean, {}),
      "precision": (keras.metrics.Precision, {}),
      "recall": (keras.metrics.Recall, {}),
      "prediction/mean": (mean, {}),
      "label/mean": (mean, {}),
      "accuracy_baseline": (metrics_lib.AccuracyBaseline, {}),
      "auc": (keras.metrics.AUC, {}),
      "auc_precision_recall": (keras.metrics.AUC, {"curve": "PR"}),
      **metrics_lib.threshold_specs(self.thresholds),
    }

  def _update(self, metrics, scored):
    logits, labels = map(metrics_lib.flat, (scored.logits, scored.labels))
    weights = metrics_lib.flat_weights(scored.weights, scored.logits)
    logistic = tf.sigmoid(logits)
    class_ids = tf.cast(logits > 0, tf.float32)
    right = tf.cast(tf.equal(class_ids, labels), tf.float32)
    for key, values in (
      ("accuracy", [right]),
      ("precision", [labels, class_ids]),
      ("recall", [labels, class_ids]),
      ("prediction/mean", [logistic]),
      ("label/mean", [labels]),
      ("accuracy_baseline", [labels]),
      ("auc", [labels, logistic]),
      ("auc_precision_recall", [labels, logistic]),
    ):
      metrics[self._key(key)].update_state(*values, sample_weight=weights)
    for key in metrics_lib.threshold_specs(self.thresholds):
      metrics[self._key(key)].update_state(
        labels, logistic, sample_weight=weights
      )

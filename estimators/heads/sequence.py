"""A head for each step of a sequence.

Shapes: B batch, T steps of the longest sequence, N valid steps of the batch, L
logits of a step.
"""

import collections.abc
import dataclasses

import tensorflow as tf

from estimators import replicas
from estimators.heads import base, checks
from estimators.heads.multi_head import MultiHead
from estimators.spec import ModeKeys


@dataclasses.dataclass(frozen=True)
class SequentialHeadWrapper(base.Head):
  """Applies a head to every valid step of sequences.

  Logits: [B, T, L]. The features hold a mask, bool [B, T], of the steps that
  are valid; the others count for nothing.

  Labels, and the features that the head uses: dense [B, T] or [B, T, any], or
  the values of the valid steps in order, a `tf.SparseTensor` [B, T] or a
  `tf.RaggedTensor` [B, T] or [B, T, any].

  Loss and metrics: those of the head over the N valid steps. Predictions: those
  of the head for all steps; in PREDICT, the mask under its key besides.

  Attributes:
    static_head: the head of one step; no `MultiHead`.
    sequence_length_mask: the key of the mask in the features.
    feature_columns: name or list of names of features that the head's loss_fn
      uses; the head's weights are always given to it.

  Raises:
    TypeError: something is not a head, or not a name.
    ValueError: the head is a `MultiHead`.
  """

  static_head: base.Head
  sequence_length_mask: str = "sequence_length_mask"
  feature_columns: tuple = ()

  def __post_init__(self):
    if not isinstance(self.static_head, base.Head):
      raise TypeError(f"static_head must be a head: {self.static_head!r}.")
    if isinstance(self.static_head, MultiHead):
      raise ValueError(
        "SequentialHeadWrapper does not take a MultiHead; give it one head."
      )
    columns = self.feature_columns or ()
    if isinstance(columns, str):
      columns = (columns,)
    names = [self.sequence_length_mask]
    if isinstance(columns, collections.abc.Iterable):
      columns = tuple(columns)
      names += columns
    else:
      names.append(columns)
    if not all(isinstance(name, str) for name in names):
      raise TypeError(
        "sequence_length_mask and feature_columns must be names of features, "
        f"but there are {names}."
      )
    self._set(feature_columns=columns)

  @property
  def name(self):
    """The name of the head, with `_sequential`; None if it has none."""
    name = self.static_head.name
    return f"{name}_sequential" if name else None

  @property
  def loss_reduction(self):
    return self.static_head.loss_reduction

  @property
  def logits_dimension(self):
    return self.static_head.logits_dimension

  @property
  def input_sequence_mask_key(self):
    """The key of the mask in the features."""
    return self.sequence_length_mask

  def loss(
    self, labels, logits, features=None, mode=None, regularization_losses=None
  ):
    """Returns the head's loss over the valid steps; see `Head.loss`."""
    labels, logits, features = self._flat(labels, logits, features)
    loss = self.static_head.loss(labels, logits, features, mode)
    if self.loss_reduction != "sum":
      loss = replicas.share_of_mean(loss, tf.shape(logits)[0])
    return tf.add_n([loss, *(regularization_losses or ())])

  def _averaging(self):
    head = self.static_head._averaging()
    return dataclasses.replace(self, static_head=head)

  def predictions(self, logits, keys=None):
    return self.static_head.predictions(logits, keys)

  def metric_specs(self, regularized=False):
    return self.static_head.metric_specs(regularized)

  def update_metrics(
    self,
    eval_metrics,
    features,
    logits,
    labels,
    regularization_losses=None,
  ):
    labels, logits, features = self._flat(labels, logits, features)
    return self.static_head.update_metrics(
      eval_metrics, features, logits, labels, regularization_losses
    )

  def export_outputs(self, predictions):
    return self.static_head.export_outputs(predictions)

  def create_estimator_spec(self, features, mode, logits, *args, **kwargs):
    """See `Head.create_estimator_spec`."""
    spec = super().create_estimator_spec(
      features, mode, logits, *args, **kwargs
    )
    if mode != ModeKeys.PREDICT:
      return spec
    mask = {self.sequence_length_mask: self._mask(features)}
    return dataclasses.replace(spec, predictions={**spec.predictions, **mask})

  def _write_summaries(self, loss, regularization_losses):
    self.static_head._write_summaries(loss, regularization_losses)

  def _mask(self, features):
    key = self.sequence_length_mask
    mask = features.get(key) if isinstance(features, dict) else None
    if mask is None:
      known = sorted(features) if isinstance(features, dict) else features
      raise ValueError(
        f"the head needs the mask of valid steps as the feature {key!r}, but "
        f"the features are {known}; add tf.sequence_mask(lengths)."
      )
    mask = tf.cast(tf.convert_to_tensor(mask), tf.bool)
    if mask.shape.rank != 2:
      raise ValueError(
        f"the mask {key!r} must have two dimensions, batch and step, but has "
        f"the shape {mask.shape}."
      )
    return mask

  def _flat(self, labels, logits, features):
    """Returns labels, logits and features of the valid steps, [N, any]."""
    if labels is None:
      raise ValueError(
        "a head needs labels for a loss, but they are None; give "
        "(features, labels) in the input function, and pass them on."
      )
    mask = self._mask(features)
    names = list(self.feature_columns)
    weight = self.static_head.weight_column
    if weight is not None:
      names.append(weight if isinstance(weight, str) else weight.key)
    missing = sorted(set(names) - set(features))
    if missing:
      raise ValueError(
        f"the head needs the features {missing}, but they are "
        f"{sorted(features)}; add them to the input."
      )
    with tf.name_scope("flatten"):
      return (
        _valid("labels", labels, mask),
        _valid("logits", logits, mask),
        {name: _valid(name, features[name], mask) for name in names},
      )


def _valid(what, tensor, mask):
  """Returns the values of the valid steps, [N, 1] or [N, any]."""
  if isinstance(tensor, tf.RaggedTensor):
    values = tensor.values
  elif isinstance(tensor, tf.SparseTensor):
    if tensor.shape.rank != 2:
      raise ValueError(
        f"{what} as a SparseTensor must be [batch, step], one value for each "
        f"step, but has the shape {tensor.shape}; use a dense tensor."
      )
    values = tf.sparse.reorder(tensor).values
  else:
    values = _masked(what, tf.convert_to_tensor(tensor), mask)
  return values if values.shape.rank > 1 else values[:, None]


def _masked(what, tensor, mask):
  shape, message = (
    tensor.shape,
    (
      f"{what} must have the shape [batch, step] or [batch, step, any] of the "
      "mask; make them as long as the longest sequence."
    ),
  )
  if shape.rank is None or not shape[:2].is_compatible_with(mask.shape):
    raise ValueError(
      f"{message} Their shape is {shape}, that of the mask {mask.shape}."
    )
  found, wanted = tf.shape(tensor)[:2], tf.shape(mask)
  checks.require(tf.reduce_all(found == wanted), message, found, wanted)
  return tf.boolean_mask(tensor, mask)

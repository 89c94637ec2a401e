"""Recurrent networks on columns of sequences.

Shapes: B batch, T steps of the longest sequence, U units of the logits.
"""

import keras
import tensorflow as tf

from estimators import summaries
from estimators.canned.common import (
  check_features,
  checked_head,
  checked_sizes,
  classification_head,
  trainable_variables,
)
from estimators.canned.optimizers import optimizer as make_optimizer
from estimators.canned.optimizers import setting_of
from estimators.columns.cache import FeatureCache
from estimators.columns.dense_features import DenseFeatures
from estimators.columns.sequence_features import SequenceFeatures
from estimators.estimator import Estimator
from estimators.heads.sequence import SequentialHeadWrapper
from estimators.objects import once
from estimators.spec import ModeKeys

# Of optimizers that are given by name; gradients through time may explode.
LEARNING_RATE, CLIP_NORM = 0.05, 5.0

_CELLS = {
  "simple_rnn": keras.layers.SimpleRNNCell,
  "lstm": keras.layers.LSTMCell,
  "gru": keras.layers.GRUCell,
}


@once
def sequence_features(feature_columns):
  """Returns the layer of the sequences."""
  return SequenceFeatures(feature_columns, name="sequence_features")


@once
def dense_features(feature_columns):
  """Returns the layer of what is the same at each step."""
  return DenseFeatures(feature_columns, name="dense_features")


@once
def rnn_model(rnn_cell_fn, cell_type, num_units, return_sequences, units):
  """Returns the recurrent layer and that of the logits."""
  cells = rnn_cell_fn() if rnn_cell_fn else _cells(cell_type, num_units)
  if isinstance(cells, (list, tuple)):
    cells = cells[0] if len(cells) == 1 else keras.layers.StackedRNNCells(cells)
  return {
    "rnn": keras.layers.RNN(cells, return_sequences, name="rnn"),
    "logits": keras.layers.Dense(units, name="logits"),
  }


def _cells(cell_type, num_units):
  make = _CELLS.get(cell_type, cell_type)
  return [make(size) for size in num_units]


def rnn_model_fn(features, labels, mode, params):
  """The model function of the recurrent networks."""
  check_features(features)
  head, cache = params["head"], FeatureCache(features)
  layers = {"sequence": sequence_features(params["sequence_feature_columns"])}
  inputs, lengths = layers["sequence"](cache)  # [B, T, D], [B]
  summaries.when_recorded(
    lambda: tf.summary.histogram("sequence_length", lengths)
  )
  if params["context_feature_columns"]:
    layers["context"] = dense_features(params["context_feature_columns"])
    inputs = _with_context(inputs, layers["context"](cache))
  layers |= rnn_model(
    params["rnn_cell_fn"],
    params["cell_type"],
    params["units"],
    params["return_sequences"],
    head.logits_dimension,
  )
  mask = tf.sequence_mask(lengths, tf.shape(inputs)[1])  # [B, T]
  outputs = layers["rnn"](inputs, mask=mask, training=mode == ModeKeys.TRAIN)
  logits = layers["logits"](outputs)
  if params["return_sequences"]:
    features = {head.input_sequence_mask_key: mask, **features}
  return head.create_estimator_spec(
    features,
    mode,
    logits,
    labels,
    optimizer=make_optimizer(params["optimizer"]),
    trainable_variables=trainable_variables(layers),
  )


def _with_context(inputs, context):
  """Returns the inputs with the context at each step, [B, T, D + C]."""
  steps = tf.shape(inputs)[1]
  repeated = tf.repeat(context[:, None], steps, axis=1)
  joined = tf.concat([inputs, repeated], 2)
  width = inputs.shape[2] + context.shape[1]
  return tf.ensure_shape(joined, [None, None, width])


class RNNEstimator(Estimator):
  """A recurrent network with any head.

  Args:
    head: a head of `estimators`; a `SequentialHeadWrapper` when
      return_sequences.
    sequence_feature_columns: list of columns of sequences:
      sequence_numeric_column, and embedding_column or indicator_column of a
      sequence_categorical_column_with_*.
    context_feature_columns: list of dense columns whose values are given to the
      network at each step.
    units: list of int, the size of each recurrent layer; or one int.
    cell_type: "simple_rnn" (the default), "lstm", "gru", or a function of a
      size that returns a Keras cell.
    rnn_cell_fn: function without arguments that returns a Keras cell or a list
      of them, instead of units and cell_type.
    return_sequences: bool, whether there are logits at each step, or only after
      the last of each sequence.
    model_dir, config, warm_start_from: as for `Estimator`. A model_dir of
      tf.estimator's may be given to warm_start_from.
    optimizer: name, Keras optimizer, or function that returns one. By name its
      rate is 0.05, and gradients are clipped to a norm of 5 each.

  Raises:
    ValueError: the arguments do not fit each other.
  """

  def __init__(
    self,
    head,
    sequence_feature_columns,
    context_feature_columns=None,
    units=None,
    cell_type=None,
    rnn_cell_fn=None,
    return_sequences=False,
    model_dir=None,
    optimizer="Adagrad",
    config=None,
    warm_start_from=None,
  ):
    if bool(return_sequences) != isinstance(head, SequentialHeadWrapper):
      raise ValueError(
        "return_sequences and a SequentialHeadWrapper belong together, for "
        "logits at each step, but return_sequences is "
        f"{return_sequences!r} and the head is {head!r}; give both or neither."
      )
    setting = setting_of(optimizer, LEARNING_RATE, clipnorm=CLIP_NORM)
    params = {
      "head": checked_head(head),
      "sequence_feature_columns": SequenceFeatures.checked(
        sequence_feature_columns
      ),
      "context_feature_columns": context_feature_columns
      and DenseFeatures.checked(context_feature_columns),
      "units": _checked_units(units, cell_type, rnn_cell_fn),
      "cell_type": cell_type or "simple_rnn",
      "rnn_cell_fn": rnn_cell_fn,
      "return_sequences": return_sequences,
      "optimizer": setting,
    }
    super().__init__(rnn_model_fn, model_dir, config, params, warm_start_from)


def _checked_units(units, cell_type, rnn_cell_fn):
  """Returns the sizes of the layers as a tuple; none with an rnn_cell_fn."""
  if rnn_cell_fn is not None:
    if units or cell_type:
      raise ValueError(
        "rnn_cell_fn makes the cells, so units and cell_type must not be given "
        f"as well, but they are {units!r} and {cell_type!r}."
      )
    if not callable(rnn_cell_fn):
      raise ValueError(
        "rnn_cell_fn must be a function that returns a Keras cell or a list of "
        f"them, but is {rnn_cell_fn!r}."
      )
    return ()
  if not (cell_type is None or cell_type in _CELLS or callable(cell_type)):
    raise ValueError(
      f"cell_type must be one of {sorted(_CELLS)} or a class of Keras cells, "
      f"but is {cell_type!r}."
    )
  return checked_sizes(
    [units] if isinstance(units, int) else units,
    "units must be a list of positive ints, the size of each recurrent layer "
    "([32, 16]), unless there is an rnn_cell_fn",
  )


class RNNClassifier(RNNEstimator):
  """A recurrent network that tells two or more classes apart.

  Args:
    n_classes, weight_column, label_vocabulary, loss_reduction: as for
      `LinearClassifier`; with return_sequences labels and weights are given for
      each step.
    sequence_mask: str, with return_sequences: the feature, bool [B, T], with
      the steps that count; all of each sequence when there is none, and the
      name under which predictions have them.
    all others as for `RNNEstimator`.
  """

  def __init__(
    self,
    sequence_feature_columns,
    context_feature_columns=None,
    units=None,
    cell_type=None,
    rnn_cell_fn=None,
    return_sequences=False,
    model_dir=None,
    n_classes=2,
    weight_column=None,
    label_vocabulary=None,
    optimizer="Adagrad",
    loss_reduction="sum_over_batch_size",
    sequence_mask="sequence_mask",
    config=None,
    warm_start_from=None,
  ):
    head = classification_head(
      n_classes, weight_column, label_vocabulary, loss_reduction
    )
    if return_sequences:
      head = SequentialHeadWrapper(head, sequence_mask)
    super().__init__(
      head,
      sequence_feature_columns,
      context_feature_columns,
      units,
      cell_type,
      rnn_cell_fn,
      return_sequences,
      model_dir,
      optimizer,
      config,
      warm_start_from,
    )

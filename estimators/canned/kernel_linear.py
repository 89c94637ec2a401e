"""Kernel machines: linear models of explicitly mapped dense columns.

Source: "Improving linear models using explicit kernel methods", a page of
TensorFlow 1.5 (tf.contrib.kernel_methods).
"""

import keras

from estimators.canned.common import check_features, classification_head
from estimators.canned.linear import LEARNING_RATE, linear_logits
from estimators.canned.optimizers import optimizer as make_optimizer
from estimators.canned.optimizers import setting_of
from estimators.columns.cache import FeatureCache
from estimators.columns.convert import as_column
from estimators.columns.dense_features import DenseFeatures
from estimators.columns.linear_model import LinearModel
from estimators.columns.numeric import NumericColumn
from estimators.estimator import Estimator
from estimators.objects import once


@once
def kernel_mappers(mapped):
  """Returns the input layer and the mappers of each mapped column, by name."""
  return {
    name: {
      "input_layer": DenseFeatures(column),
      **{str(i): _like(mapper) for i, mapper in enumerate(mappers)},
    }
    for name, column, mappers in mapped
  }


def _like(mapper):
  """Returns a new layer of the same configuration.

  So one mapper serves any number of Estimators, each with weights of its own.

  Raises:
    ValueError: its configuration does not do for that.
  """
  try:
    return type(mapper).from_config(mapper.get_config())
  except Exception as error:
    raise ValueError(
      f"the mapper {mapper!r} cannot be made anew from its configuration "
      f"({error}); make it a class of Keras layers with a get_config that has "
      "its constructor's arguments."
    ) from error


def _mapped_features(features, layers):
  """Returns the outputs of the mappers, float32 [B, D], as features by name."""
  cache, mapped = FeatureCache(features), {}
  for column, group in layers.items():
    mappers = dict(group)
    numbers = mappers.pop("input_layer")(cache)
    for i, mapper in mappers.items():
      mapped[_mapped_name(column, i)] = mapper(numbers)
  return mapped


def _mapped_name(column, i):
  return f"{column}_MAPPED_{i}"


def kernel_model_fn(features, labels, mode, params):
  """The model function of the kernel estimators."""
  check_features(features)
  mapped = _mapped_features(features, kernel_mappers(params["mapped"]))
  logits, layer = linear_logits(
    {**features, **mapped},
    params["feature_columns"],
    params["head"].logits_dimension,
    "sum",
  )
  return params["head"].create_estimator_spec(
    features,
    mode,
    logits,
    labels,
    optimizer=make_optimizer(params["optimizer"]),
    trainable_variables=layer.trainable_variables,
  )


class KernelLinearClassifier(Estimator):
  """A linear classifier of dense columns that are mapped first.

  With `RandomFourierFeatureMapper` it is close to a kernel machine, at the cost
  of a linear model.

  Args:
    feature_columns: list of columns that are used as they are; may be left out
      when there are kernel_mappers.
    model_dir, config, warm_start_from: as for `Estimator`.
    n_classes, weight_column, label_vocabulary, loss_reduction: as for
      `LinearClassifier`.
    optimizer: as for `LinearClassifier`; each mapper counts as a column.
    kernel_mappers: dictionary of dense column to a list of mappers, which are
      Keras layers from float32 [B, N] to [B, D] such as
      `RandomFourierFeatureMapper`. They are made anew from their configuration
      and not trained. The model gets all of their outputs, and the column
      itself only when it is among feature_columns too.

  Raises:
    ValueError: there are neither columns nor mappers, a mapped column is not
      dense, or a mapper cannot be made anew from its configuration.
    TypeError: kernel_mappers is no dictionary, or a mapper no Keras layer.
  """

  def __init__(
    self,
    feature_columns=None,
    model_dir=None,
    n_classes=2,
    weight_column=None,
    label_vocabulary=None,
    optimizer="Ftrl",
    config=None,
    warm_start_from=None,
    loss_reduction="sum_over_batch_size",
    kernel_mappers=None,
  ):
    mapped = _checked_mappers(kernel_mappers or {})
    columns = [
      *(LinearModel.checked(feature_columns) if feature_columns else []),
      *_columns_of(mapped),
    ]
    if not columns:
      raise ValueError(
        "feature_columns, kernel_mappers or both are needed, but neither was "
        "given: the model would have no input."
      )
    params = {
      "head": classification_head(
        n_classes, weight_column, label_vocabulary, loss_reduction
      ),
      "feature_columns": columns,
      "mapped": mapped,
      "optimizer": setting_of(optimizer, LEARNING_RATE),
    }
    super().__init__(
      kernel_model_fn, model_dir, config, params, warm_start_from
    )


def _checked_mappers(kernel_mappers):
  """Returns a list of (column name, column, tuple of mappers)."""
  if not isinstance(kernel_mappers, dict):
    raise TypeError(
      "kernel_mappers must be a dictionary of dense column to a list of "
      f"mappers, but is {kernel_mappers!r}."
    )
  mapped = []
  for column, mappers in kernel_mappers.items():
    (column,) = DenseFeatures.checked([as_column(column)])
    is_list = isinstance(mappers, (list, tuple))
    mappers = _Mappers(mappers if is_list else [mappers])
    if not mappers or not all(isinstance(m, keras.Layer) for m in mappers):
      raise TypeError(
        f"the mappers of {column.name!r} must be one Keras layer or more, such "
        f"as RandomFourierFeatureMapper(2000), but are {[*mappers]!r}."
      )
    for mapper in mappers:
      _like(mapper)  # Errors are to come now, not in training.
      if mapper.trainable_variables:
        raise ValueError(
          f"the mapper {mapper!r} has learned weights, which would be lost, as "
          "mappers are made anew from their configuration and not trained; map "
          "such features in the input function."
        )
    mapped.append((column.name, column, mappers))
  return sorted(mapped, key=lambda entry: entry[0])


def _columns_of(mapped):
  """Returns the numeric columns of what the mappers put out."""
  return [
    NumericColumn(
      _mapped_name(name, i),
      mapper.compute_output_shape((None, column.num_elements))[1:],
    )
    for name, column, mappers in mapped
    for i, mapper in enumerate(mappers)
  ]


class _Mappers(tuple):
  """Mappers that stay what they are when an Estimator copies its params."""

  def __deepcopy__(self, memo):
    return self

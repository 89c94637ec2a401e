"""What to parse of serialized examples: features, label and weight."""

import tensorflow as tf

from estimators.feature_columns import make_parse_example_spec, numeric_column
from estimators.heads import arguments


def classifier_parse_example_spec(
  feature_columns,
  label_key,
  label_dtype=tf.int64,
  label_default=None,
  weight_column=None,
):
  """Returns what to give `tf.io.parse_example` for a classifier.

  Args:
    feature_columns: list of columns.
    label_key: str, the feature that is the label; it is parsed as [B, 1].
    label_dtype: `tf.DType` of the label: `tf.string` with a label vocabulary.
    label_default: label of examples without one; None: they are an error.
    weight_column: str or numeric_column, the weight of an example, or None.

  Returns:
    Dictionary of feature name to `tf.io.FixedLenFeature` or
    `tf.io.VarLenFeature`.

  Raises:
    ValueError: label or weight are features of the columns as well, or the
      weight is no numeric column.
  """
  label = tf.io.FixedLenFeature((1,), label_dtype, label_default)
  return _spec(feature_columns, label_key, label, weight_column)


def regressor_parse_example_spec(
  feature_columns,
  label_key,
  label_dtype=tf.float32,
  label_default=None,
  label_dimension=1,
  weight_column=None,
):
  """Returns what to give `tf.io.parse_example` for a regressor.

  Args:
    feature_columns: list of columns.
    label_key: str, the feature that is the label.
    label_dtype: `tf.DType` of the label.
    label_default: label of examples without one; None: they are an error.
    label_dimension: int, how many numbers a label has; it is parsed as
      [B, label_dimension].
    weight_column: str or numeric_column, the weight of an example, or None.

  Returns, raises: as `classifier_parse_example_spec`.
  """
  label = tf.io.FixedLenFeature((label_dimension,), label_dtype, label_default)
  return _spec(feature_columns, label_key, label, weight_column)


def _spec(feature_columns, label_key, label, weight_column):
  if not isinstance(label_key, str):
    raise ValueError(
      f"label_key must be a str, the name of a feature, but is {label_key!r}."
    )
  spec = make_parse_example_spec(feature_columns)
  _refuse("label_key", label_key, spec)
  spec[label_key] = label
  if weight_column is None:
    return spec
  weight_column = arguments.weight_column(weight_column)
  if isinstance(weight_column, str):
    weight_column = numeric_column(weight_column)
  _refuse("weight_column", weight_column.key, spec)
  return spec | weight_column.parse_example_spec


def _refuse(what, key, spec):
  if key in spec:
    raise ValueError(
      f"{what}={key!r} is also a feature (or the label) that the model is "
      f"given: {sorted(spec)}; leave it out of feature_columns, or name "
      "another."
    )

"""What a linear model has learned: the weight of each category.

    python -m experiments.census.weights --model_dir=/tmp/m --data_dir=~/census

prints, for each column of a trained wide or wide_deep model, the categories
that push the answer "above 50,000 USD" up (+) and down (-) the most. A weight
is in nats of log odds: the odds are multiplied by exp(weight).

Hashed columns have buckets; with a data_dir they are named by what training put
into them, the most frequent first, and those without any are left out.
"""

import collections
import os

import numpy as np
from absl import app, flags

from estimators import RunConfig
from estimators.columns.cache import FeatureCache
from estimators.columns.ids import ids_of
from estimators.columns.tables import Tables
from experiments.census.config import config_of
from experiments.census.model import VOCABULARIES, estimator_of, wide_columns
from input_pipelines import census

FLAGS = flags.FLAGS
_MAX_SHOWN = 2  # categories of a bucket


def define_flags(values=FLAGS):
  flags.DEFINE_string(
    "model_dir", None, "Folder of a trained model.", flag_values=values,
    required=True,
  )  # fmt: skip
  flags.DEFINE_string(
    "data_dir", None, "Folder of the census files.", flag_values=values
  )
  flags.DEFINE_enum(
    "on_bad_row", "error", ["error", "skip"], "What a damaged row leads to.",
    flag_values=values,
  )  # fmt: skip
  flags.DEFINE_integer(
    "top", 3, "How many categories of each sign are shown.",
    lower_bound=1, flag_values=values,
  )  # fmt: skip


def weights_of(estimator, column):
  """Returns a column's weights, float32 [num_buckets].

  Args:
    estimator: a trained Estimator with a linear part.
    column: one of `wide_columns()`.

  Raises:
    ValueError: there is no checkpoint, or no linear part in it.
  """
  name = f"linear/linear_model/{column.name}/weights"
  return estimator.get_variable_value(name)[:, 0]


def count_zeros(estimator):
  """Says how many weights are exactly zero: "1520 of 3049"."""
  weights = np.concatenate([weights_of(estimator, c) for c in wide_columns()])
  return f"{np.sum(weights == 0)} of {weights.size}"


def bucket_names(column, features=None):
  """Names the buckets of a column.

  Args:
    column: one of `wide_columns()`.
    features: dictionary of `census.FEATURES`, each [N], whose people name the
      buckets of hashed columns; or None.

  Returns:
    Dictionary of bucket to str.
  """
  if column.name in VOCABULARIES:
    return dict(enumerate(VOCABULARIES[column.name]))
  if hasattr(column, "boundaries"):
    return dict(enumerate(_ranges(column.boundaries)))
  if features is None:
    return {i: f"bucket {i}" for i in range(column.num_buckets)}
  return _found_in(column, features)


def strongest(weights, names, top):
  """Returns the largest and the smallest named weights that are not zero.

  Args:
    weights: float32 [num_buckets].
    names: dictionary of bucket to str.
    top: int, the most of each sign.

  Returns:
    Two lists of (weight, name), the strongest first.
  """
  named = sorted((float(weights[i]), name) for i, name in names.items())
  down = [pair for pair in named if pair[0] < 0][:top]
  up = [pair for pair in reversed(named) if pair[0] > 0][:top]
  return up, down


def report(estimator, features, top):
  """Returns the lines that the program prints."""
  (bias,) = estimator.get_variable_value("linear/linear_model/bias_weights")
  lines = [f"bias {bias:+.3f}"]
  for column in wide_columns():
    weights = weights_of(estimator, column)
    names = bucket_names(column, features)
    used = [weights[i] for i in names]
    zeros = sum(weight == 0 for weight in used)
    lines += ["", f"{column.name}: {len(used)} weights, {zeros} of them zero"]
    for pairs in strongest(weights, names, top):
      lines += [f"  {weight:+.3f}  {name}" for weight, name in pairs]
  return lines


def _ranges(boundaries):
  """Names the intervals between boundaries: under 18, 18 to 24, ..."""
  inner = [
    f"{low} to {high - 1}"
    for low, high in zip(boundaries, boundaries[1:], strict=False)
  ]
  return [f"under {boundaries[0]}", *inner, f"{boundaries[-1]} and over"]


def _found_in(column, features):
  """Names the buckets of a hashed column or a cross by what falls into them."""
  parts = getattr(column, "leaves", [column])
  rows = list(zip(*(_texts(p, features) for p in parts), strict=True))
  places = {row: place for place, row in enumerate(rows)}
  common = [row for row, _ in collections.Counter(rows).most_common()]
  buckets = collections.defaultdict(list)
  people = [places[row] for row in common]  # one of each combination
  for row, bucket in zip(common, _ids(column, features, people), strict=True):
    buckets[bucket].append(" x ".join(row))
  return {bucket: _joined(found) for bucket, found in buckets.items()}


def _ids(column, features, people):
  """Returns the buckets that the column puts some people into, ints [N]."""
  facts = {name: features[name][people] for name in column.parse_example_spec}
  ids = ids_of(column, FeatureCache(facts), Tables([column]))
  return np.reshape(ids.as_sparse().values, [-1]).tolist()


def _texts(part, features):
  """Returns a feature's values as texts, numbers as the ranges of a column."""
  if not hasattr(part, "boundaries"):
    return features[part if isinstance(part, str) else part.key]
  ranges = np.array(_ranges(part.boundaries), object)
  return ranges[np.digitize(features[part.source_column.key], part.boundaries)]


def _joined(found):
  more = len(found) - _MAX_SHOWN
  shown = ", ".join(found[:_MAX_SHOWN])
  return shown + (f" and {more} more" if more > 0 else "")


def main(argv):
  del argv
  estimator = estimator_of(
    config_of("wide"), RunConfig(model_dir=os.path.expanduser(FLAGS.model_dir))
  )
  features = None
  if FLAGS.data_dir:
    path = os.path.join(os.path.expanduser(FLAGS.data_dir), census.TRAIN_FILE)
    features = census.read(path, FLAGS.on_bad_row).features
  print("\n".join(report(estimator, features, FLAGS.top)))


if __name__ == "__main__":
  define_flags()
  app.run(main)

"""The columns of the wide & deep tutorial, and the canned models made of them.

Features are those of `input_pipelines.census`; the label is 1 for an income
above 50,000 USD.
"""

import keras

from estimators import (
  DNNClassifier,
  DNNLinearCombinedClassifier,
  LinearClassifier,
)
from estimators import feature_columns as fc
from experiments.census.config import result_settings

HIDDEN_UNITS = (100, 75, 50, 25)
OCCUPATION_BUCKETS = 1000
CROSS_BUCKETS = 1000
OCCUPATION_DIMENSION = 8
AGE_BOUNDARIES = (18, 25, 30, 35, 40, 45, 50, 55, 60, 65)  # years
NUMBERS = (
  "age",
  "education_num",
  "capital_gain",
  "capital_loss",
  "hours_per_week",
)
VOCABULARIES = {
  "education": (
    "Bachelors",
    "HS-grad",
    "11th",
    "Masters",
    "9th",
    "Some-college",
    "Assoc-acdm",
    "Assoc-voc",
    "7th-8th",
    "Doctorate",
    "Prof-school",
    "5th-6th",
    "10th",
    "1st-4th",
    "Preschool",
    "12th",
  ),
  "marital_status": (
    "Married-civ-spouse",
    "Divorced",
    "Married-spouse-absent",
    "Never-married",
    "Separated",
    "Married-AF-spouse",
    "Widowed",
  ),
  "relationship": (
    "Husband",
    "Not-in-family",
    "Wife",
    "Own-child",
    "Unmarried",
    "Other-relative",
  ),
  "workclass": (
    "Self-emp-not-inc",
    "Private",
    "State-gov",
    "Federal-gov",
    "Local-gov",
    "?",
    "Self-emp-inc",
    "Without-pay",
    "Never-worked",
  ),
}


def _categories():
  """Returns the categorical columns of one feature by its name."""
  columns = {
    name: fc.categorical_column_with_vocabulary_list(name, words)
    for name, words in VOCABULARIES.items()
  }
  columns["occupation"] = fc.categorical_column_with_hash_bucket(
    "occupation", OCCUPATION_BUCKETS
  )
  return columns


def wide_columns():
  """Returns the columns of the linear model: categories and crosses of them."""
  age = fc.bucketized_column(fc.numeric_column("age"), AGE_BOUNDARIES)
  crosses = (["education", "occupation"], [age, "education", "occupation"])
  return [
    *_categories().values(),
    age,
    *(fc.crossed_column(keys, CROSS_BUCKETS) for keys in crosses),
  ]


def deep_columns():
  """Returns the columns of the network: 51 numbers an example.

  Numbers go in as they are, from 0 to 99,999: as published.
  """
  categories = _categories()
  occupation = categories.pop("occupation")
  return [
    *(fc.numeric_column(name) for name in NUMBERS),
    *(fc.indicator_column(column) for column in categories.values()),
    fc.embedding_column(occupation, OCCUPATION_DIMENSION),
  ]


def columns_of(model_type):
  """Returns all columns of a kind of model."""
  return {
    "wide": wide_columns,
    "deep": deep_columns,
    "wide_deep": lambda: wide_columns() + deep_columns(),
  }[model_type]()


def estimator_of(config, run_config):
  """Returns the canned estimator of a Config.

  Args:
    config: `config.Config`.
    run_config: RunConfig.
  """
  run_config = run_config.replace(settings=result_settings(config))
  common = {"config": run_config, "loss_reduction": config.loss_reduction}
  match config.model_type:
    case "wide":
      optimizer = _ftrl(config, config.learning_rate)
      return LinearClassifier(wide_columns(), optimizer=optimizer, **common)
    case "deep":
      return DNNClassifier(
        HIDDEN_UNITS,
        deep_columns(),
        optimizer=keras.optimizers.Adagrad(config.learning_rate),
        dropout=config.dropout,
        **common,
      )
    case "wide_deep":
      return DNNLinearCombinedClassifier(
        linear_feature_columns=wide_columns(),
        linear_optimizer=_ftrl(config, config.linear_learning_rate),
        dnn_feature_columns=deep_columns(),
        dnn_optimizer=keras.optimizers.Adagrad(config.learning_rate),
        dnn_hidden_units=HIDDEN_UNITS,
        dnn_dropout=config.dropout,
        **common,
      )


def _ftrl(config, learning_rate):
  return keras.optimizers.Ftrl(
    learning_rate,
    l1_regularization_strength=config.l1,
    l2_regularization_strength=config.l2,
  )

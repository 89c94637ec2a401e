"""The part of the census benchmark that runs under TensorFlow 2.15.

    /path/to/tf215/bin/python tools/tf_estimator_census_peer.py \\
      MODEL_TYPE EPOCHS DATA_DIR

MODEL_TYPE is wide, deep or wide_deep. The columns, data, batches and defaults
of tf.estimator are those of benchmark_census.py, which runs this script; the
last line is the measurements as one JSON object.
"""

import csv
import json
import os
import sys
import tempfile
import time

import numpy as np
import tensorflow as tf

fc = tf.feature_column
BATCH_SIZE, WARMUP_STEPS = 40, 20
HIDDEN_UNITS = [100, 75, 50, 25]


def read(data_dir, names, integers):
  """Returns (features, labels) of adult.data, as dictionaries of arrays."""
  with open(os.path.join(data_dir, "adult.data")) as file:
    rows = [r for r in csv.reader(file, skipinitialspace=True) if len(r) > 1]
  columns = {name: [r[i] for r in rows] for i, name in enumerate(names)}
  labels = np.array([value == ">50K" for value in columns["income_bracket"]])
  features = {
    name: np.array(values, np.int32 if name in integers else None)
    for name, values in columns.items()
    if name != "income_bracket"
  }
  return features, labels.astype(np.int32)


def columns_of(vocabularies, numbers, boundaries):
  """Returns (wide columns, deep columns) of the wide & deep tutorial."""
  categories = [
    fc.categorical_column_with_vocabulary_list(name, words)
    for name, words in vocabularies.items()
  ]
  occupation = fc.categorical_column_with_hash_bucket("occupation", 1000)
  age = fc.bucketized_column(fc.numeric_column("age"), boundaries)
  wide = categories + [
    occupation,
    age,
    fc.crossed_column(["education", "occupation"], 1000),
    fc.crossed_column([age, "education", "occupation"], 1000),
  ]
  deep = [fc.numeric_column(name) for name in numbers]
  deep += [fc.indicator_column(column) for column in categories]
  return wide, deep + [fc.embedding_column(occupation, 8)]


def estimator_of(model_type, wide, deep, model_dir):
  if model_type == "wide":
    return tf.estimator.LinearClassifier(wide, model_dir)
  if model_type == "deep":
    return tf.estimator.DNNClassifier(HIDDEN_UNITS, deep, model_dir)
  return tf.estimator.DNNLinearCombinedClassifier(
    model_dir,
    linear_feature_columns=wide,
    dnn_feature_columns=deep,
    dnn_hidden_units=HIDDEN_UNITS,
  )


class SteadyRate(tf.estimator.SessionRunHook):
  """Steps per second after the first WARMUP_STEPS."""

  def __init__(self):
    self._steps = 0

  def after_run(self, run_context, run_values):
    self._steps += 1
    now = time.perf_counter()
    if self._steps == WARMUP_STEPS:
      self._start = now
    elif self._steps > WARMUP_STEPS:
      self.rate = (self._steps - WARMUP_STEPS) / (now - self._start)


def main(model_type, epochs, data_dir, setting):
  features, labels = read(data_dir, setting["names"], setting["integers"])
  wide, deep = columns_of(
    setting["vocabularies"], setting["numbers"], setting["boundaries"]
  )

  def input_fn():
    dataset = tf.data.Dataset.from_tensor_slices((features, labels))
    dataset = dataset.shuffle(len(labels)).repeat(epochs)
    return dataset.batch(BATCH_SIZE).prefetch(2)

  with tempfile.TemporaryDirectory() as model_dir:
    estimator = estimator_of(model_type, wide, deep, model_dir)
    steady, start = SteadyRate(), time.perf_counter()
    estimator.train(input_fn, hooks=[steady])
    seconds = time.perf_counter() - start
  name = f"tf_estimator_{model_type}"
  measured = {
    f"{name}_rows": steady.rate * BATCH_SIZE,
    f"{name}_rows_call": epochs * len(labels) / seconds,
  }
  print(json.dumps(measured))


if __name__ == "__main__":
  main(sys.argv[1], int(sys.argv[2]), sys.argv[3], json.load(sys.stdin))

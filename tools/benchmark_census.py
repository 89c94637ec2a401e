"""The programs of `python -m tools.benchmark census`.

Both train the wide & deep tutorial's models on adult.data, in batches of 40
that are shuffled in memory, with all of their defaults.
"""

import json
import os
import pathlib
import tempfile

from estimators import (
  DNNClassifier,
  DNNLinearCombinedClassifier,
  LinearClassifier,
)
from experiments.census import model
from input_pipelines import census
from tools.benchmark_programs import SteadyRate, run_peer, seconds_of

BATCH_SIZE = 40
MODEL_TYPES = ("wide", "deep", "wide_deep")


def estimator_of(model_type, model_dir):
  """Returns the canned estimator of a model type, with all of its defaults."""
  wide, deep = model.wide_columns(), model.deep_columns()
  units = model.HIDDEN_UNITS
  match model_type:
    case "wide":
      return LinearClassifier(wide, model_dir)
    case "deep":
      return DNNClassifier(units, deep, model_dir)
    case "wide_deep":
      return DNNLinearCombinedClassifier(
        model_dir, wide, dnn_feature_columns=deep, dnn_hidden_units=units
      )


class OurCensus:
  """A new estimator in each round: its whole call includes the tracing."""

  def __init__(self, model_type, epochs, data_dir):
    self._model_type, self._epochs = model_type, epochs
    self._split = census.load(data_dir).train

  def measure(self):
    rows = self._epochs * len(self._split.labels)
    steady = SteadyRate(-(-rows // BATCH_SIZE))
    input_fn = census.input_fn(
      self._split, BATCH_SIZE, self._epochs, shuffle=True
    )
    with tempfile.TemporaryDirectory() as model_dir:
      estimator = estimator_of(self._model_type, model_dir)
      seconds = seconds_of(lambda: estimator.train(input_fn, hooks=[steady]))
    name = f"estimator_{self._model_type}"
    return {
      f"{name}_rows": steady.rate * BATCH_SIZE,
      f"{name}_rows_call": rows / seconds,
    }


class TfEstimatorCensus:
  """tf.estimator, in a process of another Python."""

  def __init__(self, python, model_type, epochs, data_dir):
    self._python = python
    data_dir = os.path.abspath(os.path.expanduser(data_dir))
    self._arguments = [model_type, str(epochs), data_dir]

  def measure(self):
    script = pathlib.Path(__file__).parent / "tf_estimator_census_peer.py"
    setting = {
      "names": [*census.FEATURES, census.LABEL],
      "integers": census.INTEGERS,
      "vocabularies": model.VOCABULARIES,
      "numbers": model.NUMBERS,
      "boundaries": model.AGE_BOUNDARIES,
    }
    return run_peer(self._python, script, self._arguments, json.dumps(setting))


def programs(epochs, data_dir, peer_python):
  """Returns the programs, each ours beside its peer."""
  found = []
  for model_type in MODEL_TYPES:
    found.append(OurCensus(model_type, epochs, data_dir))
    if peer_python:
      found.append(TfEstimatorCensus(peer_python, model_type, epochs, data_dir))
  return found

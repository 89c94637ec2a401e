"""Models that tf.estimator 2.15 trained give here what they gave there.

They stand beside the data sets: a linear model and a network on the census
income data, what they predict for the first 200 rows of adult.test, and their
evaluation on all of it.
"""

import functools
import json
import os
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators.canned.dnn import DNNClassifier
from estimators.canned.linear import LinearClassifier
from experiments.census import model
from input_pipelines import census
from tests.estimators.helpers import new_folder
from tools.convert_checkpoint import convert

STEP, BATCH_SIZE = 1629, 1000


def wide(**kwargs):
  return LinearClassifier(model.wide_columns(), **kwargs)


def deep(**kwargs):
  return DNNClassifier(model.HIDDEN_UNITS, model.deep_columns(), **kwargs)


MODELS = {"wide": wide, "deep": deep}


def warm_started(kind, source):
  return MODELS[kind](model_dir=new_folder(), warm_start_from=source)


def converted(kind, source):
  target = new_folder()
  convert(source, target)
  return MODELS[kind](model_dir=target)


@functools.cache
def data():
  return census.load(os.path.join(os.environ["TEST_DATA_DIR"], "census")).test


def rows(number):
  return {name: values[:number] for name, values in data().features.items()}


class FromTfEstimatorTest(tf.test.TestCase, parameterized.TestCase):
  def setUp(self):
    super().setUp()
    root = os.environ.get("TEST_DATA_DIR")
    if not root:
      self.skipTest("TEST_DATA_DIR names no folder of data sets")
    self.peer = pathlib.Path(root).parent / "peer" / "tf_estimator_census"
    for path in (self.peer, pathlib.Path(root) / "census"):
      if not path.is_dir():
        self.skipTest(f"there is no {path}")

  @parameterized.product(kind=["wide", "deep"], road=[warm_started, converted])
  def test_predictions_and_evaluation(self, kind, road):
    estimator = road(kind, str(self.peer / kind))
    expected = np.load(self.peer / f"{kind}_predictions.npz")
    predictions = list(
      estimator.predict(
        lambda: tf.data.Dataset.from_tensor_slices(rows(200)).batch(BATCH_SIZE)
      )
    )
    for name in ("logits", "probabilities"):
      self.assertAllClose(
        [prediction[name] for prediction in predictions],
        expected[name],
        rtol=0,
        atol=1e-5,
      )
    self.assert_evaluation(kind, estimator, STEP if road == converted else 0)

  def assert_evaluation(self, kind, estimator, step):
    expected = json.loads((self.peer / "results.json").read_text())[kind]
    del expected["train_seconds_2_epochs"], expected["global_step"]
    # There it is the mean of the batches' losses (of 1,000 rows), and the last
    # batch, of 281, counts as much as the others. Here it is the mean over the
    # rows.
    mean_of_batches = expected.pop("loss")
    results = estimator.evaluate(census.input_fn(data(), BATCH_SIZE))
    self.assertEqual(results.pop("global_step"), step)
    self.assertAllClose(results.pop("loss"), expected["average_loss"], 0, 1e-4)
    self.assertAllClose(results, expected, 0, 1e-4)
    self.assertGreater(abs(mean_of_batches - expected["average_loss"]), 2e-4)
    self.assertAllClose(
      self.mean_of_batches(estimator), mean_of_batches, 0, 1e-6
    )

  def mean_of_batches(self, estimator):
    """Returns the mean of the batches' mean losses, from the logits."""
    logits = np.concatenate(
      [
        prediction["logits"]
        for prediction in estimator.predict(
          census.input_fn(data(), BATCH_SIZE), predict_keys=["logits"]
        )
      ]
    ).astype(np.float64)
    losses = np.logaddexp(0, logits) - data().labels * logits
    starts = np.arange(0, len(losses), BATCH_SIZE)
    sizes = np.diff([*starts, len(losses)])
    return np.mean(np.add.reduceat(losses, starts) / sizes)

  @parameterized.parameters("wide", "deep")
  def test_training_goes_on(self, kind):
    estimator = converted(kind, str(self.peer / kind))
    estimator.train(
      census.input_fn(data(), num_epochs=None), max_steps=STEP + 1
    )
    name = "optimizer/iteration"
    self.assertEqual(estimator.get_variable_value(name), STEP + 1)
    source = tf.train.load_checkpoint(str(self.peer / kind))
    keys = [
      key
      for key in source.get_variable_to_shape_map()
      if key.endswith("/accumulator")
    ]
    added = 0
    for key in keys:
      # A batch adds the squares of its gradients to what was gathered.
      slot = "optimizer/" + key.split("/", 2)[2]  # after training/<class>/
      after = estimator.get_variable_value(slot)
      self.assertAllGreaterEqual(after - source.get_tensor(key), 0)
      added += np.sum(after - source.get_tensor(key))
    self.assertGreater(added, 0)


if __name__ == "__main__":
  tf.test.main()

import tempfile

import numpy as np
import scipy.sparse
import sklearn.metrics
import tensorflow as tf
from absl.testing import parameterized

from estimators import RunConfig, distribution_strategy
from experiments.sparse_regression import model
from experiments.sparse_regression.config import Config
from input_pipelines import svmlight

# Six rows of five features: the second feature is in no row, the third row has
# none, and the first feature is in four of them.
_DENSE = np.array(
  [
    [1, 0, 2, 0, 0],
    [-1, 0, 0, 0.5, 0],
    [0, 0, 0, 0, 0],
    [3, 0, 0, 0, 1],
    [0.5, 0, -1, 0, 2],
    [0, 0, 0, 4, 0],
  ],
  np.float32,
)
_LABELS = {
  "classification": np.array([1, 0, 1, 1, 0, 0], np.float32),
  "regression": np.array([2, -1, 0.5, 7, 1, -3], np.float32),
}


def examples(task):
  return svmlight.Examples(scipy.sparse.csr_matrix(_DENSE), _LABELS[task])


def derivatives(task, logits, labels):
  if task == "classification":
    logits = 1 / (1 + np.exp(-logits))
  return logits - labels


def ftrl(config, steps, center=0.0):
  """Returns (w, b) after steps in order: algorithm 1 of McMahan et al. 2013.

  For each coordinate: n is the sum of squares, z that of gradients less the
  sigma w. Its l1 and l2 are lambda_1 and lambda_2, but TensorFlow's l2 counts
  twice, and n begins with initial_accumulator.
  """
  x = np.concatenate([_DENSE, np.ones([6, 1])], axis=1)  # the bias last
  w, z, n = np.zeros(6), np.zeros(6), np.full(6, config.initial_accumulator)
  l1, l2 = np.full(6, config.l1), np.full(6, config.l2)
  l1[5] = l2[5] = 0
  for step in range(steps):
    rows = np.arange(step * config.batch_size, (step + 1) * config.batch_size)
    rows %= 6
    logits = x[rows] @ w + center
    errors = derivatives(config.task, logits, _LABELS[config.task][rows])
    gradient = x[rows].T @ errors / len(rows)
    sigma = (np.sqrt(n + gradient**2) - np.sqrt(n)) / config.learning_rate
    z += gradient - sigma * w
    n += gradient**2
    active = np.abs(z) > l1
    quadratic = np.sqrt(n) / config.learning_rate + 2 * l2
    w = np.where(active, -(z - np.sign(z) * l1) / quadratic, 0)
  return w[:5], w[5]


class ModelTest(tf.test.TestCase, parameterized.TestCase):
  def estimator(self, config, center=0.0, **fields):
    model_dir = self.enterContext(tempfile.TemporaryDirectory())
    run_config = RunConfig(model_dir=model_dir, **fields)
    return model.estimator_of(config, run_config, 5, center)

  def trained(self, config, steps, shuffle=False, **fields):
    estimator = self.estimator(config, **fields)
    estimator.train(self.input_fn(config, shuffle), max_steps=steps)
    return estimator

  def input_fn(self, config, shuffle=False):
    return svmlight.input_fn(
      examples(config.task), config.batch_size, None, shuffle, seed=1
    )

  @parameterized.parameters(
    ("classification", 0.0, 0.0),
    ("classification", 0.6, 0.0),
    ("regression", 3.0, 0.3),
  )
  def test_steps_are_those_of_the_paper(self, task, l1, l2):
    config = Config(
      task=task, l1=l1, l2=l2, batch_size=4, initial_accumulator=0.1
    )
    estimator = self.trained(config, steps=5)
    w, b = ftrl(config, steps=5)
    found = estimator.get_variable_value("weights")[:, 0]
    self.assertAllClose(found, w, rtol=1e-5)
    self.assertAllClose(estimator.get_variable_value("bias")[0], b, rtol=1e-5)
    self.assertAllEqual(found == 0, w == 0)
    self.assertEqual(found[1], 0)  # No row has it.
    if l1:
      self.assertGreater(np.sum(w == 0), 1)

  def test_the_first_step_by_hand(self):
    # All logits are 0, all chances a half: the errors are -1/2 for a label of
    # 1, and 1/2. The gradients are (-0.5 - 0.5) / 2 = -0.5 for the first
    # feature, -0.5, 0.125 for the third and fourth, and 0 for the bias. With
    # l1 = 0.25, weight = 0.5 (0.5 - 0.25) / sqrt(0.11 + 0.25).
    config = Config(
      learning_rate=0.5, l1=0.25, initial_accumulator=0.11, batch_size=2
    )
    estimator = self.trained(config, steps=1)
    weight = 0.125 / 0.6
    self.assertAllClose(
      estimator.get_variable_value("weights")[:, 0], [weight, 0, weight, 0, 0]
    )
    self.assertAllEqual(estimator.get_variable_value("bias"), [0])

  @parameterized.parameters(("classification", 0.0), ("regression", 7.5))
  def test_evaluation_and_predictions_agree(self, task, center):
    config = Config(task=task, batch_size=4, initial_accumulator=0.1)
    estimator = self.trained(config, steps=3, center=center)
    w, b = ftrl(config, 3, center)
    logits = _DENSE @ w + b + center
    labels = np.roll(_LABELS[task], 1)  # Those of training it gets all right.
    rows = svmlight.Examples(scipy.sparse.csr_matrix(_DENSE), labels)
    input_fn = svmlight.input_fn(rows, 4, shuffle=False)
    results = estimator.evaluate(input_fn)
    predictions = list(estimator.predict(input_fn))
    if task == "classification":
      found = [p["logits"] for p in predictions]
      chances = 1 / (1 + np.exp(-logits))
      losses = -np.log(np.where(labels == 1, chances, 1 - chances))
      self.assertAllClose([p["probabilities"] for p in predictions], chances)
      self.assertAllEqual([p["classes"] for p in predictions], logits > 0)
      self.assertAllClose(results["accuracy"], np.mean((logits > 0) == labels))
      auc = sklearn.metrics.roc_auc_score(labels, logits)
      self.assertBetween(auc, 0.3, 0.49)  # so that the sign counts
      self.assertAllClose(results["auc"], auc)
    else:
      found = [p["predictions"] for p in predictions]
      losses = (logits - labels) ** 2 / 2
      self.assertAllClose(results["rmse"], np.sqrt(2 * losses.mean()))
    self.assertAllClose(found, logits, rtol=1e-5)
    self.assertAllClose(found[2], b + center)  # the row without features
    self.assertAllClose(results["loss"], losses.mean(), rtol=1e-5)

  def test_a_run_that_is_resumed_is_like_an_unbroken_one(self):
    config = Config(batch_size=4, l1=0.05)
    unbroken = self.trained(config, steps=6, shuffle=True, tf_random_seed=1)
    broken = self.trained(config, steps=2, shuffle=True, tf_random_seed=1)
    again = model.estimator_of(
      config, RunConfig(model_dir=broken.model_dir, tf_random_seed=1), 5
    )
    again.train(self.input_fn(config, shuffle=True), max_steps=6)
    for name in ("weights", "bias"):
      self.assertAllEqual(
        again.get_variable_value(name), unbroken.get_variable_value(name)
      )

  def test_two_replicas_are_like_one(self):
    config = Config(batch_size=3, l1=0.1, initial_accumulator=0.1)
    two = self.trained(
      config, 5, train_distribute=distribution_strategy("mirrored")
    )
    w, b = ftrl(config, steps=5)
    found = two.get_variable_value("weights")[:, 0]
    self.assertAllClose(found, w, rtol=1e-5)
    self.assertAllEqual(found == 0, w == 0)
    self.assertAllClose(two.get_variable_value("bias")[0], b, rtol=1e-5)


if __name__ == "__main__":
  tf.test.main()

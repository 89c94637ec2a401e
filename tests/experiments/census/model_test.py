import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import RunConfig
from experiments.census import model
from experiments.census.config import DEFAULTS, config_of
from input_pipelines import census

ACCUMULATOR = 0.1  # what those of Ftrl and Adagrad begin with


class ColumnsTest(tf.test.TestCase):
  def test_the_wide_model_has_3049_categories(self):
    self.assertEqual(
      {column.name: column.num_buckets for column in model.wide_columns()},
      {
        "education": 16,
        "marital_status": 7,
        "relationship": 6,
        "workclass": 9,
        "occupation": 1000,
        "age_bucketized": 11,
        "education_X_occupation": 1000,
        "age_bucketized_X_education_X_occupation": 1000,
      },
    )

  def test_the_network_has_51_inputs(self):
    widths = [c.variable_shape for c in model.deep_columns()]
    # Five numbers, then workclass, education, marital status, relationship,
    # and the embedding.
    self.assertEqual(sum(np.prod(width) for width in widths), 51)
    self.assertEqual(
      51, 5 + sum(map(len, model.VOCABULARIES.values())) + 8
    )  # fmt: skip

  def test_wide_and_deep_has_the_columns_of_both(self):
    self.assertEqual(
      model.columns_of("wide_deep"),
      [*model.columns_of("wide"), *model.columns_of("deep")],
    )


class FirstStepTest(tf.test.TestCase, parameterized.TestCase):
  """One step on four people whose facts are the same, of whom one earns well.

  The bias of the logit z has the gradient 4 sigmoid(z) - 1, summed over them.
  """

  @parameterized.parameters(*DEFAULTS)
  def test_optimizers_and_rates(self, model_type):
    config = config_of(model_type)
    estimator, gradient = self.after_one_step(config)
    if config.loss_reduction != "sum":
      gradient /= 4
    for name, rate in biases(config).items():
      self.assertAllClose(
        estimator.get_variable_value(name),
        [-rate * gradient / np.sqrt(ACCUMULATOR + gradient**2)],
        rtol=1e-5,
        msg=name,
      )

  def test_the_mean_instead_of_the_sum(self):
    estimator, gradient = self.after_one_step(
      config_of("wide", loss_reduction="sum_over_batch_size", learning_rate=0.2)
    )
    self.assertEqual(gradient, 1)  # at z = 0
    self.assertAllClose(
      estimator.get_variable_value("linear/linear_model/bias_weights"),
      [-0.2 * 0.25 / np.sqrt(ACCUMULATOR + 0.25**2)],
    )

  @parameterized.parameters(
    # The weight is -(1 - l1) / (sqrt(0.1 + 1) / 0.1 + 2 l2), or zero.
    (0.25, 0.0, -0.75 / (np.sqrt(1.1) / 0.1)),
    (0.25, 1.0, -0.75 / (np.sqrt(1.1) / 0.1 + 2)),
    (1.0, 1.0, 0.0),
  )
  def test_regularization(self, l1, l2, expected):
    estimator, _ = self.after_one_step(
      config_of("wide", l1=l1, l2=l2, loss_reduction="sum")
    )
    weights = estimator.get_variable_value(
      "linear/linear_model/education/weights"
    )
    # HS-grad is the second word.
    self.assertAllClose(weights[:, 0], [0, expected] + [0] * 14)

  def test_dropout_is_for_training(self):
    config = config_of("deep", dropout=0.5)
    estimator = model.estimator_of(config, RunConfig(tf_random_seed=1))
    self.assertEqual(estimator.params["dropout"], 0.5)

  def after_one_step(self, config):
    """Returns the trained estimator, and the gradient of the bias before."""
    estimator = model.estimator_of(config, RunConfig(tf_random_seed=1))
    one = census.fake_split(1)
    people = census.Split(
      {name: np.repeat(values, 4) for name, values in one.features.items()},
      np.array([1, 0, 0, 0], np.int32),
    )
    before = next(estimator.predict(census.input_fn(people), untrained=True))
    estimator.train(census.input_fn(people, batch_size=4))
    return estimator, 4 * float(before["logistic"][0]) - 1


def biases(config):
  """Returns the rates of the biases that the logit has."""
  wide, deep = "linear/linear_model/bias_weights", "dnn/logits/bias"
  return {
    "wide": {wide: config.learning_rate},
    "deep": {deep: config.learning_rate},
    "wide_deep": {
      wide: config.linear_learning_rate,
      deep: config.learning_rate,
    },
  }[config.model_type]


if __name__ == "__main__":
  tf.test.main()

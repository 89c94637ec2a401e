from absl.testing import absltest, parameterized

from experiments.census import config


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(*config.DEFAULTS)
  def test_published_epochs_and_batches(self, model_type):
    found = config.config_of(model_type)
    self.assertEqual(found.train_epochs, 40)
    self.assertEqual(found.epochs_between_evals, 2)
    self.assertEqual(found.batch_size, 40)

  def test_changes_win_over_what_is_config_of(self):
    found = config.config_of("deep", learning_rate=3.0, seed=0)
    self.assertEqual((found.learning_rate, found.seed), (3.0, 0))

  @parameterized.parameters("l1", "l2")
  def test_the_regularized_wide_model_has_a_rate_of_its_own(self, name):
    found = config.config_of("wide", **{name: 1.0})
    self.assertEqual(found.learning_rate, 0.1)
    self.assertEqual(
      config.config_of("wide", **{name: 0.0}), config.config_of("wide")
    )

  def test_changes_win_over_the_self_test(self):
    found = config.config_of("wide", self_test=True, train_epochs=3)
    self.assertEqual((found.train_epochs, found.epochs_between_evals), (3, 10))


if __name__ == "__main__":
  absltest.main()

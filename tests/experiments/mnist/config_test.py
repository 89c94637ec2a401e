from absl.testing import absltest, parameterized

from experiments.mnist import config


class ConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    ("softmax", 1000, 100),
    ("fully_connected", 2000, 100),
    ("deep", 20000, 50),
    ("convolutional", 10 * 55000 // 64, 64),
    ("cnn", 20000, 100),
    ("linear", 2000, 256),
    ("kernel", 2000, 256),
  )
  def test_published_steps_and_batches(self, model, steps, batch_size):
    found = config.published(model)
    self.assertEqual((found.train_steps, found.batch_size), (steps, batch_size))

  def test_changes_win_over_what_is_published(self):
    found = config.published("cnn", batch_size=7, seed=0)
    self.assertEqual((found.batch_size, found.seed), (7, 0))
    self.assertEqual(found.train_steps, 20000)

  def test_changes_win_over_the_self_test(self):
    found = config.published("cnn", self_test=True, learning_rate=0.5)
    self.assertEqual((found.train_steps, found.learning_rate), (40, 0.5))

  def test_model_params_are_what_the_model_needs(self):
    found = config.model_params(
      config.published("convolutional", model_dir="/m"), num_examples=640
    )
    self.assertEqual(found["steps_per_epoch"], 10)
    self.assertEqual(found["learning_rate_decay"], 0.95)
    self.assertNotIn("model_dir", found)
    self.assertNotIn("train_steps", found)


if __name__ == "__main__":
  absltest.main()

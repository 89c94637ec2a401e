import json

from absl.testing import absltest, parameterized

from experiments.word2vec import config


class ConfigTest(parameterized.TestCase):
  def test_published_numbers(self):
    names = (
      "embedding_size",
      "learning_rate",
      "num_neg_samples",
      "batch_size",
      "window_size",
    )
    found = {
      model: [getattr(config.published(model), name) for name in names]
      for model in config.PUBLISHED
    }
    self.assertEqual(
      found,
      {
        "basic": [128, 1.0, 64, 128, 1],
        "batched": [200, 0.2, 100, 16, 5],
        "optimized": [200, 0.025, 25, 100, 5],  # sentences
      },
    )
    self.assertEqual(config.published("basic").train_steps, 100_001)
    self.assertEqual(config.published("basic").vocabulary_size, 50_000)
    for model in ("batched", "optimized"):
      settings = config.published(model)
      self.assertEqual(
        (settings.epochs_to_train, settings.min_count, settings.subsample),
        (15, 5, 1e-3),
      )
      self.assertEqual(settings.concurrent_steps, 12)
      self.assertEqual(settings.statistics_interval, 5)
      self.assertEqual(settings.summary_interval, 5)
      self.assertEqual(settings.checkpoint_interval, 600)

  @parameterized.parameters(
    (dict(kernel="pairs"), 500),
    (dict(kernel="pairs", batch_size=7), 7),
    (dict(kernel="sentences"), 100),
    (dict(batch_size=7), 7),
  )
  def test_the_kernel_decides_on_the_batch(self, changes, batch_size):
    found = config.published("optimized", **changes)
    self.assertEqual(found.batch_size, batch_size)

  def test_strategies_are_for_basic(self):
    basic = config.published("basic", distribution_strategy="mirrored")
    self.assertEqual(basic.distribution_strategy, "mirrored")
    for model in ("batched", "optimized"):
      with self.assertRaisesRegex(
        ValueError, f"={model} came with .*=mirrored"
      ):
        config.published(model, distribution_strategy="mirrored")
      config.published(model, distribution_strategy="off", num_gpus=2)

  @parameterized.parameters(*config.PUBLISHED)
  def test_changes_win_over_the_self_test(self, model):
    found = config.published(model, self_test=True, embedding_size=3)
    self.assertEqual((found.embedding_size, found.subsample), (3, 0.0))

  def test_params_are_the_model_alone(self):
    changes = dict(model_dir="/m", train_data="/t", epochs_to_train=3)
    params = config.model_params(config.published("batched", **changes))
    self.assertEqual(params, config.model_params(config.published("batched")))
    self.assertEqual(params["num_neg_samples"], 100)
    json.dumps(params)


if __name__ == "__main__":
  absltest.main()

import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from experiments.ptb import main, options
from experiments.ptb.config import PUBLISHED, model_params, published
from experiments.ptb.model import EpochSchedule


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


class ConfigTest(parameterized.TestCase, tf.test.TestCase):
  def test_without_flags_it_is_small_as_published(self):
    self.assertEqual(parse(), published("small"))
    self.assertEqual(parse().num_epochs, 13)

  @parameterized.parameters(
    ("small", 20, 200, 4, 13, 1.0),
    ("medium", 35, 650, 6, 39, 0.5),
    ("large", 35, 1500, 14, 55, 0.35),
    ("test", 2, 2, 1, 1, 1.0),
  )
  def test_published(self, model, *expected):
    c = parse(f"--model={model}")
    self.assertEqual(
      (c.num_steps, c.hidden_size, c.max_epoch, c.num_epochs, c.keep_prob),
      expected,
    )
    self.assertEqual(c.batch_size, 20)
    self.assertCountEqual(PUBLISHED[model], PUBLISHED["small"])

  def test_the_tutorials_names(self):
    config = parse("--data_path=a", "--save_path=b", "--use_fp16")
    expected = published(data_dir="a", model_dir="b", use_fp16=True)
    self.assertEqual(config, expected)

  def test_flags_change_what_is_published(self):
    config = parse(
      "--model=large", "--max_epochs=2", "--keep_prob=0.8", "--prefix=",
      "--cell=gru", "--rnn_backend=keras", "--num_layers=3", "--num_steps=5",
      "--hidden_size=7", "--batch_size=4", "--learning_rate=0.3",
    )  # fmt: skip
    self.assertEqual(config.num_epochs, 2)
    self.assertEqual(config.max_max_epoch, 55)
    self.assertEqual(config.prefix, "")
    params = model_params(config, 9, 10, "keras")
    expected = dict(
      keep_prob=0.8, cell="gru", rnn_backend="keras", num_layers=3,
      num_steps=5, hidden_size=7, batch_size=4, learning_rate=0.3,
      vocab_size=9, steps_per_epoch=10, max_grad_norm=10.0,
    )  # fmt: skip
    self.assertEqual(params | expected, params)

  def test_more_epochs_than_published(self):
    config = parse("--max_epochs=16")
    self.assertEqual(config.num_epochs, 16)
    # The rates go on by the same rule: 4 at 1, then 12 halvings.
    rate = EpochSchedule(model_params(config, 9, 10, "native"))
    self.assertAllClose(rate(159), 0.5**12)

  @parameterized.parameters(
    ("--model=tiny", "Invalid model: .*small, medium, large, test.*'tiny'"),
    ("--keep_prob=0", "keep_prob must be above 0"),
  )
  def test_mistakes(self, flag, message):
    with self.assertRaisesRegex(ValueError, message):
      parse(flag)
    with self.assertRaisesRegex(SystemExit, f"^ptb: {message}"):
      with options.mistakes_in_one_line():
        parse(flag)

  def test_two_devices_are_refused(self):
    config = parse("--distribution_strategy=mirrored")
    with self.assertRaisesRegex(ValueError, "one device.*takes 2"):
      options.run_config(config)


if __name__ == "__main__":
  tf.test.main()

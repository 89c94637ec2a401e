import json

import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import RunConfig


def cadence(config):
  return config.save_checkpoints_steps, config.save_checkpoints_secs


class RunConfigTest(parameterized.TestCase):
  @parameterized.parameters(
    ({}, (None, 600)),
    ({"save_checkpoints_steps": 7}, (7, None)),
    ({"save_checkpoints_secs": 8}, (None, 8)),
    ({"save_checkpoints_steps": None}, (None, None)),
    ({"save_checkpoints_secs": None}, (None, None)),
    ({"save_checkpoints_steps": 7, "save_checkpoints_secs": None}, (7, None)),
    ({"save_checkpoints_steps": 0, "save_checkpoints_secs": 0}, (0, 0)),
  )
  def test_checkpoints_go_by_steps_or_by_seconds(self, fields, expected):
    self.assertEqual(cadence(RunConfig(**fields)), expected)

  @parameterized.parameters(
    ({"save_checkpoints_steps": 7, "save_checkpoints_secs": 8}, "give one"),
    ({"model_dir": ""}, "model_dir is empty"),
    ({"save_summary_steps": -1}, "save_summary_steps must be at least 0"),
    ({"save_checkpoints_steps": -1}, "save_checkpoints_steps must"),
    ({"save_checkpoints_secs": -0.5}, "save_checkpoints_secs must.*-0.5"),
    ({"keep_checkpoint_max": -2}, "keep_checkpoint_max must.*-2"),
    ({"keep_checkpoint_every_n_hours": 0}, "above 0"),
    ({"log_step_count_steps": 0}, "log_step_count_steps must be above 0"),
    ({"tf_random_seed": 1.5}, "integer: 1.5"),
    ({"tf_random_seed": True}, "integer: True"),
    ({"deterministic": True}, "deterministic=True needs a seed.*is None"),
  )
  def test_values_out_of_range(self, fields, message):
    with self.assertRaisesRegex(ValueError, message):
      RunConfig(**fields)

  @parameterized.parameters(
    ({"save_checkpoints_steps": 7}, (7, None)),
    ({"save_checkpoints_secs": 8}, (None, 8)),
    ({"keep_checkpoint_max": 3}, (5, None)),
    ({"save_checkpoints_steps": None}, (None, None)),
  )
  def test_replacing_one_cadence_clears_the_other(self, fields, expected):
    config = RunConfig(model_dir="/m", save_checkpoints_steps=5)
    changed = config.replace(**fields)
    self.assertEqual(cadence(changed), expected)
    self.assertEqual(changed.model_dir, "/m")
    self.assertEqual(cadence(config), (5, None))

  def test_only_known_fields_are_replaced_and_checked(self):
    with self.assertRaisesRegex(ValueError, "no field.*'steps'"):
      RunConfig().replace(steps=5)
    with self.assertRaisesRegex(ValueError, "give one"):
      RunConfig().replace(save_checkpoints_steps=5, save_checkpoints_secs=5)
    with self.assertRaisesRegex(ValueError, "above 0"):
      RunConfig().replace(log_step_count_steps=-1)

  def test_one_strategy_for_both(self):
    one, two = (tf.distribute.OneDeviceStrategy("CPU:0") for _ in range(2))
    RunConfig(train_distribute=one, eval_distribute=one)
    RunConfig(eval_distribute=two)
    with self.assertRaisesRegex(ValueError, "same object twice"):
      RunConfig(train_distribute=one, eval_distribute=two)

  def test_as_dict_fits_into_json(self):
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    config = RunConfig(tf_random_seed=3, train_distribute=strategy)
    values = json.loads(json.dumps(config.as_dict()))
    self.assertEqual(values["tf_random_seed"], 3)
    self.assertEqual(values["train_distribute"], "OneDeviceStrategy")
    self.assertIsNone(values["eval_distribute"])


if __name__ == "__main__":
  absltest.main()

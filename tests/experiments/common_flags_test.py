import dataclasses
import os

from absl import flags
from absl.testing import absltest

from experiments import common_flags


def parse(*args):
  values = flags.FlagValues()
  common_flags.define_common_flags(values)
  values(["main", *args])
  return values


class CommonFlagsTest(absltest.TestCase):
  def test_defaults_leave_the_choice_to_the_experiment(self):
    values = parse()
    for name in ("train_steps", "batch_size", "learning_rate", "seed"):
      self.assertIsNone(values[name].value, name)
    self.assertIsNone(values.model_dir)
    self.assertTrue(values.download)
    self.assertFalse(values.self_test)

  def test_values_are_parsed(self):
    values = parse(
      "--data_dir=/d", "--train_steps=7", "--learning_rate=0.5", "--nodownload"
    )
    self.assertEqual(values.data_dir, "/d")
    self.assertEqual(values.train_steps, 7)
    self.assertEqual(values.learning_rate, 0.5)
    self.assertFalse(values.download)

  def test_sizes_must_be_positive(self):
    for flag in ("train_steps", "batch_size", "save_checkpoints_steps"):
      with self.assertRaisesRegex(flags.IllegalFlagValueError, flag):
        parse(f"--{flag}=0")

  def test_given_fields_are_flags_that_are_set_and_fields(self):
    @dataclasses.dataclass
    class Config:
      train_steps: int
      seed: int
      data_dir: str
      use_fp16: bool
      momentum: float

    self.assertEqual(
      common_flags.given_fields(parse("--seed=0", "--data_dir=~/d"), Config),
      {"seed": 0, "data_dir": os.path.expanduser("~/d"), "use_fp16": False},
    )
    with self.assertRaisesRegex(
      ValueError,
      "no use for --batch_size, --download; it has --data_dir, --seed, "
      "--train_steps, --use_fp16.$",
    ):
      common_flags.given_fields(
        parse("--batch_size=3", "--nodownload", "--seed=3"), Config
      )

  def test_flags_of_others_are_left_alone(self):
    @dataclasses.dataclass
    class Config:
      seed: int

    values = parse()
    flags.DEFINE_integer("verbosity", 0, "As absl's.", flag_values=values)
    values(["main", "--verbosity=1", "--seed=3"])
    self.assertEqual(common_flags.given_fields(values, Config), {"seed": 3})

  def test_the_global_flags_stay_as_they_are(self):
    parse()
    self.assertNotIn("train_steps", flags.FLAGS)


if __name__ == "__main__":
  absltest.main()

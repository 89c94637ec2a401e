import contextlib
import dataclasses
import io
import json
import os
import shutil
import tempfile
from unittest import mock

from absl import flags
from absl.testing import absltest

from estimators import ModelDirInUseError, NanLossDuringTrainingError
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
    self.assertEqual(values.distribution_strategy, "off")
    self.assertIsNone(values.num_gpus)

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
    with self.assertRaisesRegex(flags.IllegalFlagValueError, "seed"):
      parse("--seed=-1")

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

  def test_the_run_config(self):
    @dataclasses.dataclass
    class Config:
      distribution_strategy: str
      num_gpus: int | None = None
      model_dir: str = "/m"
      seed: int = 3
      save_checkpoints_steps: int | None = None
      export_dir: str | None = None
      deterministic: bool = True
      overwrite_config: bool = True

    run_config = common_flags.run_config(Config("off"))
    self.assertEqual(
      (run_config.model_dir, run_config.tf_random_seed), ("/m", 3)
    )
    self.assertTrue(run_config.deterministic)
    self.assertTrue(run_config.overwrite_config)
    self.assertEqual(run_config.save_checkpoints_secs, 600)
    self.assertIsNone(run_config.train_distribute)
    run_config = common_flags.run_config(
      Config("one_device", save_checkpoints_steps=7),
      save_checkpoints_secs=8,
      save_summary_steps=9,
    )
    self.assertIsNone(run_config.save_checkpoints_secs)
    self.assertEqual(run_config.save_summary_steps, 9)
    self.assertEqual(run_config.save_checkpoints_steps, 7)
    self.assertIs(run_config.train_distribute, run_config.eval_distribute)
    self.assertEqual(run_config.train_distribute.num_replicas_in_sync, 1)
    with self.assertRaisesRegex(ValueError, "num_gpus must be 0 to 0"):
      common_flags.run_config(Config("mirrored", num_gpus=1))
    with self.assertRaisesRegex(ValueError, "off then.*=0; give --distr"):
      common_flags.run_config(Config("off", num_gpus=0))

  def test_folders_that_cannot_be_written(self):
    file = os.path.abspath(__file__)
    for name in ("model_dir", "export_dir"):
      config = mock.Mock(
        distribution_strategy="off",
        num_gpus=None,
        seed=1,
        model_dir=None,
        export_dir=None,
        deterministic=False,
        overwrite_config=False,
      )
      setattr(config, name, file + "/below")
      with self.assertRaisesRegex(
        OSError, f"^--{name} must be a folder .* but {file}/below is not"
      ):
        common_flags.run_config(config)

  def test_the_folder_of_a_run_without_a_model(self):
    @dataclasses.dataclass
    class Config:
      size: tuple = (3, 4)
      output_dir: str | None = None
      self_test: bool = False

    above = self.enterContext(tempfile.TemporaryDirectory())
    given = os.path.join(above, "a", "b")
    self.assertEqual(common_flags.output_folder(Config((3, 4), given)), given)
    with open(os.path.join(given, "config.json")) as file:
      self.assertEqual(json.load(file), {"params": {"size": [3, 4]}})
    found = common_flags.output_folder(Config())
    self.assertEqual(os.listdir(found), ["config.json"])
    shutil.rmtree(found)
    with self.assertRaisesRegex(OSError, "^--output_dir must be a folder"):
      common_flags.output_folder(Config((), os.path.abspath(__file__)))

  def test_one_process_of_a_cluster_evaluates(self):
    @dataclasses.dataclass
    class Config:
      distribution_strategy: str = "multi_worker"
      num_gpus: int | None = None

    strategy = object()
    with mock.patch.object(
      common_flags, "distribution_strategy", return_value=strategy
    ):
      self.assertEqual(
        common_flags.distribution(Config()),
        {"train_distribute": strategy, "eval_distribute": None},
      )

  def test_mistakes_end_the_program_with_their_text(self):
    for error in (
      ValueError,
      FileNotFoundError,
      ModelDirInUseError,
      NanLossDuringTrainingError,
    ):
      with self.assertRaisesRegex(SystemExit, "^mnist: no file x$"):
        with common_flags.mistakes_in_one_line("mnist"):
          raise error("no file x")
    with self.assertRaisesRegex(TypeError, "^x$"):
      with common_flags.mistakes_in_one_line("mnist"):
        raise TypeError("x")
    with (
      contextlib.redirect_stderr(io.StringIO()) as told,
      self.assertRaisesRegex(SystemExit, "^130$"),
      common_flags.mistakes_in_one_line("mnist"),
    ):
      raise KeyboardInterrupt
    self.assertEqual(told.getvalue(), "mnist: stopped by Ctrl-C.\n")

  def test_the_global_flags_stay_as_they_are(self):
    parse()
    self.assertNotIn("train_steps", flags.FLAGS)


if __name__ == "__main__":
  absltest.main()

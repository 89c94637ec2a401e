import dataclasses
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from experiments.census import inputs
from experiments.census.config import config_of
from input_pipelines import census, downloads

ROW = (
  "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, "
  "Not-in-family, White, Male, 2174, 0, 40, United-States, <=50K"
)


class LoadTest(tf.test.TestCase):
  def test_self_test_people_are_not_those_it_trained_on(self):
    splits = inputs.load(config_of("wide", self_test=True))
    self.assertEqual((len(splits.train), len(splits.test)), (400, 200))
    self.assertNotAllEqual(
      splits.train.features["age"][:200], splits.test.features["age"]
    )

  def test_missing_files_are_downloaded_unless_told_otherwise(self):
    data_dir = self.get_temp_dir()
    with mock.patch.object(downloads, "download") as download:
      for again in (True, False):
        with self.assertRaises(FileNotFoundError):
          inputs.load(config_of("wide", data_dir=data_dir, download=again))
    download.assert_called_once_with("census", data_dir)

  def test_a_damaged_row_is_an_error_or_left_out(self):
    data_dir = pathlib.Path(self.get_temp_dir())
    (data_dir / "adult.data").write_text(f"{ROW}\n39, State-gov\n{ROW}\n")
    (data_dir / "adult.test").write_text(f"{ROW}.\n")
    config = config_of("wide", data_dir=str(data_dir))
    with self.assertRaisesRegex(ValueError, "adult.data, line 2: a row must"):
      inputs.load(config)
    with self.assertWarnsRegex(UserWarning, "left out 1 damaged"):
      splits = inputs.load(dataclasses.replace(config, on_bad_row="skip"))
    self.assertEqual((len(splits.train), len(splits.test)), (2, 1))


class InputFnTest(tf.test.TestCase):
  def test_every_epoch_has_everybody_once_in_an_order_of_its_own(self):
    people = numbered(6)
    config = config_of("wide", batch_size=4)
    batches = inputs.train_input_fn(people, config)().take(3)
    numbers = np.concatenate([x["fnlwgt"] for x, _ in batches])
    self.assertAllEqual(sorted(numbers[:6]), range(6))
    self.assertAllEqual(sorted(numbers[6:]), range(6))
    self.assertNotAllEqual(numbers[:6], numbers[6:])

  def test_evaluation_has_everybody_once_in_order(self):
    config = config_of("wide", batch_size=4)
    batches = inputs.evaluation_input_fn(numbered(6), config)()
    numbers = [list(x["fnlwgt"].numpy()) for x, _ in batches]
    self.assertEqual(numbers, [[0, 1, 2, 3], [4, 5]])


class BlocksTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    # 10 people in batches of 4 are 2.5 steps an epoch.
    ({"train_epochs": 4}, [(2, 5), (4, 10)]),
    ({"train_epochs": 5}, [(2, 5), (4, 10), (5, 13)]),
    ({"train_epochs": 3, "epochs_between_evals": 1}, [(1, 3), (2, 5), (3, 8)]),
    ({"train_epochs": 3, "epochs_between_evals": 9}, [(3, 8)]),
    ({"train_steps": 5}, [(2.0, 5)]),
    ({"train_steps": 6}, [(2, 5), (2.4, 6)]),
    ({"train_steps": 1}, [(0.4, 1)]),
  )
  def test_blocks(self, changes, expected):
    config = config_of("wide", batch_size=4, **changes)
    self.assertEqual(inputs.blocks(config, 10), expected)

  def test_the_published_run(self):
    blocks = inputs.blocks(config_of("wide"), 32561)
    self.assertLen(blocks, 20)
    self.assertEqual(blocks[0], (2, 1629))  # 2 * 32,561 / 40 = 1,628.05
    self.assertEqual(blocks[-1], (40, 32561))


def numbered(num_examples):
  """Returns people whose fnlwgt is their number."""
  people = census.fake_split(num_examples)
  people.features["fnlwgt"] = np.arange(num_examples, dtype=np.int32)
  return people


if __name__ == "__main__":
  tf.test.main()

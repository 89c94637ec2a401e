"""The program on a small invented text, in this process."""

import contextlib
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from estimators import checkpoints
from experiments.ptb import inputs, main
from experiments.ptb.config import published
from input_pipelines import ptb
from tests.estimators import helpers

PROGRESS = r"^0\.\d{3} perplexity: \d+\.\d{3} speed: \d+ wps$"


def printed_by(function, *args):
  printed = io.StringIO()
  with contextlib.redirect_stdout(printed):
    result = function(*args)
  return result, printed.getvalue().splitlines()


def write_texts(folder):
  """Writes the three files; two words of the test are in no other."""
  corpus, _ = ptb.fake(num_words=1200)
  for split in ("train", "valid", "test"):
    words = [corpus.vocabulary[i] for i in getattr(corpus, split)]
    if split == "test":
      words = [*words, "zebra", "gnu"]
    with open(os.path.join(folder, f"my.{split}.txt"), "w") as file:
      file.write(" ".join(words).replace(" <eos> ", "\n"))


def newest(model_dir):
  return tf.train.latest_checkpoint(model_dir)


class MainTestCase(tf.test.TestCase):
  def config(self, **given):
    settings = dict(
      data_dir=self.data_dir,
      prefix="my.",
      model_dir=self.model_dir,
      hidden_size=8,
      num_layers=1,
      num_steps=5,
      batch_size=4,
      max_epoch=1,
      keep_prob=0.9,
    )
    return published("small", **settings | given)

  def setUp(self):
    super().setUp()
    self.data_dir = helpers.new_folder()
    self.model_dir = os.path.join(self.get_temp_dir(), "model")
    write_texts(self.data_dir)


class MainTest(MainTestCase):
  def test_two_epochs(self):
    config = self.config(max_epochs=2)
    metrics, lines = printed_by(main.run, config)
    self.assertEqual(
      lines[0], "test: 2 words outside of the vocabulary are left out."
    )
    # (1200 // 4 - 1) // 5 = 59 steps, with a line after each 5th.
    self.assertLen([x for x in lines if re.search(PROGRESS, x)], 2 * 11)
    others = [x for x in lines[1:] if not re.search(PROGRESS, x)]
    m = {k: f"{v:.3f}" for k, v in metrics.items() if "perplexity" in k}
    self.assertRegex(others[1], r"^Epoch: 1 Train Perplexity: \d+\.\d{3}$")
    self.assertEqual(
      [others[0], *others[3:]],
      [
        "Epoch: 1 Learning rate: 1.000",
        "Epoch: 2 Learning rate: 0.500",
        f"Epoch: 2 Train Perplexity: {m['train_perplexity']}",
        f"Epoch: 2 Valid Perplexity: {m['valid_perplexity']}",
        f"Test Perplexity: {m['test_perplexity']}",
        f"Saving model to {self.model_dir}.",
      ],
    )
    self.assertEqual((metrics["steps"], metrics["epochs"]), (118, 2.0))
    self.assertGreater(metrics["words_per_sec"], 0)
    self.check_events(metrics)
    # Once more: nothing is trained, and all is found again.
    again, lines = printed_by(main.run, config)
    self.assertNotIn("words_per_sec", again)
    for name in ("steps", "train_perplexity", "test_perplexity"):
      self.assertEqual(again[name], metrics[name])
    self.assertIn("Epoch: 2 Learning rate: 0.500", lines)
    self.assertNotIn("Epoch: 1 Learning rate: 1.000", lines)
    self.check_other_texts()
    self.check_stopped_run(metrics)

  def check_other_texts(self):
    with self.assertRaisesRegex(ValueError, "num_steps=6 .it began with 5"):
      printed_by(main.run, self.config(num_steps=6))
    path = os.path.join(self.data_dir, "my.train.txt")
    with open(path) as file:
      lines = file.read().split("\n")
    with open(path, "w") as file:  # The same words in another order.
      file.write("\n".join([lines[1], lines[0], *lines[2:]]))
    with self.assertRaisesRegex(
      ValueError, "now there is training_text_crc32="
    ):
      printed_by(main.run, self.config())
    with open(path, "a") as file:
      file.write(" emu")
    with self.assertRaisesRegex(ValueError, "of the training text.*another"):
      printed_by(main.run, self.config())
    write_texts(self.data_dir)

  def check_stopped_run(self, expected):
    self.model_dir += "_stopped"
    printed_by(main.run, self.config(max_epochs=2, train_steps=70))
    found, lines = printed_by(main.run, self.config(max_epochs=2))
    self.assertEqual(lines[1], "Epoch: 2 Learning rate: 0.500")
    for name in ("train_perplexity", "valid_perplexity", "test_perplexity"):
      self.assertEqual(found[name], expected[name])

  def check_events(self, metrics):
    train = helpers.scalars(self.model_dir)
    self.assertContainsSubset(
      ["perplexity", "loss", "learning_rate", "words_per_sec"], train
    )
    # The steps count from 0: those of the first epoch are below 59.
    self.assertAllClose(train["learning_rate"], {0: 1.0, 100: 0.5})
    valid = helpers.scalars(os.path.join(self.model_dir, "eval"))
    self.assertCountEqual(valid["perplexity"], [59, 118])
    self.assertAllClose(
      valid["perplexity"][118], metrics["valid_perplexity"], rtol=1e-5
    )
    test = helpers.events_of(os.path.join(self.model_dir, "eval_test"))
    self.assertNotIn("sample", test.Tags()["tensors"])
    events = helpers.events_of(os.path.join(self.model_dir, "eval"))
    sample = events.Tensors("sample")[-1].tensor_proto
    words = tf.make_ndarray(sample).item().decode().split()
    known, _ = ptb.fake(num_words=1200)
    self.assertContainsSubset(words, known.vocabulary)
    self.assertBetween(len(words), 20, 50)

  def test_a_temporary_folder_is_named(self):
    config = self.config(model_dir=None, train_steps=1)
    _, lines = printed_by(main.run, config)
    folder = re.fullmatch(r"Saving model to (.*)\.", lines[-1])[1]
    self.assertContainsSubset(
      ["checkpoint", "config.json", "vocab.txt"], os.listdir(folder)
    )

  def test_the_self_test_is_judged(self):
    for perplexity, status in ((2.0, 0), (2.03, 0), (2.05, 1)):
      metrics = {"test_perplexity": perplexity, "true_perplexity": 2.0}
      with mock.patch.object(main, "run", return_value=metrics):
        with mock.patch.object(main, "config_from_flags"):
          returned, lines = printed_by(main.main, ["main"])
      self.assertEqual(returned, status)
      self.assertEqual(json.loads(lines[-1]), metrics)


# Ends in the midst of an epoch, as if the power had failed.
KILLED = """
import json, os, sys
from experiments.ptb import config, main

def end(report, run):
  if run.global_step >= 84:
    os._exit(9)

main.EpochReport.after_run = end
main.run(config.Config(**json.loads(sys.argv[1])))
"""


class ProcessTest(MainTestCase):
  @pytest.mark.slow
  def test_a_killed_run_ends_with_the_same_bits(self):
    changes = dict(max_epochs=2, save_checkpoints_steps=7)
    expected, _ = printed_by(main.run, self.config(**changes))
    unbroken, self.model_dir = self.model_dir, self.model_dir + "_killed"
    config = self.config(**changes)
    settings = json.dumps(dataclasses.asdict(config))
    done = subprocess.run([sys.executable, "-c", KILLED, settings])
    self.assertEqual(done.returncode, 9)
    # Between the end of the first epoch, 59, and the step of its death.
    step = checkpoints.value(newest(self.model_dir), "global_step")
    self.assertBetween(step, 60, 83)
    metrics, _ = printed_by(main.run, config)
    for name in ("train_perplexity", "valid_perplexity", "test_perplexity"):
      self.assertEqual(metrics[name], expected[name])
    path, again = newest(unbroken), newest(self.model_dir)
    names = checkpoints.names(path)
    self.assertContainsSubset(["training_carry/state"], names)
    self.assertCountEqual(checkpoints.names(again), names)
    for name in names:
      found = checkpoints.value(again, name)
      self.assertAllEqual(found, checkpoints.value(path, name), name)

  @pytest.mark.slow
  def test_the_self_test(self):
    command = [sys.executable, "-m", "experiments.ptb.main", "--self_test"]
    done = subprocess.run(command, capture_output=True, text=True)
    self.assertEqual(done.returncode, 0, done.stderr[-2000:])
    metrics = json.loads(done.stdout.splitlines()[-1])
    bound = main.SELF_TEST_RATIO * metrics["true_perplexity"]
    self.assertLess(metrics["test_perplexity"], bound)


class InputsTest(tf.test.TestCase):
  def test_a_text_that_is_too_short(self):
    corpus, _ = ptb.fake(num_words=1200)  # 120 to validate on.
    one = corpus._replace(valid=corpus.train, test=corpus.test[:1])
    for texts, changes, message in (
      (corpus, {}, "^/d/my.valid.txt: .*got 120: epoch_size == 0"),
      (one, {}, "^/d/my.test.txt: .*got 1: epoch_size == 0"),
      (corpus, dict(num_steps=60), "^/d/my.train.txt: .*got 1200: epoch"),
      (corpus, dict(self_test=True), "^the invented valid text: .*got 120"),
    ):
      config = published(
        prefix="my.", data_dir="/d", **dict(num_steps=10) | changes
      )
      with self.assertRaisesRegex(ValueError, message):
        inputs.input_fns(texts, config)

  def test_a_training_text_of_one_endless_line_is_refused(self):
    folder = helpers.new_folder()
    for split in ("train", "valid", "test"):
      with open(os.path.join(folder, f"my.{split}.txt"), "w") as file:
        file.write("a b c a" if split == "train" else "a b\n")
    with self.assertRaisesRegex(
      ValueError,
      "must have at least one line end.*my.train.txt has none in 4 w",
    ):
      inputs.load(published(data_dir=folder, prefix="my."))

  def test_downloads_what_is_missing(self):
    config = published(data_dir=helpers.new_folder())
    with mock.patch.object(inputs.downloads, "download") as download:
      with self.assertRaisesRegex(FileNotFoundError, "ptb.train.txt"):
        inputs.load(config)
    download.assert_called_once_with("ptb", config.data_dir)
    # Texts of one's own are nowhere to be had.
    config = published(data_dir=config.data_dir, prefix="my.")
    with self.assertRaisesRegex(FileNotFoundError, "my.train.txt"):
      inputs.load(config)

  def test_the_test_text_is_one_row(self):
    corpus, _ = ptb.fake(num_words=12_000)
    input_fns = inputs.input_fns(corpus, published())
    words = [w for (w, _) in input_fns["test"]()]
    words = np.concatenate([w["words"][0] for w in words])
    self.assertAllEqual(words, corpus.test[:-1])


if __name__ == "__main__":
  tf.test.main()

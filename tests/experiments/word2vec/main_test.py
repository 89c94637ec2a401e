import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from unittest import mock

import pytest
import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from estimators import Estimator, checkpoints
from experiments import common_flags
from experiments.word2vec import main, vectors
from experiments.word2vec.config import published
from tests.estimators.helpers import new_folder
from tests.experiments.word2vec import texts

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 3))


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


def run(config):
  """Returns (metrics, what was printed)."""
  with contextlib.redirect_stdout(io.StringIO()) as out:
    metrics = main.run(config)
  return metrics, out.getvalue()


class ConfigFromFlagsTest(tf.test.TestCase):
  def test_without_flags_it_is_optimized_as_published(self):
    self.assertEqual(parse(), published("optimized"))

  def test_flags_change_what_was_published(self):
    self.assertEqual(
      parse(
        "--model=batched",
        "--train_data=~/t",
        "--eval_data=/e",
        "--save_path=/m",
        "--embedding_size=3",
        "--epochs_to_train=4",
        "--learning_rate=0.5",
        "--num_neg_samples=6",
        "--batch_size=7",
        "--concurrent_steps=8",
        "--window_size=9",
        "--min_count=0",
        "--subsample=0",
        "--statistics_interval=1.5",
        "--summary_interval=2",
        "--checkpoint_interval=3",
        "--interactive",
        "--nodownload",
      ),
      published(
        "batched",
        train_data=os.path.expanduser("~/t"),
        eval_data="/e",
        model_dir="/m",
        embedding_size=3,
        epochs_to_train=4,
        learning_rate=0.5,
        num_neg_samples=6,
        batch_size=7,
        concurrent_steps=8,
        window_size=9,
        min_count=0,
        subsample=0.0,
        statistics_interval=1.5,
        summary_interval=2.0,
        checkpoint_interval=3.0,
        interactive=True,
        download=False,
      ),
    )

  def test_the_kernel_and_what_only_basic_has(self):
    self.assertEqual(
      parse("--kernel=pairs"), published("optimized", kernel="pairs")
    )
    self.assertEqual(
      parse("--model=basic", "--vocabulary_size=9", "--num_skips=1"),
      published("basic", vocabulary_size=9, num_skips=1),
    )


PRINTED = r"""Data file: {train_data}
Vocab size: 41 \+ UNK
Words per epoch: 57
Eval analogy file: {eval_data}
Questions: 3
Skipped: 1
Epoch    0 Step +\d+: lr = 0.\d+ loss = +[\d.]+ words/sec = +\d+\r
Eval +\d/3 accuracy = +[\d.]+%
  things: +\d/2 accuracy = +[\d.]+%
  others: +\d/1 accuracy = +[\d.]+%
"""


class AliceTest(tf.test.TestCase, parameterized.TestCase):
  """The upstream tests: the paragraph from end to end."""

  def config(self, model, **changes):
    train_data, eval_data = texts.alice()
    if model != "basic":
      changes |= dict(epochs_to_train=1, min_count=0)
    return published(
      model,
      train_data=train_data,
      eval_data=eval_data,
      model_dir=new_folder(),
      batch_size=5,
      num_neg_samples=10,
      **changes,
    )

  @parameterized.parameters(
    ("batched", {}), ("optimized", {}), ("optimized", {"kernel": "pairs"})
  )
  def test_from_end_to_end(self, model, changes):
    config = self.config(model, **changes)
    metrics, printed = run(config)
    self.assertRegex(printed, f"^{PRINTED.format(**vars(config))}$")
    self.assertEqual(metrics["model"], model)
    self.assertEqual(metrics["epochs"], 1)
    self.assertGreater(metrics["loss"], 0)
    self.assertGreater(metrics["words_per_second"], 0)
    self.assertEqual(set(metrics["accuracy_by_section"]), {"things", "others"})
    sections = metrics["accuracy_by_section"]
    self.assertAllClose(
      metrics["accuracy"], (2 * sections["things"] + sections["others"]) / 3
    )
    json.dumps(metrics)

  @pytest.mark.slow
  def test_basic_from_end_to_end(self):
    config = self.config("basic", num_skips=1, train_steps=11)
    metrics, printed = run(config)
    for line in (
      "Questions: 3\n",
      "Data size 57\n",
      "Average loss at step  0 : ",
      "Nearest to ",
      "Eval ",
    ):
      self.assertIn(line, printed)
    self.assertNotIn("Vocab size", printed)
    self.assertEqual(metrics["steps"], 11)
    self.assertEqual(metrics["epochs"], round(55 / 57, 3))
    self.assertGreater(metrics["average_loss"], 0)
    self.assertIn("accuracy", metrics)
    self.assertTrue(os.path.exists(metrics["picture"]))
    json.dumps(metrics)

  def test_workers_besides_the_chief_only_train(self):
    config = self.config(
      "basic", num_skips=1, distribution_strategy="multi_worker"
    )
    task = {
      "cluster": {"worker": ["a:1", "b:1"]},
      "task": {"type": "worker", "index": 1},
    }
    with (
      mock.patch.dict(os.environ, {"TF_CONFIG": json.dumps(task)}),
      # It would wait for the other one.
      mock.patch.object(common_flags, "distribution", return_value={}),
      mock.patch.object(Estimator, "train") as train,
    ):
      metrics, _ = run(config)
    self.assertIsNone(metrics)
    self.assertEqual(train.call_args.args[1], [])
    self.assertEmpty(os.listdir(config.model_dir))

  @parameterized.parameters("batched", "optimized")
  def test_exports(self, model):
    config = self.config(model, export_dir=new_folder())
    metrics, printed = run(config)
    self.assertIn(f"Exported to {metrics['export']}\n", printed)
    with open(os.path.join(metrics["export"], "saved_model.pb"), "rb") as file:
      self.assertNotIn(b"Estimators>", file.read())  # none of the C++ ops
    model = tf.saved_model.load(metrics["export"])
    found = model.signatures["serving_default"](word=tf.constant(["alice"]))
    self.assertEqual(found["neighbours"][0, 0], b"alice")
    words, rows = vectors.load(config.model_dir)
    for name in ("vectors.txt", "vectors.bin"):
      self.assertIn(f"Vectors written to {metrics[name]}\n", printed)
      exported = vectors.read(metrics[name])
      self.assertEqual(exported.words, words[1:])
      self.assertAllEqual(exported.vectors, rows[1:])

  def test_interactive(self):
    config = self.config("batched", interactive=True)
    with mock.patch("sys.stdin", io.StringIO("nearby alice\nquit\n")):
      _, printed = run(config)
    self.assertRegex(printed, r"\nalice\n={37}\nalice +1\.0000\n")

  def test_without_questions(self):
    (train_data, _) = texts.alice()
    metrics, printed = run(
      published(
        "optimized", train_data=train_data, epochs_to_train=1, min_count=0
      )
    )
    self.assertNotIn("accuracy", metrics)
    self.assertNotIn("Eval", printed)


class FlagsTest(tf.test.TestCase):
  def test_intervals_are_positive(self):
    for name in ("statistics", "summary", "checkpoint"):
      with self.assertRaisesRegex(flags.IllegalFlagValueError, "0.01"):
        parse(f"--{name}_interval=0")

  def test_flags_without_use_are_refused(self):
    for args in (
      ["--model=basic", "--epochs_to_train=2"],
      ["--model=batched", "--kernel=pairs"],
      ["--vocabulary_size=10"],
    ):
      with self.assertRaisesRegex(ValueError, "has no use for"):
        parse(*args)


class SelfTestTest(tf.test.TestCase, parameterized.TestCase):
  def test_it_learns(self):
    self.check_learns("optimized", {})

  @parameterized.parameters(
    ("basic", {}),
    ("batched", {}),
    ("optimized", {"kernel": "pairs", "batch_size": 500}),
  )
  @pytest.mark.slow
  def test_it_learns_slowly(self, model, changes):
    self.check_learns(model, changes)

  def check_learns(self, model, changes):
    # Questions are not those of the invented text.
    changes = changes | dict(self_test=True, eval_data="/none")
    metrics, _ = run(published(model, **changes))
    self.assertGreaterEqual(metrics["self_test_share"], main.SELF_TEST_SHARE)

  def test_it_can_fail(self):
    config = published(
      "optimized", self_test=True, epochs_to_train=1, learning_rate=0.0
    )
    metrics, _ = run(config)
    self.assertLess(metrics["self_test_share"], main.SELF_TEST_SHARE)


class KilledTest(tf.test.TestCase, parameterized.TestCase):
  """A process that SIGKILL has ended, and the same command again."""

  def start(self, *args):
    process = subprocess.Popen(
      [sys.executable, "-m", "experiments.word2vec.main", *args],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
      cwd=ROOT,
    )
    self.addCleanup(process.kill)
    return process

  def wait_for_step(self, process, folder, step):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
      self.assertIsNone(process.poll(), msg="it has ended")
      path = checkpoints.newest(folder)
      if path and checkpoints.step_of(path) >= step:
        return
      time.sleep(0.01)
    self.fail(f"there was no checkpoint of step {step}")

  @parameterized.parameters(
    # Of 20 steps an epoch.
    (8, "--model=optimized", "--batch_size=1", "--concurrent_steps=1"),
    # Of 80.
    (2, "--model=batched", "--batch_size=1000", "--num_neg_samples=8"),
  )
  @pytest.mark.slow
  def test_it_goes_on_as_if_nothing_had_been(self, epochs, *args):
    args = [
      *args,
      f"--epochs_to_train={epochs}",
      f"--train_data={texts.topics()}",
      "--embedding_size=4",
      "--subsample=0.01",
      "--save_checkpoints_steps=7",
    ]
    broken, unbroken = new_folder(), new_folder()
    process = self.start(*args, f"--model_dir={broken}")
    self.wait_for_step(process, broken, 25)
    process.send_signal(signal.SIGKILL)
    process.wait()
    step = checkpoints.step_of(checkpoints.newest(broken))
    self.assertLess(step, 150)  # It was not at its end.
    for folder in (broken, unbroken):
      run(parse(*args, f"--model_dir={folder}"))
    values = [
      {name: checkpoints.value(path, name) for name in checkpoints.names(path)}
      for path in map(checkpoints.newest, (broken, unbroken))
    ]
    self.assertEqual(values[0].keys(), values[1].keys())
    for name in ("emb", "sm_w_t", "words_processed", "global_step"):
      self.assertEqual(
        values[0][name].tobytes(), values[1][name].tobytes(), msg=name
      )
    self.assertEqual(values[0]["words_processed"], epochs * 20_000)


class MainTest(tf.test.TestCase, parameterized.TestCase):
  def main(self, config, metrics=None):
    with (
      mock.patch.object(main, "config_from_flags", return_value=config),
      mock.patch.object(main, "prepare", return_value=()),
      mock.patch.object(main, "finish", return_value=metrics),
      contextlib.redirect_stdout(io.StringIO()) as out,
    ):
      return main.main([]), out.getvalue()

  @parameterized.parameters((True, 0.8, 1), (True, 0.9, 0), (False, 0.8, 0))
  def test_exit_code(self, self_test, share, code):
    config = published("batched", self_test=self_test, train_data="/t")
    metrics = {"self_test_share": share}
    found, printed = self.main(config, metrics)
    self.assertEqual(found, code)
    self.assertEqual(json.loads(printed.splitlines()[-1]), metrics)

  def test_without_a_text(self):
    code, printed = self.main(published("optimized"))
    self.assertEqual(code, 1)
    self.assertStartsWith(
      printed, "--train_data --eval_data and --save_path must be specified.\n"
    )
    self.assertEqual(self.main(published("basic", data_dir="/d"), {})[0], 0)

  def test_mistakes_are_told_in_one_line(self):
    short = new_folder() + "-text"
    with open(short, "w") as stream:
      stream.write("too short a text")
    for changes, message in (
      (dict(train_data="/none"), "word2vec: /none must be the text"),
      (dict(train_data=short), "word2vec: the corpus must have at least 50"),
      (
        dict(train_data=texts.topics(), min_count=10**6),
        "must have words that occur min_count=1000000 times",
      ),
      (
        dict(train_data=texts.topics(), eval_data="/none"),
        "word2vec: /none must be a file of questions",
      ),
    ):
      config = published("optimized", **changes)
      with (
        mock.patch.object(main, "config_from_flags", return_value=config),
        self.assertRaises(SystemExit) as raised,
      ):
        main.main([])
      self.assertIn(message, raised.exception.code)
      self.assertNotIn("\n", raised.exception.code)
      self.assertNotIn("{{", raised.exception.code)


if __name__ == "__main__":
  tf.test.main()

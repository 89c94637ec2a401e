"""Tests of the PTB benchmark: that all compute the same, and what it says."""

import dataclasses
import importlib
import os
import pathlib
import sys
import types
from unittest import mock

import keras
import pytest
import tensorflow as tf

from experiments.ptb import config as ptb_config
from experiments.ptb import inputs
from input_pipelines import ptb
from tools import benchmark, benchmark_ptb

VOCAB_SIZE, NUM_WORDS = 11, 200
BACKENDS = benchmark_ptb.BACKENDS
PUBLISHED = dict(ptb_config.PUBLISHED)
TINY = PUBLISHED["small"] | {"num_steps": 3, "hidden_size": 4}


def import_torch_peer():
  """Returns the module of torch_ptb_peer.py, with nothing for its PyTorch."""
  torch, nn = types.ModuleType("torch"), types.ModuleType("torch.nn")
  torch.nn, nn.Module, nn.functional = nn, object, None
  torch.inference_mode = lambda: lambda function: function
  torch.tensor = list
  with mock.patch.dict(sys.modules, {"torch": torch, "torch.nn": nn}):
    return importlib.import_module("tools.torch_ptb_peer")


@mock.patch.multiple(
  benchmark_ptb,
  VOCAB_SIZE=VOCAB_SIZE,
  RANDOM_WORDS=NUM_WORDS,
  BACKENDS={"native": BACKENDS["native"]},
)
@mock.patch.object(inputs, "TEST_WINDOW", 7)
@mock.patch.dict(ptb_config.PUBLISHED, {"small": TINY})
class BenchmarkPtbTest(tf.test.TestCase):
  @pytest.mark.slow
  def test_all_find_the_same_and_measure_what_the_ratios_need(self):
    python = self.python('echo "{\\"words_per_second\\": 2}"\n')
    programs = benchmark_ptb.programs(
      steps=25,
      eval_words=NUM_WORDS - 1,
      data_dir=None,
      peer_python=python,
      model_dir=self.get_temp_dir(),
    )
    self.check_perplexities([program.perplexity for program in programs[3:6]])
    measured = benchmark.measure_in_turn(programs, rounds=1)
    training = ("estimator_native", "keras", "torch")
    evaluations = ("estimator", "one_word", "python_loop")
    parts = ("pipeline", "embedding", "lstm", "softmax", "optimizer")
    names = [
      *(f"{name}_ptb_words" for name in training),
      *(f"{name}_ptb_eval_words" for name in evaluations),
      *(f"ptb_{name}_ms" for name in parts),
    ]
    self.assertEqual(names, list(measured))
    for name, (value,) in measured.items():
      with self.subTest(name):
        self.assertGreater(value, 0)
    self.assertEqual(measured["torch_ptb_words"], [2])
    # The ratios are those to torch, keras, and the two slow evaluations.
    self.assertEqual(
      ["words/s"] * 6 + ["ms"] * 5 + ["x"] * 4,
      [line.split()[-1] for line in benchmark.report(measured)],
    )

  def check_perplexities(self, found):
    wide, one_word, python_loop = found
    self.assertAllClose(wide, one_word, rtol=1e-5)
    self.assertAllClose(wide, python_loop, rtol=1e-5)
    # Other than that of a model which takes all words for as likely.
    self.assertNotAllClose(wide, VOCAB_SIZE, rtol=1e-3)

  def test_ratios_are_of_backends_that_there_are(self):
    names = {
      name.removeprefix("estimator_").removesuffix("_ptb_words")
      for ratio in benchmark_ptb.RATIOS
      for name in ratio.split("_over_")
      if name.startswith("estimator_") and "_eval_" not in name
    }
    self.assertContainsSubset(names, BACKENDS)

  def test_keras_has_as_many_weights(self):
    with mock.patch.dict(ptb_config.PUBLISHED, PUBLISHED):
      params = benchmark_ptb.params_of(10_000)
    network = benchmark_ptb.keras_network.__wrapped__(params)
    self.assertEqual(network.count_params(), 4_651_600)
    self.assertIsInstance(network, keras.Model)

  def test_the_peer_is_told_what_to_do(self):
    told = os.path.join(self.get_temp_dir(), "told")
    python = self.python(
      f'echo "$@" > "{told}"; echo "{{\\"words_per_second\\": 1}}"\n'
    )
    benchmark_ptb.Torch(python, "folder", 5).measure()
    arguments = pathlib.Path(told).read_text().split()
    self.assertEndsWith(arguments[0], "tools/torch_ptb_peer.py")
    self.assertEqual(
      arguments[1:], ["--model=small", "--steps=5", "--data_dir=folder"]
    )

  def test_the_peer_has_the_published_settings(self):
    for name, peer in import_torch_peer().CONFIGS.items():
      with self.subTest(name):
        ours = dict(PUBLISHED[name])
        self.assertEqual(ours.pop("num_layers"), 2)
        self.assertEqual(ours.pop("learning_rate"), 1)
        del ours["max_max_epoch"]
        theirs = dataclasses.asdict(peer)
        keep_prob = 1 - theirs.pop("dropout_rate")
        self.assertAllClose(ours, theirs | {"keep_prob": keep_prob})

  def test_the_peer_reads_the_same_ids(self):
    folder = self.get_temp_dir()
    texts = {"train": " b a b \n c \n\n a b c \n", "valid": " c d b \n"}
    for split, text in texts.items():
      pathlib.Path(folder, f"ptb.{split}.txt").write_text(text)
    corpus = ptb.load(folder, names=tuple(texts))
    train, valid, vocab_size = import_torch_peer().load(folder)
    self.assertAllEqual(train, corpus.train)
    self.assertAllEqual(valid, corpus.valid)
    self.assertEqual(vocab_size, len(corpus.vocabulary))

  def python(self, text):
    """Returns the path of a program that stands for the peer's Python."""
    path = pathlib.Path(self.get_temp_dir()) / "python"
    path.write_text("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return str(path)


if __name__ == "__main__":
  tf.test.main()

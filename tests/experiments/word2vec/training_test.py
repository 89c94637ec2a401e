import contextlib
import io
import os

import pytest
import tensorflow as tf
from absl.testing import parameterized

from experiments.word2vec import inputs, model, training, vocabulary
from experiments.word2vec.config import published
from tests.estimators.helpers import new_folder
from tests.experiments.word2vec import texts

# 20 steps an epoch, on one thread, which gives the same bits.
SENTENCES = dict(model="optimized", batch_size=1, concurrent_steps=1)
PAIRS = dict(model="optimized", kernel="pairs", batch_size=2500)
BATCHED = dict(model="batched", num_neg_samples=8, batch_size=2500)
BASIC = dict(model="basic", num_neg_samples=8, batch_size=500, train_steps=20)


def train(settings, **changes):
  """Trains on the invented text; returns (Estimator, meter, printed)."""
  defaults = {
    "train_data": texts.topics(),
    "embedding_size": 4,
    "model_dir": new_folder(),
  }
  if settings["model"] != "basic":
    defaults |= {"epochs_to_train": 2, "subsample": 0.0}
  config = published(**defaults | settings | changes)
  text = inputs.load(config)
  estimator = model.estimator_of(config, text)
  with contextlib.redirect_stdout(io.StringIO()) as out:
    meter, _ = training.train(estimator, config, text)
  return estimator, meter, out.getvalue()


class ResumeTest(tf.test.TestCase, parameterized.TestCase):
  def assert_same_bits(self, one, other):
    names = one.get_variable_names()
    self.assertEqual(names, other.get_variable_names())
    for name in names:
      values = [e.get_variable_value(name) for e in (one, other)]
      self.assertEqual(values[0].tobytes(), values[1].tobytes(), msg=name)

  def test_in_parts_it_is_the_same(self):
    self.check_parts(SENTENCES, [7, 20, 33, None])

  @parameterized.parameters(
    (PAIRS, [7, None]), (BATCHED, [7, None]), (BASIC, [7, 20])
  )
  @pytest.mark.slow
  def test_in_parts_it_is_the_same_slowly(self, settings, parts):
    self.check_parts(settings, parts)

  def check_parts(self, settings, parts):
    unbroken, _, _ = train(settings)
    folder = new_folder()
    for steps in parts:
      changes = {"train_steps": steps} if steps else {}
      broken, _, _ = train(settings, model_dir=folder, **changes)
    self.assertGreater(unbroken.get_variable_value("global_step"), 19)
    self.assert_same_bits(broken, unbroken)

  @parameterized.parameters(PAIRS, BATCHED)
  @pytest.mark.slow
  def test_after_the_last_step_of_an_epoch(self, **settings):
    one_epoch, _, _ = train(settings, epochs_to_train=1)
    steps = int(one_epoch.get_variable_value("global_step"))
    unbroken, _, _ = train(settings)
    # That the epoch ends here is not known when these steps are done.
    folder = new_folder()
    train(settings, model_dir=folder, train_steps=steps)
    broken, meter, _ = train(settings, model_dir=folder)
    self.assertEqual(meter.words, 20_000)
    self.assert_same_bits(broken, unbroken)

  def test_another_seed_gives_other_vectors(self):
    first, _, _ = train(SENTENCES, seed=1)
    other, _, _ = train(SENTENCES, seed=2)
    values = [e.get_variable_value("emb") for e in (first, other)]
    self.assertNotAllClose(*values)


class EpochsTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(SENTENCES, PAIRS, BATCHED)
  @pytest.mark.slow
  def test_all_words_of_all_epochs(self, **settings):
    estimator, meter, _ = train(settings)
    self.assertEqual(training.words_done(estimator), 40_000)
    self.assertEqual(meter.words, 40_000)

  @parameterized.parameters(
    (SENTENCES | dict(epochs_to_train=1), 20_000),
    (BATCHED | dict(epochs_to_train=1), 20_000),
    (BASIC, 5_000),
  )
  @pytest.mark.slow
  def test_a_finished_run_is_only_evaluated(self, settings, words):
    folder = new_folder()
    _, first, _ = train(settings, model_dir=folder)
    estimator, meter, _ = train(settings, model_dir=folder)
    self.assertEqual((first.words, meter.words), (words, 0))
    self.assertEqual(training.words_done(estimator), words)

  @pytest.mark.slow
  def test_more_epochs_may_follow_but_not_fewer(self):
    folder = new_folder()
    train(SENTENCES, model_dir=folder)
    _, meter, _ = train(SENTENCES, model_dir=folder, epochs_to_train=3)
    self.assertEqual(meter.words, 20_000)
    with self.assertRaisesRegex(
      ValueError, "3 epochs already, more than epochs_to_train=2"
    ):
      train(SENTENCES, model_dir=folder)

  @pytest.mark.slow
  def test_it_is_evaluated_after_each_epoch(self):
    train_data, eval_data = texts.alice()
    settings = SENTENCES | dict(train_data=train_data, eval_data=eval_data)
    folder = new_folder()
    settings |= dict(min_count=0, model_dir=folder)
    _, _, printed = train(settings, epochs_to_train=3)
    # As a terminal shows it, which goes back at \r.
    lines = [line for line in printed.splitlines() if line[:5] != "Epoch"]
    lines = [line for line in lines if line]
    self.assertLen(lines, 9)
    for i in (0, 3, 6):
      self.assertRegex(lines[i], r"^Eval +[0-3]/3 accuracy = +[\d.]+%$")
      self.assertRegex(
        lines[i + 1], r"^  things: +[0-2]/2 accuracy = +[\d.]+%$"
      )
      self.assertRegex(lines[i + 2], r"^  others: +[01]/1 accuracy = +[\d.]+%$")
    # What was not printed when it was broken off is printed now.
    _, _, printed = train(settings, epochs_to_train=4)
    self.assertEqual(printed.count("Eval"), 2)


class PrepareTest(tf.test.TestCase, parameterized.TestCase):
  def test_the_vocabulary_and_the_projector(self):
    estimator, _, _ = train(SENTENCES, epochs_to_train=1)
    path = os.path.join(estimator.model_dir, vocabulary.FILE)
    words, counts = vocabulary.read(path)
    self.assertLen(words, 21)
    self.assertEqual((words[0], counts[0], sum(counts)), ("UNK", 0, 20_000))
    for name in ("metadata.tsv", "projector_config.pbtxt"):
      self.assertIn(name, os.listdir(estimator.model_dir))

  def test_another_text_is_refused(self):
    estimator, _, _ = train(SENTENCES, epochs_to_train=1)
    other = os.path.join(new_folder(), "other")
    with open(other, "w") as stream:
      stream.write("other words " * 100)
    with self.assertRaisesRegex(ValueError, "the words of .* are others"):
      train(SENTENCES, model_dir=estimator.model_dir, train_data=other)
    # Nothing was written.
    path = os.path.join(estimator.model_dir, vocabulary.FILE)
    self.assertLen(vocabulary.read(path)[0], 21)

  @parameterized.parameters(
    (SENTENCES, dict(learning_rate=0.5, seed=9), "learning_rate=0.5"),
    (SENTENCES, dict(kernel="pairs"), "kernel=pairs"),
    (PAIRS, dict(concurrent_steps=3), r"concurrent_steps=3 .*began with 12"),
  )
  def test_other_settings_are_refused(self, settings, changes, message):
    folder = new_folder()
    train(settings, model_dir=folder, train_steps=3)
    with self.assertRaisesRegex(ValueError, message):
      train(settings, model_dir=folder, **changes)

  @pytest.mark.slow
  def test_threads_of_sentences_may_change(self):
    folder = new_folder()
    train(SENTENCES, model_dir=folder, train_steps=3)
    estimator, _, _ = train(SENTENCES, model_dir=folder, concurrent_steps=2)
    self.assertEqual(training.words_done(estimator), 40_000)


if __name__ == "__main__":
  tf.test.main()

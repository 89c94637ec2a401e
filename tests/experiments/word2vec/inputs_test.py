import os
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from experiments.word2vec import inputs
from experiments.word2vec.config import published
from tests.estimators.helpers import new_folder
from tests.experiments.word2vec import texts


class FilesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    (dict(), (None, None)),
    (dict(eval_data="/e"), (None, "/e")),
    (dict(train_data="/t"), ("/t", None)),
    (dict(data_dir="/d"), ("/d/text8", "/d/questions-words.txt")),
    (dict(data_dir="/d", train_data="/t"), ("/t", "/d/questions-words.txt")),
    (dict(data_dir="/d", eval_data="/e"), ("/d/text8", "/e")),
  )
  def test_what_is_given_comes_before_what_is_in_data_dir(self, given, paths):
    self.assertEqual(inputs.files(published("batched", **given)), paths)

  @parameterized.parameters(
    ([], True, True),
    (["text8"], True, True),
    (["text8", "questions-words.txt"], True, False),
    ([], False, False),
  )
  def test_missing_files_are_fetched(self, there, allowed, is_fetched):
    folder = new_folder()
    for name in there:
      with open(os.path.join(folder, name), "w") as stream:
        stream.write(": x\na b c d\n" * 20)
    config = published(
      "batched", data_dir=folder, download=allowed, min_count=0
    )
    with mock.patch.object(inputs.downloads, "download") as download:
      try:
        inputs.load(config)
      except FileNotFoundError:
        self.assertNotIn("questions-words.txt", there)
    self.assertEqual(
      download.mock_calls,
      [mock.call("word2vec", folder)] if is_fetched else [],
    )

  def test_a_missing_text(self):
    with self.assertRaisesRegex(
      FileNotFoundError, "/not/there must be .*python -m tools.download"
    ):
      inputs.load(published("basic", train_data="/not/there"))


class LoadTest(tf.test.TestCase):
  def test_words_and_questions(self):
    train_data, eval_data = texts.alice()
    text = inputs.load(
      published(
        "batched", train_data=train_data, eval_data=eval_data, min_count=0
      )
    )
    self.assertEqual(text.words[:6], ["UNK", "of", "or", "the", "alice", "and"])
    self.assertEqual(set(text.words[1:]), set(texts.ALICE.split()))
    self.assertEqual((text.path, text.num_words), (train_data, 57))
    self.assertEqual(text.questions.section_names, ("things", "others"))
    self.assertEqual(text.questions.skipped, 1)  # that with a queen

  def test_rare_words_and_no_questions(self):
    (train_data, _) = texts.alice()
    text = inputs.load(published("batched", train_data=train_data, min_count=3))
    self.assertEqual(text.words, ["UNK", "of", "or", "the"])
    self.assertIsNone(text.questions)

  def test_basic_has_the_most_common_words(self):
    (train_data, _) = texts.alice()
    text = inputs.load(
      published("basic", train_data=train_data, vocabulary_size=3)
    )
    self.assertEqual(text.words, ["UNK", "of", "or"])
    self.assertAllEqual(text.corpus.counts, [51, 3, 3])


class DatasetTest(tf.test.TestCase, parameterized.TestCase):
  def first(self, model, epoch=1, **changes):
    config = published(model, train_data=texts.topics(), **changes)
    dataset = inputs.epoch_dataset(config, inputs.load(config), epoch)
    return next(iter(dataset))

  def test_sentences(self):
    batch = self.first("optimized", batch_size=3)
    self.assertAllEqual(batch["positions"], [20_000, 21_000, 22_000])
    self.assertEqual(batch["sentences"].shape, [3, 1000])

  @parameterized.parameters(("batched", {}), ("optimized", {"kernel": "pairs"}))
  def test_pairs_and_their_settings(self, model, kernel):
    def pairs(**changes):
      changes = dict(subsample=0.0) | kernel | changes
      batch = self.first(model, **changes)
      examples, labels = batch["examples"], batch["labels"]
      return list(zip(examples.numpy(), labels.numpy(), strict=True))

    size = published(model, **kernel).batch_size
    self.assertLen(pairs(), size)
    self.assertEqual(pairs(), pairs())
    for changes in (
      dict(seed=7),
      dict(window_size=3),
      dict(subsample=0.01),
      dict(min_count=1000),
    ):
      self.assertNotEqual(pairs(**changes), pairs(), msg=changes)

  def test_the_parts_of_a_short_text(self):
    config = published("batched", train_data=texts.topics())
    text = inputs.load(config)
    with mock.patch.object(inputs.word2vec, "pairs") as pairs:
      inputs.epoch_dataset(config, text, 0)
      inputs.epoch_dataset(config, text._replace(num_words=5999), 0)
      inputs.epoch_dataset(config, text._replace(num_words=999), 0)
    found = [call.kwargs["num_shards"] for call in pairs.mock_calls]
    self.assertEqual(found, [12, 5, 1])

  def test_pairs_of_basic(self):
    config = published(
      "basic", train_data=texts.topics(), batch_size=6, num_skips=1, seed=5
    )
    text = inputs.load(config)
    batch = next(iter(inputs.basic_dataset(config, text)))
    self.assertAllEqual(batch["examples"], text.corpus.ids[1:7])


if __name__ == "__main__":
  tf.test.main()

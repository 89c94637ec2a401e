import os
import pathlib
import shutil

import numpy as np
import tensorflow as tf

from tests.estimators.helpers import new_folder
from tests.tools import language_model_helpers as helpers
from tests.tools.predict_helpers import function_of, saved
from tools.language_model import LanguageModel


class LanguageModelTest(tf.test.TestCase):
  def test_reads_words_on_from_a_state(self):
    model = LanguageModel(helpers.shared_export())
    self.assertEqual(model.words, list(helpers.WORDS))
    words = ["<eos>", "the", "company", "größer"]
    bits, _ = helpers.bits_of(words[1:])
    ids = tf.constant([model.ids_of(words)] * 2)
    self.assertAllEqual(ids[0], [2, 0, 3, 6])
    found = model.read(ids, model.start(2))
    expected = [-bits * np.log(2)] * 2
    self.assertAllClose(found["log_probabilities"], expected)
    first = model.read(ids[:, :2], model.start(2))
    rest = model.read(ids[:, 2:], first["state"])
    self.assertAllClose(rest["logits"], found["logits"])
    self.assertAllClose(rest["log_probabilities"][0], expected[0][2:])

  def test_unknown_words(self):
    model = LanguageModel(helpers.shared_export())
    self.assertEqual(model.ids_of(["the", "foo"]), [0, 1])
    model = LanguageModel(helpers.shared_export(("a", "<eos>")))
    self.assertEqual(model.ids_of(["<eos>", "a"]), [1, 0])
    with self.assertRaisesRegex(ValueError, "has no <unk> .*; got 'foo'. Leav"):
      model.ids_of(["a", "foo", "bar"])

  def test_the_newest_of_a_folder(self):
    folder = new_folder()
    for name in ("9", "10"):
      path = os.path.join(folder, name)
      shutil.copytree(helpers.shared_export(("a", "<eos>")), path)
    pathlib.Path(path, "assets", "vocab.txt").write_text("b\n<eos>\n")
    self.assertEqual(LanguageModel(folder).words, ["b", "<eos>"])

  def test_what_is_no_language_model(self):
    folder = new_folder()
    with self.assertRaisesRegex(ValueError, "--export_dir must be a SavedMod"):
      LanguageModel(folder)
    path = saved(function_of(lambda x: {"y": x}, x=([None], tf.float32)))
    with self.assertRaisesRegex(ValueError, "must be a language model, with"):
      LanguageModel(path)
    assets = os.path.join(path, "assets")
    shutil.rmtree(assets, ignore_errors=True)
    os.makedirs(assets)
    pathlib.Path(assets, "vocab.txt").write_text("a\nb\n")
    with self.assertRaisesRegex(
      ValueError, r"takes \['state', 'words'\] .*\(\['x'\], \['y'\]\)"
    ):
      LanguageModel(path)


if __name__ == "__main__":
  tf.test.main()

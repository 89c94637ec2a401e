import contextlib
import io
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator, EstimatorSpec, ModeKeys, minimize, once
from experiments.word2vec import serving, vocabulary
from tests.estimators.serving import served, signatures_of

WORDS = ["UNK", "king", "queen", "man", "naïve"]
VECTORS = np.array(
  [[-1, -1, -1], [3, 0, 4], [0, 3, 4], [2, 0, 0], [0, 5, 0]], np.float32
)
# By hand: the cosines with king and with naïve, the largest three.
KING = (["king", "queen", "man"], [1, 0.64, 0.6])
NAIVE = (["naïve", "queen", "king"], [1, 0.6, 0])
UNKNOWN = (["", "", ""], [0, 0, 0])

# Asks an export for neighbours, in a process that knows TensorFlow alone.
SERVE = """
import json, sys
import tensorflow as tf

path, words = json.load(sys.stdin)
model = tf.saved_model.load(path)
found = model.signatures["serving_default"](word=tf.constant(words))
neighbours = [[word.decode() for word in row] for row in
              found["neighbours"].numpy()]
print(json.dumps([neighbours, found["similarities"].numpy().tolist()]))
"""


@once
def emb():
  return tf.Variable(VECTORS)


@once
def optimizer():
  return keras.optimizers.SGD(0.0)


def model_fn(features, mode, params):
  if mode == ModeKeys.PREDICT:
    return serving.prediction_spec(emb(), features, **params)
  loss = tf.reduce_mean(emb())
  return EstimatorSpec(mode, loss=loss, train_op=minimize(loss, optimizer()))


def words_fn(*words):
  return lambda: tf.data.Dataset.from_tensors({"word": tf.constant(words)})


class ServingTest(tf.test.TestCase, parameterized.TestCase):
  def trained(self, num_neighbours=3):
    folder = self.get_temp_dir()
    path = os.path.join(folder, vocabulary.FILE)
    vocabulary.write(path, WORDS, [9, 4, 3, 2, 1])
    params = {"vocabulary_path": path, "num_neighbours": num_neighbours}
    estimator = Estimator(model_fn, os.path.join(folder, "m"), params=params)
    estimator.train(words_fn("king"), steps=1)
    return estimator

  def test_predictions_by_hand(self):
    estimator = self.trained()
    words = ["king", "naïve", "nowhere", "", "King"]
    found = list(estimator.predict(words_fn(*words)))
    expected = [KING, NAIVE, UNKNOWN, UNKNOWN, UNKNOWN]
    for answer, (neighbours, cosines) in zip(found, expected, strict=True):
      self.assertEqual([w.decode() for w in answer["neighbours"]], neighbours)
      self.assertAllClose(answer["similarities"], cosines, atol=1e-6)

  def test_no_more_neighbours_than_words(self):
    (answer,) = self.trained(20).predict(words_fn("king"))
    self.assertAllEqual(
      answer["neighbours"],
      [word.encode() for word in ("king", "queen", "man", "naïve", "UNK")],
    )

  @pytest.mark.slow
  def test_a_moved_export_in_a_fresh_process_without_the_files(self):
    path = self.export(self.trained())
    moved = os.path.join(self.get_temp_dir(), "moved")
    os.rename(path, moved)
    os.remove(os.path.join(self.get_temp_dir(), vocabulary.FILE))
    shutil.rmtree(os.path.join(self.get_temp_dir(), "m"))
    done = subprocess.run(
      [sys.executable, "-c", SERVE],
      input=json.dumps([moved, ["naïve", "nowhere", "king"]]),
      capture_output=True,
      text=True,
      check=True,
      cwd=self.get_temp_dir(),
      env={"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": os.environ["PATH"]},
    )
    neighbours, cosines = json.loads(done.stdout)
    expected = [NAIVE, UNKNOWN, KING]
    self.assertEqual(neighbours, [words for words, _ in expected])
    self.assertAllClose(cosines, [numbers for _, numbers in expected])

  def test_the_export_has_one_input_and_only_what_it_needs(self):
    path = self.export(self.trained())
    self.assertCountEqual(signatures_of(path), ["serving_default"])
    signature = signatures_of(path)["serving_default"]
    self.assertEqual(list(signature.inputs), ["word"])
    self.assertCountEqual(signature.outputs, ["neighbours", "similarities"])
    names = dict(tf.train.list_variables(f"{path}/variables/variables"))
    kept = [n.split("/")[1] for n in names if n.startswith("model/")]
    self.assertCountEqual(kept, ["emb", "global_step"])
    self.assertAllEqual(
      served(path, word=["man"])["neighbours"][0][:2], [b"man", b"king"]
    )

  def export(self, estimator):
    """Exports, and checks that the path is told."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
      path = serving.export_model(
        estimator, os.path.join(self.get_temp_dir(), "export")
      )
    self.assertStartsWith(printed.getvalue(), f"Exported to {path}\n")
    return path


if __name__ == "__main__":
  tf.test.main()

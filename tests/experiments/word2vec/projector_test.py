import json
import os
import pathlib
import urllib.parse
import urllib.request

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from estimators import Estimator, EstimatorSpec, once
from experiments.word2vec import projector
from tests.estimators.helpers import new_folder
from tests.estimators.tensorboard_test import launch

WORDS = ["UNK", "the", "größe", '"q"', "o'clock", "<b>"]
COUNTS = [7, 5, 4, 3, 2, 1]
VECTORS = np.arange(18, dtype=np.float32).reshape(6, 3)


@once
def emb():
  return tf.Variable(VECTORS)


@once
def nce_weights():
  return tf.Variable(tf.zeros([6, 3]))


def model_fn(features, mode):
  del features
  step = emb().assign_add(tf.ones([6, 3]))
  loss = tf.reduce_sum(nce_weights())
  return EstimatorSpec(mode, loss=loss, train_op=step)


class ProjectorTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.model_dir = new_folder()
    projector.write_projector(cls.model_dir, WORDS, COUNTS)
    Estimator(model_fn, cls.model_dir).train(
      lambda: tf.data.Dataset.range(9).batch(1), steps=2
    )
    cls.url = launch(cls.model_dir)

  def ask(self, route, **arguments):
    query = urllib.parse.urlencode(arguments)
    url = f"{self.url}data/plugin/projector/{route}?{query}"
    with urllib.request.urlopen(url, timeout=30) as reply:
      return reply.read()

  def test_tensorboard_lists_the_vectors_with_their_labels(self):
    self.assertEqual(json.loads(self.ask("runs")), ["."])
    info = json.loads(self.ask("info", run="."))
    self.assertEqual(
      os.path.basename(info["modelCheckpointPath"]), "model.ckpt-2"
    )
    (shown,) = [e for e in info["embeddings"] if "metadataPath" in e]
    self.assertEqual(
      shown,
      {
        "tensorName": NAME,
        "tensorShape": [6, 3],
        "metadataPath": "metadata.tsv",
      },
    )
    self.assertEqual(info["embeddings"][0], shown)

  def test_tensorboard_gives_the_newest_vectors(self):
    data = self.ask("tensor", run=".", name=NAME, num_rows=100_000)
    values = np.frombuffer(data, np.float32).reshape(6, 3)
    self.assertAllEqual(values, VECTORS + 2)

  def test_tensorboard_gives_the_words_in_the_order_of_the_vectors(self):
    data = self.ask("metadata", run=".", name=NAME, num_rows=100_000)
    rows = [line.split("\t") for line in data.decode().splitlines()]
    self.assertEqual(rows[0], ["word", "count"])
    self.assertEqual([word for word, _ in rows[1:]], WORDS)
    self.assertEqual([int(count) for _, count in rows[1:]], COUNTS)

  def test_a_cut_of_the_rows_leaves_the_first_words(self):
    # TensorBoard counts the header apart only where it knows that it is one.
    data = self.ask("metadata", run=".", name=NAME, num_rows=2)
    self.assertEqual(
      data.decode().splitlines(), ["word\tcount", "UNK\t7", "the\t5"]
    )

  def test_the_configuration_is_what_tensorboard_parses(self):
    text = pathlib.Path(self.model_dir, "projector_config.pbtxt").read_text()
    config = text_format.Parse(text, ProjectorConfig())
    (embedding,) = config.embeddings
    self.assertEqual(embedding.tensor_name, NAME)

  def test_there_must_be_a_count_for_each_word(self):
    folder = os.path.join(new_folder(), "new")
    with self.assertRaises(ValueError):
      projector.write_projector(folder, WORDS, COUNTS[:-1])
    self.assertEmpty(os.listdir(folder))


NAME = "emb/.ATTRIBUTES/VARIABLE_VALUE"

if __name__ == "__main__":
  tf.test.main()

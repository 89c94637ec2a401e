"""The exported model: words in, their neighbours out.

B is the number of words asked for, k the number of neighbours of each.
"""

import tensorflow as tf

from estimators import EstimatorSpec, ModeKeys, export, once
from experiments.word2vec import similarity

HOW_TO_USE = """Exported to {path}
  serving_default: word, string [B] -> neighbours, string [B, k], and
    similarities, float32 [B, k]
  python -m tools.predict --export_dir={path} --input=words.csv"""


def prediction_spec(emb, features, vocabulary_path, num_neighbours=20):
  """Returns the EstimatorSpec that finds the neighbours of words.

  The first neighbour of a word is the word itself. A word that is not in the
  vocabulary has empty strings for neighbours, with similarities of 0, which
  JSON has, other than NaN.

  Args:
    emb: float32 [V, D].
    features: {"word": string [B]}.
    vocabulary_path: str, the vocab.txt of the model; it becomes an asset of
      the SavedModel.
    num_neighbours: int, k; V if that is less.

  Returns:
    EstimatorSpec with predictions {"neighbours": string [B, k],
    "similarities": float32 [B, k] (cosines)}.
  """
  tables = vocabulary_tables(vocabulary_path)
  ids = tables["ids"].lookup(features["word"])
  known = (ids >= 0)[:, None]  # [B, 1]
  vectors = tf.gather(emb, tf.maximum(ids, 0))
  k = min(num_neighbours, emb.shape[0])
  cosines, neighbours = similarity.nearest(emb, vectors, k)
  words = tables["words"].lookup(tf.cast(neighbours, tf.int64))
  return EstimatorSpec(
    ModeKeys.PREDICT,
    predictions={
      "neighbours": tf.where(known, words, ""),
      "similarities": tf.where(known, cosines, 0.0),
    },
  )


@once
def vocabulary_tables(path):
  """Returns the tables of a vocab.txt: `ids` by word and `words` by id."""
  index = tf.lookup.TextFileIndex.LINE_NUMBER
  ids = tf.lookup.TextFileInitializer(
    path, tf.string, 0, tf.int64, index, delimiter=" "
  )
  words = tf.lookup.TextFileInitializer(
    path, tf.int64, index, tf.string, 0, delimiter=" "
  )
  return {
    "ids": tf.lookup.StaticHashTable(ids, -1),
    "words": tf.lookup.StaticHashTable(words, ""),
  }


def export_model(estimator, export_dir):
  """Writes a SavedModel, prints how to use it, and returns its path.

  Args:
    estimator: an Estimator whose model function gives `prediction_spec`.
    export_dir: str, the folder in which a folder named by the time is made.
  """
  receiver_fn = export.build_raw_serving_input_receiver_fn(
    {"word": tf.TensorSpec([None], tf.string)}
  )
  path = estimator.export_saved_model(export_dir, receiver_fn)
  print(HOW_TO_USE.format(path=path), flush=True)
  return path

"""A picture of the most common words: near each other where alike (t-SNE).

Source: plot_with_labels of word2vec_basic.py, "Vector representations of
words", TensorFlow 0.12.
"""

import os

import numpy as np
import tensorflow as tf

from estimators import atomic_files, summaries

FILE = "tsne.png"
NUM_WORDS = 500
# Of t-SNE, as in the tutorial: the neighbours that count, and the most steps.
PERPLEXITY = 30
MAX_STEPS = 5000
SIZE_INCHES = 18
_SEED = 0


def write_tsne(model_dir, words, vectors, step):
  """Writes tsne.png and TensorBoard's image `tsne` of the first 500 words.

  Where scikit-learn or matplotlib is missing, it prints a request to install
  them, so that what was trained is not lost.

  Args:
    model_dir: str, folder for the picture and the events.
    words: sequence of str, by id.
    vectors: float32 [V, D] by id, V and D at least 2; of any length.
    step: int, the global step of the image.

  Returns:
    The path of the picture, or None.
  """
  try:
    points = _points(np.asarray(vectors[:NUM_WORDS]))
    figure = _figure(words[:NUM_WORDS], points)
  except ImportError as error:
    print(
      "Please install scikit-learn and matplotlib to see the words in a "
      f"picture (pip install scikit-learn matplotlib): {error}.",
      flush=True,
    )
    return None
  path = os.path.join(model_dir, FILE)
  with atomic_files.writing(path) as stream:
    figure.savefig(stream, format="png")
  _write_summary(model_dir, path, step)
  return path


def _points(vectors):
  """Returns a point in the plane for each vector, float32 [N, 2]."""
  from sklearn.manifold import TSNE  # It takes a second.
  from threadpoolctl import threadpool_limits  # scikit-learn brings it along.

  lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
  tsne = TSNE(
    n_components=2,
    # It must be below the number of words; a third of them is the most that
    # makes sense.
    perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
    init="pca",
    max_iter=MAX_STEPS,
    random_state=_SEED,
  )
  # Its threads wait for each other, busily, thousands of times: where others
  # use the machine too, one is quicker than two, here twice to 60 times.
  with threadpool_limits(1):
    return tsne.fit_transform(vectors / np.maximum(lengths, 1e-12))


def _figure(words, points):
  """Returns the matplotlib Figure with a labelled dot for each word."""
  # Figure does without pyplot, which looks for a screen and keeps all figures.
  from matplotlib.figure import Figure

  figure = Figure(figsize=(SIZE_INCHES, SIZE_INCHES))
  axes = figure.subplots()
  axes.scatter(points[:, 0], points[:, 1])
  for word, point in zip(words, points, strict=True):
    axes.annotate(
      word,
      xy=point,
      xytext=(5, 2),
      textcoords="offset points",
      ha="right",
      va="bottom",
      parse_math=False,  # A word may have dollar signs.
    )
  return figure


def _write_summary(model_dir, path, step):
  image = tf.io.decode_png(tf.io.read_file(path), channels=3)
  writer = summaries.writer_for(model_dir)
  # A program that was started again draws the same once more.
  summaries.replace(model_dir, step)
  with writer.as_default(step=step):
    tf.summary.image("tsne", image[None])
  writer.flush()

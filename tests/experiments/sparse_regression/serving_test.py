import contextlib
import io
import tempfile

import numpy as np
import scipy.sparse
import tensorflow as tf

from estimators import RunConfig
from experiments.sparse_regression import inputs, model, serving
from experiments.sparse_regression.config import Config
from input_pipelines import svmlight

_DENSE = np.array([[1, 0, -2, 0], [0, 0, 0, 0], [0, 0.5, 3, 1]], np.float32)


def example(columns, values):
  """Returns a serialized Example."""
  feature = {
    "columns": tf.train.Feature(int64_list=tf.train.Int64List(value=columns)),
    "values": tf.train.Feature(float_list=tf.train.FloatList(value=values)),
  }
  features = tf.train.Features(feature=feature)
  return tf.train.Example(features=features).SerializeToString()


def example_of(row):
  """Returns that of a row, its columns from the last to the first."""
  columns = np.flatnonzero(row)[::-1]
  return example(columns, row[columns])


class ServingTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    config = Config(
      l1=0.01, batch_size=3, initial_accumulator=0.1, export_dir=cls.folder
    )
    rows = svmlight.Examples(
      scipy.sparse.csr_matrix(_DENSE), np.array([1, 0, 1], np.float32)
    )
    estimator = model.estimator_of(
      config, RunConfig(model_dir=f"{cls.folder}/model"), 4
    )
    estimator.train(inputs.train_input_fn(rows, config), max_steps=4)
    found = estimator.predict(inputs.evaluation_input_fn(rows, config))
    cls.expected = [p["probabilities"] for p in found]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
      path = serving.export_model(estimator, config)
    cls.printed = printed.getvalue()
    cls.signatures = tf.saved_model.load(path).signatures

  def test_what_is_printed_names_the_signatures(self):
    for name in ("serving_default", "parts:serving_default"):
      self.assertIn(name, self.printed)
      self.assertIn(name, self.signatures)

  def test_serialized_examples(self):
    served = self.signatures["serving_default"](
      examples=tf.constant([example_of(row) for row in _DENSE])
    )
    self.assertAllClose(served["probabilities"], self.expected)

  def test_parts(self):
    x = scipy.sparse.csr_matrix(_DENSE)
    served = self.signatures["parts:serving_default"](
      columns=tf.constant(x.indices, tf.int64),
      values=tf.constant(x.data),
      row_splits=tf.constant(x.indptr, tf.int64),
    )
    self.assertAllClose(served["probabilities"], self.expected)
    self.assertAllEqual(
      served["classes"], np.greater(self.expected, 0.5).astype(int)
    )

  def test_examples_that_make_no_sense(self):
    # As many columns as values in all, but not in each.
    wrong = [example([0, 1], [1.0]), example([2], [1.0, 2.0])]
    with self.assertRaisesRegex(
      tf.errors.InvalidArgumentError, "as many columns as values"
    ):
      self.signatures["serving_default"](examples=tf.constant(wrong))

  def test_parts_that_make_no_sense(self):
    for columns, values, splits in (
      ([4], [1.0], [0, 1]),  # There are columns 0 to 3.
      ([-1], [1.0], [0, 1]),
      ([0, 1], [1.0], [0, 1]),
      ([0], [1.0], [0, 2]),
      ([0], [1.0], [1, 1]),
    ):
      with self.subTest(columns=columns, values=values, splits=splits):
        with self.assertRaises(tf.errors.InvalidArgumentError):
          self.signatures["parts:serving_default"](
            columns=tf.constant(columns, tf.int64),
            values=tf.constant(values),
            row_splits=tf.constant(splits, tf.int64),
          )


if __name__ == "__main__":
  tf.test.main()

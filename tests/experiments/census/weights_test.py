import contextlib
import io

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import RunConfig
from experiments.census import model, weights
from experiments.census.config import config_of
from input_pipelines import census


class BucketNamesTest(tf.test.TestCase, parameterized.TestCase):
  def test_a_vocabulary_needs_no_people(self):
    names = weights.bucket_names(column("relationship"))
    self.assertEqual(names[0], "Husband")
    self.assertEqual(names[5], "Other-relative")
    self.assertLen(names, 6)

  def test_ranges_of_age(self):
    names = weights.bucket_names(column("age_bucketized"))
    self.assertEqual(
      [names[0], names[1], names[9], names[10]],
      ["under 18", "18 to 24", "60 to 64", "65 and over"],
    )

  def test_hashed_words_are_where_tensorflow_puts_them(self):
    names = weights.bucket_names(column("occupation"), PEOPLE)
    self.assertEqual(names, {bucket_of("Sales"): "Sales", bucket_of("?"): "?"})

  def test_without_people_buckets_have_numbers(self):
    names = weights.bucket_names(column("occupation"))
    self.assertEqual((names[7], len(names)), ("bucket 7", 1000))

  @parameterized.parameters(
    ("education_X_occupation", ["9th x Sales", "11th x ?"]),
    (
      "age_bucketized_X_education_X_occupation",
      ["18 to 24 x 9th x Sales", "18 to 24 x 11th x ?", "25 to 29 x 11th x ?"],
    ),
  )
  def test_crosses_are_where_tf_feature_column_puts_them(self, name, expected):
    names = weights.bucket_names(column(name), PEOPLE)
    self.assertCountEqual(names.values(), expected)
    for i, bucket in enumerate(reference_buckets(name)):
      facts = [PEOPLE["education"][i], PEOPLE["occupation"][i]]
      self.assertEndsWith(names[bucket], " x ".join(facts))

  def test_those_that_share_a_bucket_come_by_how_often_they_are_there(self):
    words = ["a", "b", "b", "c", "c", "c", "d"]
    features = {"occupation": np.array(words, object)}
    (name,) = weights.bucket_names(
      model.fc.categorical_column_with_hash_bucket("occupation", 1), features
    ).values()
    self.assertEqual(name, "c, b and 2 more")


class StrongestTest(tf.test.TestCase):
  def test_the_strongest_of_each_sign_first(self):
    values = np.array([0.5, -0.25, 0.0, 2.0, -4.0, 1.0], np.float32)
    up, down = weights.strongest(values, dict(enumerate("abcdef")), top=2)
    self.assertEqual(up, [(2.0, "d"), (1.0, "f")])
    self.assertEqual(down, [(-4.0, "e"), (-0.25, "b")])

  def test_unnamed_buckets_are_left_out(self):
    values = np.array([3.0, 1.0], np.float32)
    self.assertEqual(
      weights.strongest(values, {1: "b"}, top=5), ([(1.0, "b")], [])
    )


class ReportTest(tf.test.TestCase):
  def test_what_was_learned_of_invented_people(self):
    people = census.fake_split(400)
    estimator = self.trained("wide_deep", people)
    with contextlib.redirect_stdout(io.StringIO()):
      lines = weights.report(estimator, people.features, top=1)
    self.assertStartsWith(lines[0], "bias ")
    start = lines.index("education: 16 weights, 14 of them zero")
    self.assertRegex(lines[start + 1], r"^  \+\d\.\d{3}  Bachelors$")
    self.assertRegex(lines[start + 2], r"^  -\d\.\d{3}  HS-grad$")
    self.assertIn("education_X_occupation: 6 weights, 0 of them zero", lines)

  def test_zeros_are_counted_over_all_columns(self):
    # One person moves one weight of each of the 8 columns.
    estimator = self.trained("wide", census.fake_split(1))
    self.assertEqual(weights.count_zeros(estimator), "3041 of 3049")

  @pytest.mark.slow
  def test_a_deep_model_has_no_weights_of_categories(self):
    estimator = self.trained("deep", census.fake_split(4))
    with self.assertRaisesRegex(ValueError, "no variable 'linear/"):
      weights.report(estimator, None, top=1)

  def trained(self, model_type, people):
    estimator = model.estimator_of(
      config_of(model_type), RunConfig(tf_random_seed=1)
    )
    estimator.train(census.input_fn(people))
    return estimator


PEOPLE = {
  "age": np.array([18, 24, 25], np.int32),
  "education": np.array(["9th", "11th", "11th"], object),
  "occupation": np.array(["Sales", "?", "?"], object),
}


def column(name):
  (found,) = (c for c in model.wide_columns() if c.name == name)
  return found


def bucket_of(word):
  return int(tf.strings.to_hash_bucket_fast(word, 1000))


def reference_buckets(name):
  """Returns the buckets of PEOPLE by tf.feature_column, int [3]."""
  fc = tf.feature_column
  keys = ["education", "occupation"]
  if name.startswith("age"):
    age = fc.numeric_column("age")
    keys = [fc.bucketized_column(age, model.AGE_BOUNDARIES), *keys]
  crossed = fc.indicator_column(fc.crossed_column(keys, 1000))
  layer = tf.compat.v1.feature_column.input_layer
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    features = {k: tf.constant(v[:, None]) for k, v in PEOPLE.items()}
    return session.run(layer(features, [crossed])).argmax(1)


if __name__ == "__main__":
  tf.test.main()

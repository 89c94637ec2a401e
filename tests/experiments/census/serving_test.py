import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators import RunConfig
from experiments.census import model, serving
from experiments.census.config import config_of
from input_pipelines import census

# The two people that the tutorial asks its exported model about.
PEOPLE = {
  "age": [46.0, 24.0],
  "education_num": [10.0, 13.0],
  "capital_gain": [7688.0, 0.0],
  "capital_loss": [0.0, 0.0],
  "hours_per_week": [38.0, 50.0],
  "workclass": ["Private", "Private"],
  "education": ["Some-college", "Bachelors"],
  "marital_status": ["Married-civ-spouse", "Never-married"],
  "relationship": ["Husband", "Not-in-family"],
  "occupation": ["Craft-repair", "Exec-managerial"],
}

# Answers about people, in a process that knows nothing but TensorFlow.
SERVE = """
import json, sys
import tensorflow as tf

path, people = json.load(sys.stdin)
signatures = tf.saved_model.load(path).signatures

def feature(value):
  if isinstance(value, str):
    value = tf.train.BytesList(value=[value.encode()])
    return tf.train.Feature(bytes_list=value)
  return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))

rows = [dict(zip(people, row)) for row in zip(*people.values())]
examples = tf.constant([
  tf.train.Example(
    features=tf.train.Features(
      feature={name: feature(value) for name, value in row.items()}
    )
  ).SerializeToString()
  for row in rows
])
raw = signatures["raw:predict"]
names = raw.structured_input_signature[1]
answers = [
  signatures["predict"](examples=examples)["logits"],
  raw(**{n: tf.constant(people[n]) for n in names})["logits"],
  signatures["serving_default"](inputs=examples)["scores"],
]
print(json.dumps([answer.numpy().tolist() for answer in answers]))
"""


class ServingTest(tf.test.TestCase, parameterized.TestCase):
  @pytest.mark.slow
  def test_the_two_people_of_the_tutorial_in_a_fresh_process(self):
    config, estimator = self.trained("wide_deep")
    path = serving.export_model(estimator, config)
    features = {
      name: np.array(values, object if isinstance(values[0], str) else None)
      for name, values in PEOPLE.items()
    }
    people = census.Split(features, np.zeros(2, np.int32))
    expected = list(estimator.predict(census.input_fn(people)))
    logits = [answer["logits"] for answer in expected]
    self.assertNotAllClose(logits[0], logits[1])
    done = subprocess.run(
      [sys.executable, "-c", SERVE],
      input=json.dumps([path, PEOPLE]),
      capture_output=True,
      text=True,
      check=True,
      env={"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": os.environ["PATH"]},
    )
    *served, scores = json.loads(done.stdout)
    self.assertAllClose(served, [logits, logits], rtol=1e-5)
    self.assertAllClose(scores, [x["probabilities"] for x in expected])

  def test_numbers_are_needed_and_text_is_not(self):
    parsed = tf.io.parse_example(
      [tf.train.Example().SerializeToString()],
      {
        name: spec
        for name, spec in serving.feature_spec("wide").items()
        if name != "age"
      },
    )
    self.assertLen(parsed, 5)
    for value in parsed.values():
      self.assertAllEqual(value, [b""])
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "age"):
      tf.io.parse_example(
        [tf.train.Example().SerializeToString()], serving.feature_spec("wide")
      )

  @parameterized.parameters(
    ("wide", ["age"]),
    ("deep", list(model.NUMBERS)),
    ("wide_deep", list(model.NUMBERS)),
  )
  def test_a_model_asks_for_what_it_uses(self, model_type, numbers):
    self.assertCountEqual(
      serving.feature_spec(model_type),
      [*numbers, *model.VOCABULARIES, "occupation"],
    )

  def trained(self, model_type):
    config = config_of(model_type, export_dir=self.get_temp_dir())
    estimator = model.estimator_of(config, RunConfig(tf_random_seed=1))
    estimator.train(census.input_fn(census.fake_split(40)))
    return config, estimator


if __name__ == "__main__":
  tf.test.main()

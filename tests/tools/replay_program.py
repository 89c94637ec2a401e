"""A program that trains until it takes the logarithm of 0, to be replayed."""

import argparse
import os

import keras
import tensorflow as tf

from estimators import Estimator, EstimatorSpec, RunConfig, minimize, once
from tests.estimators import toys

# The step that meets the 0. There are checkpoints of the steps 0, 4 and 8.
BROKEN_STEP = 10


@once
def dropout():
  return keras.layers.Dropout(0.3)


def model_fn(features, labels, mode, params):
  x = dropout()(features[:, None], training=True)
  predicted = toys.line()(x / 20)[:, 0]
  wanted = tf.math.log(labels)  # This is the line to be found.
  loss = params["factor"] * tf.reduce_mean(tf.square(predicted - wanted))
  train_op = minimize(loss, toys.sgd())
  return EstimatorSpec(mode, loss=loss, train_op=train_op)


def input_fn():
  x = tf.data.Dataset.range(1, 21, output_type=tf.float32).shuffle(20, seed=5)
  x = x.concatenate(tf.data.Dataset.from_tensors(0.0)).batch(2)
  return x.map(lambda x: (x, x)).repeat()


def main():
  parser = argparse.ArgumentParser()
  parser.add_argument("--model_dir")
  parser.add_argument("--max_steps", type=int, default=30)
  parser.add_argument("--factor", type=float, default=1.0)
  values = parser.parse_args()
  with open(os.path.join(values.model_dir, "notes.txt"), "w") as stream:
    stream.write("begun")
  config = RunConfig(
    values.model_dir,
    tf_random_seed=2,
    save_checkpoints_steps=4,
    save_summary_steps=1,
  )
  params = {"factor": values.factor}
  estimator = Estimator(model_fn, config=config, params=params)
  estimator.train(input_fn, max_steps=values.max_steps)


if __name__ == "__main__":
  main()

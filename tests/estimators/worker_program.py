"""What the workers of the tests run, each in its own process.

    python -m tests.estimators.worker_program INDEX '<JSON list of jobs>'

INDEX is the worker's number, and each job a dictionary of arguments of `train`.
TF_CONFIG describes the cluster; without it the process trains alone.
"""

import atexit
import json
import os
import signal
import sys
import time

import keras
import tensorflow as tf

import estimators
from estimators import (
  Estimator,
  EstimatorSpec,
  Hook,
  ModeKeys,
  RunConfig,
  interruption,
  once,
)
from tests.estimators import toys

BATCH_SIZE = 6


@once
def network():
  return keras.Sequential(
    [
      keras.layers.Dense(8, activation="relu"),
      estimators.Dropout(0.3),
      keras.layers.Dense(3),
    ]
  )


def model_fn(features, labels, mode):
  """A classifier that also keeps a Keras metric of its training."""
  logits = network()(features, training=mode == ModeKeys.TRAIN)
  loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  )
  toys.accuracy().update_state(labels, logits)
  if mode == ModeKeys.TRAIN:
    train_op = estimators.minimize(loss, toys.adam())
    return EstimatorSpec(mode, loss=loss, train_op=train_op)
  metrics = {"accuracy": toys.accuracy()}
  return EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


def examples(epochs=None):
  return tf.data.Dataset.from_tensor_slices(toys.network_data()).repeat(epochs)


def whole():
  """Global batches, in order and without end."""
  return examples().batch(BATCH_SIZE)


def ending():
  """Global batches of two epochs: the last one is short."""
  return examples(2).batch(BATCH_SIZE)


def shuffled(input_context):
  """A worker's half of shuffled global batches, without end."""
  number = input_context.num_input_pipelines
  dataset = examples().shard(number, input_context.input_pipeline_id)
  dataset = dataset.shuffle(11).batch(BATCH_SIZE // number, drop_remainder=True)
  return dataset.prefetch(2)


def halves(input_context):
  """A worker's rows of the batches of `whole`; those of alone, all of them."""
  number = input_context.num_input_pipelines
  return (
    examples()
    .batch(BATCH_SIZE // number, drop_remainder=True)
    .shard(number, input_context.input_pipeline_id)
  )


def uneven(input_context):
  """Three batches of `whole` in parts of 1 and 5 rows, or of none and 6.

  The second worker has a fourth batch, which is never read.
  """
  index = input_context.input_pipeline_id
  cuts = (
    ([0, 1], [1, 6]),
    ([6, 6], [6, 12]),
    ([12, 13], [13, 18]),
    ([0, 6],) * 2,
  )
  if input_context.num_input_pipelines == 1:
    ranges = [[0, 6], [6, 12], [12, 18]]
  else:
    ranges = [cut[index] for cut in cuts][: 3 + index]
  features, labels = toys.network_data()

  def batches():
    for start, stop in ranges:
      yield features[start:stop], labels[start:stop]

  return tf.data.Dataset.from_generator(
    batches,
    output_signature=(
      tf.TensorSpec([None, 4], tf.float32),
      tf.TensorSpec([None], tf.int32),
    ),
  )


class At(Hook):
  """Calls a function of the run when a step is reached."""

  def __init__(self, step, function):
    self._step, self._function = step, function

  def next_step(self, step):
    return max(self._step, step + 1)

  def after_run(self, run):
    if run.step == self._step:
      self._function(run)


def fail(run):
  del run
  raise ZeroDivisionError("this worker fails")


def stay(run):
  """Fails, but its process lives on, as it does in a notebook."""
  atexit.register(time.sleep, 600)
  fail(run)


def send(number):
  """Returns a function that sends this process a signal."""
  return lambda run: os.kill(os.getpid(), number)


def end_within_a_hook(run):
  """Is ended by SIGTERM in what may then be broken off, as an evaluation is."""
  send(signal.SIGTERM)(run)
  interruption.check()
  raise AssertionError("the signal breaks it off")


EVENTS = {
  "fail": fail,
  "stay": stay,
  "kill": send(signal.SIGKILL),
  "term": send(signal.SIGTERM),
  "term_within": end_within_a_hook,
  "freeze": send(signal.SIGSTOP),
  "stop": lambda run: run.request_stop(),
}


def train(
  index,
  model_dir,
  input_fn,
  max_steps=None,
  every=2,
  events=(),
  evaluate=False,
  ends=False,
  seeds=(7, 7),
):
  """Trains, and prints what came of it.

  Args:
    index: int, which worker this is.
    model_dir: str.
    input_fn: str, the name of an input function above.
    max_steps: int or None.
    every: int, steps from one checkpoint to the next.
    events: list of (worker, step, name in EVENTS): what happens where and when.
    evaluate: bool, whether to evaluate then.
    ends: bool, whether it is ended by SIGTERM before it trains.
    seeds: ints, the workers' `tf_random_seed`s.
  """
  config = RunConfig(
    model_dir,
    tf_random_seed=seeds[index],
    save_checkpoints_steps=every,
    save_summary_steps=1,
    log_step_count_steps=1,
    train_distribute=estimators.distribution_strategy("multi_worker")
    if "TF_CONFIG" in os.environ
    else None,
  )
  if ends:
    os.kill(os.getpid(), signal.SIGTERM)
  estimator = Estimator(model_fn, config=config)
  hooks = [At(step, EVENTS[name]) for i, step, name in events if i == index]
  estimator.train(globals()[input_fn], hooks, max_steps=max_steps)
  results = {"step": int(estimator.get_variable_value("global_step"))}
  if evaluate:
    dataset = examples(1).batch(16)
    results["evaluation"] = estimator.evaluate(lambda: dataset, name="test")
  print("RESULTS", json.dumps(results), flush=True)


def main():
  num_cpus = int(os.environ.get("NUM_CPUS", 1))
  tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * num_cpus,
  )
  index = int(sys.argv[1])
  for job in json.loads(sys.argv[2]):
    train(index, **job)


if __name__ == "__main__":
  main()

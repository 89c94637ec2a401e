"""Tests of what is written for TensorBoard, and of reading it back."""

import os
import shutil

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  minimize,
  once,
  summaries,
)
from tests.estimators import toys
from tests.estimators.helpers import (
  events_of,
  new_folder,
  plugins,
  scalars,
  steps,
)

# The examples of batch i are i and i + 0.5.
X = np.arange(0, 300, 0.5, dtype=np.float32)
TRAIN = toys.input_of(X, X, batch_size=2)
EVAL = toys.input_of([3.0, 5.0, 70.0], np.float32([0, 0, 0]), batch_size=2)
PLUGINS = {
  "mean_x": "scalars",
  "block/mean_x": "scalars",
  "x": "histograms",
  "picture": "images",
  "words": "text",
}


@once
def slow_sgd():
  return keras.optimizers.SGD(1e-6)


def noted_fn(features, labels, mode):
  """A line with summaries of all kinds."""
  y = toys.line()(features[:, None])[:, 0]
  tf.summary.scalar("mean_x", tf.reduce_mean(features))
  with tf.name_scope("block"):
    tf.summary.scalar("mean_x", 2 * tf.reduce_mean(features))
  tf.summary.histogram("x", features)
  tf.summary.image("picture", tf.zeros([1, 2, 2, 1]))
  tf.summary.text("words", "some words")
  loss = tf.reduce_mean(tf.square(y - labels))
  train_op = minimize(loss, slow_sgd()) if mode == ModeKeys.TRAIN else None
  metrics = {"error": tf.abs(y - labels)}
  return EstimatorSpec(
    mode, loss=loss, train_op=train_op, eval_metric_ops=metrics
  )


class ModelSummariesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(False, True)
  def test_training_and_evaluation(self, mirrored):
    strategy = None
    if mirrored:
      strategy = toys.two_replicas()
    config = RunConfig(train_distribute=strategy, eval_distribute=strategy)
    estimator = Estimator(noted_fn, new_folder(), config)
    estimator.train(TRAIN, steps=201)

    rates = {"global_step/sec": "scalars", "examples/sec": "scalars"}
    own = {"loss": "scalars", "learning_rate": "scalars"}
    # No other tags: none with the name of a loop or a replica before it.
    found = plugins(estimator.model_dir)
    self.assertEqual(found, {**PLUGINS, **own, **rates})
    self.assertEqual(
      steps(estimator.model_dir),
      {
        **dict.fromkeys((*PLUGINS, *own), [0, 100, 200]),
        # The first time is the one to count from.
        **dict.fromkeys(rates, [100, 200]),
      },
    )
    values = scalars(estimator.model_dir)
    # A replica's summaries are of its part of the batch: the first half.
    off = 0 if mirrored else 0.25
    for step in (0, 100, 200):
      self.assertAllClose(values["mean_x"][step], step + off)
      self.assertAllClose(values["block/mean_x"][step], 2 * (step + off))
      self.assertAllClose(values["learning_rate"][step], 1e-6)
    self.assertAllClose(values["loss"][0], 0.125)  # Mean of 0 and 0.25.
    for step in (100, 200):
      self.assertAllClose(
        values["examples/sec"][step], 2 * values["global_step/sec"][step]
      )
    graph = events_of(estimator.model_dir).Graph()
    self.assertIn("block", {node.name.split("/")[0] for node in graph.node})

    results = estimator.evaluate(EVAL)
    found = plugins(estimator.eval_dir())
    self.assertEqual(
      found,
      {
        **PLUGINS,
        "loss": "scalars",
        "error": "scalars",
        "checkpoint_path": "text",
      },
    )
    self.assertEqual(steps(estimator.eval_dir()), dict.fromkeys(found, [201]))
    values = scalars(estimator.eval_dir())
    # Of the first batch, 3 and 5; and of all.
    self.assertAllClose(values["mean_x"][201], 3 if mirrored else 4)
    self.assertAllClose(values["error"][201], results["error"])

  def test_cadence(self):
    estimator = Estimator(
      noted_fn, new_folder(), RunConfig(save_summary_steps=4)
    )
    estimator.train(TRAIN, steps=6).train(TRAIN, steps=4)
    values = scalars(estimator.model_dir)
    self.assertEqual(sorted(values["mean_x"]), [0, 4, 8])
    # The input went on where it was.
    self.assertAllClose(values["mean_x"], {0: 0.25, 4: 4.25, 8: 8.25})

  def test_none(self):
    config = RunConfig(save_summary_steps=None, log_step_count_steps=None)
    estimator = Estimator(noted_fn, new_folder(), config)
    estimator.train(TRAIN, steps=3)
    self.assertEqual(plugins(estimator.model_dir), {})


class WhenRecordedTest(tf.test.TestCase):
  def record(self, function, every=2):
    """Returns what a function of a step writes in steps 0 to 4, by tag."""
    folder = new_folder()
    writer = summaries.writer_for(folder)

    @tf.function(autograph=False)
    def run(step):
      with (
        writer.as_default(step=step),
        tf.summary.record_if(tf.equal(step % every, 0)),
        tf.name_scope("outer"),
      ):
        function(step)

    for step in range(5):
      run(tf.constant(step, tf.int64))
    writer.flush()
    return scalars(folder), run.get_concrete_function(
      tf.TensorSpec([], tf.int64)
    ).graph

  def test_in_the_steps_that_record_and_by_its_own_name(self):
    computed = tf.Variable(0)

    def function(step):
      def write():
        computed.assign_add(1)
        tf.summary.scalar("a", 10 * step)
        with tf.name_scope("inner"):
          tf.summary.scalar("b", step)

      summaries.when_recorded(write)

    found, _ = self.record(function)
    self.assertEqual(
      found, {"a": {0: 0, 2: 20, 4: 40}, "inner/b": {0: 0, 2: 2, 4: 4}}
    )
    # What is written is not even computed in the other steps.
    self.assertEqual(int(computed), 3)

  def test_those_of_a_context_share_one_condition(self):
    order = []

    def function(step):
      with summaries.in_one_condition():
        for tag in "ab":

          def write(tag=tag):
            order.append(tag)
            tf.summary.scalar(tag, step)

          summaries.when_recorded(write)
        order.append("end")

    found, graph = self.record(function)
    self.assertEqual(found, dict.fromkeys("ab", {0: 0, 2: 2, 4: 4}))
    self.assertEqual(order[:3], ["end", "a", "b"])
    operations = [op.type for op in graph.get_operations()]
    self.assertEqual(
      len([t for t in operations if t in ("If", "StatelessIf")]), 1
    )

  def test_contexts_within_each_other(self):
    def function(step):
      with summaries.in_one_condition():
        summaries.when_recorded(lambda: tf.summary.scalar("outer", step))
        with summaries.in_one_condition():
          summaries.when_recorded(lambda: tf.summary.scalar("inner", step))

    found, graph = self.record(function)
    self.assertEqual(found, dict.fromkeys(("outer", "inner"), found["inner"]))
    self.assertEqual(sorted(found["inner"]), [0, 2, 4])

  def test_an_error_writes_nothing_and_leaves_no_context(self):
    def function(step):
      with self.assertRaises(ZeroDivisionError):
        with summaries.in_one_condition():
          summaries.when_recorded(lambda: tf.summary.scalar("lost", step))
          raise ZeroDivisionError
      summaries.when_recorded(lambda: tf.summary.scalar("kept", step))

    found, _ = self.record(function)
    self.assertEqual(list(found), ["kept"])

  def test_nothing_is_traced_where_nothing_is_recorded(self):
    called = []

    @tf.function(autograph=False)
    def run():
      summaries.when_recorded(lambda: called.append(1))  # There is no writer.
      with tf.summary.record_if(False):
        summaries.when_recorded(lambda: called.append(1))

    run()
    self.assertEmpty(called)


class WriterTest(tf.test.TestCase):
  def test_one_a_folder(self):
    folder = new_folder()
    writer = summaries.writer_for(folder)
    self.assertIs(summaries.writer_for(folder + "/"), writer)
    self.assertIsNot(summaries.writer_for(new_folder()), writer)

  def test_a_folder_that_was_deleted(self):
    folder = new_folder()
    for value in (1.0, 2.0):
      writer = summaries.writer_for(folder)
      summaries.write_evaluation(writer, {"loss": value}, 7, None)
      self.assertEqual(
        summaries.read_eval_metrics(folder), {7: {"loss": value}}
      )
      shutil.rmtree(folder)

  def test_results_of_all_kinds(self):
    folder = new_folder()
    results = {"loss": 1.5, "global_step": 7, "matrix": np.eye(2), "n": 3}
    summaries.write_evaluation(
      summaries.writer_for(folder), results, 7, "model.ckpt-7"
    )
    self.assertEqual(
      plugins(folder),
      {
        "loss": "scalars",
        "n": "scalars",
        "checkpoint_path": "text",
      },
    )
    events = events_of(folder)
    (matrix,) = events.Tensors("matrix")
    self.assertAllEqual(tf.make_ndarray(matrix.tensor_proto), np.eye(2))
    (path,) = events.Tensors("checkpoint_path")
    self.assertEqual(tf.make_ndarray(path.tensor_proto), b"model.ckpt-7")
    self.assertEqual({*map(tuple, steps(folder).values())}, {(7,)})


class ReaderTest(tf.test.TestCase):
  def write(self, folder, step, **results):
    # A writer of its own, as another process has.
    writer = tf.summary.create_file_writer(folder)
    summaries.write_evaluation(writer, results, step, None)
    writer.close()

  def test_in_the_order_of_the_steps_and_later_ones_count(self):
    folder = new_folder()
    self.write(folder, 20, loss=2.0)
    self.write(folder, 10, loss=1.0, error=0.5)
    self.write(folder, 10, loss=3.0)
    metrics = summaries.read_eval_metrics(folder)
    self.assertEqual(list(metrics), [10, 20])
    self.assertEqual(metrics, {10: {"loss": 3, "error": 0.5}, 20: {"loss": 2}})

  def test_what_comes_later_is_read_as_well(self):
    folder = os.path.join(new_folder(), "eval")
    self.assertEqual(summaries.read_eval_metrics(folder), {})
    writer = tf.summary.create_file_writer(folder)
    for step in (10, 20, 30):
      summaries.write_evaluation(writer, {"loss": step}, step, None)
      self.assertEqual(
        summaries.read_eval_metrics(folder),
        {s: {"loss": s} for s in range(10, step + 1, 10)},
      )

  def test_what_was_deleted_does_not_count(self):
    folder = new_folder()
    self.write(folder, 10, loss=1.0)
    summaries.read_eval_metrics(folder)
    shutil.rmtree(folder)
    self.assertEqual(summaries.read_eval_metrics(folder), {})


if __name__ == "__main__":
  tf.test.main()

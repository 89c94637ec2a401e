import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  NanLossDuringTrainingError,
  RunConfig,
  minimize,
  once,
  replicas,
)
from tests.estimators import toys
from tests.estimators.toys import RecordingHook


class OnReplicasTest(parameterized.TestCase, tf.test.TestCase):
  def run_on(
    self,
    batch,
    step=lambda batch, weight: (batch, weight),
    parts=None,
  ):
    """Returns what `step` returns on each of two replicas."""
    strategy = toys.two_replicas()

    @tf.function
    def run(batch):
      result = replicas.on_replicas(strategy, step, batch, parts)
      return tf.nest.map_structure(strategy.experimental_local_results, result)

    return run(batch)

  @parameterized.parameters(
    (4, [[0, 1], [2, 3]], [0.5, 0.5]),
    (5, [[0, 1], [2, 3, 4]], [0.4, 0.6]),
    (1, [[0], [0]], [0, 1]),
  )
  def test_slices_and_weights(self, size, slices, weights):
    batch = {"x": tf.range(size), "y": tf.ones([size, 2]), "z": tf.constant(7)}
    found, found_weights = self.run_on(batch)
    for i in range(2):
      self.assertAllEqual(found["x"][i], slices[i])
      self.assertEqual(found["y"][i].shape, [len(slices[i]), 2])
      self.assertAllEqual(found["z"][0], 7)
    self.assertAllClose(found_weights, weights)

  def test_sparse_and_ragged_tensors(self):
    dense = np.array([[1, 0], [0, 2], [3, 0]])
    sparse = tf.sparse.from_dense(dense)
    ragged = tf.ragged.constant([[1], [], [2, 3]])

    def step(batch, weight):
      sparse, ragged = batch
      return tf.sparse.to_dense(sparse), ragged.to_tensor(shape=[None, 2])

    found = self.run_on((sparse, ragged), step)
    self.assertAllEqual(found[0][0], dense[:1])
    self.assertAllEqual(found[0][1], dense[1:])
    self.assertAllEqual(found[1][0], [[1, 0]])
    self.assertAllEqual(found[1][1], [[0, 0], [2, 3]])
    for batch in (sparse, ragged, {"a": tf.constant(1), "b": tf.zeros([3, 1])}):
      self.assertEqual(replicas.batch_size(batch), 3)
    self.assertEqual(replicas.batch_size(tf.constant(1)), 1)

  @parameterized.parameters((None,), ((5,),))
  def test_the_only_part(self, sizes):
    def step(batch, weight):
      return batch, weight, replicas.rows()

    parts = replicas.Parts(0, 1, sizes)
    found, weights, rows = self.run_on(tf.range(5), step, parts)
    self.assertAllEqual(found[0], [0, 1])
    self.assertAllEqual(found[1], [2, 3, 4])
    self.assertAllClose(weights, [0.4, 0.6])
    self.assertAllEqual(rows, [[0, 2], [2, 5], [5, 5]])

  def test_a_part_without_rows(self):
    batch = {
      "number": tf.zeros([0, 2]),
      "text": tf.zeros([0], tf.string),
      "sparse": tf.sparse.from_dense(np.zeros([0, 2])),
      "ragged": tf.RaggedTensor.from_row_splits(tf.zeros([0]), [0]),
    }

    def step(batch, weight):
      infinite = 1 / tf.reduce_sum(batch["number"])
      real = replicas.of_real_rows(parts, [infinite * weight])
      batch["sparse"] = tf.sparse.to_dense(batch["sparse"])
      batch["ragged"] = batch["ragged"].to_tensor(shape=[None, 2])
      return batch, real[0]

    parts = replicas.Parts(0, 1, None)
    found, real = self.run_on(batch, step, parts)
    self.assertAllEqual(real, [0, 0])
    for name in ("number", "sparse", "ragged"):
      self.assertAllEqual(found[name][1], [[0, 0]])
    self.assertAllEqual(found["text"][1], [b""])

  def test_leading_dimensions_that_differ(self):
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "batch as the"):
      self.run_on((tf.zeros([4]), tf.zeros([3])))

  def test_sums_and_joined_tensors(self):
    strategy = toys.two_replicas()

    @tf.function
    def run(batch):
      value = replicas.on_replicas(
        strategy, lambda batch, weight: (batch, weight), batch
      )
      return (
        replicas.total(strategy, value[1]),
        replicas.join(strategy, value[0], per_example=True),
        replicas.join(strategy, value[0], per_example=False),
      )

    total, joined, first = run(tf.range(5))
    self.assertAllClose(total, 1.0)
    self.assertAllEqual(joined, range(5))
    self.assertAllEqual(first, [0, 1])
    plain = tf.range(5)
    self.assertIs(replicas.total(None, plain), plain)
    self.assertIs(replicas.join(None, plain, True), plain)

  @parameterized.parameters(
    # One replica has 0 and 1, the other 2, 3 and 4.
    (5, 0 + 1 + 2 + 3 + 4, (1 + 2 * 2 + 3 * 3 + 4 * 4) / (1 + 2 + 3 + 4)),
    # One replica has 0, and so no value for the mean.
    (2, 1, 1),
  )
  def test_shares_of_sums_and_means(self, size, total, mean):
    strategy = toys.two_replicas()

    @tf.function
    def run(batch):
      def step(x, weight):
        values = tf.repeat(x, tf.cast(x, tf.int32))  # x, x times
        count = tf.size(values)
        reports = [
          replicas.share_of_sum(tf.reduce_sum(x)),
          replicas.share_of_mean(tf.reduce_mean(values), count),
        ]
        return [tf.math.multiply_no_nan(r, weight) for r in reports]

      found = replicas.on_replicas(strategy, step, batch)
      return [replicas.total(strategy, value) for value in found]

    found = run(tf.range(size, dtype=tf.float32))
    self.assertAllClose(found, [total, mean])
    # A replica without examples is lent one, which must not count.
    self.assertAllClose(run(tf.constant([2.0])), [2, 2])
    self.assertEqual(replicas.share_of_sum(3.0), 3)
    self.assertEqual(replicas.share_of_mean(3.0, 2), 3)


@once
def layers():
  return keras.Sequential(
    [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(3)]
  )


@once
def stateful():
  return keras.Sequential(
    [
      keras.layers.BatchNormalization(),
      keras.layers.Dropout(0.5),
      keras.layers.Dense(3),
    ]
  )


def stateful_fn(features, labels, mode):
  """A small network with state that training changes besides the weights."""
  logits = stateful()(features, training=mode == ModeKeys.TRAIN)
  loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  )
  if mode == ModeKeys.TRAIN:
    train_op = minimize(loss, toys.sgd())
    return EstimatorSpec(mode, loss=loss, train_op=train_op)
  return EstimatorSpec(mode, loss=loss)


@once
def filters():
  # More channels than come in: an empty batch would have the wrong number.
  return keras.layers.Conv2D(8, 3, activation="relu")


def convolution_fn(features, labels, mode):
  """A convolution, and a Keras metric that training updates as well."""
  error = tf.reduce_mean(filters()(features), [1, 2, 3])
  error -= tf.cast(labels, tf.float32)
  labels_sum = sum_of_labels()
  labels_sum.update_state(labels)
  loss = tf.reduce_mean(tf.square(error))
  if mode == ModeKeys.TRAIN:
    train_op = minimize(loss, toys.sgd())
    return EstimatorSpec(mode, loss=loss, train_op=train_op)
  metrics = {"labels": labels_sum, "error": error}
  return EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


@once
def sum_of_labels():
  return keras.metrics.Sum()


def classifier_fn(features, labels, mode):
  """A network whose state does not depend on how a batch is split."""
  logits = layers()(features)
  tf.identity(labels, name="labels_tensor")
  loss = tf.reduce_mean(
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
  )
  if mode == ModeKeys.TRAIN:
    train_op = minimize(loss, toys.adam(), clip_norm=0.5)
    return EstimatorSpec(mode, loss=loss, train_op=train_op)
  correct = tf.equal(tf.argmax(logits, 1, tf.int32), labels)
  accuracy, labels_sum = toys.accuracy(), sum_of_labels()
  accuracy.update_state(labels, logits)
  labels_sum.update_state(labels)
  metrics = {
    "accuracy": accuracy,
    "labels": labels_sum,
    "correct": tf.cast(correct, tf.float32),
  }
  return EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)


# Batches of 5, which do not split evenly, and one of 1, too few for two.
INPUT = toys.input_of(*toys.network_data(11), batch_size=5)


def distributed(strategy):
  return {"train_distribute": strategy, "eval_distribute": strategy}


class TwoReplicasTest(parameterized.TestCase, tf.test.TestCase):
  def estimator(self, model_fn=classifier_fn, folder="", **config):
    folder = self.get_temp_dir() + folder
    return Estimator(model_fn, folder, RunConfig(tf_random_seed=3, **config))

  def assert_same_variables(self, one, other, tolerance):
    names = one.get_variable_names()
    self.assertEqual(names, other.get_variable_names())
    for name in names:
      self.assertAllClose(
        *(e.get_variable_value(name) for e in (one, other)),
        rtol=tolerance,
        atol=tolerance,
        msg=name,
      )

  def test_two_replicas_are_as_one(self):
    one = self.estimator()
    two = self.estimator(folder="/two", **distributed(toys.two_replicas()))
    losses = RecordingHook(), RecordingHook(tensors={"y": "labels_tensor"})
    for estimator, hook in zip((one, two), losses, strict=True):
      estimator.train(INPUT, [hook]).train(INPUT, [hook])
      self.assertEqual(hook.steps(), [1, 2, 3, 4, 5, 6])
    self.assert_same_variables(one, two, 1e-5)
    self.assertEqual(two.get_variable_value("global_step"), 6)
    labels = toys.network_data(11)[1]
    fetched = [values["y"] for values in losses[1].values[:3]]
    self.assertAllEqual(fetched[0], labels[:5])
    self.assertAllEqual(fetched[1], labels[5:10])
    # The replica without an example was given the other one's.
    self.assertAllEqual(fetched[2], labels[[10, 10]])

    expected = one.evaluate(INPUT)
    found = two.evaluate(INPUT)
    for name in ("accuracy", "correct", "labels", "global_step"):
      self.assertEqual(found[name], expected[name])
    self.assertEqual(found["labels"], labels.sum())
    self.assertAllClose(found["loss"], expected["loss"], 1e-6, 1e-6)

    # Either reads what the other has written; and where only one of training
    # and evaluation is distributed, it is the same as well.
    results = self.estimator(folder="/two").evaluate(INPUT)
    self.assertAllClose(results, found, 1e-6, 1e-6)
    for name in distributed(None):
      half = self.estimator(**{name: toys.two_replicas()})
      self.assertAllClose(half.evaluate(INPUT), expected, 1e-6, 1e-6)
    with self.assertRaisesRegex(ValueError, "can only evaluate"):
      half.train(INPUT)
    self.estimator(train_distribute=toys.two_replicas()).train(INPUT)
    self.assert_same_variables(
      one, self.estimator(folder="/two").train(INPUT), 1e-5
    )

  def test_resuming_under_a_strategy(self):
    input_fn = toys.input_of(*toys.network_data(10), batch_size=5)
    strategy = distributed(toys.two_replicas())
    unbroken = self.estimator(stateful_fn, "/unbroken", **strategy)
    unbroken.train(input_fn)
    self.estimator(stateful_fn, **strategy).train(input_fn, steps=1)
    broken = self.estimator(stateful_fn, **strategy).train(input_fn)
    self.assert_same_variables(broken, unbroken, 0)
    # The running means of batch norm in memory, on both replicas, are those
    # that are in the checkpoint.
    results = broken.evaluate(input_fn)
    one = self.estimator(stateful_fn)
    self.assertAllClose(one.evaluate(input_fn), results)

  def test_the_runners_semantics(self):
    x = [1, 2, 3, 4, 5, 6]
    labels = np.float32([1, 1, 1, 1, np.inf, 1])
    hook = RecordingHook(tensors={"x": "x_tensor"})
    estimator = self.estimator(
      toys.line_fn, save_checkpoints_steps=2, **distributed(toys.two_replicas())
    )
    input_fn = toys.input_of(x, labels)
    estimator.train(input_fn, [hook], steps=1).train(input_fn, [hook], steps=2)
    seen = [values["x"].tolist() for values in hook.values]
    # Of one example the first replica has none, and is given it all the same;
    # it then has no weight.
    self.assertEqual([row[-1] for row in seen], [1, 2, 3])
    batches = [([x], [y]) for x, y in zip(x, labels, strict=True)]
    self.assertAllClose(
      estimator.get_variable_value(toys.LINE), [[toys.line_steps(batches[:3])]]
    )
    with self.assertRaisesRegex(NanLossDuringTrainingError, "global_step 4"):
      estimator.train(input_fn)
    rows = list(estimator.predict(toys.input_of([1, 2], batch_size=2)))
    w = estimator.get_variable_value(toys.LINE).item()
    self.assertAllClose([row["y"] for row in rows], [w, 2 * w])

  def test_convolutions_and_metrics_where_a_replica_has_no_example(self):
    """The last batch has one example; metrics count it once."""
    x, labels = np.ones([3, 4, 4, 3], np.float32), np.int32([1, 2, 4])
    input_fn = toys.input_of(x, labels, batch_size=2)
    results = [
      self.estimator(convolution_fn, folder, **config).train(input_fn)
      for folder, config in (
        ("/one", {}),
        ("/two", distributed(toys.two_replicas())),
      )
    ]
    found, expected = [e.evaluate(input_fn) for e in reversed(results)]
    self.assertAllClose(found, expected, 1e-6, 1e-6)
    self.assertEqual(found["labels"], 7)
    for estimator in results:
      total = estimator.get_variable_value("sum_of_labels/total")
      self.assertEqual(total, 7)

  def test_the_global_gradient_is_clipped(self):
    def model_fn(features, labels, mode):
      spec = toys.line_fn(features, labels, mode)
      train_op = minimize(spec.loss, toys.sgd(), clip_norm=3.0)
      return EstimatorSpec(mode, loss=spec.loss, train_op=train_op)

    estimator = self.estimator(model_fn, **distributed(toys.two_replicas()))
    # The gradient is -2 mean(x y) = -44 / 3, clipped to -3. Clipped replica by
    # replica it would be +4 -> 3 (one example) and -24 -> -3 (two).
    estimator.train(toys.input_of([1, 2, 3], np.float32([-2, 6, 4]), 3))
    self.assertAllClose(estimator.get_variable_value(toys.LINE), [[0.03]])


if __name__ == "__main__":
  tf.test.main()

"""The model against NumPy, and the state that is carried."""

import os
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from estimators.ops import language_model
from experiments.ptb import config, model
from input_pipelines import ptb
from tests.experiments.ptb import tiny

WORDS = np.array([[1, 2, 0, 4], [6, 1, 3, 3]])
TARGETS = np.array([[2, 0, 4, 5], [1, 3, 3, 0]])


class LossTest(tf.test.TestCase):
  def test_the_loss_is_the_sum_over_time_of_the_mean_over_rows(self):
    input_fn = tiny.dataset_fn(WORDS, TARGETS)
    trained = tiny.estimator(learning_rate=0.0, keep_prob=0.5)
    trained.train(input_fn, steps=1)
    values = tiny.variables(trained)
    losses = tiny.word_losses(values, WORDS.T, TARGETS.T)
    results = trained.evaluate(input_fn, steps=1)
    self.assertAllClose(results["loss"], losses.mean(1).sum(), rtol=1e-6)
    self.assertAllClose(results["perplexity"], np.exp(losses.mean()))
    # Dropout was in training, and in training only.
    cost = values["training_carry/cost"]
    self.assertGreater(abs(cost - results["loss"]), 1e-3)

  def test_a_step_is_that_of_gradient_descent_with_clipping(self):
    input_fn = tiny.dataset_fn(WORDS, TARGETS)
    steps = {}
    for limit in (1e3, 0.25):
      trained = tiny.estimator(learning_rate=0.5, max_grad_norm=limit)
      trained.train(input_fn, steps=1)
      start, values = tiny.variables(trained, 0), tiny.variables(trained)
      steps[limit] = {
        name: (start[name] - values[name]) / 0.5
        for name in values
        if name.startswith("network/") and "seed" not in name
      }
    whole = steps[1e3]
    norm = np.sqrt(sum(np.sum(g**2) for g in whole.values()))
    self.assertGreater(norm, 0.25)
    for name, gradient in whole.items():
      self.assertAllClose(
        steps[0.25][name], gradient * 0.25 / norm, atol=1e-6, rtol=1e-5
      )

    def loss(shift):
      moved = {name: start[name] + shift * whole.get(name, 0) for name in start}
      return tiny.word_losses(moved, WORDS.T, TARGETS.T).mean(1).sum()

    slope = (loss(1e-4) - loss(-1e-4)) / 2e-4
    self.assertAllClose(slope, norm**2, rtol=1e-3)

  def test_parameters_of_small(self):
    settings = config.published("small")
    params = config.model_params(settings, 10_000, 1, "native")
    net = model.network.network.__wrapped__(params)
    layers = [net["embedding"], *net["rnn"], net["softmax"]]
    self.assertEqual(sum(x.count_params() for x in layers), 4_651_600)
    biases = [layer.cell.bias.numpy() for layer in net["rnn"]]
    self.assertAllEqual(biases, np.zeros([2, 800]))
    for variable in (
      net["embedding"].embeddings,
      net["rnn"][1].cell.kernel,
      net["rnn"][1].cell.recurrent_kernel,
      net["softmax"].kernel,
      net["softmax"].bias,
    ):
      values = variable.numpy()
      self.assertLess(np.abs(values).max(), 0.1)
      self.assertAllClose(values.std(), 0.2 / np.sqrt(12), rtol=0.05)


class WordLossesTest(tf.test.TestCase):
  def test_on_a_gpu_they_are_of_tensorflows_ops(self):
    params = tiny.params()
    net = model.network.network.__wrapped__(params)
    outputs = tf.random.stateless_normal([4, 2, 3], [1, 2])
    targets, results = tf.constant(TARGETS.T, tf.int32), []
    for devices in ([], ["a GPU"]):
      with mock.patch.object(
        tf.config, "list_physical_devices", return_value=devices
      ):
        traced = tf.function(
          lambda x: model.network.word_losses(net, x, targets, True)
        ).get_concrete_function(outputs)
      ops = {operation.type for operation in traced.graph.get_operations()}
      is_ours = any(name.startswith("Estimators") for name in ops)
      self.assertEqual(is_ours, language_model.is_native() and not devices)
      results.append(traced(outputs))
    self.assertAllClose(*results)


class ScheduleTest(tf.test.TestCase):
  def test_small_halves_after_four_epochs(self):
    settings = config.published("small")
    rate = model.EpochSchedule(config.model_params(settings, 9, 10, "native"))
    # Of the last step of an epoch, and of the first of the next.
    self.assertAllClose(
      [rate(step) for step in (0, 39, 40, 49, 50, 120)],
      [1.0, 1.0, 0.5, 0.5, 0.25, 0.5**9],
    )

  def test_large(self):
    settings = config.published("large", learning_rate=2.0)
    rate = model.EpochSchedule(config.model_params(settings, 9, 1, "native"))
    self.assertAllClose(rate(13), 2.0)
    self.assertAllClose(rate(15), 2.0 / 1.15**2)


class CarryTest(tf.test.TestCase):
  @pytest.mark.slow
  def test_windows_are_one_long_sequence(self):
    ids = tiny.text(2 * 41)
    trained = tiny.estimator(learning_rate=0.0)
    trained.train(ptb.train_input_fn(ids, 2, 4), steps=10)
    values = tiny.variables(trained)
    rows = ids.reshape(2, 41).T
    expected = np.exp(tiny.word_losses(values, rows[:-1], rows[1:]).mean())
    for window in (1, 40, 7):  # 7 leaves a shorter window at the end.
      with self.subTest(window):
        input_fn = ptb.evaluation_input_fn(ids, 2, 1, window)
        results = trained.evaluate(input_fn)
        self.assertAllClose(results["perplexity"], expected, rtol=1e-6)
    # In training each epoch begins with zeros, and counts anew.
    trained.train(ptb.train_input_fn(ids, 2, 4), steps=10)
    for saved in (values, tiny.variables(trained)):
      self.assertEqual(saved["training_carry/steps"], 40)
      found = np.exp(saved["training_carry/cost"] / 40)
      self.assertAllClose(found, expected, rtol=1e-6)

  @pytest.mark.slow
  def test_the_published_test_procedure(self):
    # One row, one word after another: as `main` has it, in wide windows.
    ids = tiny.text(200, seed=1)
    trained = tiny.estimator(learning_rate=0.5)
    trained.train(ptb.train_input_fn(tiny.text(100), 2, 4), steps=20)
    tester = tiny.estimator(trained.model_dir, batch_size=1)
    one, wide = (
      tester.evaluate(ptb.evaluation_input_fn(ids, 1, 1, window))
      for window in (1, 60)
    )
    self.assertAllClose(one["perplexity"], wide["perplexity"], rtol=1e-6)

  def test_a_stopped_run_ends_with_the_same_bits(self):
    input_fn = ptb.train_input_fn(tiny.text(50), 2, 4)  # 6 windows an epoch.
    changes = dict(learning_rate=0.5, keep_prob=0.5)
    unbroken = tiny.estimator(**changes)
    unbroken.train(input_fn, max_steps=16)
    stopped = tiny.estimator(**changes)
    stopped.train(input_fn, max_steps=9)
    again = tiny.estimator(stopped.model_dir, **changes)
    # An evaluation in between has a state of its own.
    again.evaluate(ptb.evaluation_input_fn(tiny.text(50), 2, 4))
    again.train(input_fn, max_steps=16)
    expected, found = tiny.variables(unbroken), tiny.variables(again)
    self.assertEqual(expected.keys(), found.keys())
    self.assertTrue(np.any(expected["training_carry/state"]))
    for name, value in expected.items():
      self.assertAllEqual(found[name], value, name)


class RealTextTest(tf.test.TestCase):
  def test_an_untrained_model_knows_nothing(self):
    folder = os.path.join(os.environ.get("TEST_DATA_DIR", ""), "ptb")
    if ptb.is_missing(folder):
      self.skipTest("TEST_DATA_DIR has no ptb")
    corpus = ptb.load(folder, names=("valid",))
    params = config.model_params(config.published(), 10_000, 1, "native")
    untrained = tiny.estimator(**params)
    results = untrained.evaluate(
      ptb.evaluation_input_fn(corpus.valid, 20, 20), steps=2, untrained=True
    )
    self.assertAllClose(results["perplexity"], 10_000, rtol=0.01)


if __name__ == "__main__":
  tf.test.main()

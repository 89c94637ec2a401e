"""The language model's C++ ops against NumPy, their twins and differences."""

import hashlib
import os
import subprocess
import sys
import unittest
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators.ops import language_model, language_model_twin
from tests.estimators.ops import numpy_lstm

NO_OPS = not language_model.is_native()
INSTRUCTIONS = ("scalar", "avx2", "avx512")


def normal(*shape, seed=0, scale=0.5):
  values = np.random.default_rng([seed, *shape]).normal(0, scale, shape)
  return values.astype(np.float32)


def lstm_arguments(num_steps, batch_size, dim, units):
  return [
    normal(num_steps, batch_size, dim),
    normal(dim, 4 * units),
    normal(units, 4 * units, seed=1),
    normal(4 * units),
    normal(batch_size, units),
    normal(batch_size, units, seed=1),
  ]


def softmax_arguments(num_rows, dim, vocab_size):
  targets = np.random.default_rng(2).integers(0, vocab_size, num_rows)
  return [
    normal(num_rows, dim),
    normal(dim, vocab_size, seed=1),
    normal(vocab_size),
    targets.astype(np.int32),
  ]


def numpy_losses(hidden, weights, bias, targets):
  logits = hidden.astype(np.float64) @ weights + bias
  logits -= logits.max(axis=1, keepdims=True)
  log_sums = np.log(np.exp(logits).sum(axis=1))
  return log_sums - logits[np.arange(len(targets)), targets]


def gradients(function, arguments, weigh):
  """Returns the gradients of a weighted sum of what a function returns."""
  arguments = [tf.constant(a) for a in arguments]
  sources = [a for a in arguments if a.dtype.is_floating]
  with tf.GradientTape() as tape:
    tape.watch(sources)
    value = weigh(function(*arguments))
  return tape.gradient(value, sources)


def weighted(outputs):
  """A scalar in which each output has a weight of its own."""
  return sum(
    tf.reduce_sum(output * normal(*output.shape, seed=7))
    for output in tf.nest.flatten(outputs)
  )


def has(instructions):
  """Whether this machine has some instructions."""
  try:
    language_model.softmax_losses(
      *softmax_arguments(1, 1, 1), instructions=instructions
    )
  except tf.errors.UnimplementedError:
    return False
  return True


class Case(tf.test.TestCase, parameterized.TestCase):
  def skip_without(self, instructions):
    if NO_OPS or not has(instructions):
      self.skipTest(f"there are no {instructions} here")


# Shapes with and without whole vectors, tiles, panels and blocks; with more
# blocks than parts, of which the gradient of hidden is the sum.
LSTM_SHAPES = ((1, 1, 1, 1), (3, 2, 5, 4), (4, 23, 17, 33), (2, 20, 64, 40))
SOFTMAX_SHAPES = (
  (1, 1, 1), (7, 5, 9), (23, 33, 300), (401, 8, 513), (3, 5, 2049), (5, 7, 4200)
)  # fmt: skip


class LstmTest(Case):
  @parameterized.product(shape=LSTM_SHAPES, instructions=INSTRUCTIONS)
  def test_equals_numpy(self, shape, instructions):
    self.skip_without(instructions)
    arguments = lstm_arguments(*shape)
    found = language_model.lstm(*arguments, instructions=instructions)
    for ours, theirs in zip(found, numpy_lstm.lstm(*arguments), strict=True):
      self.assertAllClose(ours, theirs, rtol=1e-5, atol=1e-5)

  @parameterized.product(shape=LSTM_SHAPES, instructions=INSTRUCTIONS)
  def test_gradient_equals_that_of_the_twin(self, shape, instructions):
    self.skip_without(instructions)
    arguments = lstm_arguments(*shape)

    def native(*arguments):
      return language_model.lstm(*arguments, instructions=instructions)

    found = gradients(native, arguments, weighted)
    expected = gradients(language_model_twin.lstm, arguments, weighted)
    for ours, theirs in zip(found, expected, strict=True):
      self.assertAllClose(ours, theirs, rtol=1e-4, atol=1e-4)

  def test_gradient_equals_differences(self):
    arguments = lstm_arguments(3, 2, 4, 3)
    found = gradients(language_model.lstm, arguments, weighted)
    step = 1e-6

    def value(arguments):
      outputs = numpy_lstm.lstm(*arguments)
      return sum(
        np.sum(output * normal(*output.shape, seed=7)) for output in outputs
      )

    for i, gradient in enumerate(found):
      for place in np.ndindex(arguments[i].shape):
        sides = []
        for sign in (1, -1):
          moved = [a.astype(np.float64) for a in arguments]
          moved[i][place] += sign * step
          sides.append(value(moved))
        expected = (sides[0] - sides[1]) / (2 * step)
        self.assertAllClose(gradient[place], expected, rtol=1e-3, atol=1e-4)

  def test_a_sequence_equals_its_windows(self):
    inputs, *weights, h, c = lstm_arguments(7, 3, 5, 9)
    outputs, *last = language_model.lstm(inputs, *weights, h, c)
    first, h, c = language_model.lstm(inputs[:4], *weights, h, c)
    second, h, c = language_model.lstm(inputs[4:], *weights, h, c)
    self.assertAllEqual(outputs, tf.concat([first, second], 0))
    self.assertAllEqual(last, [h, c])

  def test_steps_that_are_not_known_when_tracing(self):
    arguments = lstm_arguments(4, 2, 3, 5)
    spec = tf.TensorSpec([None, 2, 3])
    for function in (language_model.lstm, language_model_twin.lstm):
      traced = tf.function(
        lambda inputs, function=function: function(inputs, *arguments[1:]),
        input_signature=[spec],
      )
      for ours, theirs in zip(
        traced(arguments[0]), numpy_lstm.lstm(*arguments), strict=True
      ):
        self.assertAllClose(ours, theirs, rtol=1e-5, atol=1e-5)

  def test_large_and_undefined_values(self):
    inputs, *others = lstm_arguments(2, 2, 3, 4)
    large, _, _ = language_model.lstm(inputs * 1e30, *others)
    self.assertAllInRange(large, -1.0, 1.0)
    inputs[1, 0, 0] = np.nan
    outputs, _, _ = language_model.lstm(inputs, *others)
    self.assertAllEqual(np.isnan(outputs).any(axis=2), [[0, 0], [1, 0]])

  @parameterized.parameters(
    (0, [0, 2, 3]), (1, [3, 15]), (2, [4, 12]), (3, [15]), (4, [3, 4]), (5, [2])
  )
  @unittest.skipIf(NO_OPS, "there is no C++ compiler")
  def test_shapes_that_do_not_fit(self, index, shape):
    arguments = lstm_arguments(2, 2, 3, 4)
    arguments[index] = np.zeros(shape, np.float32)
    with self.assertRaises((tf.errors.InvalidArgumentError, ValueError)):
      language_model.lstm(*arguments)


class SoftmaxTest(Case):
  @parameterized.product(shape=SOFTMAX_SHAPES, instructions=INSTRUCTIONS)
  def test_equals_numpy(self, shape, instructions):
    self.skip_without(instructions)
    arguments = softmax_arguments(*shape)
    expected = numpy_losses(*arguments)
    for differentiable in (True, False):
      losses = language_model.softmax_losses(
        *arguments, differentiable=differentiable, instructions=instructions
      )
      self.assertAllClose(losses, expected, rtol=1e-5, atol=1e-5)

  @parameterized.product(shape=SOFTMAX_SHAPES, instructions=INSTRUCTIONS)
  def test_gradient_equals_that_of_the_twin(self, shape, instructions):
    self.skip_without(instructions)
    arguments = softmax_arguments(*shape)

    def native(*arguments):
      return language_model.softmax_losses(
        *arguments, instructions=instructions
      )

    found = gradients(native, arguments, weighted)
    expected = gradients(
      language_model_twin.softmax_losses, arguments, weighted
    )
    for ours, theirs in zip(found, expected, strict=True):
      self.assertAllClose(ours, theirs, rtol=1e-4, atol=1e-5)

  def test_gradient_by_hand(self):
    # Probabilities 1/4 and 3/4; the first word came.
    bias = np.log([1.0, 3.0]).astype(np.float32)
    hidden = np.array([[2.0]], np.float32)
    found = gradients(
      language_model.softmax_losses,
      [hidden, np.zeros([1, 2], np.float32), bias, np.array([0], np.int32)],
      tf.reduce_sum,
    )
    self.assertAllClose(found[0], [[0.0]])
    self.assertAllClose(found[1], [[-1.5, 1.5]])
    self.assertAllClose(found[2], [-0.75, 0.75])

  def test_logits_that_overflow_in_exp(self):
    hidden = np.array([[1.0], [-1.0]], np.float32)
    weights = np.array([[1000.0, 0.0, -1000.0]], np.float32)
    losses = language_model.softmax_losses(
      hidden, weights, np.zeros(3, np.float32), np.array([1, 1], np.int32)
    )
    self.assertAllClose(losses, [1000.0, 1000.0])

  @parameterized.product(first=[0, 1, 255], instructions=INSTRUCTIONS)
  def test_words_that_are_masked(self, first, instructions):
    # All of the first block of 256, or all but one or 255 of its words.
    self.skip_without(instructions)
    hidden, weights, bias, _ = softmax_arguments(2, 3, 300)
    bias[first:256] = -np.inf
    arguments = [hidden, weights, bias, np.array([270, 299], np.int32)]

    def native(*arguments):
      return language_model.softmax_losses(
        *arguments, instructions=instructions
      )

    self.assertAllClose(native(*arguments), numpy_losses(*arguments))
    found = gradients(native, arguments, weighted)
    expected = gradients(
      language_model_twin.softmax_losses, arguments, weighted
    )
    for ours, theirs in zip(found, expected, strict=True):
      self.assertAllClose(ours, theirs, rtol=1e-4, atol=1e-5)

  @parameterized.product(
    bits=[0x7FC00000, 0x7FC00001, 0xFFC12345], instructions=INSTRUCTIONS
  )
  def test_what_is_not_a_number_stays_so(self, bits, instructions):
    self.skip_without(instructions)
    arguments = softmax_arguments(3, 4, 300)
    arguments[0][1, 2] = np.uint32(bits).view(np.float32)
    losses = language_model.softmax_losses(
      *arguments, instructions=instructions
    )
    self.assertAllEqual(np.isnan(losses), [False, True, False])

  @unittest.skipIf(NO_OPS, "there is no C++ compiler")
  def test_targets_out_of_range(self):
    for target in (-1, 9):
      arguments = softmax_arguments(2, 3, 9)
      arguments[3][1] = target
      with self.assertRaisesRegex(
        tf.errors.InvalidArgumentError, f"in 0..8, but target 1 is {target}"
      ):
        language_model.softmax_losses(*arguments)

  @parameterized.parameters((0, [2, 4]), (1, [4, 9]), (2, [8]), (3, [3]))
  @unittest.skipIf(NO_OPS, "there is no C++ compiler")
  def test_shapes_that_do_not_fit(self, index, shape):
    arguments = softmax_arguments(2, 3, 9)
    arguments[index] = np.zeros(shape, arguments[index].dtype)
    with self.assertRaises((tf.errors.InvalidArgumentError, ValueError)):
      language_model.softmax_losses(*arguments)

  @unittest.skipIf(NO_OPS, "there is no C++ compiler")
  def test_a_gradient_needs_what_was_not_kept(self):
    hidden, *others = map(tf.constant, softmax_arguments(2, 3, 9))
    with tf.GradientTape() as tape:
      tape.watch(hidden)
      losses = language_model.softmax_losses(
        hidden, *others, differentiable=False
      )
    with self.assertRaisesRegex(ValueError, "differentiable=True"):
      tape.gradient(losses, hidden)


# Prints the hash of gradients that are computed by a single thread.
PROGRAM = """
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
from tests.estimators.ops import language_model_test as test
print(test.hash_of_gradients())
"""


def hash_of_gradients():
  found = gradients(
    language_model.lstm, lstm_arguments(4, 23, 17, 33), weighted
  )
  found += gradients(
    language_model.softmax_losses, softmax_arguments(401, 8, 2500), weighted
  )
  values = b"".join(np.asarray(gradient).tobytes() for gradient in found)
  return hashlib.sha256(values).hexdigest()


@unittest.skipIf(NO_OPS, "there is no C++ compiler")
class ThreadsTest(tf.test.TestCase):
  @pytest.mark.slow
  def test_any_number_gives_the_same_bits(self):
    done = subprocess.run(
      [sys.executable, "-c", PROGRAM],
      env=os.environ | {"PYTHONPATH": os.getcwd()},
      stdout=subprocess.PIPE,
      text=True,
      check=True,
    )
    self.assertEqual(done.stdout.strip(), hash_of_gradients())


class WithoutCompilerTest(tf.test.TestCase):
  def test_twin_takes_its_place(self):
    arguments = lstm_arguments(2, 2, 3, 4)
    language_model._ops.cache_clear()
    try:
      with mock.patch.dict(os.environ, {"ESTIMATORS_OPS": "off"}):
        self.assertFalse(language_model.is_native())
        found = language_model.lstm(*arguments)
        losses = language_model.softmax_losses(*softmax_arguments(2, 3, 9))
    finally:
      language_model._ops.cache_clear()
    for ours, theirs in zip(found, numpy_lstm.lstm(*arguments), strict=True):
      self.assertAllClose(ours, theirs, rtol=1e-5, atol=1e-5)
    self.assertAllClose(losses, numpy_losses(*softmax_arguments(2, 3, 9)))


if __name__ == "__main__":
  tf.test.main()

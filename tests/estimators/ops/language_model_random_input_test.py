"""Random input at the border of the ops: an error or a result, no crash."""

import os
import random
import unittest

import numpy as np
import tensorflow as tf

from estimators.ops import language_model
from tests.estimators.ops.random_input import REFUSALS, some_mutated

CALLS = int(os.environ.get("OPS_RANDOM_CALLS", 150))
VOCAB_SIZE = 11


def floats(numbers, *shape):
  return numbers.normal(size=shape).astype(np.float32)


@unittest.skipUnless(language_model.is_native(), "there is no C++ compiler")
class RandomInputTest(tf.test.TestCase):
  def check(self, op, make_arguments):
    """Calls an op again and again, and the op of its gradient."""
    rng, numbers = random.Random(1), np.random.default_rng(1)
    done = refused = 0
    for _ in range(CALLS):
      arguments = make_arguments(numbers)
      instructions = rng.choice(["best", "scalar"])
      try:
        op(
          **some_mutated(rng, arguments, VOCAB_SIZE), instructions=instructions
        )
        done += 1
      except REFUSALS:
        refused += 1
    self.assertGreater(done, CALLS // 10)
    self.assertGreater(refused, CALLS // 10)

  def lstm_arguments(self, numbers):
    steps, batch, dim, units = numbers.integers(0, 7, 4)
    return {
      "inputs": floats(numbers, steps, batch, dim),
      "kernel": floats(numbers, dim, 4 * units),
      "recurrent_kernel": floats(numbers, units, 4 * units),
      "bias": floats(numbers, 4 * units),
      "first_h": floats(numbers, batch, units),
      "first_c": floats(numbers, batch, units),
    }

  def lstm_gradient_arguments(self, numbers):
    arguments = self.lstm_arguments(numbers)
    steps, batch, _ = arguments["inputs"].shape
    units = arguments["first_h"].shape[1]
    for name in ("h", "c", "h_gradient", "c_gradient"):
      arguments[name] = floats(numbers, steps, batch, units)
    return arguments | {"gates": floats(numbers, steps, batch, 4 * units)}

  def softmax_arguments(self, numbers):
    rows, dim = numbers.integers(0, 7, 2)
    return {
      "hidden": floats(numbers, rows, dim),
      "weights": floats(numbers, dim, VOCAB_SIZE),
      "bias": floats(numbers, VOCAB_SIZE),
      "targets": numbers.integers(0, VOCAB_SIZE, rows, np.int32),
    }

  def softmax_gradient_arguments(self, numbers):
    arguments = self.softmax_arguments(numbers)
    if arguments["hidden"].size:
      kept = language_model._ops().estimators_softmax_losses(**arguments)
      kept = kept._asdict()
    else:
      kept = {"losses": floats(numbers, 0)}
      kept |= {"exponentials": floats(numbers, 1, 0, 288)}
      kept |= {"maxima": floats(numbers, 1, 0), "log_sums": kept["losses"]}
    kept["loss_gradients"] = kept.pop("losses")
    return arguments | kept

  def test_lstm(self):
    self.check(language_model._ops().estimators_lstm, self.lstm_arguments)

  def test_lstm_gradient(self):
    self.check(
      language_model._ops().estimators_lstm_grad, self.lstm_gradient_arguments
    )

  def test_softmax(self):
    self.check(
      language_model._ops().estimators_softmax_losses, self.softmax_arguments
    )

  def test_softmax_gradient(self):
    self.check(
      language_model._ops().estimators_softmax_losses_grad,
      self.softmax_gradient_arguments,
    )


if __name__ == "__main__":
  tf.test.main()

import contextlib
import io
import os
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from absl.testing import parameterized

from estimators import Estimator, EstimatorSpec, ModeKeys, minimize, once
from tests.estimators import named_checkpoints, toys
from tests.estimators.helpers import new_folder
from tools import convert_checkpoint
from tools.convert_checkpoint import convert

W = "linear/linear_model/x/weights"
RATE, GRADIENT, STEP = 0.1, 2.0, 30


def input_fn():
  return tf.data.Dataset.from_tensors(tf.constant([[GRADIENT]])).repeat()


def estimator(model_dir, make_optimizer):
  """Returns an Estimator of the loss w x, whose gradient is x."""

  @once
  def linear():
    weights = keras.Variable([[0.0]], name="x_weights")
    return {"linear_model": {"x": {"weights": weights}}}

  @once
  def optimizer():
    return make_optimizer()

  def model_fn(features, mode):
    loss = tf.reduce_mean(features * linear()["linear_model"]["x"]["weights"])
    if mode == ModeKeys.TRAIN:
      return EstimatorSpec(
        mode, loss=loss, train_op=minimize(loss, optimizer())
      )
    return EstimatorSpec(mode, loss=loss)

  return Estimator(model_fn, model_dir)


def adagrad():
  return 1 - RATE * GRADIENT / np.sqrt(5 + GRADIENT**2)


def adam():
  m, v, t = 0.9 * 0.5 + 0.1 * GRADIENT, 0.999 * 4 + 0.001 * GRADIENT**2, 31
  return 1 - RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / np.sqrt(v)


def ftrl():
  # The proximal step without penalties; McMahan et al. 2013, algorithm 1.
  sigma = (np.sqrt(5 + GRADIENT**2) - np.sqrt(5)) / RATE
  return -(3 + GRADIENT - sigma * 1) / (np.sqrt(5 + GRADIENT**2) / RATE)


def rmsprop():
  mean_square = 0.9 * 3 + 0.1 * GRADIENT**2
  mean = 0.9 * 1 + 0.1 * GRADIENT
  return 1 - (0.5 * 0.2 + RATE * GRADIENT / np.sqrt(mean_square - mean**2))


def momentum(before):
  return 1 + 0.9 * before - RATE * GRADIENT


OPTIMIZERS = keras.optimizers


def rmsprop_of_keras():
  return OPTIMIZERS.RMSprop(RATE, rho=0.9, momentum=0.5, centered=True)


def momentum_of_keras():
  return OPTIMIZERS.SGD(RATE, momentum=0.9)


class TrainingGoesOnTest(tf.test.TestCase, parameterized.TestCase):
  """One step of an optimizer from w = 1, worked out from the slots."""

  def convert(self, slots):
    """Converts a checkpoint of step 30 with w = 1 and some slots."""
    source, target = new_folder(), os.path.join(new_folder(), "new")
    values = {key: [[value]] for key, value in slots.items()}
    named_checkpoints.write(
      source, {**named_checkpoints.step(STEP), W: [[1.0]], **values}
    )
    convert(source, target)
    return target

  @parameterized.named_parameters(
    (
      "adagrad",
      {f"training/Adagrad/{W}/accumulator": 5},
      lambda: OPTIMIZERS.Adagrad(RATE),
      adagrad(),
    ),
    (
      "adam",
      {f"training/Adam/{W}/m": 0.5, f"training/Adam/{W}/v": 4},
      lambda: OPTIMIZERS.Adam(RATE),
      adam(),
    ),
    (
      "ftrl",
      {f"training/Ftrl/{W}/accumulator": 5, f"training/Ftrl/{W}/linear": 3},
      lambda: OPTIMIZERS.Ftrl(RATE),
      ftrl(),
    ),
    (
      "rmsprop",
      {
        f"training/RMSprop/{W}/rms": 3,
        f"training/RMSprop/{W}/mg": 1,
        f"training/RMSprop/{W}/momentum": 0.2,
      },
      rmsprop_of_keras,
      rmsprop(),
    ),
    (
      "sgd",
      {f"training/SGD/{W}/momentum": -0.3},
      momentum_of_keras,
      momentum(-0.3),
    ),
    ("no_slots", {}, lambda: OPTIMIZERS.SGD(RATE), 1 - RATE * GRADIENT),
    (
      "adagrad_1",
      {f"{W}/part_0/Adagrad": 5},
      lambda: OPTIMIZERS.Adagrad(RATE),
      adagrad(),
    ),
    (
      "adam_1",
      {f"{W}/t_0/Adam": 0.5, f"{W}/t_0/Adam_1": 4},
      lambda: OPTIMIZERS.Adam(RATE),
      adam(),
    ),
    (
      "ftrl_1",
      {f"{W}/Ftrl": 5, f"{W}/Ftrl_1": 3},
      lambda: OPTIMIZERS.Ftrl(RATE),
      ftrl(),
    ),
    (
      "rmsprop_1",
      {f"{W}/RMSProp": 3, f"{W}/RMSProp_1": 1, f"{W}/RMSProp_2": 0.2},
      rmsprop_of_keras,
      rmsprop(),
    ),
    # It begins at zero, as nobody knows the rate that it was made with.
    ("momentum_1", {f"{W}/Momentum": 7}, momentum_of_keras, momentum(0)),
  )
  def test_next_step(self, slots, make_optimizer, expected):
    model = estimator(self.convert(slots), make_optimizer)
    self.assertEqual(
      model.evaluate(input_fn, steps=1), {"loss": 2, "global_step": STEP}
    )
    model.train(input_fn, max_steps=STEP + 1)
    self.assertEqual(model.get_variable_value("global_step"), STEP + 1)
    self.assertAllClose(model.get_variable_value(W), [[expected]], 1e-6)

  def test_max_steps_are_done(self):
    model = estimator(self.convert({}), lambda: OPTIMIZERS.SGD(RATE))
    model.train(input_fn, max_steps=STEP)
    self.assertAllEqual(model.get_variable_value(W), [[1]])

  def test_another_optimizer(self):
    target = self.convert({f"training/Adagrad/{W}/accumulator": 5})
    with self.assertRaisesRegex(
      ValueError, rf"no value for .*optimizer/{W}/momentum.*warm_start_from"
    ):
      estimator(target, lambda: OPTIMIZERS.Adam(RATE)).train(input_fn, steps=1)


class ConvertTest(tf.test.TestCase):
  def test_report(self):
    source = new_folder()
    adagrad = "training/Adagrad"
    path = named_checkpoints.write(
      source,
      {
        **named_checkpoints.step(),
        "dnn/logits/bias": [1],
        f"{adagrad}/dnn/logits/bias/accumulator": [5],
        f"{adagrad}/learning_rate": 0.5,
        "dnn/logits/bias/Mine": [2],
        "s": [[1, 2]],
      },
    )
    target = new_folder()  # An empty folder will do.
    table = "dnn/input_from_feature_columns/input_layer/s/embedding_weights"
    self.assertEqual(
      convert(source, target),
      [
        f"Converted {path} to {target}/model.ckpt-30.",
        "2 by the same name:",
        "  dnn/logits/bias",
        "  global_step",
        "3 by another name:",
        f"  {table} <- s",
        "  optimizer/dnn/logits/bias/accumulator <- "
        f"{adagrad}/dnn/logits/bias/accumulator",
        "  optimizer/iteration <- global_step",
        "1 with first values:",
        f"  optimizer/{table}/accumulator",
        "2 left out; give the new optimizer what of it you chose:",
        "  dnn/logits/bias/Mine",
        f"  {adagrad}/learning_rate = 0.5",
      ],
    )
    self.assertEqual(
      tf.train.latest_checkpoint(target), f"{target}/model.ckpt-30"
    )
    self.assertLen(os.listdir(target), 4)

  def test_a_saved_model_without_step(self):
    source, target = new_folder(), new_folder()
    named_checkpoints.write(source, {W: [[3]]}, named_checkpoints.SAVED_MODEL)
    convert(source, target)
    model = estimator(target, lambda: OPTIMIZERS.SGD(RATE))
    self.assertEqual(
      model.evaluate(input_fn, steps=1), {"loss": 6, "global_step": 0}
    )

  def test_bad_arguments(self):
    source = new_folder()
    with self.assertRaisesRegex(ValueError, "there is no checkpoint at"):
      convert(source, new_folder())
    named_checkpoints.write(source, {W: [[1]]})
    with self.assertRaisesRegex(ValueError, "must be a new or empty folder"):
      convert(source, source)
    with self.assertRaisesRegex(ValueError, "must be a new or empty folder"):
      convert(source, f"{source}/checkpoint")
    ours = Estimator(toys.line_fn, new_folder())
    ours.train(toys.input_of([1.0], np.float32([1])))
    with self.assertRaisesRegex(ValueError, "is object-based"):
      convert(ours.model_dir, new_folder())

  def test_a_checkpoint_that_is_cut_is_one_line(self):
    source, parent = new_folder(), new_folder()
    path = named_checkpoints.write(source, {W: [[1]]})
    os.truncate(path + ".data-00000-of-00001", 3)
    with self.assertRaisesRegex(
      SystemExit,
      rf"\Atools.convert_checkpoint: {path} is cut or .*earlier one.\Z",
    ):
      self.run_main(f"--from={source}", f"--to={parent}/new")
    self.assertEmpty(os.listdir(parent))

  def test_nothing_is_left_behind_when_writing_fails(self):
    source, parent = new_folder(), new_folder()
    named_checkpoints.write(source, {W: [[1]]})
    with mock.patch.object(os, "rename", side_effect=OSError("full")):
      with self.assertRaisesRegex(OSError, "full"):
        convert(source, f"{parent}/new")
    self.assertEmpty(os.listdir(parent))

  def run_main(self, *arguments):
    values = flags.FlagValues()
    convert_checkpoint.define_flags(values)
    rest = values(["convert_checkpoint", *arguments])
    output = io.StringIO()
    with mock.patch.object(convert_checkpoint, "FLAGS", values):
      with contextlib.redirect_stdout(output):
        convert_checkpoint.main(rest)
    return output.getvalue()

  def test_main(self):
    source, target = new_folder(), new_folder() + "/new"
    named_checkpoints.write(source, {W: [[1]]})
    with mock.patch.dict(os.environ, HOME=os.path.dirname(target)):
      output = self.run_main(f"--from={source}", "--to=~/new")
    self.assertIn(f"to {target}/model.ckpt-0.\n1 by the same name", output)
    with self.assertRaisesRegex(SystemExit, "^tools.convert.* is neither"):
      self.run_main(f"--from={source}", f"--to={target}")
    with self.assertRaisesRegex(app.UsageError, r"\['more'\]"):
      self.run_main(f"--from={source}", f"--to={target}", "more")
    with self.assertRaisesRegex(flags.IllegalFlagValueError, "--to"):
      self.run_main(f"--from={source}")


if __name__ == "__main__":
  tf.test.main()

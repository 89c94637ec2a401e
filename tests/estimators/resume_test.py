"""A run that was broken off and started again equals an unbroken one."""

import os
import signal
import subprocess
import sys

import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator, Hook, RunConfig, checkpoints
from input_pipelines.arrays import numpy_input_fn
from tests.estimators import toys

DROPOUT = "network/seed_generator/seed_generator_state"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


def shuffled_arrays():
  return numpy_input_fn(
    *toys.network_data(), batch_size=7, num_epochs=None, shuffle=True
  )()


def shuffled_dataset():
  dataset = tf.data.Dataset.from_tensor_slices(toys.network_data())
  return dataset.shuffle(13).repeat().batch(7).prefetch(2)


def shuffled_generator():
  features, labels = toys.network_data()

  def generate():
    while True:
      yield from zip(features, labels, strict=True)

  dataset = tf.data.Dataset.from_generator(
    generate,
    output_signature=(
      tf.TensorSpec([4], tf.float32),
      tf.TensorSpec([], tf.int32),
    ),
  )
  return dataset.shuffle(13).batch(7)


class Fails(Hook):
  """Raises an exception after a step."""

  def __init__(self, step):
    self._step = step

  def next_step(self, step):
    return self._step

  def after_run(self, run):
    if run.step >= self._step:
      raise ZeroDivisionError


class RunTest(parameterized.TestCase, tf.test.TestCase):
  def estimator(self, folder, model_fn=toys.network_fn):
    folder = os.path.join(self.get_temp_dir(), folder)
    config = RunConfig(folder, tf_random_seed=5, save_checkpoints_steps=3)
    return Estimator(model_fn, config=config)

  def assert_same_bits(self, one, other):
    names = one.get_variable_names()
    self.assertEqual(names, other.get_variable_names())
    for name in names:
      values = [e.get_variable_value(name) for e in (one, other)]
      self.assertEqual(values[0].tobytes(), values[1].tobytes(), msg=name)


class ResumeTest(RunTest):
  def test_steps_in_several_calls_and_estimators(self):
    unbroken = self.estimator("unbroken").train(shuffled_arrays, steps=8)
    self.estimator("broken").train(shuffled_arrays, steps=2)
    broken = self.estimator("broken")
    broken.train(shuffled_arrays, steps=3).train(shuffled_arrays, max_steps=8)
    self.assert_same_bits(unbroken, broken)
    # It is not the same for want of randomness.
    self.assertNotAllEqual(
      *(
        checkpoints.value(broken.model_dir + f"/model.ckpt-{step}", DROPOUT)
        for step in (5, 8)
      )
    )

  @parameterized.parameters(
    shuffled_arrays, shuffled_dataset, shuffled_generator
  )
  def test_after_an_exception(self, input_fn):
    def model_fn(features, labels, mode):
      return toys.line_fn(features[:, 0], tf.cast(labels, tf.float32), mode)

    unbroken = self.estimator("unbroken", model_fn)
    unbroken.train(input_fn, steps=8)
    broken = self.estimator("broken", model_fn)
    with self.assertRaises(ZeroDivisionError):
      broken.train(input_fn, [Fails(5)])
    self.assertEqual(broken.get_variable_value("global_step"), 3)
    # The same Estimator goes on, from the checkpoint; then another one.
    broken.train(input_fn, max_steps=6)
    broken = self.estimator("broken", model_fn).train(input_fn, max_steps=8)
    self.assert_same_bits(unbroken, broken)


PROGRAM = """
import signal
import sys
import time

from estimators import Estimator, Hook, RunConfig
from tests.estimators import resume_test, toys


class Slow(Hook):
  def after_run(self, run):
    print(run.step, flush=True)
    time.sleep(0.05)


# A job in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
config = RunConfig(sys.argv[1], tf_random_seed=5)
estimator = Estimator(toys.network_fn, config=config)
estimator.train(resume_test.shuffled_dataset, [Slow()])
"""


class SignalTest(RunTest):
  def start(self, folder):
    """Starts a training that does not end, in another process."""
    environment = {
      **os.environ,
      "PYTHONPATH": ROOT,
      "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    folder = os.path.join(self.get_temp_dir(), folder)
    process = subprocess.Popen(
      [sys.executable, "-c", PROGRAM, folder],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      env=environment,
      text=True,
    )
    self.addCleanup(process.kill)
    return process

  def test_a_signal_saves_and_the_next_start_goes_on(self):
    # A shell shows what ended by Ctrl-C, which Python hands on, as 130.
    signals = {signal.SIGTERM: 143, signal.SIGINT: -signal.SIGINT}
    processes = {number: self.start(number.name) for number in signals}
    for number, process in processes.items():
      for line in process.stdout:
        if int(line) >= 3:
          break
      process.send_signal(number)
    for number, process in processes.items():
      _, errors = process.communicate(timeout=60)
      self.assertEqual(process.returncode, signals[number], msg=errors)
      broken = self.estimator(number.name)
      step = broken.get_variable_value("global_step")
      self.assertGreaterEqual(step, 3)
      self.assertIn(
        f"Stopped by {number.name} after step {step}. Start", errors
      )
    # This process is another one than that which was broken off.
    broken.train(shuffled_dataset, max_steps=step + 4)
    unbroken = self.estimator("unbroken")
    unbroken.train(shuffled_dataset, max_steps=step + 4)
    self.assert_same_bits(unbroken, broken)


if __name__ == "__main__":
  tf.test.main()

"""Tests of event files from which events of earlier processes are removed."""

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.compat.proto import event_pb2

from estimators import (
  Estimator,
  RunConfig,
  SummarySaverHook,
  event_files,
  summaries,
  training_lock,
)
from tests.estimators import toys
from tests.estimators.helpers import events_of, new_folder, scalars, steps

TRAIN = toys.input_of([1.0], np.float32([1]), repeat=True)
EVAL = toys.input_of([1.0], np.float32([0]))


def write(folder, first, last, tag="loss", extra=None, wide=False):
  """Writes a file of scalars, as a process that has gone; returns its path."""
  before = set(files(folder))
  writer = tf.summary.create_file_writer(folder)
  for step in range(first, last + 1):
    with writer.as_default(step=step):
      tf.summary.scalar(tag, float(step))
      if wide:
        tf.summary.write("wide", tf.fill([10_000], step))
  if extra:
    extra(writer)
  writer.close()
  (path,) = set(files(folder)) - before
  return path


def files(folder):
  return sorted(glob.glob(os.path.join(folder, "*")))


def read(path):
  """Returns the step of each event but the version of the format."""
  return [e.step for e in events(path) if not e.HasField("file_version")]


def events(path):
  loader = event_file_loader.RawEventFileLoader(path)
  return [event_pb2.Event.FromString(data) for data in loader.Load()]


def content(path):
  with open(path, "rb") as stream:
    return stream.read()


def killed(model_dir):
  """Returns a copy of a folder as a kill at this moment leaves it."""
  copy = os.path.join(new_folder(), "copy")
  return shutil.copytree(model_dir, copy)


class RemoveTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = new_folder()

  def test_the_steps_from_one_on(self):
    # Steps of 0, 1, 2 and 9 bytes.
    paths = [
      write(self.folder, first, last)
      for first, last in ((0, 3), (126, 130), (16_382, 16_386))
    ]
    far = 2**62
    paths.append(write(self.folder, far, far + 1))
    whole = content(paths[1])
    self.assertEqual(event_files.remove(self.folder, 129), 2 + 5 + 2)
    self.assertCountEqual(files(self.folder), paths[:2])
    self.assertEqual(read(paths[0]), [0, 1, 2, 3])
    self.assertEqual(read(paths[1]), [126, 127, 128])
    # What stays has the bytes that it had.
    kept = content(paths[1])
    self.assertEqual(kept, whole[: len(kept)])

  def test_steps_in_the_middle(self):
    path = write(self.folder, 1, 9, wide=True)
    self.assertEqual(event_files.remove(self.folder, 3, 4), 4)
    self.assertEqual(
      read(path), 2 * [1] + 2 * [2] + sorted(2 * [*range(5, 10)])
    )
    values = [
      float(tf.make_ndarray(e.tensor_proto))
      for e in events_of(self.folder).Tensors("loss")
    ]
    self.assertEqual(values, [1, 2, 5, 6, 7, 8, 9])
    self.assertEqual(files(self.folder), [path])

  def test_nothing_to_remove_leaves_the_file_alone(self):
    path = write(self.folder, 0, 5)
    with open(path, "ab") as stream:
      stream.write(b"torn")
    before = os.stat(path)
    self.assertEqual(event_files.remove(self.folder, 6), 0)
    after = os.stat(path)
    self.assertEqual(
      (before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns)
    )
    self.assertEqual(event_files.remove(self.folder + "/none", 0), 0)

  def test_torn_at_any_byte(self):
    whole = content(write(self.folder, 0, 3))
    (start,) = files(self.folder)
    os.remove(start)
    lengths = []
    for size in range(len(whole)):
      path = os.path.join(self.folder, f"events.out.tfevents.{size}")
      with open(path, "wb") as stream:
        stream.write(whole[:size])
      event_files.remove(self.folder, 2, quiet_secs=0)
      lengths.append(len(read(path)) if os.path.exists(path) else 0)
      if os.path.exists(path):
        os.remove(path)
    self.assertEqual(lengths, sorted(lengths))
    self.assertEqual(set(lengths), {0, 1, 2})

  def test_what_a_crash_of_the_machine_leaves_at_the_end(self):
    for tail in (bytes(1000), b"\xff" * 1000):
      path = write(self.folder, 0, 3)
      with open(path, "ab") as stream:
        stream.write(tail)
      self.assertEqual(event_files.steps(path), {0, 1, 2, 3})
      self.assertEqual(event_files.remove(self.folder, 2), 2)
      self.assertEqual(read(path), [0, 1])
      self.assertNotIn(tail, content(path))
      os.remove(path)

  def test_a_flipped_bit_anywhere(self):
    whole = content(write(self.folder, 0, 3))
    (path,) = files(self.folder)
    size = len(whole) // 6  # All but the first are of about one size.
    for position in range(len(whole) - 2 * size, len(whole) - size):
      changed = bytearray(whole)
      changed[position] ^= 0x10
      with open(path, "wb") as stream:
        stream.write(changed)
      event_files.remove(self.folder, 4)
      # What is left can be read to its end, unless a length was damaged.
      self.assertContainsSubset(set(read(path)), {0, 1, 2, 3})
      self.assertContainsSubset({0, 1}, set(read(path)))

  def test_a_large_event_that_is_damaged(self):
    path = write(self.folder, 0, 1, wide=True)
    with open(path, "rb+") as stream:
      stream.seek(os.path.getsize(path) - 20_000)
      stream.write(b"\xff" * 20_000)
    event_files.remove(self.folder, 0)
    self.assertEqual(files(self.folder), [])

  def test_the_last_step_of_this_process(self):
    self.assertEqual(event_files.last_own_step(self.folder), -np.inf)
    write(self.folder, 0, 9)  # It is closed.
    writer = tf.summary.create_file_writer(self.folder)
    for step in (4, 3, 7):
      with writer.as_default(step=step):
        tf.summary.scalar("loss", 1.0)
      writer.flush()
      last = event_files.last_own_step(self.folder)
      self.assertEqual(last, max(step, 4))
    writer.close()

  def test_what_is_written_at_the_start(self):
    def start(writer):
      with tf.Graph().as_default() as graph:
        tf.constant(1)
      summaries.write_graph(writer, graph)
      summaries.write_hparams(writer, {"rate": 0.5})

    path = write(self.folder, 0, 1, extra=start)
    self.assertEqual(event_files.remove(self.folder, 0), 2)
    self.assertEqual(read(path), [0, 0])
    self.assertIn(
      "_hparams_/session_start_info", events_of(self.folder).Tags()["tensors"]
    )
    self.assertEqual(event_files.remove(self.folder, 0, at_start=True), 2)
    self.assertEqual(files(self.folder), [])

  def test_a_file_with_an_open_writer_stays(self):
    writer = tf.summary.create_file_writer(self.folder)
    with writer.as_default(step=3):
      tf.summary.scalar("loss", 1.0)
    writer.flush()
    self.assertEqual(event_files.remove(self.folder, 0), 0)
    writer.close()
    self.assertEqual(event_files.remove(self.folder, 0), 1)

  def test_other_processes(self):
    path = write(self.folder, 0, 3)
    program = "import sys; f = open(sys.argv[1], 'ab'); print(flush=1); input()"
    for opened, is_closed in ((os.devnull, True), (path, False)):
      with subprocess.Popen(
        [sys.executable, "-S", "-c", program, opened],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
      ) as other:
        other.stdout.readline()
        pids = f".{os.getpid()}.", f".{other.pid}."
        theirs = os.path.join(
          self.folder, os.path.basename(path).replace(*pids)
        )
        os.rename(path, theirs)
        # With other files the process has but the number of an earlier one.
        self.assertEqual(bool(event_files.closed(self.folder)), is_closed)
        other.kill()
      self.assertEqual(event_files.closed(self.folder), [theirs])
      os.rename(theirs, path)

  def test_other_machines(self):
    path = write(self.folder, 0, 3)
    theirs = path.replace(f".{socket.gethostname()}.", ".a.machine.")
    os.rename(path, theirs)
    self.assertEqual(event_files.closed(self.folder), [])
    self.assertEqual(event_files.closed(self.folder, quiet_secs=0), [theirs])
    past = time.time() - event_files.QUIET_SECS - 1
    os.utime(theirs, (past, past))
    self.assertEqual(event_files.closed(self.folder), [theirs])


class KilledTrainingTest(tf.test.TestCase):
  def estimator(self, model_dir):
    config = RunConfig(
      save_checkpoints_steps=10, save_summary_steps=3, log_step_count_steps=3
    )
    return Estimator(toys.line_fn, model_dir, config)

  def killed_after(self, step):
    """Returns a model_dir whose training was killed after a step."""
    copies = []

    class Kill(toys.RecordingHook):
      def after_run(self, run):
        if run.step == step:
          run.writer.flush()
          copies.append(killed(run.output_dir))

    self.estimator(new_folder()).train(TRAIN, [Kill()], steps=step + 5)
    return copies[0]

  def expect_unbroken(self, model_dir):
    """Checks the events of 30 steps."""
    found = steps(model_dir)
    self.assertEqual(found["loss"], list(range(0, 30, 3)))
    self.assertEqual(found["learning_rate"], list(range(0, 30, 3)))
    self.assertEqual(found["global_step/sec"], list(range(3, 30, 3)))
    self.assertAllClose(
      scalars(model_dir)["loss"],
      {
        n: (1 - toys.line_steps([([1], [1])] * n)) ** 2 for n in range(0, 30, 3)
      },
    )

  def test_every_step_once(self):
    for step in (10, 17):
      model_dir = self.killed_after(step)
      torn = glob.glob(os.path.join(model_dir, "*tfevents*"))[0]
      with open(torn, "ab") as stream:
        stream.write(b"\x18\x00\x00")
      self.estimator(model_dir).train(TRAIN, max_steps=30)
      with self.subTest(step=step):
        self.expect_unbroken(model_dir)
        self.assertEqual(graphs(model_dir), 1)

  def test_a_hook_with_a_folder_of_its_own(self):
    others = new_folder()

    def add(folder, first, last):
      shutil.copy(
        write(new_folder(), first, last, tag="x"),
        os.path.join(folder, "events.out.tfevents.1.other.1.1.v2"),
      )

    def train(model_dir, last):
      hooks = [
        SummarySaverHook({"x": "x_tensor"}, save_steps=1, output_dir=folder)
        for folder in (os.path.join(model_dir, "own"), others)
      ]
      self.estimator(model_dir).train(TRAIN, hooks, max_steps=last)

    add(others, 3, 3)
    model_dir = new_folder()
    train(model_dir, 10)
    kept = killed(model_dir)
    # Two steps more, of which the checkpoint is lost.
    add(os.path.join(kept, "own"), 10, 11)
    add(others, 11, 11)
    train(kept, 13)
    self.assertEqual(steps(os.path.join(kept, "own"))["x"], list(range(13)))
    # Elsewhere there may be other runs.
    self.assertEqual(steps(others)["x"].count(11), 2)

  def test_an_error_and_a_second_call(self):
    def fail(run):
      if run.step == 18:
        raise ZeroDivisionError

    hook = toys.RecordingHook()
    hook.after_run = fail
    estimator = self.estimator(new_folder())
    own = os.path.join(estimator.model_dir, "own")
    saver = SummarySaverHook({"x": "x_tensor"}, save_steps=1, output_dir=own)
    with self.assertRaises(ZeroDivisionError):
      estimator.train(TRAIN, [saver, hook], max_steps=20)
    num_files = len(glob.glob(estimator.model_dir + "/*tfevents*"))
    estimator.train(TRAIN, [saver], max_steps=20)
    estimator.train(TRAIN, [saver], max_steps=30)
    self.expect_unbroken(estimator.model_dir)
    self.assertEqual(graphs(estimator.model_dir), 1)
    self.assertEqual(steps(own)["x"], list(range(30)))
    # Where training just goes on it writes to the same file.
    now = len(glob.glob(estimator.model_dir + "/*tfevents*"))
    self.assertEqual((num_files, now), (1, 2))

  def test_killed_before_the_first_checkpoint(self):
    model_dir = self.killed_after(9)
    for path in glob.glob(os.path.join(model_dir, "*ckpt*")):
      os.remove(path)
    os.remove(os.path.join(model_dir, "checkpoint"))
    with self.assertLogs("tensorflow", "INFO") as logs:
      self.estimator(model_dir).train(TRAIN, max_steps=30)
    self.assertRegex(str(logs.output), r"Removed \d+ events .*from step 0")
    self.expect_unbroken(model_dir)
    self.assertEqual(graphs(model_dir), 1)

  def test_an_evaluation_of_a_later_checkpoint(self):
    estimator = self.estimator(new_folder())
    for step in (10, 20):
      estimator.train(TRAIN, max_steps=step).evaluate(EVAL)
    model_dir = killed(estimator.model_dir)
    for path in glob.glob(os.path.join(model_dir, "model.ckpt-20*")):
      os.remove(path)
    self.estimator(model_dir).train(TRAIN, max_steps=15)
    eval_dir = os.path.join(model_dir, "eval")
    self.assertEqual(steps(eval_dir)["loss"], [10])
    self.assertEqual(list(summaries.read_eval_metrics(eval_dir)), [10])

  def test_an_evaluation_of_the_same_run_on_another_machine(self):
    for is_kept, left in ((False, [3, 4, 5]), (True, [3])):
      estimator = self.estimator(new_folder())
      eval_dir = os.path.join(estimator.model_dir, "eval")
      path = write(eval_dir, 3, 5)
      theirs = path.replace(f".{socket.gethostname()}.", ".a.box.")
      os.rename(path, theirs)
      with (
        training_lock.kept(estimator) if is_kept else contextlib.nullcontext()
      ):
        summaries.replace(eval_dir, 4)
        summaries.go_on(estimator.model_dir, 4)
      # Without the lock they may be an evaluator's, and stay.
      self.assertEqual(read(theirs), left)

  def test_an_evaluation_made_twice(self):
    estimator = self.estimator(new_folder())
    estimator.train(TRAIN, max_steps=10).evaluate(EVAL)
    estimator.train(TRAIN, max_steps=20).evaluate(EVAL)
    model_dir = killed(estimator.model_dir)
    eval_dir = os.path.join(model_dir, "eval")
    self.assertEqual(list(summaries.read_eval_metrics(eval_dir)), [10, 20])
    other = toys.input_of([2.0], np.float32([0]))
    results = self.estimator(model_dir).evaluate(other)
    # Once in TensorBoard, with the newer value; and so for early stopping.
    self.assertEqual(steps(eval_dir)["error"], [10, 20])
    self.assertAllClose(scalars(eval_dir)["error"][20], results["error"])
    read_again = summaries.read_eval_metrics(eval_dir)
    self.assertAllClose(read_again[20]["error"], results["error"])
    self.assertEqual(list(read_again), [10, 20])


def graphs(model_dir):
  """Returns how many graphs the event files hold."""
  return sum(
    event.HasField("graph_def")
    for path in glob.glob(os.path.join(model_dir, "*tfevents*"))
    for event in events(path)
  )


if __name__ == "__main__":
  tf.test.main()

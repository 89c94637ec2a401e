"""The processes that train together, and how they agree.

All workers run the same program, and take each step together. TensorFlow tells
their common operations apart by the order in which they are traced, so what is
traced must be the same everywhere, and in the same order.
"""

import contextlib
import os
import time

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context as eager_context

from estimators import checkpoint_files, replicas
from estimators.cluster import CHIEF, WORKER
from estimators.distribute import is_multi_worker
from estimators.objects import raw

_logger = tf.get_logger()

# How long a checkpoint of the chief may take to be seen by other machines.
_SEEN_WITHIN_SECS = 60.0


class WorkerLostError(RuntimeError):
  """Another worker has gone or cannot be reached; all the others raise it."""


def of(strategy):
  """Returns the `Workers` of a strategy, None for a process that is alone."""
  if not is_multi_worker(strategy):
    return None
  resolver = strategy.cluster_resolver
  jobs = resolver.cluster_spec().as_dict()
  number = sum(len(jobs.get(job, ())) for job in (CHIEF, WORKER))
  if number < 2:
    return None
  before = len(jobs.get(CHIEF, ())) if resolver.task_type == WORKER else 0
  return Workers(strategy, before + resolver.task_id, number)


class Workers:
  """This worker among the others.

  Args:
    strategy: the multi-worker strategy.
    index: int, this worker's number; the chief is 0.
    number: int, how many there are.

  Attributes:
    strategy, index, number: the arguments.
    is_chief: bool, whether this one writes checkpoints and events.
  """

  def __init__(self, strategy, index, number):
    self.strategy = strategy
    self.index, self.number = index, number
    self.is_chief = index == 0
    self._sum = None
    self._all_leave = False

  def gather(self, *values):
    """Returns what all workers have called it with.

    Every worker must call it, with as many values, and waits for the others.

    Args:
      *values: ints.

    Returns:
      int64 array [number of workers, number of values].
    """
    if self._sum is None:
      self._sum = tf.function(self._sum_over_workers, autograph=False)
    mine = np.zeros([self.number, len(values)], np.int64)
    mine[self.index] = values
    with self.strategy.scope():
      return self._sum(tf.constant(mine)).numpy()

  def _sum_over_workers(self, values):
    def on_replica(values):
      context = tf.distribute.get_replica_context()
      # One replica of each worker speaks for it.
      per_worker = self.strategy.num_replicas_in_sync // self.number
      speaks = context.replica_id_in_sync_group % per_worker == 0
      values = tf.where(speaks, values, tf.zeros_like(values))
      return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

    results = self.strategy.run(on_replica, args=(values,))
    return self.strategy.experimental_local_results(results)[0]

  def all_have(self, flag):
    """Returns, in a traced step, whether a bool scalar is true on all."""

    def on_replica(flag):
      context = tf.distribute.get_replica_context()
      lacks = tf.cast(tf.logical_not(flag), tf.float32)
      return context.all_reduce(tf.distribute.ReduceOp.SUM, lacks)

    results = self.strategy.run(on_replica, args=(flag,))
    return self.strategy.experimental_local_results(results)[0] < 0.5

  def input_context(self):
    """Returns the `tf.distribute.InputContext` of this worker's input."""
    return tf.distribute.InputContext(
      num_input_pipelines=self.number,
      input_pipeline_id=self.index,
      num_replicas_in_sync=self.strategy.num_replicas_in_sync,
    )

  def parts(self, element_spec):
    """Returns the `replicas.Parts` of an input of these `tf.TypeSpec`s."""
    size = replicas.static_batch_size(element_spec)
    sizes = self.gather(-1 if size is None else size)[:, 0]
    known = tuple(sizes.tolist()) if sizes.min() >= 0 else None
    return replicas.Parts(self.index, self.number, known)

  def checkpoint(self, model_dir):
    """Returns the path of the checkpoint that is the chief's newest, or None.

    Raises:
      ValueError: this worker does not see it.
    """
    path = checkpoint_files.newest(model_dir)
    step = -1 if path is None else checkpoint_files.step_of(path)
    step = int(self.gather(step)[0, 0])
    if step < 0:
      return None
    path = os.path.join(model_dir, f"{checkpoint_files.NAME}-{step}")
    give_up = time.monotonic() + _SEEN_WITHIN_SECS
    while not os.path.exists(path + ".index"):
      if time.monotonic() > give_up:
        raise ValueError(
          f"the chief goes on from its checkpoint of step {step}, but worker "
          f"{self.index} finds no {path} in {_SEEN_WITHIN_SECS:g} seconds; all "
          "workers need the same model_dir, on a file system that they share."
        )
      time.sleep(0.2)
    return path

  def all_leave(self):
    """Notes that what is raised now is raised by all workers: none waits."""
    self._all_leave = True

  @contextlib.contextmanager
  def watched(self, model_dir):
    """Within this context the loss of a worker is raised as what it is.

    What else is raised here ends the others' waiting for this worker as well:
    its process may live on.

    Args:
      model_dir: str, the folder of checkpoints.

    Raises:
      WorkerLostError: instead of TensorFlow's error.
    """
    self._all_leave = False
    try:
      yield
    except WorkerLostError:
      raise
    except BaseException as error:
      if _is_loss(error):
        raise WorkerLostError(
          f"all {self.number} workers were needed, but another one was gone or "
          f"could not be reached (this is worker {self.index}). Start all of "
          "them again: they go on from the newest checkpoint, "
          f"{checkpoint_files.newest(model_dir)}. TensorFlow says: "
          f"{error.message}"
        ) from error
      if not self._all_leave:
        _tell_others(f"worker {self.index} has raised {type(error).__name__}")
      raise


def _is_loss(error):
  return isinstance(error, tf.errors.OpError) and (
    "Collective ops is aborted" in error.message
    or isinstance(error, (tf.errors.UnavailableError, tf.errors.AbortedError))
  )


def _tell_others(message):
  """Makes the common operations of the other workers fail, now and later.

  TensorFlow has no public function for it, and without it the others would wait
  for as long as this process lives. (Its abort_collective_ops stops this one
  alone.)
  """
  with contextlib.suppress(tf.errors.OpError):  # They may be told already.
    eager_context.context().report_error_to_cluster(tf.errors.ABORTED, message)


class ReadTogether:
  """Copies of variables that can only be read by all workers together.

  The value of a Keras metric is spread over the replicas; reading it sums their
  parts. The chief alone saves checkpoints, from these copies.

  Args:
    strategy: the multi-worker strategy.
    variables: dictionary of name to variable.
  """

  def __init__(self, strategy, variables):
    self._strategy = strategy
    self._spread = {
      name: raw(variable)
      for name, variable in variables.items()
      if raw(variable).synchronization == tf.VariableSynchronization.ON_READ
    }
    self._copies = {
      name: tf.Variable(tf.zeros(v.shape, v.dtype), trainable=False)
      for name, v in self._spread.items()
    }
    self.variables = {**variables, **self._copies}
    self.refresh()

  def refresh(self):
    """Copies the values; every worker must call it after the same step."""
    with self._strategy.scope():
      for name, variable in self._spread.items():
        self._copies[name].assign(variable.read_value())

"""Strategies by name: on what devices, of one process or of many, to train."""

import contextlib
import faulthandler
import functools
import signal
import sys
import threading

import tensorflow as tf

from estimators import cluster, log, rendezvous

_logger = tf.get_logger()

STRATEGIES = ("off", "one_device", "mirrored", "multi_worker")
# How long TensorFlow may take to connect workers that have met.
_CONNECT_SECS = 60.0


def distribution_strategy(name, num_gpus=None):
  """Returns a strategy for `RunConfig(train_distribute=...)`.

  With the same name and as many GPUs it is the same object again: the sums of a
  second one would be mixed up with those of the first.

  Args:
    name: off: None; one_device: a GPU, or the CPU where there is none;
      mirrored: all GPUs, or all logical CPUs where there is none (see
      tf.config.set_logical_device_configuration); multi_worker: the same with
      the processes of the cluster in TF_CONFIG. Each replica gets its slice of
      the batch.
    num_gpus: int, of how many GPUs of this machine; None for all. 0 leaves them
      alone. Not used by off.

  Returns:
    `tf.distribute.Strategy`, or None: also in multi_worker's evaluator, since
    one process evaluates, from checkpoints.

  Raises:
    ValueError: there is no strategy of that name, there are fewer GPUs, or
      TF_CONFIG describes no cluster that can train together.
    RuntimeError: TensorFlow has started before multi_worker was made.
    TimeoutError: multi_worker's other processes did not come in 300 seconds.
      (Where one goes just after it came, this process ends with 1 in 60.)
  """
  if name not in STRATEGIES:
    raise ValueError(
      f"the strategy must be one of {', '.join(STRATEGIES)}, but is {name!r}."
    )
  if name == "off":
    return None
  num_gpus = _checked_num_gpus(num_gpus)
  return _strategy(name, min(num_gpus, 1) if name == "one_device" else num_gpus)


@functools.cache
def _strategy(name, num_gpus):
  """Returns the one strategy of a name with a number of GPUs."""
  if name == "multi_worker":
    return _multi_worker(num_gpus)
  if name == "one_device":
    return tf.distribute.OneDeviceStrategy("GPU:0" if num_gpus else "CPU:0")
  if num_gpus:
    devices = [f"GPU:{i}" for i in range(num_gpus)]
  else:
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
  return tf.distribute.MirroredStrategy(devices)


def is_multi_worker(strategy):
  """Whether a strategy, or None, is one of several processes."""
  return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def check_can_train(config):
  """Refuses to train in a task of a cluster that cannot.

  Args:
    config: RunConfig.

  Raises:
    ValueError: it is no chief or worker, or would train on its own.
  """
  task = f"{config.task_type} {config.task_id}"
  if not config.is_chief and config.task_type != cluster.WORKER:
    raise ValueError(
      "TF_CONFIG must be that of a chief or worker to train, but this task is "
      f"{task}; evaluators go by train_and_evaluate or evaluate_continuously, "
      "and parameter servers have no use here: make them workers."
    )
  if config.num_ps_replicas or (
    config.num_worker_replicas > 1
    and not is_multi_worker(config.train_distribute)
  ):
    raise ValueError(
      f"TF_CONFIG has {config.num_worker_replicas} workers and "
      f"{config.num_ps_replicas} parameter servers, but only workers train "
      "together, and only under one strategy; this is task "
      f"{task}, and train_distribute={config.train_distribute}. Give "
      'RunConfig(train_distribute=distribution_strategy("multi_worker")), or '
      "start it without TF_CONFIG."
    )


def _checked_num_gpus(num_gpus):
  """Returns how many GPUs to use."""
  found = len(tf.config.list_physical_devices("GPU"))
  if num_gpus is None:
    return found
  if num_gpus and not found:
    raise ValueError(
      f"num_gpus must be 0 to 0, as TensorFlow finds no GPU here, but is "
      f"{num_gpus}; leave it out to take the CPU, or see to the driver, "
      "CUDA_VISIBLE_DEVICES, and a TensorFlow with CUDA (pip install "
      "'tensorflow[and-cuda]')."
    )
  if not 0 <= num_gpus <= found:
    raise ValueError(
      f"num_gpus must be 0 to {found}, as many as TensorFlow finds here, but "
      f"is {num_gpus}; leave it out for all of them."
    )
  return num_gpus


def _addresses(place):
  """Returns the address of this task, and a list of those of the others."""
  own = place.spec.task_address(place.task_type, place.task_id)
  addresses = [a for job in place.spec.jobs for a in place.spec.job_tasks(job)]
  addresses.remove(own)
  return own, addresses


def _check_not_started():
  """Raises a RuntimeError when TensorFlow has started.

  No public function tells. But this setting, which is put back, cannot change
  then.
  """
  threads = tf.config.threading
  number = threads.get_inter_op_parallelism_threads()
  threads.set_inter_op_parallelism_threads(number + 1)
  threads.set_inter_op_parallelism_threads(number)


@contextlib.contextmanager
def _ended_unless_connected(others):
  """Ends this process where TensorFlow waits in vain within this context.

  That is for a worker that has gone since it was met. TensorFlow waits without
  end then, and holds Python's lock, so that only a thread that is none of
  Python's can do something about it. A timer of faulthandler's that runs
  already is replaced.

  Args:
    others: list of str, the addresses of the other workers.
  """
  _logger.info(
    "TensorFlow connects to the workers %s. If one of them has gone it cannot, "
    "and this process ends with 1 in %g seconds; then start all of them again.",
    others,
    _CONNECT_SECS,
  )
  faulthandler.dump_traceback_later(
    _CONNECT_SECS, exit=True, file=sys.__stderr__
  )
  try:
    yield
  finally:
    faulthandler.cancel_dump_traceback_later()


def _multi_worker(num_gpus):
  place = cluster.from_environment()
  if place.task_type == cluster.EVALUATOR:
    return None
  jobs = place.spec.jobs
  if not jobs or set(jobs) - {cluster.CHIEF, cluster.WORKER}:
    raise ValueError(
      "multi_worker needs an environment variable TF_CONFIG with a cluster of "
      f"workers, and a chief if you like, but it has the jobs {sorted(jobs)}; "
      'set it, in the first of two processes to {"cluster": {"worker": '
      '["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}.'
    )
  log.show()  # Whom it waits for.
  gpus = tf.config.list_physical_devices("GPU")
  try:
    _check_not_started()  # Before others are waited for.
    # The strategy takes all that it can see.
    tf.config.set_visible_devices(gpus[:num_gpus], "GPU")
    rendezvous.wait_for_all(*_addresses(place))
    with _ended_unless_connected(_addresses(place)[1]):
      strategy = tf.distribute.MultiWorkerMirroredStrategy()
    if threading.current_thread() is threading.main_thread():
      # TensorFlow has begun to catch SIGTERM, and would do nothing about it.
      signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy
  except RuntimeError as error:
    raise RuntimeError(
      "multi_worker must be made before TensorFlow computes anything or lists "
      f"its logical devices, but it has started already ({error}); make it at "
      "the beginning of the program."
    ) from error

"""TF_CONFIG: which process of a cluster this one is.

The environment variable is JSON, here of the second of two workers that train
together:

    {"cluster": {"worker": ["host1:2222", "host2:2222"]},
     "task": {"type": "worker", "index": 1}}

Its rules are those of tf.estimator and of tf.distribute: one task is the chief,
either the one of the job `chief` or, without such a job, the first worker. The
evaluator's task has type `evaluator`, which is no job of the cluster.
"""

import dataclasses
import json
import os

import tensorflow as tf

_logger = tf.get_logger()

VARIABLE = "TF_CONFIG"
CHIEF, MASTER, WORKER, PS = "chief", "master", "worker", "ps"
EVALUATOR = "evaluator"
# In the order of the global ids.
_JOBS = (CHIEF, MASTER, WORKER, PS)
_LAST_PORT = 65535
_SHOWN = 60  # characters on either side of where JSON breaks


@dataclasses.dataclass(frozen=True)
class Cluster:
  """A process's place in its cluster; by default the only one there is.

  Attributes:
    spec: `tf.train.ClusterSpec` of those that train; empty for a process alone
      and for the evaluator.
    task_type: chief, worker, ps, evaluator, or the older name master.
    task_id: int, its number among those of its type.
    is_chief: bool, whether it is the one that writes.
    master, evaluation_master: addresses for sessions, "" for this process.
    num_ps_replicas, num_worker_replicas: tasks; the chief counts as a worker.
    global_id_in_cluster: int, the chief's is 0; None for the evaluator.
    service: dictionary from TF_CONFIG, or None.
    model_dir: the one that TF_CONFIG names, or None.
  """

  spec: tf.train.ClusterSpec = dataclasses.field(
    default_factory=lambda: tf.train.ClusterSpec({})
  )
  task_type: str = WORKER
  task_id: int = 0
  is_chief: bool = True
  master: str = ""
  evaluation_master: str = ""
  num_ps_replicas: int = 0
  num_worker_replicas: int = 1
  global_id_in_cluster: int | None = 0
  service: dict | None = None
  model_dir: str | None = None


def from_environment():
  """Returns the `Cluster` that TF_CONFIG describes.

  Raises:
    ValueError: it is no JSON, or what it says cannot be.
  """
  text = os.environ.get(VARIABLE)
  if not text:
    return Cluster()
  config = _parsed(text)
  _logger.info("TF_CONFIG environment variable: %s", config)
  fields = {
    "service": _of_type(config, "service", dict),
    "model_dir": _of_type(config, "model_dir", str),
  }
  for key in ("session_master", "eval_session_master"):
    _of_type(config, key, str)
  jobs = _checked_jobs(_of_type(config, "cluster", dict) or {})
  task_type, task_id = _task(config)
  if not jobs:
    return _alone(config, task_type, task_id, fields)
  chief = _chief_of(jobs)
  _check_task(jobs, task_type, task_id)
  if task_type == EVALUATOR:
    return Cluster(
      task_type=task_type,
      task_id=task_id,
      is_chief=False,
      evaluation_master=config.get("eval_session_master", ""),
      num_worker_replicas=0,
      global_id_in_cluster=None,
      **fields,
    )
  if "eval_session_master" in config:
    raise _wrong(
      "eval_session_master is for the evaluator's task alone",
      f"this is {task_type} {task_id}",
      "leave it out",
    )
  tasks = [(job, i) for job in _JOBS for i in range(len(jobs.get(job, ())))]
  if chief in tasks:  # Without a job of its own it is among the workers.
    tasks.remove(chief)
  tasks.insert(0, chief)
  address = f"grpc://{jobs[task_type][task_id]}" if len(tasks) > 1 else ""
  num_ps = len(jobs.get(PS, ()))
  return Cluster(
    spec=tf.train.ClusterSpec(jobs),
    task_type=task_type,
    task_id=task_id,
    is_chief=(task_type, task_id) == chief,
    master=config.get("session_master", address),
    num_ps_replicas=num_ps,
    num_worker_replicas=len(tasks) - num_ps,
    global_id_in_cluster=tasks.index((task_type, task_id)),
    **fields,
  )


def _parsed(text):
  """Returns the dictionary that JSON text stands for."""
  try:
    config = json.loads(text)
  except json.JSONDecodeError as error:
    before = text[max(0, error.pos - _SHOWN) : error.pos]
    after = text[error.pos : error.pos + _SHOWN]
    raise ValueError(
      f"the environment variable {VARIABLE} must be JSON, but it breaks at "
      f"character {error.pos} ({error.msg}), here: {before}>>>{after}; the "
      f"whole text is {text!r}. Keys and strings take double quotes."
    ) from None
  if not isinstance(config, dict):
    raise _wrong("it must be an object in {}", f"it is {text!r}")
  return config


def _of_type(config, key, type_):
  value = config.get(key)
  if value is not None and not isinstance(value, type_):
    kind = {dict: "an object in {}", str: "a string"}[type_]
    raise _wrong(f"{key!r} must be {kind}", f"it is {value!r}")
  return value


def _checked_jobs(jobs):
  """Returns the jobs: dictionary of name to list of addresses."""
  for name, addresses in jobs.items():
    if name == EVALUATOR:
      raise _wrong(
        "the evaluator is no part of the cluster that trains",
        f"'cluster' lists {addresses}",
        "leave it out of 'cluster', in all tasks; its own task has the type "
        f"{EVALUATOR!r}",
      )
    if name not in _JOBS:
      raise _wrong(
        f"the jobs of 'cluster' must be among {list(_JOBS)}",
        f"there is {name!r}",
      )
    if (
      not isinstance(addresses, list)
      or not addresses
      or not all(isinstance(address, str) for address in addresses)
    ):
      raise _wrong(
        f"'cluster' must give {name!r} a list of addresses [\"host:port\"]",
        f"it is {addresses!r}",
      )
  _check_addresses([a for addresses in jobs.values() for a in addresses])
  return jobs


def _check_addresses(addresses):
  """Refuses addresses that are not host:port, or those of two tasks."""
  for address in addresses:
    host, _, port = address.rpartition(":")
    is_one = host.startswith("[") and host.endswith("]") or ":" not in host
    if not host or not is_one or not port.isdecimal() or int(port) > _LAST_PORT:
      raise _wrong(
        "the addresses in 'cluster' must be \"host:port\", of IPv6 "
        '"[host]:port"',
        f"one is {address!r}",
        "mend it in all tasks",
      )
  twice = sorted({a for a in addresses if addresses.count(a) > 1})
  if twice:
    raise _wrong(
      "each task must have an address of its own",
      f"'cluster' has {twice} more than once",
      "give each another port, in all tasks",
    )


def _task(config):
  """Returns (type, index) of the task, None for what is not given."""
  task = _of_type(config, "task", dict) or {}
  index = task.get("index")
  if isinstance(index, str) and index.removeprefix("-").isdecimal():
    index = int(index)
  if index is not None and type(index) is not int:
    raise _wrong(
      "the task's index must be a whole number, 0 for the first",
      f"it is {index!r}",
    )
  return _of_type(task, "type", str), index


def _alone(config, task_type, task_id, fields):
  """Returns the Cluster of a process without others."""
  if task_type not in (None, WORKER) or task_id not in (None, 0):
    raise _wrong(
      "without 'cluster' the task must be worker 0",
      f"it is {task_type} {task_id}",
      "give 'cluster' to all tasks, also to the evaluator's",
    )
  return Cluster(
    master=config.get("session_master", ""),
    evaluation_master=config.get("eval_session_master", ""),
    **fields,
  )


def _chief_of(jobs):
  """Returns (type, index) of the chief's task."""
  if MASTER in jobs and CHIEF in jobs:
    raise _wrong(
      f"{MASTER!r} is the older name of {CHIEF!r}",
      "'cluster' has both",
      f"leave {MASTER!r} out",
    )
  for name in (CHIEF, MASTER):
    if len(jobs.get(name, ())) > 1:
      raise _wrong(
        f"'cluster' must have only one {name!r}",
        f"it has {jobs[name]}",
        f"make the others a {WORKER!r}",
      )
    if name in jobs:
      return name, 0
  if WORKER not in jobs:
    raise _wrong(
      f"'cluster' must have one {CHIEF!r}, or a {WORKER!r}",
      f"it has {sorted(jobs)}",
    )
  return WORKER, 0


def _check_task(jobs, task_type, task_id):
  """Refuses a task that a cluster does not have."""
  if not task_type or task_id is None:
    raise _wrong(
      "with 'cluster' the task's type and index must be given",
      f"they are {task_type!r} and {task_id!r}",
      'give "task": {"type": ..., "index": ...}',
    )
  if task_type == EVALUATOR and MASTER not in jobs:
    if task_id != 0:
      raise _wrong("there is one evaluator, of index 0", f"it is {task_id}")
    return
  if task_type not in jobs:
    raise _wrong(
      f"the task's type must be a job of 'cluster', {sorted(jobs)}"
      + (f", or {EVALUATOR!r}" if MASTER not in jobs else ""),
      f"it is {task_type!r}",
    )
  if not 0 <= task_id < len(jobs[task_type]):
    raise _wrong(
      f"the index of a {task_type!r} must be 0 to {len(jobs[task_type]) - 1}",
      f"it is {task_id}",
      f"mend it, or add the task to {jobs[task_type]}",
    )


def _wrong(needed, found, remedy="mend it"):
  return ValueError(
    f"the environment variable {VARIABLE} does not fit: {needed}, but {found}; "
    f"{remedy}."
  )

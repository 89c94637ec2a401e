"""How an Estimator runs: where, how often it saves and reports, on what."""

import copy
import dataclasses
import os

import tensorflow as tf

from estimators import cluster

_UNSET = object()
DEFAULT_SAVE_CHECKPOINTS_SECS = 600


@dataclasses.dataclass(frozen=True)
class RunConfig:
  """Settings of a run that are not the model's.

  Which process of a cluster this one is it reads from the environment variable
  TF_CONFIG when it is made; see `cluster`.

  Attributes:
    model_dir: folder of checkpoints and events; that of TF_CONFIG when None.
    tf_random_seed: int or None. With a seed, initial values, dropout and the
      shuffling of the input are the same in every run.
    save_summary_steps: steps from one summary to the next; 0 or None for none.
    save_checkpoints_steps: steps from one checkpoint to the next.
    save_checkpoints_secs: seconds from one checkpoint to the next; 600 when
      neither is given. Only one of the two may be given. With both None or 0
      nothing is saved at all.
    keep_checkpoint_max: how many of the newest checkpoints are kept; 0 or None
      for all.
    keep_checkpoint_every_n_hours: one checkpoint of every so many hours is kept
      besides.
    log_step_count_steps: steps from one log line to the next; None for none.
    train_distribute, eval_distribute: `tf.distribute.Strategy` for training
      and evaluation, or None; the same object when both are given. Under one of
      several workers each process makes the same Estimators and trains them in
      the same order; it evaluates, predicts and exports on its own.
    deterministic: bool, whether operations give the same bits in every run on
      the same hardware, at the price of some speed; it needs a tf_random_seed.
      TensorFlow knows it for whole processes only: from the first Estimator
      with it on, all that the process computes is deterministic, also with
      other Estimators; an operation that cannot be raises an error, and so does
      a random one without a seed.
    settings: dictionary of what else determines the result, besides params and
      tf_random_seed, such as the batch size of the input; or None. All of them
      are kept in model_dir's config.json, and who goes on there must have the
      same.
    overwrite_config: bool, whether to go on with others, which are then kept.

  Raises:
    ValueError: a value is out of its range, both cadences are given,
      deterministic without a tf_random_seed, or TF_CONFIG cannot be, or names
      another model_dir.
  """

  model_dir: str | None = None
  tf_random_seed: int | None = None
  save_summary_steps: int | None = 100
  save_checkpoints_steps: int | None = _UNSET
  save_checkpoints_secs: float | None = _UNSET
  keep_checkpoint_max: int | None = 5
  keep_checkpoint_every_n_hours: float = 10000
  log_step_count_steps: int | None = 100
  train_distribute: tf.distribute.Strategy | None = None
  eval_distribute: tf.distribute.Strategy | None = None
  deterministic: bool = False
  settings: dict | None = None
  overwrite_config: bool = False

  def __post_init__(self):
    object.__setattr__(self, "_cluster", cluster.from_environment())
    self._settle_model_dir()
    self._check_fields()

  def _check_fields(self):
    self._settle_cadence()
    if self.model_dir is not None and not str(self.model_dir):
      raise ValueError("model_dir is empty; name a folder, or pass None.")
    for name in (
      "save_summary_steps",
      "save_checkpoints_steps",
      "save_checkpoints_secs",
      "keep_checkpoint_max",
    ):
      self._check(name, lambda value: value >= 0, "at least 0")
    for name in ("keep_checkpoint_every_n_hours", "log_step_count_steps"):
      self._check(name, lambda value: value > 0, "above 0")
    strategies = (self.train_distribute, self.eval_distribute)
    if None not in strategies and strategies[0] is not strategies[1]:
      raise ValueError(
        "train_distribute and eval_distribute are two strategies, but one "
        "Estimator's variables live under one; pass the same object twice."
      )
    seed = self.tf_random_seed
    if seed is not None and (isinstance(seed, bool) or int(seed) != seed):
      raise ValueError(f"tf_random_seed must be an integer: {seed!r}.")
    if self.deterministic and seed is None:
      raise ValueError(
        "deterministic=True needs a seed, as without one each run draws other "
        "random numbers, but tf_random_seed is None; give one, such as "
        "RunConfig(deterministic=True, tf_random_seed=1)."
      )

  def replace(self, **fields):
    """Returns a copy with some fields changed, of the same task of a cluster.

    Giving one of the two checkpoint cadences clears the other.

    Raises:
      ValueError: there is no such field, or a value is out of its range.
    """
    known = {field.name for field in dataclasses.fields(self)}
    unknown = sorted(set(fields) - known)
    if unknown:
      raise ValueError(
        f"RunConfig has no field {unknown} to replace; it has {sorted(known)}."
      )
    steps, secs = "save_checkpoints_steps", "save_checkpoints_secs"
    for given, other in ((steps, secs), (secs, steps)):
      if fields.get(given) and other not in fields:
        fields[other] = None
    replaced = copy.copy(self)
    for name, value in fields.items():
      object.__setattr__(replaced, name, value)
    replaced._check_fields()
    return replaced

  @property
  def cluster_spec(self):
    """`tf.train.ClusterSpec` of the tasks that train; empty without others."""
    return self._cluster.spec

  @property
  def task_type(self):
    """The type of this task: worker (alone too), chief, ps or evaluator."""
    return self._cluster.task_type

  @property
  def task_id(self):
    """The number of this task among those of its type, an int."""
    return self._cluster.task_id

  @property
  def is_chief(self):
    """Whether this task is the one that writes checkpoints and events."""
    return self._cluster.is_chief

  @property
  def master(self):
    """The address of this task, "" when there are no others."""
    return self._cluster.master

  @property
  def evaluation_master(self):
    """The address that TF_CONFIG names for the evaluator's sessions, or ""."""
    return self._cluster.evaluation_master

  @property
  def num_ps_replicas(self):
    """The number of parameter servers, an int."""
    return self._cluster.num_ps_replicas

  @property
  def num_worker_replicas(self):
    """The number of tasks that train, the chief among them; an int."""
    return self._cluster.num_worker_replicas

  @property
  def global_id_in_cluster(self):
    """This task's number among all; the chief's is 0, the evaluator's None."""
    return self._cluster.global_id_in_cluster

  @property
  def service(self):
    """What TF_CONFIG says about the platform, a dictionary or None."""
    return copy.deepcopy(self._cluster.service)

  def as_dict(self):
    """Returns the fields as values that JSON can hold, strategies by class."""
    values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
    for name in ("train_distribute", "eval_distribute"):
      if values[name] is not None:
        values[name] = type(values[name]).__name__
    return values

  def _settle_model_dir(self):
    """Takes model_dir over from TF_CONFIG, which may not name another."""
    named = self._cluster.model_dir
    if named and self.model_dir and os.fspath(self.model_dir) != named:
      raise ValueError(
        f"model_dir is {self.model_dir!r}, but the environment variable "
        f"{cluster.VARIABLE} names {named!r}; give one of the two, or the same."
      )
    if self.model_dir is None:
      object.__setattr__(self, "model_dir", named)

  def _settle_cadence(self):
    """Fills in the default: 600 s, unless one of the two was given."""
    steps, secs = self.save_checkpoints_steps, self.save_checkpoints_secs
    if secs is _UNSET:
      secs = DEFAULT_SAVE_CHECKPOINTS_SECS if steps is _UNSET else None
    steps = None if steps is _UNSET else steps
    if steps and secs:
      raise ValueError(
        "checkpoints are saved by steps or by seconds, but both were given: "
        f"save_checkpoints_steps={steps}, save_checkpoints_secs={secs}; "
        "give one."
      )
    object.__setattr__(self, "save_checkpoints_steps", steps)
    object.__setattr__(self, "save_checkpoints_secs", secs)

  def _check(self, name, holds, range_):
    value = getattr(self, name)
    if value is not None and not holds(value):
      raise ValueError(f"{name} must be {range_}, or None: {value}.")

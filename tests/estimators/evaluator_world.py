"""A trainer and time itself, invented: what an evaluator sees of them."""

import glob
import json
import os

from estimators import EvalSpec, Exporter
from estimators.continuous_evaluation import Loop
from estimators.evaluations import Evaluation
from estimators.training_status import FILE
from tests.estimators.helpers import new_folder


class World:
  """A model_dir, a clock, and what happens when.

  Attributes:
    now: float, seconds.
    model_dir: str, an empty folder at first.
    evaluated: list of (time, step), or (time, step, name) for a named EvalSpec.
    exported: list of (step, is_final, results).
    duration: float, the seconds that an evaluation takes.
    at_restore: function that is called when a checkpoint is to be read.
  """

  def __init__(self):
    self.now = 0.0
    self.model_dir = new_folder()
    self.evaluated, self.exported = [], []
    self.duration = 0.0
    self.at_restore = lambda path: None
    self._plans = []
    self._kept = []

  def sleep(self, secs):
    """Lets time go by, and what was planned happen."""
    end = self.now + secs
    while self._plans and self._plans[0][0] <= end:
      self.now, action = self._plans.pop(0)
      action()
    self.now = end

  def at(self, when, action):
    """Plans an action for a time."""
    self._plans.append((when, action))
    self._plans.sort(key=lambda plan: plan[0])

  def trainer(self, begin, end, saves, state="finished", pid=1, keep=5):
    """Plans a trainer.

    Args:
      begin, end: float, its times.
      saves: dictionary of time to step.
      state: str, what it says at its end; None: it is killed.
      pid: int.
      keep: int, how many checkpoints it keeps.
    """
    saved = []

    def tell(state, **more):
      status = {"state": state, "step": max(saved, default=0), "saved": saved}
      status |= {"host": "h", "pid": pid, "beat": self.now, **more}
      with open(os.path.join(self.model_dir, FILE), "w") as file:
        json.dump(status, file)

    def save(step):
      saved.append(step)
      self.save(step, keep)

    for beat in range(int(begin), int(end), 5):
      self.at(beat, lambda: tell("running"))
    for when, step in saves.items():
      self.at(when, lambda step=step: save(step))
    if state:
      more = {"error": "ValueError"} if state == "failed" else {}
      self.at(end, lambda: tell(state, **more))

  def save(self, step, keep=5):
    """Writes what there is of a checkpoint, and removes old ones."""
    path = os.path.join(self.model_dir, f"model.ckpt-{step}")
    with open(path + ".index", "w"):
      pass
    self._kept = [*self._kept, path][-keep:]
    self._write_state(path)
    for other in glob.glob(os.path.join(self.model_dir, "*.index")):
      if other.removesuffix(".index") not in self._kept:
        os.remove(other)

  def begin_anew(self):
    """Removes all checkpoints."""
    for path in glob.glob(os.path.join(self.model_dir, "*checkpoint*")):
      os.remove(path)
    for path in self._kept:
      os.remove(path + ".index")
    self._kept = []

  def _write_state(self, newest):
    lines = [f'model_checkpoint_path: "{newest}"\n']
    lines += [f'all_model_checkpoint_paths: "{path}"\n' for path in self._kept]
    with open(os.path.join(self.model_dir, "checkpoint"), "w") as file:
      file.writelines(lines)

  # What an Evaluation asks of an Estimator.

  def eval_dir(self, name=None):
    return os.path.join(self.model_dir, f"eval_{name}" if name else "eval")

  def evaluate(self, input_fn, steps, hooks, checkpoint_path, name):
    del input_fn, steps, hooks
    self.at_restore(checkpoint_path)
    if not os.path.exists(checkpoint_path + ".index"):
      raise ValueError(f"there is no checkpoint {checkpoint_path}")
    step = int(checkpoint_path.rsplit("-", 1)[1])
    self.evaluated.append((self.now, step, *([name] if name else [])))
    self.sleep(self.duration)
    return {"loss": step / 10, "global_step": step}

  def evaluator(self, *specs, max_steps=None):
    """Runs an evaluator from now to its end; returns its Evaluations."""
    self.sleep(0)
    evaluations = [Evaluation(self, spec) for spec in specs]
    Loop(
      self.model_dir, evaluations, max_steps, lambda: self.now, self.sleep
    ).run()
    return evaluations

  @property
  def steps(self):
    """The steps that were evaluated."""
    return [done[1] for done in self.evaluated]


def spec(**fields):
  """Returns an EvalSpec that waits for nothing."""
  return EvalSpec(dict, **{"start_delay_secs": 0, "throttle_secs": 0, **fields})


class RecordingExporter(Exporter):
  """Notes what it is told in `World.exported`.

  Args:
    world: the World.
    returned: what `export` returns.
  """

  def __init__(self, world, returned="path", name="recording"):
    super().__init__(name, None)
    self._world, self._returned = world, returned

  def export(
    self,
    estimator,
    export_path,
    checkpoint_path,
    eval_result,
    is_the_final_export,
  ):
    step = int(checkpoint_path.rsplit("-", 1)[1])
    self._world.exported.append((step, is_the_final_export, eval_result))
    return self._returned

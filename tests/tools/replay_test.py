import contextlib
import inspect
import io
import json
import os
import shutil
import sys
from unittest import mock

import numpy as np
import tensorflow as tf

from estimators import NanLossDuringTrainingError, replay
from tests.estimators.helpers import new_folder, scalars
from tests.tools import replay_program
from tests.tools.replay_program import BROKEN_STEP
from tools import replay as tool

PROGRAM = "tests.tools.replay_program"


def line_of_the_logarithm():
  lines, first = inspect.getsourcelines(replay_program.model_fn)
  (index,) = [i for i, line in enumerate(lines) if "math.log" in line]
  return f"{replay_program.__file__}:{first + index} in model_fn"


def contents(folder):
  """Returns the bytes of all files, by their paths."""
  found = {}
  for path, _, names in os.walk(folder):
    for name in names:
      with open(os.path.join(path, name), "rb") as stream:
        found[os.path.join(path, name)] = stream.read()
  return found


def replayed(*arguments):
  """Returns what the program prints."""
  output = io.StringIO()
  # The program's module must not be there when it is run as a program.
  with (
    contextlib.redirect_stdout(output),
    mock.patch.dict(sys.modules),
    mock.patch.object(sys, "argv", sys.argv),
  ):
    del sys.modules[PROGRAM]
    tool.main(["replay", *arguments])
  return output.getvalue()


class ReplayTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.folder = new_folder()
    with mock.patch.object(sys, "argv", ["_", f"--model_dir={cls.folder}"]):
      try:
        replay_program.main()
        raise AssertionError("It should have diverged.")
      except NanLossDuringTrainingError:
        pass

  def replayed(self, *arguments, model_dir=None):
    folder = model_dir or self.folder
    return replayed(
      f"--model_dir={folder}",
      *arguments,
      *("--", PROGRAM, "--model_dir", folder),
    )

  def test_the_step_that_diverged(self):
    before = contents(self.folder)
    text = self.replayed()
    self.assertEqual(contents(self.folder), before)
    self.assertIn(f"Step {BROKEN_STEP}, after the checkpoint of step 8\n", text)
    recorded = json.loads(before[f"{self.folder}/diverged.json"])
    self.assertEqual(recorded["step"], BROKEN_STEP)
    self.assertIn(f"  batch: {recorded['fingerprint']}, as recorded\n", text)
    self.assertIn("    features: float32 [1], 0 to 0\n", text)
    self.assertIn("  loss: Inf, as recorded\n", text)
    self.assertIn("  variables before the step: all finite\n", text)
    self.assertIn("  variables after the step: not finite: line/kernel\n", text)
    self.assertIn("  first operation with -Inf: Log, node Log\n", text)
    self.assertIn(f"    {line_of_the_logarithm()}\n", text)
    self.assertRegex(text, "    (nan|inf)         line/kernel\n")

  def test_a_step_that_was_fine_has_the_same_bits(self):
    losses = scalars(self.folder)["loss"]
    text = self.replayed("--step=7")
    self.assertIn("Step 7, after the checkpoint of step 4\n", text)
    self.assertIn(f"  loss: {losses[7]}\n", text)
    self.assertIn("  operations: all finite\n", text)

  def test_a_damaged_checkpoint_is_passed_over(self):
    folder = shutil.copytree(self.folder, os.path.join(new_folder(), "copy"))
    with open(f"{folder}/model.ckpt-8.index", "r+b") as stream:
      stream.truncate(10)
    for step, found in (
      *[(0, 0), (3, 0), (4, 4), (7, 4), (8, 4)],
      (10**6, 4),
    ):
      path = tool.checkpoint_before(folder, step)
      self.assertEqual(path, f"{folder}/model.ckpt-{found}")

  def test_what_cannot_be_replayed(self):
    ckpts = os.path.join(new_folder(), "copy")
    shutil.copytree(
      self.folder, ckpts, ignore=lambda *_: ["model.ckpt-0.index"]
    )
    for arguments, folder, message in (
      (["--step=3"], ckpts, "step 3 or before.*oldest in .* is of step 4"),
      (["--step=3"], new_folder(), "has none; is it"),
      ([], new_folder(), "neither --step nor .*diverged.json"),
      (["--step=12"], None, "step 10 already; replay that one"),
      (["--step=30"], None, "takes the steps 8 to 29; give"),
    ):
      with self.assertRaisesRegex(SystemExit, "tools.replay: .*" + message):
        self.replayed(*arguments, model_dir=folder)

  def test_programs_that_do_not_get_there(self):
    for arguments, message in (
      (["--max_steps=8"], "should take step 9, but it ended before"),
      (["--factor=0", "--model_dir", new_folder()], "name the model_dir among"),
    ):
      with self.assertRaisesRegex(SystemExit, message):
        replayed(
          f"--model_dir={self.folder}",
          "--step=9",
          *("--", PROGRAM, f"--model_dir={self.folder}", *arguments),
        )

  def test_the_program_of_config_json(self):
    folder = new_folder()
    path = f"{folder}/config.json"
    for command in (
      None,
      {"module": None, "file": "a.py", "args": ["-x"]},
      {"module": "a.b", "args": []},
    ):
      with open(path, "w") as stream:
        json.dump({"command": command}, stream)
      if command is None:
        with self.assertRaisesRegex(ValueError, "give it after --"):
          tool.command_of(folder)
      else:
        name = command["module"] or command["file"]
        self.assertEqual(tool.command_of(folder), [name, *command["args"]])

  def test_arguments_that_name_the_folder(self):
    with mock.patch.dict(os.environ, {"HOME": "/h"}):
      found = tool.moved(
        ["--a=~/m", "--b", "/h/x/../m/", "--c=/h/m/n", "m", "--d="],
        "/h/m",
        "/v",
      )
    self.assertEqual(found, ["--a=/v", "--b", "/v", "--c=/h/m/n", "m", "--d="])

  def test_a_step_of_ops_that_train_by_themselves(self):
    findings = replay.Findings(0, 0, 0.5, "ab", {}, [], [], None, {})
    self.assertEqual(
      tool.report(findings)[-1], "  norms of the gradients: none"
    )

  def test_many_gradients_and_another_batch(self):
    findings = replay.Findings(
      step=3,
      start=1,
      loss=np.float32(0.1).item(),
      fingerprint="ab",
      batch={"labels": {"dtype": "string", "shape": [2]}},
      broken_before=["w"],
      broken_after=[],
      first=replay.BrokenOp("where/Const", "Const", "-Inf", "a.py:3 in f"),
      gradients={f"w{i}": 30.0 - i for i in range(23)},
    )
    lines = tool.report(findings, {"fingerprint": "cd", "loss": "NaN"})
    self.assertIn("  batch: ab, but recorded: cd", lines)
    self.assertIn("    labels: string [2]", lines)
    self.assertIn(
      "  variables before the step: not finite: w: an earlier step has done it",
      lines,
    )
    self.assertContainsSubsequence(
      lines,
      [
        "  first operation with -Inf: Const, node where/Const",
        "    a.py:3 in f",
        "    the step is fine: that is meant, such as the -inf of a mask",
      ],
    )
    self.assertEqual(
      lines[-2:], ["    11          w19", "    and 3 smaller ones"]
    )


if __name__ == "__main__":
  tf.test.main()

"""Takes one step of a training again, and looks into it.

    python -m tools.replay --model_dir=/tmp/mnist --step=700
    python -m tools.replay --model_dir=/tmp/mnist -- experiments.mnist.main \\
        --model=cnn --model_dir=/tmp/mnist

It runs the program of the training, as config.json in model_dir names it, or as
it stands after `--`, up to that step: from the newest checkpoint before it, on
the same batches. The step is that of model_dir's diverged.json when none is
given. It prints the batch, the loss, the first operation that gave NaN or Inf,
and the norms of the gradients. Start it where the program was started.

The program sees a copy of model_dir, so that nothing there is written: of one
checkpoint and the other files, without folders and events. It exits with 1 when
the step could not be taken.
"""

import argparse
import contextlib
import glob
import json
import math
import os
import runpy
import shutil
import sys
import tempfile

import numpy as np

from estimators import checkpoint_files, divergence, replay

CONFIG = "config.json"
# What the training itself writes into model_dir, and a copy need not have.
_NOT_COPIED = (
  "*tfevents*",
  f"{checkpoint_files.NAME}-*",
  checkpoint_files.LIST,
  "train.lock",
  "training_status.json",
)
_MANY_GRADIENTS = 20


def parsed(argv):
  """Returns the parsed arguments, and the program after `--`, a list.

  Args:
    argv: list of str, without the name of this program.
  """
  split = argv.index("--") if "--" in argv else len(argv)
  parser = argparse.ArgumentParser(
    prog="python -m tools.replay",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  parser.add_argument("--model_dir", required=True, help="the model's folder")
  parser.add_argument(
    "--step", type=int, help="the global step that the step was taken from"
  )
  return parser.parse_args(argv[:split]), argv[split + 1 :]


def command_of(model_dir):
  """Returns the program of a model_dir: a module or file, and its arguments.

  Raises:
    ValueError: it is not known.
  """
  path = os.path.join(model_dir, CONFIG)
  command = (_json(path) or {}).get("command")
  name = command and (command.get("module") or command.get("file"))
  if not name:
    raise ValueError(
      f"{path} should name the program that trained there, but has "
      f"{command!r}; give it after --, such as -- experiments.mnist.main "
      f"--model_dir={model_dir}."
    )
  return [name, *command["args"]]


def checkpoint_before(model_dir, step):
  """Returns the newest whole checkpoint of a step or before it.

  Raises:
    ValueError: there is none.
  """
  pattern = os.path.join(
    glob.escape(model_dir), f"{checkpoint_files.NAME}-*{checkpoint_files.INDEX}"
  )
  paths = [p.removesuffix(checkpoint_files.INDEX) for p in glob.glob(pattern)]
  paths = sorted(
    (path for path in paths if checkpoint_files.damage(path) is None),
    key=checkpoint_files.step_of,
  )
  before = [p for p in paths if checkpoint_files.step_of(p) <= step]
  if before:
    return before[-1]
  raise ValueError(
    f"a checkpoint of step {step} or before it is needed, but "
    + (
      f"the oldest in {model_dir} is of step "
      f"{checkpoint_files.step_of(paths[0])}; replay a later step, and keep "
      "more of them next time (RunConfig(keep_checkpoint_max=...))."
      if paths
      else f"{model_dir} has none; is it the folder of a training?"
    )
  )


def copy_with(model_dir, checkpoint, folder):
  """Makes a folder one in which training goes on from a checkpoint.

  Its large files, which nobody writes, are linked.
  """
  ignored = shutil.ignore_patterns(*_NOT_COPIED)
  names = [e.name for e in os.scandir(model_dir) if e.is_file()]
  for name in set(names) - set(ignored(model_dir, names)):
    shutil.copy(os.path.join(model_dir, name), folder)
  for file in glob.glob(glob.escape(checkpoint) + ".*"):
    os.symlink(
      os.path.abspath(file), os.path.join(folder, os.path.basename(file))
    )
  with open(os.path.join(folder, checkpoint_files.LIST), "w") as stream:
    stream.write(f'model_checkpoint_path: "{os.path.basename(checkpoint)}"\n')


def moved(arguments, model_dir, folder):
  """Returns arguments with another folder wherever they name model_dir."""
  there = os.path.realpath(model_dir)

  def other(argument):
    name, equals, value = argument.partition("=")
    value = value if equals else name
    if not value or os.path.realpath(os.path.expanduser(value)) != there:
      return argument
    return f"{name}={folder}" if equals else folder

  return [other(argument) for argument in arguments]


def take(model_dir, step, program):
  """Returns the `replay.Findings` of a step.

  Args:
    model_dir: str.
    step: int.
    program: list of str: its module, or its .py file, and its arguments.

  Raises:
    ValueError: there is no checkpoint to begin with.
    replay.ReplayError: the program does not take the step.
  """
  checkpoint = checkpoint_before(model_dir, step)
  with tempfile.TemporaryDirectory() as folder:
    copy_with(model_dir, checkpoint, folder)
    name, *arguments = program
    sys.argv = [name, *moved(arguments, model_dir, folder)]
    ended = ""
    with replay.of(step, folder) as taken:
      try:
        if name.endswith(".py"):
          runpy.run_path(name, run_name="__main__")
        else:
          runpy.run_module(name, run_name="__main__", alter_sys=True)
      except SystemExit as error:
        ended = f" (it said: {error.code})" if error.code else ""
  if taken.findings is None:
    raise replay.ReplayError(
      f"the program should take step {step}, but it ended before{ended}; give "
      "its arguments after --, such as a larger number of steps."
    )
  if taken.findings.start != checkpoint_files.step_of(checkpoint):
    raise replay.ReplayError(
      f"the program should go on from {checkpoint}, but it began at step "
      f"{taken.findings.start}; leave out what makes it begin anew."
    )
  return taken.findings


def report(findings, recorded=None):
  """Returns what was found, as lines.

  Args:
    findings: `replay.Findings`.
    recorded: dictionary, the diverged.json of the same step; or None.
  """
  recorded = recorded or {}
  loss = divergence.named(np.float32(findings.loss))
  lines = [
    f"Step {findings.step}, after the checkpoint of step {findings.start}",
    f"  batch: {findings.fingerprint}"
    + _compared(findings.fingerprint, recorded.get("fingerprint")),
    *(f"    {_tensor(name, t)}" for name, t in findings.batch.items()),
    f"  loss: {loss}" + _compared(loss, recorded.get("loss")),
    f"  variables before the step: {_variables(findings.broken_before)}"
    + (": an earlier step has done it" if findings.broken_before else ""),
    f"  variables after the step: {_variables(findings.broken_after)}",
    *_first(findings),
    "  norms of the gradients:" + ("" if findings.gradients else " none"),
  ]
  norms = list(findings.gradients.items())
  lines += [
    f"    {norm:<12.6g}{name}" for name, norm in norms[:_MANY_GRADIENTS]
  ]
  if norms[_MANY_GRADIENTS:]:
    lines.append(f"    and {len(norms) - _MANY_GRADIENTS} smaller ones")
  return lines


def _compared(value, recorded):
  if recorded is None:
    return ""
  return ", as recorded" if value == recorded else f", but recorded: {recorded}"


def _tensor(name, tensor):
  line = f"{name}: {tensor['dtype']} {tensor['shape']}"
  if tensor.get("min") is not None:
    line += f", {tensor['min']:g} to {tensor['max']:g}"
  if tensor.get("not_finite"):
    line += f", {tensor['not_finite']} NaN or infinite"
  return line


def _variables(broken):
  return f"not finite: {', '.join(broken)}" if broken else "all finite"


def _first(findings):
  op = findings.first
  if op is None:
    return ["  operations: all finite"]
  lines = [f"  first operation with {op.values}: {op.kind}, node {op.name}"]
  if op.line:
    lines.append(f"    {op.line}")
  if math.isfinite(findings.loss) and not findings.broken_after:
    lines.append(
      "    the step is fine: that is meant, such as the -inf of a mask"
    )
  return lines


def _json(path):
  """Returns what a JSON file holds, None without one that can be read."""
  with contextlib.suppress(OSError, ValueError):
    with open(path) as stream:
      return json.load(stream)
  return None


def main(argv):
  arguments, program = parsed(argv[1:])
  model_dir = os.path.expanduser(arguments.model_dir)
  diverged = os.path.join(model_dir, divergence.FILE)
  recorded = _json(diverged) or {}
  step = arguments.step
  try:
    if step is None and "step" not in recorded:
      raise ValueError(
        f"a step is needed, but neither --step nor {diverged} names one; give "
        "--step=..."
      )
    step = recorded["step"] if step is None else step
    findings = take(model_dir, step, program or command_of(model_dir))
  except (ValueError, replay.ReplayError) as error:
    sys.exit(f"tools.replay: {error}")
  is_same = recorded.get("step") == step
  print("\n".join(report(findings, recorded if is_same else None)), flush=True)


if __name__ == "__main__":
  main(sys.argv)

"""Keeps the layout: who may import whom, and what each experiment must have."""

import ast
import importlib
import pathlib
import sys
import tempfile
import types

from absl import flags
from absl.testing import absltest, parameterized

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECT = ("estimators", "input_pipelines", "experiments", "tools", "tests")
# Which rooms each room may import from; tests may import anything. The most
# deeply nested room that a module lies in counts.
ARROWS = {
  "estimators.ops": ("estimators.ops",),
  "estimators": ("estimators",),
  "input_pipelines": ("input_pipelines", "estimators.ops"),
  "experiments": ("experiments", "estimators", "input_pipelines"),
  "tools": ("tools", "experiments", "estimators", "input_pipelines"),
}


def imports_of(path):
  """Yields (line, dotted name) of each import; a relative one starts with ."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      for alias in node.names:
        yield node.lineno, alias.name
    elif isinstance(node, ast.ImportFrom):
      module = "." * node.level + (node.module or "")
      for alias in node.names:
        yield node.lineno, f"{module}.{alias.name}"


def inside(name, rooms):
  return any(name == room or name.startswith(room + ".") for room in rooms)


def room_of(name):
  """The innermost room of ARROWS that holds the module, or None."""
  rooms = [room for room in ARROWS if inside(name, [room])]
  return max(rooms, key=len, default=None)


def is_task(root, name):
  """Whether a dotted name leads into the folder of one experiment."""
  parts = name.split(".")
  return parts[0] == "experiments" and (root / "/".join(parts[:2])).is_dir()


def import_problem(root, module, imported):
  """Why `module` must not import `imported`; None if it may."""
  room = room_of(module)
  if imported.startswith("."):
    return "write the full name instead of a relative one"
  if room == "estimators.ops" and not inside(
    imported, [room, "tensorflow", *sys.stdlib_module_names]
  ):
    return "ops are a leaf: use TensorFlow and the standard library only"
  if not inside(imported, PROJECT):
    return None
  if not inside(imported, ARROWS[room]):
    return (
      f"{room} may import only {', '.join(ARROWS[room])}: move what both need "
      f"there, or hand it over as an argument"
    )
  if (
    room == "experiments"
    and is_task(root, imported)
    and imported.split(".")[:2] != module.split(".")[:2]
  ):
    return "experiments do not share: move what both need into estimators"
  return None


def import_problems(root):
  """One line for each import under `root` that goes against the arrows."""
  problems = []
  for room in PROJECT:
    if room == "tests":
      continue
    for path in sorted((root / room).rglob("*.py")):
      relative = path.relative_to(root)
      module = ".".join(relative.with_suffix("").parts)
      for line, imported in imports_of(path):
        problem = import_problem(root, module, imported)
        if problem:
          problems.append(f"{relative}:{line} imports {imported}: {problem}.")
  return problems


def holds_only_imports(path):
  """Whether a file has nothing but a docstring, imports and `__all__`."""
  for node in ast.parse(path.read_text()).body:
    is_docstring = isinstance(node, ast.Expr) and isinstance(
      node.value, ast.Constant
    )
    is_all = isinstance(node, ast.Assign) and [
      getattr(target, "id", None) for target in node.targets
    ] == ["__all__"]
    is_import = isinstance(node, ast.Import | ast.ImportFrom)
    if not (is_docstring or is_all or is_import):
      return False
  return True


def init_problems(root):
  """One line for each folder of the project with a wrong `__init__.py`."""
  problems = []
  for room in PROJECT:
    for folder in sorted({path.parent for path in (root / room).rglob("*.py")}):
      path = folder / "__init__.py"
      relative = path.relative_to(root)
      if not path.exists():
        problems.append(f"{relative} is missing: add an empty one.")
      elif folder == root / "estimators":
        if not holds_only_imports(path):
          problems.append(
            f"{relative} may hold only imports: move the code to a module."
          )
      elif path.read_text():
        problems.append(f"{relative} must be empty: move its code to a module.")
  return problems


def experiments_of(root):
  """The names of all experiment folders."""
  return sorted(
    folder.name
    for folder in (root / "experiments").iterdir()
    if folder.is_dir() and any(folder.glob("*.py"))
  )


def file_problems(root):
  """One line for each file that an experiment lacks."""
  problems = []
  for task in experiments_of(root):
    folder = root / "experiments" / task
    for choice in (["README.md"], ["main.py"], ["model.py", "simulate.py"]):
      if not any((folder / name).exists() for name in choice):
        problems.append(
          f"experiments/{task} has no {' or '.join(choice)}: every experiment "
          f"has one (see CONTRIBUTING.md); add it."
        )
  return problems


def self_test_problem(main):
  """What is wrong with a main module's flags; None if nothing is."""
  values = flags.FlagValues()
  main.define_flags(values)
  if "self_test" not in values:
    return (
      f"{main.__name__} has no --self_test: define_flags must define it, and "
      f"main must then train on a small invented set and check that it learned."
    )
  return None


class NothingIsUnpickledTest(parameterized.TestCase):
  """Whoever unpickles a file runs what its author likes."""

  @parameterized.parameters("estimators", "input_pipelines", "experiments",
                            "tools")  # fmt: skip
  def test_room(self, room):
    unpickling = ("pickle", "cPickle", "dill", "joblib", "marshal", "shelve")
    for path in (ROOT / room).rglob("*.py"):
      with self.subTest(str(path)):
        names = [name for _, name in imports_of(path)]
        self.assertEqual([], [n for n in names if inside(n, unpickling)])
        self.assertNotRegex(
          path.read_text(), r"allow_pickle=True|read_pickle|enable_unsafe"
        )


class ArchitectureTest(parameterized.TestCase):
  """The project itself."""

  def test_imports_follow_the_arrows(self):
    self.assertEmpty("\n".join(import_problems(ROOT)))

  def test_init_files_are_empty(self):
    self.assertEmpty("\n".join(init_problems(ROOT)))

  def test_experiments_are_complete(self):
    self.assertEmpty("\n".join(file_problems(ROOT)))

  def test_there_are_experiments(self):
    self.assertIn("mnist", experiments_of(ROOT))

  def test_experiments_have_self_test(self):
    for task in experiments_of(ROOT):
      with self.subTest(task):
        main = importlib.import_module(f"experiments.{task}.main")
        self.assertIsNone(self_test_problem(main))


class ChecksTest(parameterized.TestCase):
  """The checks themselves, on small trees that are right or wrong."""

  def tree(self, files):
    root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    for name, text in files.items():
      path = root / name
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_text(text)
    return root

  @parameterized.parameters(
    ("estimators/a.py", "import input_pipelines.arrays", "may import only"),
    ("estimators/a.py", "from experiments import b", "may import only"),
    ("estimators/a.py", "def f():\n  import tools.b", "may import only"),
    ("estimators/a.py", "from . import b", "full name"),
    ("estimators/ops/a.py", "import estimators.spec", "ops are a leaf"),
    ("estimators/ops/a.py", "import numpy as np", "ops are a leaf"),
    ("input_pipelines/a.py", "from estimators import once", "may import only"),
    ("input_pipelines/a.py", "import estimators", "may import only"),
    ("experiments/x/main.py", "from tools import b", "may import only"),
    ("experiments/x/main.py", "import experiments.y.model", "do not share"),
    ("experiments/x/main.py", "from experiments import y", "do not share"),
    ("experiments/a.py", "import experiments.y.model", "do not share"),
    ("tools/a.py", "import tests.b", "may import only"),
  )
  def test_bad_import_is_found(self, name, text, message):
    root = self.tree({name: text, "experiments/y/model.py": ""})
    (problem,) = import_problems(root)
    self.assertStartsWith(problem, name + ":")
    self.assertIn(message, problem)

  @parameterized.parameters(
    ("estimators/a.py", "import os, numpy\nfrom estimators import b"),
    ("estimators/a.py", "from estimators.ops import b"),
    ("estimators/ops/a.py", "import os\nimport tensorflow as tf"),
    ("estimators/ops/a.py", "from estimators.ops import build"),
    ("input_pipelines/a.py", "from estimators.ops import b"),
    ("experiments/x/main.py", "import estimators, input_pipelines.b"),
    ("experiments/x/main.py", "from experiments import common_flags"),
    ("experiments/x/main.py", "from experiments.x.model import b"),
    ("tools/a.py", "from experiments.y import model\nimport tools.b"),
    ("tests/a.py", "import tools, tests.b, experiments.y, estimators"),
  )
  def test_good_import_is_let_through(self, name, text):
    root = self.tree({name: text, "experiments/y/model.py": ""})
    self.assertEmpty(import_problems(root))

  def test_names_that_only_begin_alike_are_not_ours(self):
    root = self.tree(
      {"estimators/a.py": "import tools_of_others, testscenarios"}
    )
    self.assertEmpty(import_problems(root))

  @parameterized.parameters(
    ({"tests/a_test.py": ""}, "is missing"),
    ({"tools/__init__.py": "import os"}, "must be empty"),
    ({"estimators/__init__.py": "X = 1"}, "only imports"),
    ({"estimators/__init__.py": "def f(): pass"}, "only imports"),
  )
  def test_bad_init_file_is_found(self, files, message):
    (problem,) = init_problems(self.tree(files))
    self.assertIn(message, problem)

  def test_good_init_files_are_let_through(self):
    face = '"""Names."""\n\nfrom estimators.a import b\n\n__all__ = ["b"]\n'
    root = self.tree({"estimators/__init__.py": face, "tools/__init__.py": ""})
    self.assertEmpty(init_problems(root))

  @parameterized.parameters(
    ("README.md", "has no README.md"),
    ("main.py", "has no main.py"),
    ("model.py", "has no model.py or simulate.py"),
  )
  def test_missing_file_of_an_experiment_is_found(self, name, message):
    names = {"README.md", "main.py", "model.py", "__init__.py"} - {name}
    root = self.tree({f"experiments/x/{name}": "" for name in names})
    (problem,) = file_problems(root)
    self.assertIn(message, problem)

  def test_simulation_needs_no_model(self):
    names = ("README.md", "main.py", "simulate.py")
    root = self.tree({f"experiments/x/{name}": "" for name in names})
    self.assertEqual(experiments_of(root), ["x"])
    self.assertEmpty(file_problems(root))

  def test_folder_without_code_is_no_experiment(self):
    root = self.tree({"experiments/__pycache__/a.pyc": ""})
    self.assertEmpty(experiments_of(root))

  def test_missing_self_test_is_found(self):
    def define_flags(values):
      flags.DEFINE_bool("fake", False, "", flag_values=values)

    main = types.SimpleNamespace(__name__="x.main", define_flags=define_flags)
    self.assertIn("no --self_test", self_test_problem(main))

  def test_self_test_is_found(self):
    def define_flags(values):
      flags.DEFINE_bool("self_test", False, "", flag_values=values)

    main = types.SimpleNamespace(__name__="x.main", define_flags=define_flags)
    self.assertIsNone(self_test_problem(main))


if __name__ == "__main__":
  absltest.main()

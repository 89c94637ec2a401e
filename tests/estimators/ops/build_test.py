"""Tests of the building of ops, on small libraries and compilers of its own."""

import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import pytest
import tensorflow as tf
from absl.testing import parameterized

from estimators.ops import build

NO_COMPILER = not any(shutil.which(name) for name in build.COMPILERS)
OPS = """#include "toy.h"
int add(int a, int b);
extern "C" __attribute__((visibility("default"))) int answer() {
  return add(kForty, 2);
}
"""
KERNELS = "int add(int a, int b) { return a + b; }\n"
HEADER = "constexpr int kForty = 40;\n"
# An op that reads behind its input, for 0, overflows an int, for 1, or does
# nothing wrong, for 2.
WRONG_OPS = """
#include <limits>
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
REGISTER_OP("EstimatorsWrong").Input("x: int32").Output("y: int32");
class Wrong : public tensorflow::OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(tensorflow::OpKernelContext* context) override {
    const auto x = context->input(0).flat<int>();
    const int sum = x(0) == 1 ? std::numeric_limits<int>::max() : 1;
    tensorflow::Tensor* y;
    OP_REQUIRES_OK(context, context->allocate_output(0, {}, &y));
    y->scalar<int>()() = sum + x.data()[x(0) == 0 ? x.size() : 0];
  }
};
REGISTER_KERNEL_BUILDER(Name("EstimatorsWrong").Device("CPU"), Wrong);
"""
RUN_WRONG = """
import sys
import tensorflow as tf
ops = tf.load_op_library(sys.argv[1])
x = tf.fill([64], int(sys.argv[2]))
print("sum", int(ops.estimators_wrong(x)))
"""
# Stands for TensorFlow, which takes seconds to import.
STUB = """
__version__ = "9.8.7"
class sysconfig:
  get_compile_flags = staticmethod(lambda: ["-I/headers", "-DX=1"])
  get_link_flags = staticmethod(lambda: [])
"""


class BuildTest(parameterized.TestCase):
  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.root = pathlib.Path(folder)
    self.folder = self.root / "ops"
    self.folder.mkdir()
    self.write(toy_ops=OPS, toy_kernels=KERNELS)
    (self.folder / "toy.h").write_text(HEADER)
    self.set_environment(XDG_CACHE_HOME=str(self.root / "cache"))
    for name in ("CXX", "ESTIMATORS_OPS", "ESTIMATORS_OPS_SANITIZE"):
      os.environ.pop(name, None)  # set_environment puts them back
    build._warn.cache_clear()

  def set_environment(self, **values):
    self.enterContext(mock.patch.dict(os.environ, values))

  def write(self, **sources):
    for name, text in sources.items():
      (self.folder / f"{name}.cc").write_text(text)

  def compiler(self, text):
    """Makes a shell script the compiler; $out is the file to write."""
    path = self.root / "compiler"
    last = 'for word; do out="$word"; done\n'
    path.write_text(f"#!/bin/sh\n{last}{text}\n")
    path.chmod(0o755)
    self.set_environment(CXX=str(path))

  def read_only(self):
    """Lets the sources' folder look so, as root may write everywhere."""
    access = os.access
    return mock.patch.object(
      os,
      "access",
      lambda path, mode: path != self.folder and access(path, mode),
    )

  def libraries(self):
    return sorted(path.name for path in self.folder.glob("*.so"))

  def run_program(self):
    """Runs a copy of build.py beside the sources; TensorFlow is a stub."""
    shutil.copy(build.__file__, self.folder)
    (self.root / "tensorflow.py").write_text(STUB)
    return subprocess.Popen(
      [sys.executable, "-P", str(self.folder / "build.py")],
      env=os.environ | {"PYTHONPATH": str(self.root)},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )

  @unittest.skipIf(NO_COMPILER, "there is no C++ compiler")
  def test_builds_what_can_be_loaded(self):
    path = build.library("toy", self.folder)
    self.assertEqual(ctypes.CDLL(path).answer(), 42)
    self.assertRegex(
      path, rf"{self.folder}/_toy\.tf{tf.__version__}\.[0-9a-f]{{12}}\.so$"
    )
    # Nothing else is left.
    self.assertLen(list(self.folder.iterdir()), 4)

  def test_a_second_time_compiles_nothing(self):
    self.compiler('echo built > "$out"')
    path = build.library("toy", self.folder)
    self.compiler("exit 1")
    self.assertEqual(build.library("toy", self.folder), path)

  @parameterized.parameters("toy_ops.cc", "toy_kernels.cc", "toy.h", "toy_x.h")
  def test_a_change_makes_another_library_and_removes_the_old(self, name):
    self.compiler('echo built > "$out"')
    first = build.library("toy", self.folder)
    with open(self.folder / name, "a") as stream:
      stream.write("// changed\n")
    others = ["_toy.tf0.1.0.abc.so", "_toys.tf2.abc.so", "_toy.sanitize.tf2.so"]
    for other in others:
      (self.folder / other).touch()

    second = build.library("toy", self.folder)

    self.assertNotEqual(first, second)
    self.assertCountEqual(self.libraries(), [os.path.basename(second), *others])

  def test_a_file_of_another_op_changes_nothing(self):
    self.compiler('echo built > "$out"')
    first = build.library("toy", self.folder)
    self.write(other_ops="")
    (self.folder / "other.h").touch()
    self.assertEqual(build.library("toy", self.folder), first)

  def test_another_tensorflow_makes_another_library(self):
    self.compiler('echo built > "$out"')
    first = build.library("toy", self.folder)
    with mock.patch.object(tf, "__version__", "2.99.0"):
      second = build.library("toy", self.folder)
    self.assertIn("_toy.tf2.99.0.", second)
    self.assertTrue(os.path.exists(first))

  def test_the_cache_serves_where_the_sources_cannot_be_written(self):
    self.compiler('echo built > "$out"')
    with self.read_only():
      path = build.library("toy", self.folder)
      self.assertStartsWith(path, str(self.root / "cache/estimators/_toy.tf"))
      self.compiler("exit 1")
      self.assertEqual(build.library("toy", self.folder), path)
    self.assertEmpty(self.libraries())

  def test_no_place_to_write_is_an_error(self):
    (self.root / "cache").touch()  # no folder can be made in a file
    with self.read_only():
      with self.assertRaisesRegex(build.BuildError, "XDG_CACHE_HOME name"):
        build.build("toy", self.folder)

  def test_commands(self):
    self.compiler(f'echo "$@" >> {self.root}/told; echo > "$out"')
    build.library("toy", self.folder)
    kernels, ops, link = sorted((self.root / "told").read_text().splitlines())
    for line, name in ((kernels, "toy_kernels"), (ops, "toy_ops")):
      words = line.split()
      for flag in ("-std=c++17", "-O3", "-fPIC", "-DNDEBUG", "-c"):
        self.assertIn(flag, words)
      self.assertIn(f"-isystem {tf.sysconfig.get_include()}", line)
      self.assertIn(f"{self.folder}/{name}.cc", words)
    self.assertIn("-shared", link.split())
    self.assertIn("toy_kernels.o", link)
    self.assertIn("toy_ops.o", link)
    self.assertIn(tf.sysconfig.get_link_flags()[0], link)
    for flag in ("-march", "-ffast-math", "-fsanitize"):
      self.assertNotIn(flag, kernels + ops + link)

  def test_sanitizers_make_another_library(self):
    self.compiler('echo built > "$out"')
    fast = build.library("toy", self.folder)
    self.set_environment(ESTIMATORS_OPS_SANITIZE="1")
    self.compiler(f'echo "$@" >> {self.root}/told; echo > "$out"')
    slow = build.library("toy", self.folder)
    self.assertIn("/_toy.sanitize.tf", slow)
    self.assertTrue(os.path.exists(fast))
    for line in (self.root / "told").read_text().splitlines():
      self.assertIn("-fsanitize=address,undefined", line)
      self.assertIn("-fno-sanitize-recover=all", line)
      self.assertNotIn("-O3", line)

  def test_nobody_sees_half_a_library(self):
    # A compiler that writes a half, and fails if it is under its last name.
    self.compiler(
      f'echo half > "$out"; if ls {self.folder}/_toy*; then exit 1; fi\n'
      'echo whole >> "$out"'
    )
    path = build.build("toy", self.folder)
    self.assertEqual(pathlib.Path(path).read_text(), "half\nwhole\n")

  def test_processes_may_race(self):
    # Each waits, at its first file, until all of them compile.
    here = self.root / "here"
    here.mkdir()
    self.compiler(
      f"touch {here}/$PPID\n"
      f"while [ $(ls {here} | wc -l) -lt 3 ]; do sleep 0.02; done\n"
      'echo whole > "$out"'
    )
    programs = [self.run_program() for _ in range(3)]
    lines = set()
    for program in programs:
      output, errors = program.communicate(timeout=60)
      self.assertEqual(program.returncode, 0, errors)
      self.assertIn("10 to 20 seconds, once", errors)
      lines.add(output)
    (path,) = lines
    self.assertEqual(pathlib.Path(path.strip()).read_text(), "whole\n")
    self.assertEqual(self.libraries(), [os.path.basename(path.strip())])
    self.assertEmpty(list(self.folder.glob(".build-*")))

  def warning(self):
    """Asks twice for the library that cannot be had; returns the warning."""
    with self.assertLogs(tf.get_logger(), "WARNING") as logs:
      for _ in range(2):
        self.assertIsNone(build.library("toy", self.folder))
    (record,) = logs.records
    return record.getMessage()

  def test_no_compiler_is_one_warning_that_names_the_fix(self):
    self.set_environment(PATH=str(self.root))
    message = self.warning()
    self.assertIn("The C++ ops of toy are not there", message)
    self.assertIn("none of c++, g++, clang++", message)
    self.assertIn("apt-get install g++", message)

  def test_a_wrong_cxx_is_named(self):
    self.set_environment(CXX="no-such-compiler -v")
    self.assertIn("'no-such-compiler' is no program", self.warning())

  @parameterized.parameters("c++", "g++", "clang++")
  def test_finds_each_compiler(self, name):
    self.compiler("")
    os.rename(self.root / "compiler", self.root / name)
    self.set_environment(PATH=str(self.root), CXX="")
    self.assertEqual(build._compiler(), [name])

  def test_cxx_may_have_arguments(self):
    self.set_environment(CXX="env g++")
    self.assertEqual(build._compiler(), ["env", "g++"])

  def test_errors_of_the_compiler_are_shortened(self):
    self.compiler(
      "echo In file included from here\n"
      "for i in 1 2 3 4; do echo toy.cc:$i: error: number $i; done\nexit 1"
    )
    message = self.warning()
    self.assertIn("toy.cc:1: error: number 1\n", message)
    self.assertIn("toy.cc:3: error: number 3\n", message)
    self.assertNotIn("number 4", message)
    self.assertNotIn("In file included", message)
    self.assertIn("python -m estimators.ops.build", message)
    self.assertLen(list(self.folder.iterdir()), 3)

  def test_a_compiler_that_says_nothing_is_named(self):
    self.compiler("exit 9")
    self.assertRegex(self.warning(), "ended with 9.\nSee it all by")

  def test_off_means_off(self):
    self.compiler('echo built > "$out"')
    self.set_environment(ESTIMATORS_OPS="off")
    with self.assertNoLogs(tf.get_logger(), "WARNING"):
      self.assertIsNone(build.library("toy", self.folder))
    self.assertEmpty(self.libraries())

  def test_unknown_name(self):
    with self.assertRaisesRegex(build.BuildError, r"to be had are \['toy'\]"):
      build.build("tyo", self.folder)

  def test_program_prints_the_paths_of_all(self):
    self.compiler('echo built > "$out"')
    self.write(art_ops="")
    output, errors = (program := self.run_program()).communicate(timeout=60)
    self.assertEqual(program.returncode, 0, errors)
    start = f"{self.folder}/_"
    self.assertRegex(
      output, rf"^{start}art\.tf9.8.7\.\w+\.so\n{start}toy\.tf9.8.7\.\w+\.so\n$"
    )

  def test_program_fails_with_all_that_the_compiler_wrote(self):
    self.compiler("for i in 1 2 3 4; do echo error number $i; done; exit 1")
    _, errors = (program := self.run_program()).communicate(timeout=60)
    self.assertEqual(program.returncode, 1)
    self.assertIn("error number 1\n", errors)
    self.assertIn("error number 4\n", errors)
    self.assertNotIn("Traceback", errors)

  def test_program_needs_tensorflow(self):
    self.run_program().communicate(timeout=60)
    shutil.rmtree(self.root / "__pycache__", ignore_errors=True)
    (self.root / "tensorflow.py").write_text("raise ImportError('gone')")
    program = subprocess.run(
      [sys.executable, "-P", str(self.folder / "build.py")],
      env=os.environ | {"PYTHONPATH": str(self.root)},
      capture_output=True,
      text=True,
    )
    self.assertEqual(program.returncode, 1)
    self.assertIn("TensorFlow must be installed", program.stderr)
    self.assertNotIn("Traceback", program.stderr)

  def test_names_of_this_project(self):
    self.assertIn("word2vec", build.names())
    self.assertEqual(build.names(self.folder), ["toy"])

  @pytest.mark.slow
  @unittest.skipUnless(shutil.which("g++"), "there is no g++")
  def test_sanitizers_end_what_is_wrong(self):
    self.write(wrong_ops=WRONG_OPS)
    self.set_environment(ESTIMATORS_OPS_SANITIZE="1", CXX="g++")
    path = build.build("wrong", self.folder)
    preload = []
    for name in ("libasan.so", "libstdc++.so"):
      command = ["g++", f"-print-file-name={name}"]
      preload.append(subprocess.check_output(command, text=True).strip())
    for case, expected in enumerate(
      ("heap-buffer-overflow", "signed integer overflow", "")
    ):
      with self.subTest(case):
        program = subprocess.run(
          [sys.executable, "-c", RUN_WRONG, path, str(case)],
          env=os.environ
          | {"LD_PRELOAD": " ".join(preload), "ASAN_OPTIONS": "detect_leaks=0"},
          capture_output=True,
          text=True,
        )
        self.assertIn(expected, program.stderr)
        self.assertEqual(program.returncode == 0, case == 2, program.stderr)
        self.assertEqual(program.stdout, "sum 3\n" if case == 2 else "")

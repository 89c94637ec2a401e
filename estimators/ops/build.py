"""Builds the C++ ops, when they are first used; knows the compiler's flags.

    python -m estimators.ops.build

builds all of them, prints where they are, and exits with 1 when one failed. An
op NAME is made of the sources `NAME_*.cc`, one of them `NAME_ops.cc`, and the
headers `NAME*.h` and `shared_*.h`. Its library is
`_NAME.tf<version>.<hash>.so`, beside the sources or, where these cannot be
written, in `$XDG_CACHE_HOME/estimators` (`~/.cache/estimators`). TensorFlow
promises no stable interface to C++ between its versions: with the version in
the name, another one rebuilds.

Environment variables:
  CXX: the compiler, else the first of c++, g++ and clang++.
  ESTIMATORS_OPS: `off` builds and loads nothing, on purpose.
  ESTIMATORS_OPS_SANITIZE: `1` makes another library, whose process ends at the
    first wrong access to memory and at undefined behaviour (`make sanitize`).
"""

import concurrent.futures
import functools
import hashlib
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
COMPILERS = ("c++", "g++", "clang++")
COMMAND = "python -m estimators.ops.build"

# No -march=native: the kernels choose their instructions at run time, and
# Eigen's types would get another alignment than TensorFlow's. No -ffast-math:
# paths of different instructions must agree. -DNDEBUG because TensorFlow was
# built with it (https://github.com/tensorflow/tensorflow/issues/17316).
FLAGS = ("-std=c++17", "-fPIC", "-DNDEBUG", "-fvisibility=hidden")
FAST = ("-O3",)
# The three that are left out make g++ take addresses of functions for possibly
# null, and then it rejects constants in TensorFlow's headers. The assertions
# are those of operator[] and the like in the standard library.
SANITIZE = (
  "-O1",
  "-g",
  "-fno-omit-frame-pointer",
  "-fsanitize=address,undefined",
  "-fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute",
  "-fno-sanitize-recover=all",
  "-D_GLIBCXX_ASSERTIONS",
)


class BuildError(RuntimeError):
  """A library could not be built; the message names the fix."""


def names(folder=FOLDER):
  """Returns the names of the ops whose sources are in the folder, sorted."""
  suffix = "_ops.cc"
  return sorted(
    path.name.removesuffix(suffix)
    for path in pathlib.Path(folder).glob("*" + suffix)
  )


def library(name, folder=FOLDER):
  """Returns the path of an op's library, built if need be.

  Safe when several processes do it at the same time.

  Args:
    name: str, one of `names(folder)`.
    folder: path of the sources.

  Returns:
    str for `tf.load_op_library`; None where it cannot be built, after one
    warning of TensorFlow's logger, or where ESTIMATORS_OPS is `off`.
  """
  if os.environ.get("ESTIMATORS_OPS") == "off":
    return None
  try:
    return build(name, folder)
  except BuildError as error:
    _warn(
      f"The C++ ops of {name} are not there, so that TensorFlow's own ops do "
      f"the same, far more slowly: {_shortened(str(error))}"
    )
    return None


def load(name):
  """Returns the module of an op's functions, built if need be.

  Args:
    name: str, one of `names()`.

  Returns:
    What `tf.load_op_library` gives; None as for `library`, or, after a warning,
    where the library cannot be loaded.
  """
  path = library(name)
  if path is None:
    return None
  tf = _tensorflow()
  try:
    return tf.load_op_library(path)
  except tf.errors.NotFoundError as error:
    _warn(
      f"The C++ ops of {name} cannot be loaded, so that TensorFlow's own do "
      f"the same, far more slowly: {error}. Delete {path}, which builds it "
      "anew; CXX may name another compiler."
    )
    return None


def build(name, folder=FOLDER):
  """As `library`, whatever ESTIMATORS_OPS is.

  Raises:
    BuildError: TensorFlow, the compiler, or a place to write to is missing, or
      the compiler found errors.
  """
  folder = pathlib.Path(folder)
  sanitize = os.environ.get("ESTIMATORS_OPS_SANITIZE") == "1"
  sources = sorted(folder.glob(f"{name}_*.cc"))
  if not sources:
    raise BuildError(
      f"{name}_*.cc must be in {folder}, and there are none: the ops to be had "
      f"are {names(folder)}; install estimators again if one is missing."
    )
  tf = _tensorflow()
  flags = [*FLAGS, *(SANITIZE if sanitize else FAST)]
  headers = {*folder.glob(f"{name}*.h"), *folder.glob("shared_*.h")}
  inputs = [*sources, *sorted(headers)]
  stem = f"_{name}.sanitize" if sanitize else f"_{name}"
  stem = f"{stem}.tf{tf.__version__}"
  filename = f"{stem}.{_digest(flags, inputs)}.so"
  for place in (folder, _cache()):
    # Path.exists() raises where the cache may not be looked into.
    if os.path.exists(place / filename):
      return str(place / filename)
  print(f"Building {filename}: 10 to 20 seconds, once.", file=sys.stderr)
  target = _writable(folder) / filename
  _compile(sources, flags, tf.sysconfig, target)
  if target.parent == folder:
    # In the cache the others may belong to another copy of this package.
    for old in folder.glob(f"{stem}.*.so"):
      if old != target:
        old.unlink(missing_ok=True)
  return str(target)


def _tensorflow():
  try:
    import tensorflow as tf
  except ImportError as error:
    raise BuildError(
      f"TensorFlow must be installed, for its headers, and it is not "
      f"({error}): pip install tensorflow."
    ) from error
  return tf


def _digest(flags, paths):
  """A hash of all that decides what a library does, but TensorFlow."""
  text = hashlib.sha256()
  for part in (sys.platform, platform.machine(), *flags):
    text.update(part.encode() + b"\0")
  for path in paths:
    text.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
  return text.hexdigest()[:12]


def _cache():
  root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
  return pathlib.Path(root, "estimators")


def _writable(folder):
  """Returns the folder itself or, where it cannot be written, the cache."""
  if os.access(folder, os.W_OK):
    return folder
  cache = _cache()
  try:
    cache.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise BuildError(
      f"{folder} or {cache} must be writable, and neither is ({error}): let "
      f"XDG_CACHE_HOME name a folder that is."
    ) from error
  return cache


def _compiler():
  """Returns the compiler as the beginning of a command, a list of str."""
  if chosen := shlex.split(os.environ.get("CXX", "")):
    if shutil.which(chosen[0]):
      return chosen
    raise BuildError(
      f"CXX must name a C++ compiler, and {chosen[0]!r} is no program: correct "
      f"or unset it."
    )
  for name in COMPILERS:
    if shutil.which(name):
      return [name]
  raise BuildError(
    f"a C++17 compiler is needed, and none of {', '.join(COMPILERS)} is on the "
    f"PATH: install one (Debian, Ubuntu: apt-get install g++; Fedora: dnf "
    f"install gcc-c++; conda: conda install gxx; macOS: xcode-select "
    f"--install), or name one in CXX."
  )


def _compile(sources, flags, sysconfig, target):
  """Compiles the sources side by side, and links them into the target.

  All is done in a folder of its own beside the target, which is then renamed
  into place: nobody ever sees half a library.
  """
  compiler = _compiler()
  compile_flags = [*flags, *_as_system_headers(sysconfig.get_compile_flags())]
  try:
    with (
      tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as work,
      concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
      objects = [os.path.join(work, f"{path.stem}.o") for path in sources]
      commands = [
        [*compiler, *compile_flags, "-c", str(source), "-o", made]
        for source, made in zip(sources, objects, strict=True)
      ]
      list(pool.map(_run, commands))
      linked = os.path.join(work, target.name)
      link_flags = ["-shared", *objects, *sysconfig.get_link_flags()]
      _run([*compiler, *flags, *link_flags, "-o", linked])
      os.replace(linked, target)
  except OSError as error:
    raise BuildError(
      f"{target.parent} must take a new library, and it did not ({error}): "
      f"make room or give the right to write there."
    ) from error


def _as_system_headers(flags):
  """TensorFlow's headers give pages of warnings, unless the system's."""
  changed = []
  for flag in flags:
    is_headers = flag.startswith("-I")
    changed += ["-isystem", flag[2:]] if is_headers else [flag]
  return changed


def _run(command):
  done = subprocess.run(
    command,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    errors="replace",
  )
  if done.returncode:
    raise BuildError(
      f"the compiler must accept the sources, and it ended with "
      f"{done.returncode}.\n{shlex.join(command)}\n{done.stdout}"
    )


def _shortened(message, num_errors=3):
  """Leaves only the first error lines of what the compiler wrote."""
  head, *output = message.splitlines()
  if not output:
    return head
  errors = [line for line in output[1:] if "error" in line.lower()]
  advice = f"See it all by `{COMMAND}`; CXX may name another compiler."
  return "\n".join([head, *errors[:num_errors], advice])


@functools.cache
def _warn(message):
  """Warns, once in a process for each message."""
  _tensorflow().get_logger().warning(message)


def main():
  found = names()
  if not found:
    sys.exit(f"There must be sources *_ops.cc in {FOLDER}, and there are none.")
  try:
    for name in found:
      print(build(name))
  except BuildError as error:
    sys.exit(f"{COMMAND}: {error}")


if __name__ == "__main__":
  main()

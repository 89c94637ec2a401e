"""Packaging: `pip install -e .` for users, `pip install -e .[dev]` for tests.

Only the three import names are packages of the distribution; `tools` and
`tests` are used from a clone.
"""

import os
import pathlib
import subprocess
import sys

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = pathlib.Path(__file__).resolve().parent


class BuildOps(build_ext):
  """Builds the C++ ops where TensorFlow is installed already.

  Else they are built when they are first used, which is the usual case: pip
  puts TensorFlow in after this. No build requirement names it, which would
  unpack 2 GB for each build, perhaps of another version than the one used.
  """

  def run(self):
    root = ROOT if self.inplace else pathlib.Path(self.build_lib)
    # pip hides what is installed by PYTHONPATH; a child without it sees it.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-P", str(root / "estimators/ops/build.py")]
    if subprocess.run(command, env=environment).returncode:
      print("The C++ ops are not built now, but when they are first used.")


setup(
  name="estimators",
  version="0.1.0",
  description=(
    "The Estimator way of working on TensorFlow 2.21 and Keras 3, "
    "with the classic tutorials as experiments"
  ),
  license="Apache-2.0",
  packages=find_packages(
    include=["estimators*", "input_pipelines*", "experiments*"]
  ),
  package_data={"estimators.ops": ["*.cc", "*.h"]},
  # Without sources of its own: it makes setuptools call BuildOps. Optional, as
  # there is no file of this name.
  ext_modules=[Extension("estimators.ops._ops", [], optional=True)],
  cmdclass={"build_ext": BuildOps},
  python_requires=">=3.11,<3.14",  # what TensorFlow 2.21 has wheels for
  install_requires=[
    "absl-py>=2.1,<3",
    "keras>=3.15,<3.16",
    "matplotlib>=3.9,<4",
    "numpy>=2.0,<3",
    "pandas>=2.2,<4",
    "pillow>=11,<14",
    "scikit-learn>=1.5,<2",
    "scipy>=1.13,<2",
    "tensorboard>=2.20,<2.22",
    "tensorflow>=2.21,<2.22",
    "tqdm>=4.66,<5",
  ],
  extras_require={
    "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
    # Minor versions of clang-format and of ruff format differently. gensim is
    # what word2vec is compared with.
    "dev": [
      "clang-format>=23.1,<23.2",
      "gensim>=4.4,<5",
      "pytest>=9,<10",
      "pytest-xdist>=3.8,<4",
      "ruff>=0.17,<0.18",
    ],
  },
  classifiers=[
    "Programming Language :: Python :: 3.11",
    "Private :: Do Not Upload",
  ],
)

"""Packaging: `pip install -e .` for users, `pip install -e .[dev]` for tests.

Only the three import names are packages of the distribution; `tools` and
`tests` are used from a clone.
"""

from setuptools import find_packages, setup

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
  python_requires=">=3.11,<3.14",  # what TensorFlow 2.21 has wheels for
  install_requires=[
    "absl-py>=2.1,<3",
    "keras>=3.15,<3.16",
    "numpy>=2.0,<3",
    "pandas>=2.2,<4",
    "scikit-learn>=1.5,<2",
    "tensorboard>=2.20,<2.22",
    "tensorflow>=2.21,<2.22",
    "tqdm>=4.66,<5",
  ],
  extras_require={
    "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
    # ruff's formatting differs between its minor versions.
    "dev": ["pytest>=9,<10", "pytest-xdist>=3.8,<4", "ruff>=0.17,<0.18"],
  },
  classifiers=[
    "Programming Language :: Python :: 3.11",
    "Private :: Do Not Upload",
  ],
)

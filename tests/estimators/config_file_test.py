"""Tests of config.json, and of who may go on in a model_dir."""

import functools
import importlib.machinery
import json
import os
import sys
import types
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator, RunConfig, config_file
from tests.estimators import toys
from tests.estimators.helpers import new_folder

FIVE = toys.input_of(np.ones(5), np.ones(5, np.float32))
PARAMS = {
  "rate": 0.1,
  "sizes": (3, 4),
  "layers": [{"units": 5, "name": "a"}, {"units": 6, "name": "b"}],
}


def line_fn(features, labels, mode, params):
  del params
  return toys.line_fn(features, labels, mode)


def with_config(params=None, **config):
  """Returns as much of an Estimator as the file is about."""
  return types.SimpleNamespace(
    params=params or {},
    config=RunConfig(**config),
    model_dir=config["model_dir"],
  )


class GoingOnTest(parameterized.TestCase, tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.folder = new_folder()
    cls.estimator().train(FIVE)
    with open(os.path.join(cls.folder, config_file.FILE)) as file:
      cls.text = file.read()

  @classmethod
  def estimator(cls, params=PARAMS, **config):
    settings = dict(tf_random_seed=3, settings={"batch_size": 1})
    config = RunConfig(cls.folder, **settings | config)
    return Estimator(line_fn, config=config, params=params)

  def setUp(self):
    super().setUp()
    with open(os.path.join(self.folder, config_file.FILE), "w") as file:
      file.write(self.text)

  def content(self):
    with open(os.path.join(self.folder, config_file.FILE)) as file:
      return json.load(file)

  @parameterized.parameters(
    (PARAMS | {"rate": 0.2}, {}, "rate=0.2 .it began with 0.1.;"),
    (PARAMS | {"sizes": (3, 5)}, {}, r"sizes\[1\]=5 .it began with 4.;"),
    (PARAMS | {"sizes": (3,)}, {}, r"sizes=\[3\] .it began with \[3, 4\].;"),
    (
      PARAMS | {"layers": [{"units": 5}, {"units": 7, "name": "b"}]},
      {},
      r"layers\[0\].name=None .* a.*, layers\[1\].units=7 .it began with 6.;",
    ),
    (PARAMS | {"new": 1}, {}, "new=1 .it began with None.;"),
    (PARAMS, {"tf_random_seed": 4}, "tf_random_seed=4 .it began with 3.;"),
    (PARAMS, {"settings": {"batch_size": 2}}, "settings.batch_size=2 .* 1.;"),
    (PARAMS, {"settings": None}, "settings=None .* {'batch_size': 1}.;"),
  )
  def test_what_differs_is_refused(self, params, config, message):
    before = sorted(os.listdir(self.folder))
    estimator = self.estimator(params, **config)
    # Also where there is nothing left to do.
    for steps in ({"steps": 1}, {"max_steps": 5}):
      with self.assertRaisesRegex(
        ValueError, f"{self.folder} began with, but now there is {message}"
      ):
        estimator.train(FIVE, **steps)
    self.assertEqual(sorted(os.listdir(self.folder)), before)

  def test_what_is_not_of_the_result_may_differ(self):
    config = dict(save_checkpoints_steps=2, log_step_count_steps=5)
    config_file.check(self.estimator(PARAMS | {"new": None}, **config))
    config_file.check(self.estimator(PARAMS | {"sizes": [3, np.int64(4)]}))

  def test_overwrite_config(self):
    estimator = self.estimator(PARAMS | {"rate": 0.2}, overwrite_config=True)
    with self.assertLogs("tensorflow", "WARNING") as logs:
      estimator.train(FIVE, steps=1)
    self.assertIn("rate=0.2 (it began with 0.1).", logs.output[0])
    self.assertEqual(self.content()["params"]["rate"], 0.2)
    config_file.check(self.estimator(PARAMS | {"rate": 0.2}))

  @parameterized.parameters("", "{", "\0\xff", '{"params": 3}', "[]")
  def test_a_damaged_file_is_written_anew(self, text):
    with open(os.path.join(self.folder, config_file.FILE), "w") as file:
      file.write(text)
    with self.assertLogs("tensorflow", "WARNING") as logs:
      config_file.write(self.estimator(), goes_on=True)
    self.assertRegex(logs.output[0], "config.json is damaged")
    self.assertEqual(self.content()["params"]["rate"], 0.1)

  def test_a_file_of_before_binds_as_far_as_it_goes(self):
    content = self.content()
    del content["run_config"]["settings"], content["command"]
    with open(os.path.join(self.folder, config_file.FILE), "w") as file:
      json.dump(content, file)
    config_file.check(self.estimator(settings={"batch_size": 9}))
    os.remove(os.path.join(self.folder, config_file.FILE))
    config_file.check(self.estimator({"rate": 9}))


def some_function():
  pass


class ValuesTest(parameterized.TestCase, tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = new_folder()

  def write(self, value):
    config_file.write(
      with_config({"x": value}, model_dir=self.folder), goes_on=False
    )

  def check(self, value):
    config_file.check(with_config({"x": value}, model_dir=self.folder))

  @parameterized.parameters(
    lambda: float("nan"),
    lambda: some_function,
    lambda: functools.partial(lambda: 1, 2),
    object,
    lambda: {3: {"a", "b", "c"}},
    lambda: np.arange(5.0),
    lambda: np.zeros([30, 40]),
    lambda: tf.float32,
  )
  def test_like_values_are_the_same(self, make):
    self.write(make())
    self.check(make())
    with open(os.path.join(self.folder, config_file.FILE)) as file:
      # Names of temporary folders may have it.
      self.assertNotIn("0x", str(json.load(file)["params"]))

  @parameterized.parameters(
    (some_function, new_folder),
    ({"a", "b"}, {"a", "c"}),
    (np.zeros([30, 40]), np.ones([30, 40])),
    (np.zeros([30, 40]), np.zeros([40, 30])),
    (True, False),
    ("a" * 500 + "b", "a" * 500 + "c"),
  )
  def test_others_are_not(self, one, other):
    self.write(one)
    with self.assertRaisesRegex(ValueError, r"x(\[1\])?=") as raised:
      self.check(other)
    self.assertLess(len(str(raised.exception)), 700)

  def test_long_texts_are_cut_to_where_they_differ(self):
    self.write("a" * 500 + "b" * 500)
    with self.assertRaisesRegex(
      ValueError, r"x=\.\.\.a{50}c{50}\.\.\. .it began with \.\.\.a{50}b{50}\."
    ):
      self.check("a" * 500 + "c" * 500)


class CommandTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    patch = mock.patch.object(sys, "argv", ["a.py", "--name=two words", "1"])
    patch.start()
    self.addCleanup(patch.stop)

  def found(self, **main):
    """Returns what is found where the program is a module of some fields."""
    main = types.SimpleNamespace(**main)
    with mock.patch.dict(sys.modules, {"__main__": main}):
      return config_file.command(), config_file.command_line()

  def test_a_module(self):
    for name in ("experiments.a", "experiments.a.__main__"):
      spec = importlib.machinery.ModuleSpec(name, None)
      self.assertEqual(
        self.found(__spec__=spec, __file__="/a.py"),
        (
          {"module": "experiments.a", "args": ["--name=two words", "1"]},
          "python -m experiments.a '--name=two words' 1",
        ),
      )

  def test_a_script(self):
    command, line = self.found(__spec__=None, __file__="a.py")
    self.assertEqual(command["module"], None)
    self.assertEqual(command["file"], "a.py")
    self.assertEqual(line, "python a.py '--name=two words' 1")

  def test_a_notebook_has_none(self):
    self.assertEqual(self.found(__spec__=None), (None, None))


if __name__ == "__main__":
  tf.test.main()

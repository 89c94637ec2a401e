"""Asks a TensorBoard what it shows of a model_dir."""

import json
import os
import urllib.parse
import urllib.request
import warnings

import numpy as np
import tensorflow as tf

from estimators import (
  Estimator,
  EstimatorSpec,
  ModeKeys,
  RunConfig,
  minimize,
)
from tests.estimators import toys
from tests.estimators.helpers import new_folder

PARAMS = {
  "rate": 0.5,
  "units": 3,
  "bias": False,
  "cell": "lstm",
  "layers": [1, 2],
}
TRAIN = toys.input_of([1.0], np.float32([1]), repeat=True)
EVAL = toys.input_of([1.0, 2.0], np.float32([0, 0]))


def model_fn(features, labels, mode, params):
  del params
  tf.summary.histogram("x", features)
  tf.summary.image("picture", tf.zeros([1, 2, 2, 1]))
  tf.summary.text("words", "some words")
  y = toys.line()(features[:, None])[:, 0]
  loss = tf.reduce_mean(tf.square(y - labels, name="squares"))
  train_op = minimize(loss, toys.sgd()) if mode == ModeKeys.TRAIN else None
  metrics = {"error": tf.abs(y - labels)}
  return EstimatorSpec(
    mode, loss=loss, train_op=train_op, eval_metric_ops=metrics
  )


def launch(logdir):
  """Starts a TensorBoard in a thread; returns its address."""
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Of the libraries that it brings along.
    from tensorboard import default, program
  board = program.TensorBoard(default.get_plugins())
  board.configure(
    logdir=logdir,
    host="127.0.0.1",
    port=0,
    reload_interval=0,
    load_fast="false",
  )
  return board.launch()


class TensorBoardTest(tf.test.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    config = RunConfig(save_summary_steps=10, log_step_count_steps=10)
    cls.estimator = Estimator(model_fn, new_folder(), config, PARAMS)
    cls.results = cls.estimator.train(TRAIN, steps=21).evaluate(EVAL)
    cls.url = launch(cls.estimator.model_dir)

  def ask(self, route, body=None, **arguments):
    """Returns the text that TensorBoard answers."""
    request = urllib.request.Request(
      f"{self.url}data/{route}?{urllib.parse.urlencode(arguments)}",
      body and json.dumps(body).encode(),
      {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
      return reply.read().decode()

  def get(self, *args, **kwargs):
    return json.loads(self.ask(*args, **kwargs))

  def series(self, run, tag):
    rows = self.get("plugin/scalars/scalars", run=run, tag=tag)
    return {step: value for _, step, value in rows}

  def test_scalars(self):
    tags = self.get("plugin/scalars/tags")
    self.assertEqual(
      {run: set(tags[run]) for run in tags},
      {
        ".": {"loss", "learning_rate", "global_step/sec", "examples/sec"},
        "eval": {"loss", "error"},
      },
    )
    slopes = {n: toys.line_steps([([1], [1])] * n) for n in (0, 10, 20)}
    self.assertAllClose(
      self.series(".", "loss"), {n: (1 - w) ** 2 for n, w in slopes.items()}
    )
    self.assertAllClose(
      self.series(".", "learning_rate"),
      dict.fromkeys((0, 10, 20), toys.LEARNING_RATE),
    )
    self.assertEqual(list(self.series(".", "global_step/sec")), [10, 20])
    for tag in ("loss", "error"):
      self.assertAllClose(self.series("eval", tag), {21: self.results[tag]})

  def test_other_dashboards(self):
    for plugin, tag in (
      ("histograms", "x"),
      ("images", "picture"),
      ("text", "words"),
    ):
      tags = self.get(f"plugin/{plugin}/tags")
      self.assertIn(tag, tags["."])
      self.assertIn(tag, tags["eval"])
    self.assertIn("checkpoint_path", self.get("plugin/text/tags")["eval"])

  def test_graph(self):
    info = self.get("plugin/graphs/info")
    self.assertTrue(info["."]["run_graph"])
    graph = self.ask("plugin/graphs/graph", run=".", conceptual="false")
    # As the model function names it, without the loop around it.
    self.assertIn('name: "squares"', graph)

  def test_hyperparameters(self):
    (group,) = self.get(
      "plugin/hparams/session_groups",
      {
        "experimentName": "",
        "allowedStatuses": [
          "STATUS_UNKNOWN",
          "STATUS_SUCCESS",
          "STATUS_FAILURE",
          "STATUS_RUNNING",
        ],
        "colParams": [],
        "startIndex": 0,
        "sliceSize": 9,
      },
    )["sessionGroups"]
    self.assertEqual(group["hparams"], {**PARAMS, "layers": "[1, 2]"})

  def test_config_file(self):
    with open(os.path.join(self.estimator.model_dir, "config.json")) as file:
      config = json.load(file)
    self.assertEqual(config["params"], PARAMS)
    self.assertEqual(config["run_config"], self.estimator.config.as_dict())


if __name__ == "__main__":
  tf.test.main()
